package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/handlers/protect"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// protectedHost is a host that serves both the authorization server and an API behind
// Protect, on a store that a test can break.
type protectedHost struct {
	*httptest.Server
	as     *authz.Server
	store  *breakableStore
	secret string // of both clients, "robot" and "api"
}

type breakableStore struct {
	storage.Store
	broken bool
}

func (s *breakableStore) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	if s.broken {
		return nil, errors.New("the disk is gone")
	}
	return s.Store.Token(ctx, d)
}

func newProtectedHost(t *testing.T, format string) *protectedHost {
	t.Helper()
	h := &protectedHost{store: &breakableStore{Store: memory.New()}}
	mux := http.NewServeMux()
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	secret, hashed := authz.NewSecret()
	h.secret = secret
	client := authz.Client{ID: "robot", GrantTypes: []string{"client_credentials"}, Scopes: []string{"alerts:read", "alerts:write"}, Secrets: []storage.Secret{hashed}}
	api := client
	api.ID, api.ResourceServer = "api", true
	var err error
	h.as, err = authz.New(authz.Config{
		Issuer: h.URL, Resource: "https://api.example.com", Storage: h.store, AccessTokenFormat: format,
		Scopes:  authz.Scopes{"alerts:read": "Read your alerts", "alerts:write": "Close alerts"},
		Clients: []authz.Client{client, api},
		Login:   func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") },
	})
	if err != nil {
		t.Fatal(err)
	}
	handlers.Mount(mux, h.as)
	alerts := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, handlers.TokenFrom(r.Context()).ClientID)
	})
	mux.Handle("/read", handlers.Protect(h.as, "alerts:read")(alerts))
	mux.Handle("/both", handlers.Protect(h.as, "alerts:read", "alerts:write")(alerts))
	return h
}

// token is an access token of the robot's.
func (h *protectedHost) token(t *testing.T, scope string) string {
	t.Helper()
	answer, err := h.as.Token(context.Background(), &authz.Request{Parameters: url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_id": {"robot"}, "client_secret": {h.secret},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return answer.AccessToken
}

func (h *protectedHost) revoke(t *testing.T, token string) {
	t.Helper()
	err := h.as.Revoke(context.Background(), &authz.Request{Parameters: url.Values{
		"token": {token}, "client_id": {"robot"}, "client_secret": {h.secret},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// expectStatus asks for a path with a token.
func (h *protectedHost) expectStatus(t *testing.T, path, token string, want int) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, h.URL+path, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != want {
		t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
	}
}

func TestProtect_RFC6750_Section3_1(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			h := newProtectedHost(t, format)
			token := h.token(t, "alerts:read")
			h.expectStatus(t, "/read", "", 401)
			h.expectStatus(t, "/read", "rubbish", 401)
			h.expectStatus(t, "/read", token, 200)
			h.expectStatus(t, "/both", token, 403)
			h.expectStatus(t, "/both", h.token(t, "alerts:read alerts:write"), 200)

			h.store.broken = true
			h.expectStatus(t, "/read", token, 503)
			h.store.broken = false
			h.expectStatus(t, "/read", token, 200)

			h.revoke(t, token) // RFC 7009 §2.1: dead at once, in the same process
			h.expectStatus(t, "/read", token, 401)
		})
	}
}

// The same tokens at an API in another process: the server's own endpoints are what
// resource.JWKS and resource.Introspection expect.
func TestProtect_ElsewhereAgainstThisServer(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			h := newProtectedHost(t, format)
			verify := func(verifier resource.Verifier, err error) func(token string) int {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				guarded := protect.Require(verifier, protect.Options{Audience: h.as.Resource()}, "alerts:read")(
					http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				return func(token string) int {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					r.Header.Set("Authorization", "Bearer "+token)
					w := httptest.NewRecorder()
					guarded.ServeHTTP(w, r)
					return w.Code
				}
			}
			jwks := verify(resource.JWKS(resource.JWKSConfig{Issuer: h.URL, Audience: h.as.Resource()}))
			otherAPI := verify(resource.JWKS(resource.JWKSConfig{Issuer: h.URL, Audience: "https://other.example"}))
			introspection := verify(resource.Introspection(resource.IntrospectionConfig{
				Issuer: h.URL, Audience: h.as.Resource(), ClientID: "api", ClientSecret: h.secret,
			}))
			demanding := resource.IntrospectionConfig{
				Issuer: h.URL, Audience: h.as.Resource(), ClientID: "api", ClientSecret: h.secret, SignedAnswers: &resource.SignedAnswers{},
			}
			signed := verify(resource.Introspection(demanding))
			demanding.SignedAnswers = &resource.SignedAnswers{Audience: "robot"}
			signedForAnother := verify(resource.Introspection(demanding))
			wrongSecret := verify(resource.Introspection(resource.IntrospectionConfig{
				Issuer: h.URL, Audience: h.as.Resource(), ClientID: "api", ClientSecret: "wrong",
			}))
			token := h.token(t, "alerts:read")
			good := map[string]int{"jwt": 200, "opaque": 401}[format]
			for what, c := range map[string]struct{ got, want int }{
				"jwks":                       {jwks(token), good},
				"jwks, another API":          {otherAPI(token), 401},
				"jwks, scope":                {jwks(h.token(t, "alerts:write")), map[string]int{"jwt": 403, "opaque": 401}[format]},
				"introspection":              {introspection(token), 200},
				"introspection, scope":       {introspection(h.token(t, "alerts:write")), 403},
				"introspection, no access":   {wrongSecret(token), 503},
				"introspection, not a token": {introspection("rubbish"), 401},
				"signed":                     {signed(token), 200}, // RFC 9701
				"signed, scope":              {signed(h.token(t, "alerts:write")), 403},
				"signed, not a token":        {signed("rubbish"), 401},
				"signed, for another":        {signedForAnother(token), 503},
			} {
				if c.got != c.want {
					t.Errorf("%s: %d, want %d", what, c.got, c.want)
				}
			}
			h.revoke(t, token)
			if got := introspection(token); got != 401 {
				t.Errorf("revoked, by introspection: %d", got)
			}
			if got := signed(token); got != 401 {
				t.Errorf("revoked, by signed introspection: %d", got)
			}
			if got := jwks(token); got != good {
				t.Errorf("revoked, by jwks: %d; the documentation says that it is not seen", got)
			}
		})
	}
}

// TestTokenFromOutsideOfProtect holds that a handler that is not protected finds nothing.
func TestTokenFromOutsideOfProtect(t *testing.T) {
	if handlers.TokenFrom(context.Background()) != nil {
		t.Error("a token from nowhere")
	}
}
