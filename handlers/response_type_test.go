package handlers_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// OpenID Connect Core §3.3.2.5 over HTTP: an ID token is in the fragment, which browsers keep to
// themselves, or in a form; and the redirect is a 303 (FAPI 2.0 Security Profile §5.3.2.2, items 10
// and 11).
func TestOIDC_Core_Section3_3_2_5(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.Scopes = maps.Clone(c.Scopes)
		c.Scopes["openid"] = "openid"
		c.ResponseTypes = []string{"code id_token"}
		c.Clients = append(c.Clients, authz.Client{
			ID: "hybrid", FirstParty: true, RedirectURIs: []string{authztest.RedirectURI}, Scopes: []string{"openid"},
			GrantTypes: []string{"authorization_code", "implicit"}, ResponseTypes: []string{"code id_token"},
		})
	})
	params := authztest.AuthorizationParameters("openid")
	params.Set("client_id", "hybrid")
	params.Set("response_type", "code id_token")
	params.Set("nonce", "n")
	page := h.ask(params)
	to, fragment, _ := strings.Cut(page.Header.Get("Location"), "#")
	got, err := url.ParseQuery(fragment)
	if page.StatusCode != 303 || to != authztest.RedirectURI || err != nil || got.Get("code") == "" || strings.Count(got.Get("id_token"), ".") != 2 {
		t.Errorf("%d, %s", page.StatusCode, page.Header.Get("Location"))
	}
	if page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", page.Header)
	}
	params.Set("response_mode", "form_post")
	page = h.ask(params)
	for _, name := range []string{"code", "id_token", "iss", "state"} {
		if !strings.Contains(page.body, `name="`+name+`" value="`) {
			t.Errorf("%s is missing in\n%s", name, page.body)
		}
	}
	if page.StatusCode != 200 || page.Header.Get("Location") != "" {
		t.Errorf("%d %v", page.StatusCode, page.Header)
	}
}
