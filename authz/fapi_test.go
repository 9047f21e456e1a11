package authz_test

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The requirements of the FAPI 2.0 Security Profile for authorization servers, in its order: the
// names of the subtests are its sections and items. What other tests hold of every server is
// held here under the profile once more, by as little as shows it.

const fapiRedirect = "https://app.example/cb"

// fapiServer is a server with a profile, and a client of it.
type fapiServer struct {
	*server
	key *authztest.DPoPKey
}

func newFAPI(t testing.TB, profile authz.Config) *fapiServer {
	t.Helper()
	if profile.Scopes == nil {
		profile.Scopes = authz.Scopes{"read": "Read", "openid": "openid", "email": "email"}
	}
	s := newProfiled(t, profile)
	c := testKeyClient()
	c.JWKS, c.RedirectURIs, c.Scopes = jwks(p256, rsa2048, ed25519Key), []string{fapiRedirect}, []string{"read", "openid", "email"}
	c.GrantTypes = []string{"authorization_code", "refresh_token", "client_credentials"}
	s.register(t, c)
	return &fapiServer{s, authztest.NewDPoPKey()}
}

// as is a request of the client, by private_key_jwt.
func (s *fapiServer) as(t testing.TB, edits ...edit) *authz.Request {
	return &authz.Request{Parameters: form(edits, "client_assertion_type", jwtBearer, "client_assertion", s.assert(t, assertion{}))}
}

func (s *fapiServer) push(t testing.TB, edits ...edit) (*authz.PushedAuthorizationResponse, error) {
	return s.PushAuthorization(t.Context(), s.as(t, append([]edit{func(v url.Values) {
		for name, value := range map[string]string{"client_id": keyClient, "response_type": "code", "redirect_uri": fapiRedirect, "scope": "read",
			"state": "xyz", "code_challenge": authztest.Challenge(), "code_challenge_method": "S256"} {
			v.Set(name, value)
		}
	}}, edits...)...))
}

// code takes the user through it; what comes back.
func (s *fapiServer) answer(t testing.TB, edits ...edit) url.Values {
	t.Helper()
	response, err := s.visit(referTo(keyClient, must(s.push(t, edits...))(t)))
	if err == nil && response.Consent != nil {
		response, err = s.submit(submission(response.Consent))
	}
	return back(t, response, err)
}

func (s *fapiServer) redeem(t testing.TB, code string, edits ...edit) *authz.Request {
	return s.proven(s.key, s.as(t, append([]edit{set("grant_type", "authorization_code"), set("code", code),
		set("redirect_uri", fapiRedirect), set("code_verifier", authztest.Verifier)}, edits...)...))
}

func (s *fapiServer) refresh(t testing.TB, token string) (*authz.TokenResponse, error) {
	return s.token(s.proven(s.key, s.as(t, set("grant_type", "refresh_token"), set("refresh_token", token))))
}

