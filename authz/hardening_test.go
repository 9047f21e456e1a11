package authz_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// What a hostile reading found, one test each.

// refusal is the *Error in err.
func refusal(t *testing.T, err error) *authz.Error {
	t.Helper()
	var e *authz.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *authz.Error", err)
	}
	return e
}

func loginAs(subject string) func(*http.Request) (*authz.User, error) {
	return func(*http.Request) (*authz.User, error) { return &authz.User{Subject: subject}, nil }
}

// A host may wipe its copy of the key: the next rotation must not use the wiped one.
func TestEncryptionKeyIsCopied(t *testing.T) {
	store, key := memory.New(), bytes.Repeat([]byte{7}, 32)
	as := authztest.New(t, func(c *authz.Config) { c.Storage, c.EncryptionKey = store, key })
	right := bytes.Clone(key)
	clear(key)
	as.Clock.Advance(95 * 24 * time.Hour)
	if _, err := as.JWKS(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := authz.Config{Issuer: as.Issuer(), Storage: store, Login: loginAs("ana"), EncryptionKey: right, Clock: as.Clock.Now}
	if _, err := authz.New(config); err != nil {
		t.Errorf("restarting with the right key: %v", err)
	}
	config.EncryptionKey = make([]byte, 32)
	if _, err := authz.New(config); err == nil || !strings.Contains(err.Error(), "Config.EncryptionKey") {
		t.Errorf("restarting with a wrong key: %v", err)
	}
}

// Giving the server a key for its keys seals those that are there, and from then on one
// in clear was put there by somebody else.
func TestEncryptionKeySealsWhatIsThere(t *testing.T) {
	store := memory.New()
	as := authztest.New(t, func(c *authz.Config) { c.Storage = store })
	as.SignIn("ana")
	token := as.AccessToken(t, "read")
	clear := func() (n int) {
		ring, err := store.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ring.Keys {
			if !k.Sealed {
				n++
			}
		}
		return n
	}
	if clear() == 0 {
		t.Fatal("nothing to seal")
	}
	sealed := authztest.New(t, func(c *authz.Config) { c.Storage, c.EncryptionKey = store, bytes.Repeat([]byte{7}, 32) })
	if n := clear(); n != 0 {
		t.Errorf("%d keys are still in clear", n)
	}
	if _, err := sealed.VerifyAccessToken(t.Context(), token); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	ring, _ := store.Keys(t.Context())
	foreign := memory.New()
	authztest.New(t, func(c *authz.Config) { c.Storage = foreign })
	other, _ := foreign.Keys(t.Context())
	ring.Revision++
	ring.Keys = append(ring.Keys, other.Keys...)
	if err := store.SwapKeys(t.Context(), *ring); err != nil {
		t.Fatal(err)
	}
	_, err := authz.New(authz.Config{Issuer: as.Issuer(), Storage: store, Login: loginAs("ana"), EncryptionKey: bytes.Repeat([]byte{7}, 32), Clock: as.Clock.Now})
	if err == nil {
		t.Error("keys in clear among sealed ones are accepted")
	}
}

// A client from the host's own table that has secrets and is registered not to use them
// is public, whatever it holds (RFC 6749 §4.4, RFC 7662 §2.1).
func TestMethodNoneWithSecretsIsPublic(t *testing.T) {
	db := memory.New()
	odd := storage.ClientsFunc(func(_ context.Context, id string) (*storage.Client, error) {
		if id != "odd" {
			return nil, storage.ErrNotFound
		}
		return &storage.Client{
			ID: "odd", TokenEndpointAuthMethod: "none", Secrets: []storage.Secret{authz.HashSecret("s")}, ResourceServer: true,
			GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
		}, nil
	})
	as := authztest.New(t, func(c *authz.Config) { c.Storage = storage.Join(odd, db, db, db) })
	_, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{"grant_type": {"client_credentials"}, "client_id": {"odd"}}})
	if e := refusal(t, err); e.Code != "unauthorized_client" {
		t.Errorf("client_credentials: %v", e)
	}
	_, err = as.Introspect(t.Context(), &authz.Request{Parameters: url.Values{"token": {"x"}, "client_id": {"odd"}}})
	if e := refusal(t, err); e.Status != http.StatusUnauthorized || e.Reason != "public_client" {
		t.Errorf("introspection: %v", e)
	}
}

