package handlers_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// RFC 9396 §11: people see what they allow, as text.
func TestConsentPageShowsAuthorizationDetails(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.AuthorizationDetails = map[string]authz.AuthorizationDetailsType{"payment": {
			Validate: func(_ context.Context, _ *authz.Client, d json.RawMessage) (json.RawMessage, error) { return d, nil },
			Describe: func(context.Context, json.RawMessage) (string, error) {
				return "Pay <b>12</b> to \u202eShop " + strings.Repeat("x", 200), nil
			},
		}}
		c.Clients = append(c.Clients, authz.Client{
			ID: "c", RedirectURIs: []string{"https://client.example/cb"}, AuthorizationDetailsTypes: []string{"payment"},
		})
	})
	params := authztest.AuthorizationParameters()
	params.Set("client_id", "c")
	params.Set("redirect_uri", "https://client.example/cb")
	params.Set("authorization_details", `[{"type":"payment"}]`)
	page := h.ask(params)
	for _, want := range []string{"It asks you to allow", "<bdi>Pay &lt;b&gt;12&lt;/b&gt; to Shop xxx", strings.Repeat("x", 200) + "</bdi>"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(page.body, "asks for no permissions") || strings.Contains(page.body, "<fieldset>") {
		t.Error("the page says that nothing is asked for, or lists scopes that are not")
	}
	if got := h.do(http.MethodPost, "/oauth2/consent", page.form(t)).location(t); got.Get("code") == "" {
		t.Error(got)
	}
}