func TestFAPI2_Section5_3_2_1(t *testing.T) {
	s := newFAPI(t, authz.ProfileFAPI2())
	own := func(edits ...edit) *authz.Request {
		return s.as(t, append([]edit{set("grant_type", "client_credentials"), set("scope", "read")}, edits...)...)
	}
	t.Run("1 metadata", func(t *testing.T) {
		m := s.Metadata()
		if !m.RequirePushedAuthorizationRequests || !slices.Equal(m.TokenEndpointAuthMethodsSupported, []string{"private_key_jwt"}) ||
			!slices.Equal(m.DPoPSigningAlgValuesSupported, []string{"ES256", "EdDSA", "PS256"}) || !slices.Equal(m.ResponseTypesSupported, []string{"code"}) {
			t.Errorf("%+v", m)
		}
	})
	t.Run("2 no password grant", func(t *testing.T) {
		_, err := s.token(s.as(t, set("grant_type", "password"), set("username", "ana"), set("password", "x")))
		wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")
	})
	t.Run("3 confidential clients, 6 by key", func(t *testing.T) {
		for _, c := range testClients() {
			if err := s.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "TokenEndpointAuthMethods") {
				t.Errorf("%s: %v", c.ID, err)
			}
			if err := s.host.Store.PutClient(t.Context(), c); err != nil { // as a host's own storage may
				t.Fatal(err)
			}
			_, err := s.token(s.proven(s.key, request(c.ID, form(nil, "grant_type", "client_credentials"))))
			wantRefusal(t, err, "invalid_client auth_method_not_supported")
		}
	})
	t.Run("4 and 5 bound tokens", func(t *testing.T) {
		_, err := s.token(own())
		wantRefusal(t, err, "invalid_request key_missing")
		tokens := must(s.token(s.proven(s.key, own())))(t)
		if got := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t).Claims["cnf"].(map[string]any)["jkt"]; got != s.key.JKT() || tokens.TokenType != "DPoP" {
			t.Errorf("bound to %v, %s", got, tokens.TokenType)
		}
		with := authz.ProfileFAPI2()
		with.MutualTLS, with.DPoP = true, false
		s := newFAPI(t, with)
		cert := certificate(t, p384, nil)
		r := s.as(t, set("grant_type", "client_credentials"), set("scope", "read"))
		r.Certificate = cert
		token := must(s.token(r))(t).AccessToken
		if got := must(s.VerifyAccessToken(t.Context(), token))(t).Claims["cnf"].(map[string]any)["x5t#S256"]; got != thumbprintOf(cert) {
			t.Errorf("bound to %v", got)
		}
	})
	t.Run("8 the issuer alone, as a string", func(t *testing.T) {
		for _, aud := range []any{tokenURL, issuer + "/oauth2/par", []string{issuer}, []string{issuer, tokenURL}, issuer + "/"} {
			if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"aud": aud}})); got != "assertion_audience_wrong" {
				t.Errorf("%v: %s", aud, got)
			}
		}
	})
	t.Run("9 no rotation", func(t *testing.T) {
		s := newFAPI(t, authz.ProfileFAPI2())
		tokens := must(s.token(s.redeem(t, s.answer(t).Get("code"))))(t)
		for _, day := range []time.Duration{0, 1, 100, 200} { // longer than any idle limit
			s.clock.Advance(day * 24 * time.Hour / 2)
			again := must(s.refresh(t, tokens.RefreshToken))(t)
			if again.RefreshToken != tokens.RefreshToken || again.AccessToken == tokens.AccessToken || !s.live(again.AccessToken) {
				t.Fatalf("refreshed to %t, %t", again.RefreshToken == tokens.RefreshToken, again.AccessToken == tokens.AccessToken)
			}
		}
		if err := s.Revoke(t.Context(), s.as(t, set("token", tokens.RefreshToken))); err != nil {
			t.Fatal(err)
		}
		_, err := s.refresh(t, tokens.RefreshToken)
		wantRefusal(t, err, "invalid_grant grant_revoked")
		// And it ends with the grant.
		tokens = must(s.token(s.redeem(t, s.answer(t).Get("code"))))(t)
		s.clock.Advance(366 * 24 * time.Hour)
		_, err = s.refresh(t, tokens.RefreshToken)
		wantRefusal(t, err, "invalid_grant refresh_token_unknown") // swept, or as good as
	})
	t.Run("11 codes of a minute", func(t *testing.T) {
		code := s.answer(t).Get("code")
		s.clock.Advance(time.Minute)
		_, err := s.token(s.redeem(t, code))
		wantRefusal(t, err, "invalid_grant code_expired")
	})
	t.Run("12 codes bound to a key", func(t *testing.T) {
		code := s.answer(t, set("dpop_jkt", authztest.NewDPoPKey().JKT())).Get("code")
		_, err := s.token(s.redeem(t, code))
		wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
		r := s.as(t, set("client_id", keyClient), set("response_type", "code"), set("redirect_uri", fapiRedirect), set("code_challenge", authztest.Challenge()), set("code_challenge_method", "S256"))
		withProof(r, authztest.NewDPoPKey().Proof("POST", issuer+"/oauth2/par", s.clock.Now(), nil))
		response, err := s.visit(referTo(keyClient, must(s.PushAuthorization(t.Context(), r))(t)))
		if err == nil && response.Consent != nil {
			response, err = s.submit(submission(response.Consent))
		}
		_, err = s.token(s.redeem(t, back(t, response, err).Get("code")))
		wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
	})
	t.Run("13 clocks", func(t *testing.T) {
		for _, name := range []string{"iat", "nbf"} {
			for ahead, want := range map[time.Duration]bool{0: true, 8 * time.Second: true, 10 * time.Second: true, 61 * time.Second: false} {
				at := s.clock.Now().Add(ahead).Unix()
				if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{name: at}})); (got == "") != want && !strings.HasPrefix(got, "invalid_request key_missing") {
					t.Errorf("assertion, %s %v ahead: %s", name, ahead, got)
				} else if !want && !strings.HasPrefix(got, "assertion_") {
					t.Errorf("assertion, %s %v ahead: %q", name, ahead, got)
				}
			}
		}
		for ahead, want := range map[time.Duration]string{10 * time.Second: "", 61 * time.Second: "invalid_dpop_proof proof_in_the_future"} {
			_, err := s.token(withProof(own(), s.key.Proof("POST", tokenURL, s.clock.Now().Add(ahead), nil)))
			if want != "" {
				wantRefusal(t, err, want)
			} else if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFAPI2_Section5_3_2_2(t *testing.T) {
	s := newFAPI(t, authz.ProfileFAPI2())
	refused := func(t *testing.T, want string, edits ...edit) {
		t.Helper()
		_, err := s.push(t, edits...)
		wantRefusal(t, err, want)
	}
	t.Run("1 code alone", func(t *testing.T) {
		for _, asked := range []string{"id_token", "code id_token", "token", "code token", "none"} {
			refused(t, "unsupported_response_type response_type_not_supported", set("response_type", asked))
		}
	})
	t.Run("3 pushed alone", func(t *testing.T) {
		response, err := s.authorize(keyClient, set("redirect_uri", fapiRedirect), set("scope", "read"))
		if got := s.outcome(t, response, err); got != "back: invalid_request pushed_request_required" {
			t.Error(got)
		}
	})
	t.Run("4 of authenticated clients", func(t *testing.T) {
		_, err := s.PushAuthorization(t.Context(), &authz.Request{Parameters: form(nil, "client_id", keyClient, "response_type", "code", "redirect_uri", fapiRedirect)})
		wantRefusal(t, err, "invalid_client auth_method_not_registered")
	})
	t.Run("5 PKCE", func(t *testing.T) {
		refused(t, "invalid_request code_challenge_missing", drop("code_challenge"))
		refused(t, "invalid_request code_challenge_method_not_s256", set("code_challenge_method", "plain"))
		refused(t, "invalid_request code_challenge_method_not_s256", drop("code_challenge_method"))
	})
	t.Run("6 redirect_uri", func(t *testing.T) {
		refused(t, "invalid_request redirect_uri_missing", drop("redirect_uri"))
		object := s.assert(t, assertion{claims: map[string]any{"sub": nil, "nbf": s.clock.Now().Unix(), "client_id": keyClient, "response_type": "code"}})
		_, err := s.PushAuthorization(t.Context(), s.as(t, set("request", object)))
		wantRefusal(t, err, "invalid_request redirect_uri_missing")
	})
	t.Run("7 iss", func(t *testing.T) {
		if got := s.answer(t); got.Get("iss") != issuer || got.Get("code") == "" {
			t.Error(got)
		}
	})
	t.Run("8 https", func(t *testing.T) {
		c := testKeyClient()
		c.ID, c.GrantTypes = "plain", nil
		for redirect, native := range map[string]bool{"http://app.example/cb": false, "http://app.example/native": true} {
			c.RedirectURIs, c.ApplicationType = []string{redirect}, map[bool]string{true: "native"}[native]
			if err := s.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "http is only for loopback") {
				t.Errorf("%s: %v", redirect, err)
			}
		}
	})
	t.Run("9 a code once", func(t *testing.T) {
		code := s.answer(t).Get("code")
		must(s.token(s.redeem(t, code)))(t)
		_, err := s.token(s.redeem(t, code))
		wantRefusal(t, err, "invalid_grant code_replayed")
	})
	t.Run("12 expires_in", func(t *testing.T) {
		if p := must(s.push(t))(t); p.ExpiresIn < 30 || p.ExpiresIn >= 600 {
			t.Errorf("%d s", p.ExpiresIn)
		}
	})
	t.Run("14 nonce", func(t *testing.T) {
		nonce := strings.Repeat("n", 64)
		code := s.answer(t, set("scope", "openid"), set("nonce", nonce)).Get("code")
		if claims := s.idToken(t, must(s.token(s.redeem(t, code)))(t).IDToken, "ES256"); claims["nonce"] != nonce {
			t.Errorf("%v", claims)
		}
	})
}