// Two issuers on one store would take each other's codes and consents for their own.
func TestOneStoreOneIssuer(t *testing.T) {
	store := memory.New()
	authztest.New(t, func(c *authz.Config) { c.Storage = store })
	config := authz.Config{Issuer: "https://other.example", Storage: store, Login: loginAs("ana")}
	if _, err := authz.New(config); err == nil || !strings.Contains(err.Error(), "FormerIssuers") {
		t.Errorf("another issuer: %v", err)
	}
	config.FormerIssuers = []string{"https://auth.example"}
	if _, err := authz.New(config); err != nil {
		t.Errorf("a server that moved: %v", err)
	}
	config.Issuer, config.FormerIssuers = "https://auth.example", nil
	if _, err := authz.New(config); err == nil {
		t.Error("the old name is taken back without a word")
	}
}

// Claim names are case-sensitive (RFC 7519 §4): what only folds to sub is not sub.
func TestClaimNamesAreExact(t *testing.T) {
	for _, name := range []string{"sub", "Sub", "\u017fub", "SCOPE", "\u017fcope", "aMR"} {
		as := authztest.New(t, func(c *authz.Config) {
			c.Claims = func(context.Context, *authz.ClaimsRequest) (map[string]any, error) {
				return map[string]any{name: "admin"}, nil
			}
		})
		as.SignIn("ana")
		code := as.Authorize(t, authztest.AuthorizationParameters("read")).Get("code")
		_, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{
			"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
			"code": {code}, "code_verifier": {authztest.Verifier},
		}})
		if e := refusal(t, err); e.Reason != "claims_hook_failed" {
			t.Errorf("%q: %v", name, e)
		}
	}
}

// The Claims hook is where a host refuses a user who may not sign in any more.
func TestClaimsHookRefuses(t *testing.T) {
	closed := false
	as := authztest.New(t, func(c *authz.Config) {
		c.Claims = func(_ context.Context, req *authz.ClaimsRequest) (map[string]any, error) {
			if closed {
				return nil, &authz.Error{Code: "invalid_grant", Status: http.StatusBadRequest, Reason: "account_closed"}
			}
			return nil, nil
		}
	})
	as.SignIn("ana")
	tokens := as.Tokens(t, "read", "offline_access")
	closed = true
	_, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{
		"grant_type": {"refresh_token"}, "client_id": {authztest.ClientID}, "refresh_token": {tokens.RefreshToken},
	}})
	if e := refusal(t, err); e.Code != "invalid_grant" || e.Reason != "account_closed" {
		t.Error(e)
	}
}

// What a hook does to its arguments stays with the hook, and so does what the host does
// to its configuration afterwards.
func TestHooksGetCopies(t *testing.T) {
	clients := []authz.Client{{ID: "web", RedirectURIs: []string{"https://web.example/cb"}, Scopes: []string{"read"}}}
	as := authztest.New(t, func(c *authz.Config) {
		c.Clients = clients
		c.Consent = func(_ context.Context, req *authz.ConsentRequest) (authz.Decision, error) {
			slices.Reverse(req.Scopes)
			req.Scopes = slices.DeleteFunc(req.Scopes, func(string) bool { return true })
			req.Client.RedirectURIs[0] = "https://evil.example/"
			return authz.Allow, nil
		}
		c.Claims = func(_ context.Context, req *authz.ClaimsRequest) (map[string]any, error) {
			for i := range req.Scopes {
				req.Scopes[i] = "admin"
			}
			return nil, nil
		}
	})
	clients[0].RedirectURIs[0] = "https://evil.example/"
	as.SignIn("ana")
	if tokens := as.Tokens(t, "read", "write"); tokens.Scope != "read write" {
		t.Errorf("scope is %q", tokens.Scope)
	}
	params := authztest.AuthorizationParameters("read")
	params.Set("client_id", "web")
	params.Set("redirect_uri", "https://evil.example/")
	_, err := as.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: httptest.NewRequest("GET", "/", nil), Browser: "b"})
	if e := refusal(t, err); e.Reason != "redirect_uri_not_registered" {
		t.Error(e)
	}
}

// The Consent hook decides again when the page comes back.
func TestConsentHookIsAskedAgain(t *testing.T) {
	decision := authz.Ask
	as := authztest.New(t, func(c *authz.Config) {
		c.Consent = func(context.Context, *authz.ConsentRequest) (authz.Decision, error) { return decision, nil }
	})
	as.SignIn("ana")
	r := httptest.NewRequest("GET", "/", nil)
	shown, err := as.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: authztest.AuthorizationParameters("read"), HTTP: r, Browser: "b"})
	if err != nil {
		t.Fatal(err)
	}
	decision = authz.Deny
	answer, err := as.SubmitConsent(t.Context(), &authz.ConsentSubmission{Interaction: shown.Consent.Interaction, HTTP: r, Browser: "b", Approve: true, Scopes: []string{"read"}})
	if err != nil || !strings.Contains(answer.Redirect, "error=access_denied") {
		t.Errorf("%+v %v", answer, err)
	}
}

