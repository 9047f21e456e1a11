package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadelhttp "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// relyingParty is a site that leaves OpenID Connect to zitadel/oidc, and the host that its
// users come from.
type relyingParty struct {
	as        *authz.Server
	host      string
	site      *httptest.Server
	secret    string
	key       *ecdsa.PrivateKey
	signedOut atomic.Bool
	pages     atomic.Pointer[http.ServeMux] // of the site
}

var scopes = []string{"openid", "profile", "email", "offline_access"}

// newRelyingParty has a client for each way to sign ID tokens, one that has a key in place of a
// secret, and a device.
func newRelyingParty(t *testing.T) *relyingParty {
	t.Helper()
	mux := http.NewServeMux()
	h := &relyingParty{}
	host := httptest.NewServer(mux)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.pages.Load().ServeHTTP(w, r) }))
	t.Cleanup(host.Close)
	t.Cleanup(site.Close)
	db, err := bolt.Open(filepath.Join(t.TempDir(), "authz.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h.host, h.site = host.URL, site
	if h.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	var hashed storage.Secret
	h.secret, hashed = authz.NewSecret()
	web := authz.Client{
		ID: "RS256", RedirectURIs: []string{site.URL + "/callback"}, PostLogoutRedirectURIs: []string{site.URL + "/bye"},
		Scopes: scopes, Secrets: []storage.Secret{hashed}, FirstParty: true, ApplicationType: "native", // on loopback
	}
	es256, eddsa, public, keyed := web, web, web, web
	es256.ID, es256.IDTokenSignedResponseAlg = "ES256", "ES256"
	eddsa.ID, eddsa.IDTokenSignedResponseAlg = "EdDSA", "EdDSA"
	public.ID, public.Secrets = "public", nil
	keyed.ID, keyed.Secrets, keyed.TokenEndpointAuthMethod, keyed.JWKS = "keyed", nil, "private_key_jwt", string(keys)
	device := authz.Client{ID: "device", Scopes: scopes, GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}}
	known := authz.Scopes{}
	for _, scope := range scopes {
		known[scope] = scope
	}
	h.as, err = authz.New(authz.Config{
		Issuer: host.URL, Storage: db, Scopes: known, Clients: []authz.Client{web, es256, eddsa, public, keyed, device},
		SigningAlgorithms: []string{"ES256", "EdDSA"}, DeviceGrant: true,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Login: func(*http.Request) (*authz.User, error) {
			return &authz.User{Subject: "ana", AuthTime: time.Now().Add(-time.Minute)}, nil
		},
		Logout: func(http.ResponseWriter, *http.Request) error {
			h.signedOut.Store(true)
			return nil
		},
		Consent: func(context.Context, *authz.ConsentRequest) (authz.Decision, error) { return authz.Allow, nil },
		UserClaims: func(context.Context, *authz.UserClaimsRequest) (map[string]any, error) {
			return map[string]any{"name": "Ana Example", "email": "ana@example.com", "email_verified": true}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	handlers.Mount(mux, h.as)
	return h
}

// party is a client as the library has it, which wants this nonce back.
func (h *relyingParty) party(t *testing.T, id, secret, nonce string, options ...rp.Option) rp.RelyingParty {
	t.Helper()
	cookies := zitadelhttp.NewCookieHandler(random(t, 32), random(t, 32), zitadelhttp.WithUnsecure())
	options = append([]rp.Option{
		rp.WithCookieHandler(cookies), rp.WithPKCE(cookies), rp.WithSigningAlgsFromDiscovery(),
		rp.WithVerifierOpts(rp.WithNonce(func(context.Context) string { return nonce })),
	}, options...)
	party, err := rp.NewRelyingPartyOIDC(t.Context(), h.host, id, secret, h.site.URL+"/callback", scopes, options...)
	if err != nil {
		t.Fatal(err)
	}
	return party
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// signedIn is what the site knows after somebody has come back.
type signedIn struct {
	tokens *oidc.Tokens[*oidc.IDTokenClaims]
	info   *oidc.UserInfo
	state  string
}

// signIn takes ana through the site's pages, which are the library's: they keep state and the
// PKCE verifier in cookies. What the library complains about comes back as an error.
func (h *relyingParty) signIn(t *testing.T, party rp.RelyingParty, params ...rp.URLParamOpt) (*signedIn, error) {
	t.Helper()
	var got *signedIn
	mux := http.NewServeMux()
	mux.Handle("/sign-in", rp.AuthURLHandler(func() string { return "the state" }, party, params...))
	mux.Handle("/callback", rp.CodeExchangeHandler(rp.UserinfoCallback(
		func(w http.ResponseWriter, _ *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], state string, _ rp.RelyingParty, info *oidc.UserInfo) {
			got = &signedIn{tokens, info, state}
			io.WriteString(w, "welcome")
		}), party))
	h.pages.Store(mux)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := (&http.Client{Jar: jar}).Get(h.site.URL + "/sign-in")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got == nil {
		return nil, errors.New(page.Status + ": " + string(body))
	}
	return got, nil
}

// zitadel/oidc's relying party in every algorithm, and without a secret: discovery, the code
// flow with PKCE and a nonce, UserInfo, refresh, revocation.
func TestZitadelRP(t *testing.T) {
	h := newRelyingParty(t)
	for _, id := range []string{"RS256", "ES256", "EdDSA", "public"} {
		t.Run(id, func(t *testing.T) {
			secret := h.secret
			if id == "public" {
				secret = ""
			}
			party := h.party(t, id, secret, "n-"+id)
			in, err := h.signIn(t, party, rp.WithURLParam("nonce", "n-"+id))
			if err != nil {
				t.Fatal(err)
			}
			claims := in.tokens.IDTokenClaims
			if in.state != "the state" || claims.Subject != "ana" || claims.Nonce != "n-"+id || in.info.Email != "ana@example.com" || !bool(in.info.EmailVerified) || in.info.Name != "Ana Example" {
				t.Errorf("%+v, %+v", claims, in.info)
			}
			if want := strings.Replace(id, "public", "RS256", 1); string(claims.SignatureAlg) != want {
				t.Errorf("signed with %s", claims.SignatureAlg)
			}
			unasked := h.party(t, id, secret, "") // the ID token of a refresh has no nonce
			next, err := rp.RefreshTokens[*oidc.IDTokenClaims](t.Context(), unasked, in.tokens.RefreshToken, "", "")
			if err != nil {
				t.Fatal(err)
			}
			if next.IDTokenClaims.Subject != "ana" || next.IDTokenClaims.AuthTime != claims.AuthTime || next.AccessToken == in.tokens.AccessToken || next.RefreshToken == in.tokens.RefreshToken {
				t.Errorf("refreshed: %+v", next)
			}
			if err := rp.RevokeToken(t.Context(), party, next.RefreshToken, "refresh_token"); err != nil {
				t.Error(err)
			}
			if _, err := rp.Userinfo[*oidc.UserInfo](t.Context(), next.AccessToken, "Bearer", "ana", party); err == nil {
				t.Error("UserInfo answers for a token that was revoked")
			}
			var refused *oidc.Error
			if _, err := rp.RefreshTokens[*oidc.IDTokenClaims](t.Context(), unasked, next.RefreshToken, "", ""); !errors.As(err, &refused) || refused.ErrorType != "invalid_grant" {
				t.Errorf("refreshed with a token that was revoked: %v", err)
			}
		})
	}
}

// What the library must be told, and must not accept.
func TestZitadelRP_refuses(t *testing.T) {
	h := newRelyingParty(t)
	for what, tt := range map[string]struct {
		party  rp.RelyingParty
		params []rp.URLParamOpt
		want   string
	}{
		"another nonce":    {h.party(t, "RS256", h.secret, "mine"), []rp.URLParamOpt{rp.WithURLParam("nonce", "another's")}, "nonce"},
		"a wrong secret":   {h.party(t, "RS256", "wrong", ""), nil, "invalid_client"},
		"prompt=none":      {h.party(t, "RS256", h.secret, ""), []rp.URLParamOpt{rp.WithPromptURLParam("none"), rp.WithURLParam("claims", `{"id_token":{"sub":{"value":"eva"}}}`)}, "login_required"},
		"an unknown scope": {h.party(t, "RS256", h.secret, ""), []rp.URLParamOpt{rp.WithURLParam("scope", "openid admin")}, "invalid_scope"},
	} {
		if in, err := h.signIn(t, tt.party, tt.params...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v, want %s", what, in, err, tt.want)
		}
	}
}

// The site sends the user away to sign out at the host, with the ID token as a hint
// (OpenID Connect RP-Initiated Logout §2).
func TestZitadelRP_endSession(t *testing.T) {
	h := newRelyingParty(t)
	in, err := h.signIn(t, h.party(t, "RS256", h.secret, ""))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := "https://attacker.example/"
	if to, err := rp.EndSession(t.Context(), h.party(t, "RS256", h.secret, ""), in.tokens.IDToken, elsewhere, "s", "", nil); err == nil {
		t.Errorf("sent to %v", to)
	}
	to, err := rp.EndSession(t.Context(), h.party(t, "RS256", h.secret, ""), in.tokens.IDToken, h.site.URL+"/bye", "s", "", nil)
	if err != nil || to.String() != h.site.URL+"/bye?state=s" {
		t.Errorf("%v, %v", to, err)
	}
	if !h.signedOut.Load() {
		t.Error("ana is still signed in")
	}
}

// assertion is one of the client with a key (RFC 7523 §3). The library's own has no jti, which
// OpenID Connect Core §9 requires and the server insists on, so that none counts twice.
func (h *relyingParty) assertion(t *testing.T) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: h.key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "keyed", Subject: "keyed", Audience: jwt.Audience{h.host}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A client with a key in place of a secret (OpenID Connect Core §9), by the library's option
// for assertions that the site makes; those that the library makes lack a jti.
func TestZitadelRP_privateKeyJWT(t *testing.T) {
	h := newRelyingParty(t)
	party := h.party(t, "keyed", "", "n")
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	authorize := func() string {
		browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := browser.Get(rp.AuthURL("s", party, rp.WithCodeChallenge(oidc.NewSHACodeChallenge(verifier)), rp.AuthURLOpt(rp.WithURLParam("nonce", "n"))))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		back, err := url.Parse(answer.Header.Get("Location"))
		if err != nil || back.Query().Get("code") == "" {
			t.Fatalf("%s to %v, %v", answer.Status, back, err)
		}
		return back.Query().Get("code")
	}
	used := h.assertion(t)
	tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](t.Context(), authorize(), party, rp.WithCodeVerifier(verifier), rp.WithClientAssertionJWT(used))
	if err != nil || tokens.IDTokenClaims.Subject != "ana" {
		t.Fatalf("%+v, %v", tokens, err)
	}
	unasked := h.party(t, "keyed", "", "")
	next, err := rp.RefreshTokens[*oidc.IDTokenClaims](t.Context(), unasked, tokens.RefreshToken, h.assertion(t), oidc.ClientAssertionTypeJWTAssertion)
	if err != nil || next.IDTokenClaims.Subject != "ana" {
		t.Fatalf("%+v, %v", next, err)
	}
	var refused *oidc.Error
	if _, err := rp.RefreshTokens[*oidc.IDTokenClaims](t.Context(), unasked, next.RefreshToken, used, oidc.ClientAssertionTypeJWTAssertion); !errors.As(err, &refused) || refused.ErrorType != oidc.InvalidClient {
		t.Errorf("an assertion counts twice: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(h.key)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	own := h.party(t, "keyed", "", "", rp.WithJWTProfile(rp.SignerFromKeyAndKeyID(block, "k1")))
	if in, err := h.signIn(t, own); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("an assertion without a jti: %+v, %v", in, err)
	}
}

var (
	action = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	field  = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)
)

// A device without a browser, and its user at another (RFC 8628), with an ID token in the end.
func TestZitadelRP_device(t *testing.T) {
	h := newRelyingParty(t)
	party := h.party(t, "device", "", "")
	device, err := rp.DeviceAuthorization(t.Context(), scopes, party, nil)
	if err != nil || device.UserCode == "" {
		t.Fatalf("%+v, %v", device, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, err := browser.Get(device.VerificationURIComplete)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	to := action.FindSubmatch(body)
	if err != nil || to == nil {
		t.Fatalf("%s, %v\n%s", page.Status, err, body)
	}
	form := url.Values{"decision": {"allow"}}
	for _, f := range field.FindAllSubmatch(body, -1) {
		form.Add(string(f[1]), string(f[2]))
	}
	address, err := page.Request.URL.Parse(string(to[1]))
	if err != nil {
		t.Fatal(err)
	}
	done, err := browser.PostForm(address.String(), form)
	if err != nil || done.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", done, err)
	}
	done.Body.Close()
	answer, err := rp.DeviceAccessToken(t.Context(), device.DeviceCode, time.Second, party)
	if err != nil || answer.RefreshToken == "" {
		t.Fatalf("%+v, %v", answer, err)
	}
	claims, err := rp.VerifyTokens[*oidc.IDTokenClaims](t.Context(), answer.AccessToken, answer.IDToken, party.IDTokenVerifier())
	if err != nil || claims.Subject != "ana" {
		t.Errorf("%+v, %v", claims, err)
	}
	var refused *oidc.Error
	if _, err := rp.DeviceAccessToken(t.Context(), device.DeviceCode, time.Second, party); !errors.As(err, &refused) {
		t.Errorf("a device code counts twice: %v", err)
	}
}
