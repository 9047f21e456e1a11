package interop_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// site is a relying party that leaves OpenID Connect to coreos/go-oidc.
type site struct {
	oauth2.Config
	host     *openIDHost
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	fetches  fetches
}

// fetches counts what the library fetches, by path.
type fetches struct {
	mu   sync.Mutex
	seen map[string]int
}

func (f *fetches) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.seen[r.URL.Path]++
	f.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (f *fetches) of(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[path]
}

// newSite finds the server by its issuer alone (OpenID Connect Discovery §4).
func newSite(t *testing.T, h *openIDHost, id, algorithm string) *site {
	t.Helper()
	s := &site{host: h, fetches: fetches{seen: map[string]int{}}}
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: &s.fetches})
	var err error
	if s.provider, err = oidc.NewProvider(ctx, h.URL); err != nil {
		t.Fatal(err)
	}
	s.verifier = s.provider.VerifierContext(ctx, &oidc.Config{ClientID: id, SupportedSigningAlgs: []string{algorithm}, Now: h.now})
	s.Config = oauth2.Config{
		ClientID: id, ClientSecret: h.secret, RedirectURL: redirectURI, Endpoint: s.provider.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	return s
}

// signIn takes ana through the code flow with PKCE and a nonce.
func (s *site) signIn(t *testing.T, nonce string, options ...oauth2.AuthCodeOption) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	options = append(options, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	token, err := s.Exchange(t.Context(), code(t, s.AuthCodeURL("state", options...)), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	id := s.verify(t, token)
	if id.Nonce != nonce {
		t.Errorf("nonce %q", id.Nonce)
	}
	return token, id
}

// verify checks the ID token of an answer, and that it belongs to the access token.
func (s *site) verify(t *testing.T, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := s.verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	if id.Subject != "ana" {
		t.Errorf("subject %q", id.Subject)
	}
	return id
}

// coreos/go-oidc in every algorithm: discovery, the code flow with PKCE and a nonce, the ID
// token, UserInfo as JSON and signed, and the ID token of a refresh.
func TestGoOIDC(t *testing.T) {
	h := newOpenIDHost(t)
	for id, algorithm := range map[string]string{
		"site": "RS256", "site-es256": "ES256", "site-eddsa": "EdDSA",
		"site-rs256-signed": "RS256", "site-es256-signed": "ES256", "site-eddsa-signed": "EdDSA",
	} {
		t.Run(id, func(t *testing.T) {
			s := newSite(t, h, id, algorithm)
			token, idToken := s.signIn(t, "n-"+id)
			var said struct {
				AuthTime int64 `json:"auth_time"`
				Email    string
			}
			if err := idToken.Claims(&said); err != nil || said.Email != "" {
				t.Errorf("%+v, %v", said, err) // what is for UserInfo is not in it
			}
			if ago := time.Since(time.Unix(said.AuthTime, 0)); ago < signedInAgo || ago > signedInAgo+time.Minute {
				t.Errorf("auth_time was %v ago", ago)
			}

			info, err := s.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			var all struct{ Name, Iss, Aud string }
			if err := info.Claims(&all); err != nil || all.Name != "Ana Example" || info.Subject != idToken.Subject || info.Email != "ana@example.com" || !info.EmailVerified {
				t.Errorf("%+v, %+v, %v", info, all, err)
			}
			if signed := strings.HasSuffix(id, "-signed"); signed != (all.Iss == h.URL && all.Aud == id) {
				t.Errorf("iss %q and aud %q in an answer that is signed: %v", all.Iss, all.Aud, signed)
			}

			expired := *token
			expired.Expiry = time.Now().Add(-time.Minute)
			next, err := s.TokenSource(t.Context(), &expired).Token()
			if err != nil {
				t.Fatal(err)
			}
			again := s.verify(t, next)
			var kept struct {
				AuthTime int64 `json:"auth_time"`
			}
			if err := again.Claims(&kept); err != nil || kept.AuthTime != said.AuthTime || again.Nonce != "" {
				t.Errorf("refreshed: auth_time %d, not %d; nonce %q; %v", kept.AuthTime, said.AuthTime, again.Nonce, err)
			}
		})
	}
}

// What go-oidc must not accept: another client's ID token, and one that has expired.
func TestGoOIDC_refuses(t *testing.T) {
	h := newOpenIDHost(t)
	s, other := newSite(t, h, "site", "RS256"), newSite(t, h, "site-rs256", "RS256")
	token, _ := s.signIn(t, "n")
	raw, _ := token.Extra("id_token").(string)
	if _, err := other.verifier.Verify(t.Context(), raw); err == nil || !strings.Contains(err.Error(), "audience") {
		t.Errorf("another client's: %v", err)
	}
	h.ahead.Add(int64(time.Hour + time.Second))
	if _, err := s.verifier.Verify(t.Context(), raw); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an old one: %v", err)
	}
}