// Waiting for a password hash ends with the request.
func TestChosenSecretsAreCheckedInTime(t *testing.T) {
	as := authztest.New(t, func(c *authz.Config) {
		c.Clients = []authz.Client{{ID: "chosen", Secrets: []storage.Secret{authz.HashSecret("correct horse")}, GrantTypes: []string{"client_credentials"}}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	statuses := make(chan int, 200)
	for range cap(statuses) {
		go func() {
			_, err := as.Token(ctx, &authz.Request{Parameters: url.Values{"grant_type": {"client_credentials"}}, Authorization: basicHeader("chosen", "wrong")})
			var e *authz.Error
			errors.As(err, &e)
			statuses <- e.Status
		}()
	}
	deadline := time.After(30 * time.Second)
	for range cap(statuses) {
		select {
		case status := <-statuses:
			if status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
		case <-deadline:
			t.Fatal("the server still computes for requests that are gone")
		}
	}
	if _, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{"grant_type": {"client_credentials"}}, Authorization: basicHeader("chosen", "correct horse")}); err != nil {
		t.Error(err)
	}
}

// client_id is VSCHAR (RFC 6749 §A.1): nothing else reaches the host's storage.
func TestOddClientIDsAreNotLookedUp(t *testing.T) {
	db := memory.New()
	asked := storage.ClientsFunc(func(_ context.Context, id string) (*storage.Client, error) {
		t.Errorf("asked for %q", id)
		return nil, errors.New("invalid byte sequence")
	})
	as := authztest.New(t, func(c *authz.Config) { c.Storage = storage.Join(asked, db, db, db) })
	for _, id := range []string{"a\x00b", "a\xffb", "ä", strings.Repeat("a", 4000)} {
		params := authztest.AuthorizationParameters("read")
		params.Set("client_id", id)
		_, err := as.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: httptest.NewRequest("GET", "/", nil), Browser: "b"})
		if e := refusal(t, err); e.Reason != "client_unknown" {
			t.Errorf("%q: %v", id, e)
		}
	}
}

// A redirect URI that was taken away is gone, also for codes on their way to it.
func TestRedirectURIGone(t *testing.T) {
	as := authztest.New(t)
	client := authz.Client{ID: "moving", RedirectURIs: []string{"https://old.example/cb"}, Scopes: []string{"read"}}
	if err := as.RegisterClient(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	as.SignIn("ana")
	params := authztest.AuthorizationParameters("read")
	params.Set("client_id", "moving")
	params.Set("redirect_uri", "https://old.example/cb")
	code := as.Authorize(t, params).Get("code")
	client.RedirectURIs = []string{"https://new.example/cb"}
	if err := as.RegisterClient(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	_, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"moving"}, "redirect_uri": {"https://old.example/cb"},
		"code": {code}, "code_verifier": {authztest.Verifier},
	}})
	if e := refusal(t, err); e.Reason != "redirect_uri_gone" {
		t.Error(e)
	}
}

func basicHeader(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// A code that comes back a month later still ends what it yielded (RFC 6749 §4.1.2): its
// refresh token lives for longer than that.
func TestLateReplay(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	redeem := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
		"code": {as.Authorize(t, authztest.AuthorizationParameters("read", "offline_access")).Get("code")}, "code_verifier": {authztest.Verifier},
	}
	tokens, err := as.Token(t.Context(), &authz.Request{Parameters: redeem})
	if err != nil {
		t.Fatal(err)
	}
	as.Clock.Advance(30 * 24 * time.Hour)
	_, err = as.Token(t.Context(), &authz.Request{Parameters: redeem})
	if e := refusal(t, err); e.Reason != "code_replayed" {
		t.Error(e)
	}
	_, err = as.Token(t.Context(), &authz.Request{Parameters: url.Values{
		"grant_type": {"refresh_token"}, "client_id": {authztest.ClientID}, "refresh_token": {tokens.RefreshToken},
	}})
	if e := refusal(t, err); e.Reason != "grant_revoked" {
		t.Error(e)
	}
}
