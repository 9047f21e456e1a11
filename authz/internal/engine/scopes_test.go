package engine_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// A getter of fosite's configuration writes the default that it returns. Two first
// requests at once are a data race, and the default takes wildcards.
func TestScopeStrategyGetter_RFC6749_3_3(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		c := &fosite.Config{}
		c.GetScopeStrategy(t.Context())
		c.GetAudienceStrategy(t.Context())
		fact(t, c.ScopeStrategy != nil && c.AudienceMatchingStrategy != nil, "the comment in engine.go, not the setting", nil)

		r := newRaw(t, rawOptions{clients: []fosite.Client{&fosite.DefaultClient{
			ID: "wild", Public: true, RedirectURIs: []string{redirectURI}, Scopes: []string{"alerts.*"},
		}}})
		got := r.authorize(t, authorizationParameters("wild", "scope", "alerts.delete"))
		fact(t, got.params.Get("code") != "", "ExactScopeStrategy in engine.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) {
			c.Scopes["alerts.*"], c.Scopes["alerts.delete"] = "A star", "Delete alerts"
			c.Clients = []authz.Client{{ID: "wild", RedirectURIs: []string{redirectURI}, Scopes: []string{"alerts.*"}}}
		})
		wantSent(t, s.authorize(t, authorizationParameters("wild", "scope", "alerts.delete")), "invalid_scope")

		// The race detector judges these.
		for _, a := range race(8, func(int) answer { return s.authorize(t, authorizationParameters(publicID)) }) {
			if a.params.Get("code") == "" {
				t.Errorf("no code: %+v", a)
			}
		}
	})
}

// Without a scope parameter fosite grants nothing and says so nowhere.
func TestScopeAbsent_RFC6749_3_3(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, codeForm(publicID, r.code(t, publicID, "scope", "-")))
		fact(t, got.status == http.StatusOK && got.text("scope") == "", "resolveScope in authz/scope.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) {
			c.Clients = []authz.Client{{
				ID: "modest", RedirectURIs: []string{redirectURI}, Scopes: []string{"read", "write"}, DefaultScopes: []string{"read"},
			}}
		})
		for clientID, scope := range map[string]string{"modest": "read", publicID: "offline_access read write"} {
			for _, sent := range []string{"-", ""} {
				got := s.token(t, codeForm(clientID, s.code(t, clientID, "scope", sent)))
				wantOK(t, got)
				if got.text("scope") != scope {
					t.Errorf("%s without a scope parameter got %q, want %q", clientID, got.text("scope"), scope)
				}
			}
		}
	})
}

// The client credentials grant checks the scopes, and leaves it to its embedder to
// grant them.
func TestClientCredentialsScope_RFC6749_4_4_2(t *testing.T) {
	form := with(url.Values{}, "grant_type", "client_credentials", "scope", "read")
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, form, credentialsOf(confidentialID)...)
		fact(t, got.status == http.StatusOK && got.text("scope") == "", "nothing: we issue to clients ourselves", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		got := s.token(t, form, credentialsOf(confidentialID)...)
		wantOK(t, got)
		if got.text("scope") != "read" {
			t.Errorf("scope %q, want read", got.text("scope"))
		}
		if got.text("refresh_token") != "" {
			t.Error("a refresh token without a user (RFC 6749 §4.4.3)")
		}
		want(t, s.token(t, with(url.Values{}, "grant_type", "client_credentials", "scope", "read admin"), credentialsOf(confidentialID)...),
			http.StatusBadRequest, "invalid_scope")
	})
}

// A scope is made of printable ASCII. fosite takes any bytes that the client is
// registered for, and repeats those it refuses in its error.
func TestScopeSyntax_RFC6749_3_3(t *testing.T) {
	odd := []string{"read\twrite", "read\x00", "re\u00e1d", `re"ad`, `re\ad`, " read", "read ", "read  write"}
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, scope := range []string{" read", "read ", "read  write"} {
			got := r.authorize(t, authorizationParameters(publicID, "scope", scope))
			fact(t, got.params.Get("code") != "", "splitScope in authz/scope.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, scope := range odd {
			got := s.authorize(t, authorizationParameters(publicID, "scope", scope))
			if f := got.failure(); f != "invalid_scope" && f != "invalid_request" {
				t.Errorf("scope %q: got %q", scope, f)
			}
			if got.params.Get("code") != "" {
				t.Errorf("scope %q was accepted", scope)
			}
		}
	})
}
