package handlers_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
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
		}, authz.Client{ID: "tv", GrantTypes: []string{deviceGrant}, AuthorizationDetailsTypes: []string{"payment"}})
		c.DeviceGrant = true
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
	// On the page of the device grant as well.
	asked := h.do(http.MethodPost, "/oauth2/device_authorization", url.Values{"client_id": {"tv"}, "authorization_details": {`[{"type":"payment"}]`}})
	var d authz.DeviceAuthorization
	if err := json.Unmarshal([]byte(asked.body), &d); err != nil {
		t.Fatal(err)
	}
	page = h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {d.UserCode}})
	if !strings.Contains(page.body, "<bdi>Pay &lt;b&gt;12&lt;/b&gt; to Shop xxx") || strings.Contains(page.body, "asks for no permissions") {
		t.Errorf("the page of the device grant: %s", page.body)
	}
	if done := h.do(http.MethodPost, "/oauth2/device", page.form(t)); !strings.Contains(done.body, "is connected") {
		t.Error(done.body)
	}
}