// Who is signed in is asked without a page, and the answer is about the same user, or an
// error that says what is missing (OpenID Connect Core §3.1.2.1, §3.1.2.6).
func TestGoOIDC_silent(t *testing.T) {
	h := newOpenIDHost(t)
	s := newSite(t, h, "site", "RS256")
	token, first := s.signIn(t, "n1")
	raw, _ := token.Extra("id_token").(string)
	none := oauth2.SetAuthURLParam("prompt", "none")
	if _, again := s.signIn(t, "n2", none, oauth2.SetAuthURLParam("id_token_hint", raw)); again.Subject != first.Subject {
		t.Errorf("subject %q", again.Subject)
	}
	_, fresh := s.signIn(t, "n3", oauth2.SetAuthURLParam("max_age", "60"))
	var said struct {
		AuthTime int64 `json:"auth_time"`
	}
	if err := fresh.Claims(&said); err != nil || time.Since(time.Unix(said.AuthTime, 0)) > time.Minute {
		t.Errorf("auth_time %d is more than max_age ago, %v", said.AuthTime, err)
	}
	back := s.refusal(t, none, oauth2.SetAuthURLParam("claims", `{"id_token":{"sub":{"value":"eva"}}}`))
	if back.Get("error") != "login_required" || back.Get("iss") != h.URL {
		t.Errorf("%v", back)
	}
}

// refusal is what the client is sent instead of a code.
func (s *site) refusal(t *testing.T, options ...oauth2.AuthCodeOption) url.Values {
	t.Helper()
	options = append(options, oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(s.AuthCodeURL("state", options...))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

// A client that holds the key set from before a rotation fetches it once more, when it first
// meets the new key, and no sooner (OpenID Connect Core §10.1.1). What the old key signed
// still tells the server whom the client means.
func TestGoOIDC_rotation(t *testing.T) {
	h := newOpenIDHost(t)
	s := newSite(t, h, "site", "RS256")
	keys := strings.TrimPrefix(h.as.Metadata().JWKSURI, h.URL)
	token, _ := s.signIn(t, "n")
	old, _ := token.Extra("id_token").(string)
	const rotation = 90 * 24 * time.Hour
	for _, step := range []struct {
		at   time.Duration
		want int
		what string
	}{
		{time.Hour, 1, "the same key"},
		{rotation - 24*time.Hour, 1, "the next key is published, and does not sign"},
		{rotation + time.Hour, 2, "the next key signs"},
		{rotation + 2*time.Hour, 2, "it is known by now"},
	} {
		h.ahead.Store(int64(step.at))
		s.signIn(t, "n")
		if got := s.fetches.of(keys); got != step.want {
			t.Errorf("%s: the key set was fetched %d times, not %d", step.what, got, step.want)
		}
	}
	late := s.provider.VerifierContext(context.Background(), &oidc.Config{ClientID: "site", SkipExpiryCheck: true})
	if _, err := late.Verify(t.Context(), old); err != nil {
		t.Errorf("what the old key signed: %v", err)
	}
	s.signIn(t, "n", oauth2.SetAuthURLParam("prompt", "none"), oauth2.SetAuthURLParam("id_token_hint", old))
}