// proofSigned is a DPoP proof in this algorithm.
func proofSigned(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer, at time.Time) string {
	t.Helper()
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")))(t)
	payload := kept(json.Marshal(map[string]any{"jti": rand.Text(), "htm": "POST", "htu": tokenURL, "iat": at.Unix()}))
	return must(must(signer.Sign(payload))(t).CompactSerialize())(t)
}

func TestFAPI2_Section5_4_1(t *testing.T) {
	keys := map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: p256, jose.PS256: rsa2048, jose.EdDSA: ed25519Key,
		jose.RS256: rsa2048, jose.RS512: rsa2048, jose.PS384: rsa2048, jose.ES384: p384}
	allowed := []jose.SignatureAlgorithm{jose.ES256, jose.PS256, jose.EdDSA}
	profile := authz.ProfileFAPI2()
	profile.SigningAlgorithms = []string{"PS256", "ES256", "EdDSA"}
	withBearer(&profile)
	profile.TrustedIssuers[0].JWKS = jwks(p256, rsa2048, ed25519Key, p384)
	profile.Registration = &authz.Registration{Open: true, Scopes: []string{"read"}, SoftwareStatementKeys: map[string]jose.JSONWebKeySet{
		"https://pub.example": {Keys: []jose.JSONWebKey{{Key: rsa2048.Public()}, {Key: p256.Public()}, {Key: ed25519Key.Public()}, {Key: p384.Public()}}},
	}}
	s := newFAPI(t, profile)
	c := must(s.host.Store.Client(t.Context(), keyClient))(t)
	c.JWKS, c.GrantTypes = jwks(p256, rsa2048, ed25519Key, p384), append(c.GrantTypes, bearerGrant)
	s.update(t, *c)
	for alg, key := range keys {
		fine := slices.Contains(allowed, alg)
		want := func(what, got, refused string) {
			t.Helper()
			if (got == refused) == fine || fine && got != "" {
				t.Errorf("%s signed with %s: %q", what, alg, got)
			}
		}
		outcome := func(err error) string {
			if err == nil {
				return ""
			}
			return refusedWith(t, err)
		}
		assertionBy := func() edit { return set("client_assertion", s.assert(t, assertion{alg: alg, key: key})) }
		_, err := s.token(s.proven(s.key, s.as(t, assertionBy(), set("grant_type", "client_credentials"), set("scope", "read"))))
		want("client assertion", outcome(err), "invalid_client assertion_alg_not_allowed")
		_, err = s.token(withProof(s.as(t, set("grant_type", "client_credentials"), set("scope", "read")), proofSigned(t, alg, key, s.clock.Now())))
		want("proof", outcome(err), "invalid_dpop_proof proof_alg_not_supported")
		object := s.assert(t, assertion{alg: alg, key: key, claims: map[string]any{"sub": nil, "nbf": s.clock.Now().Unix(), "client_id": keyClient, "response_type": "code",
			"redirect_uri": fapiRedirect, "code_challenge": authztest.Challenge(), "code_challenge_method": "S256"}})
		_, err = s.PushAuthorization(t.Context(), s.as(t, set("request", object)))
		want("request object", outcome(err), "invalid_request_object request_object_alg_not_allowed")
		grant := s.assert(t, assertion{alg: alg, key: key, claims: map[string]any{"iss": idp, "sub": "u-1"}})
		_, err = s.token(s.proven(s.key, s.as(t, set("grant_type", bearerGrant), set("assertion", grant), set("scope", "read"))))
		want("assertion grant", outcome(err), "invalid_grant assertion_alg_not_allowed")
		statement := s.assert(t, assertion{alg: alg, key: key, claims: map[string]any{"iss": "https://pub.example", "sub": nil, "software_id": "x"}})
		_, err = s.introduce("software_statement", string(kept(json.Marshal(statement))), "token_endpoint_auth_method", `"private_key_jwt"`, "jwks", jwks(p256))
		want("software statement", outcome(err), "invalid_software_statement statement_malformed")
		other := *c
		other.ID, other.Revision, other.TokenEndpointAuthSigningAlg, other.RequestObjectSigningAlg = fmt.Sprint("client of ", alg), 0, string(alg), string(alg)
		if err := s.RegisterClient(t.Context(), other); (err == nil) != fine {
			t.Errorf("registered for %s: %v", alg, err)
		}
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(s.assert(t, assertion{}), ".")[1] + "."
	_, err := s.token(s.as(t, set("client_assertion", none), set("grant_type", "client_credentials")))
	wantRefusal(t, err, "invalid_client assertion_alg_not_allowed")

	// What the server signs: the first of its algorithms, or what the client has registered.
	for _, alg := range []string{"", "PS256", "ES256", "EdDSA"} {
		c.IDTokenSignedResponseAlg, c.AccessTokenSigningAlg, c.AuthorizationSignedResponseAlg, c.IntrospectionSignedResponseAlg = alg, alg, alg, alg
		s.update(t, *c)
		want := alg
		if alg == "" {
			want = "PS256"
		}
		response := s.answer(t, set("scope", "openid"), set("response_mode", "jwt")).Get("response")
		code := s.idToken(t, response, want)["code"].(string)
		tokens := must(s.token(s.redeem(t, code)))(t)
		s.idToken(t, tokens.IDToken, want)
		s.idToken(t, tokens.AccessToken, want)
		must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
		hint := s.answer(t, set("scope", "openid"), set("id_token_hint", tokens.IDToken))
		if hint.Get("code") == "" {
			t.Errorf("%s: as a hint, %v", want, hint)
		}
		s.idToken(t, must(s.IntrospectJWT(t.Context(), s.as(t, set("token", tokens.AccessToken))))(t), want)
	}
	m := s.Metadata()
	for _, list := range [][]string{m.IDTokenSigningAlgValuesSupported, m.TokenEndpointAuthSigningAlgValuesSupported, m.RequestObjectSigningAlgValuesSupported,
		m.AuthorizationSigningAlgValuesSupported, m.UserInfoSigningAlgValueSupported, m.IntrospectionSigningAlgValuesSupported, m.DPoPSigningAlgValuesSupported} {
		if len(list) != 3 || slices.ContainsFunc(list, func(alg string) bool { return !slices.Contains(allowed, jose.SignatureAlgorithm(alg)) }) {
			t.Errorf("metadata names %q", list)
		}
	}
	for _, key := range must(s.JWKS(t.Context()))(t).Keys {
		if !slices.Contains(allowed, jose.SignatureAlgorithm(key.Algorithm)) {
			t.Errorf("a key for %s is published", key.Algorithm)
		}
	}
}

