package engine_test

import (
	"net/http"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// Between a code and its redemption, and between one refresh and the next, the host may
// change what a client is registered for. What counts is the registration of the moment.

// change alters the confidential client of either server.
func (r *raw) change(f func(*fosite.DefaultClient)) {
	c := *r.memory.Clients[confidentialID].(*fosite.DefaultClient)
	f(&c)
	r.memory.Clients[confidentialID] = &c
}

func (s *ours) change(t *testing.T, f func(*authz.Client)) {
	t.Helper()
	c, err := s.Store.Client(t.Context(), confidentialID)
	if err != nil {
		t.Fatal(err)
	}
	f(c)
	if err := s.Store.PutClient(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
}

// fosite issues what the user granted, whatever the client may still ask for; at the
// next refresh it then refuses to issue anything at all.
func TestScopeLostAfterAuthorization_RFC6749_3_3(t *testing.T) {
	auth := credentialsOf(confidentialID)
	t.Run("fosite", func(t *testing.T) {
		const mayGo = "the scopes left out in unit.requester (unit.go)"
		r := newRaw(t, rawOptions{})
		code := r.code(t, confidentialID)
		r.change(func(c *fosite.DefaultClient) { c.Scopes = []string{"read", "offline_access"} })
		got := r.token(t, codeForm(confidentialID, code), auth...)
		fact(t, got.text("scope") == allScopes, mayGo, got)
		got = r.token(t, refreshForm(confidentialID, got.text("refresh_token")), auth...)
		fact(t, got.failure() == "invalid_scope", mayGo, got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, confidentialID)
		s.change(t, func(c *authz.Client) { c.Scopes = []string{"read", "offline_access"} })
		form := codeForm(confidentialID, code)
		for range 3 {
			got := s.token(t, form, auth...)
			wantOK(t, got)
			if got.text("scope") != "read offline_access" {
				t.Errorf("scope %q: write is no longer this client's", got.text("scope"))
			}
			form = refreshForm(confidentialID, got.text("refresh_token"))
		}
	})
}

// A redirect URI that has been taken back may be somebody else's by now.
func TestRedirectURILostAfterAuthorization_RFC6749_4_1_3(t *testing.T) {
	auth := credentialsOf(confidentialID)
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		code := r.code(t, confidentialID)
		r.change(func(c *fosite.DefaultClient) { c.RedirectURIs = []string{"https://client.example/new"} })
		got := r.token(t, codeForm(confidentialID, code), auth...)
		fact(t, got.status == http.StatusOK, "redirect_uri_gone in store.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, confidentialID)
		s.change(t, func(c *authz.Client) { c.RedirectURIs = []string{"https://client.example/new"} })
		want(t, s.token(t, codeForm(confidentialID, code), auth...), http.StatusBadRequest, "invalid_grant")
	})
}

// A client that is registered not to authenticate is public, whatever secrets a host's
// own storage holds for it.
func TestPublicClientWithSecrets_RFC7591_2(t *testing.T) {
	s := newOurs(t)
	token := s.tokens(t, confidentialID).text("access_token")
	s.change(t, func(c *authz.Client) { c.TokenEndpointAuthMethod = "none" })
	want(t, s.introspect(t, tokenForm(confidentialID, token)), http.StatusUnauthorized, "invalid_client")
	want(t, s.token(t, clientCredentials("client_id", confidentialID)), http.StatusBadRequest, "unauthorized_client")
	want(t, s.token(t, clientCredentials(), credentialsOf(confidentialID)...), http.StatusUnauthorized, "invalid_client")
}

// A client that has been switched off, or deleted, is gone with what it holds.
func TestClientGone_RFC6749_5_2(t *testing.T) {
	auth := credentialsOf(confidentialID)
	for name, end := range map[string]func(t *testing.T, s *ours){
		"disabled": func(t *testing.T, s *ours) { s.change(t, func(c *authz.Client) { c.Disabled = true }) },
		"deleted": func(t *testing.T, s *ours) {
			if err := s.Store.DeleteClient(t.Context(), confidentialID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newOurs(t, withAPI(false))
			tokens := s.tokens(t, confidentialID)
			code := s.code(t, confidentialID)
			end(t, s)
			want(t, s.token(t, codeForm(confidentialID, code), auth...), http.StatusUnauthorized, "invalid_client")
			want(t, s.token(t, refreshForm(confidentialID, tokens.text("refresh_token")), auth...), http.StatusUnauthorized, "invalid_client")
			wantPage(t, s.authorize(t, authorizationParameters(confidentialID)), "invalid_request")
			wantInactive(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...))
		})
	}
}