func nobody(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") }

// A Config that departs from the profile is refused, with everything that is wrong with it.
func TestConfig_FAPI2(t *testing.T) {
	for want, change := range map[string]func(*authz.Config){
		"":                                   func(c *authz.Config) { c.MutualTLS = true },
		"RequirePushedAuthorizationRequests": func(c *authz.Config) { c.RequirePushedAuthorizationRequests = false },
		"StrictAssertionAudience":            func(c *authz.Config) { c.StrictAssertionAudience = false },
		"RequireBoundAccessTokens":           func(c *authz.Config) { c.RequireBoundAccessTokens = false },
		"TokenEndpointAuthMethods":           func(c *authz.Config) { c.TokenEndpointAuthMethods = nil },
		"TokenEndpointAuthMethods: is [\"private_key_jwt\" \"none\"]": func(c *authz.Config) { c.TokenEndpointAuthMethods = []string{"private_key_jwt", "none"} },
		"SigningAlgorithms":           func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "RS256"} },
		"Lifetimes.AuthorizationCode": func(c *authz.Config) { c.Lifetimes.AuthorizationCode = 61 * time.Second },
		"Lifetimes.PushedRequest":     func(c *authz.Config) { c.Lifetimes.PushedRequest = 10 * time.Minute },
	} {
		c := authz.ProfileFAPI2()
		c.Issuer, c.Storage, c.Login = issuer, memory.New(), nobody
		change(&c)
		_, err := authz.New(c)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), "Config."+want) || strings.Count(err.Error(), "authz: ") != 1) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err := authz.New(authz.Config{Issuer: issuer, Storage: memory.New(), Login: nobody, FAPI2: true})
	if got := fmt.Sprint(err); strings.Count(got, "authz: ") != 4 {
		t.Errorf("FAPI2 alone: %s", got)
	}
}
