package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

func withLogout(h **host) func(*authz.Config) {
	return func(c *authz.Config) {
		withOpenID(c)
		c.Clients = append(c.Clients, authz.Client{
			ID: "rp", Name: "Shop <b>", RedirectURIs: []string{"https://rp.example/cb"}, Scopes: []string{"openid"},
			PostLogoutRedirectURIs: []string{"https://rp.example/bye"},
		})
		c.Logout = func(w http.ResponseWriter, _ *http.Request) error {
			http.SetCookie(w, &http.Cookie{Name: "session", MaxAge: -1})
			(*h).SignIn("")
			return nil
		}
	}
}

// RP-Initiated Logout §2, over HTTP: by GET and POST, with and without the page that asks.
func TestRPInitiatedLogout_Section2(t *testing.T) {
	var h *host
	h = newHost(t, handlers.Options{}, withLogout(&h))
	const path, bye = "/oauth2/logout", "https://rp.example/bye"
	params := url.Values{"client_id": {"rp"}, "post_logout_redirect_uri": {bye}, "state": {"s"}}
	page := h.do(http.MethodGet, path+"?"+params.Encode(), nil)
	for _, want := range []string{"Sign out of", "Shop &lt;b&gt;", "ana"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %s: %s", want, page.body)
		}
	}
	if page.Header.Get("Content-Security-Policy") == "" || page.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("%v", page.Header)
	}
	answer := page.form(t)
	h.do(http.MethodPost, path, answer, "Sec-Fetch-Site", "cross-site").isErrorPage(t, http.StatusForbidden)
	done := h.do(http.MethodPost, path, answer, "Sec-Fetch-Site", "same-origin")
	if done.StatusCode != http.StatusSeeOther || done.Header.Get("Location") != bye+"?state=s" || !strings.Contains(strings.Join(done.Header.Values("Set-Cookie"), " "), "session=") {
		t.Errorf("%s %v", done.Status, done.Header)
	}
	// Who would rather stay is not told to be signed out.
	h.SignIn("ana")
	answer = h.do(http.MethodGet, path, nil).form(t)
	answer.Set("decision", "deny")
	if a := h.do(http.MethodPost, path, answer, "Sec-Fetch-Site", "same-origin"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "You are still signed in") || strings.Contains(strings.ToLower(a.body), "signed out") {
		t.Errorf("stay: %s %s", a.Status, a.body)
	}
	// A form of another site comes without the session's cookie, so it is sent on from here.
	h.SignIn("ana")
	hop := h.do(http.MethodPost, path, params, "Sec-Fetch-Site", "cross-site")
	if hop.StatusCode != http.StatusOK || !strings.Contains(hop.body, `action="`+h.url+path+`"`) || !strings.Contains(hop.body, `value="`+bye+`"`) {
		t.Errorf("%s %s", hop.Status, hop.body)
	}
	if asked := h.do(http.MethodPost, path, params, "Sec-Fetch-Site", "same-origin"); !strings.Contains(asked.body, "Sign out of") {
		t.Errorf("%s %s", asked.Status, asked.body)
	}
	// With an ID token of the user nobody is asked; without a way back there is a page.
	hint := h.Tokens(t, "openid").IDToken
	if a := h.do(http.MethodPost, path, url.Values{"id_token_hint": {hint}}); !strings.Contains(a.body, "You are signed out") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	h.do(http.MethodGet, path+"?client_id="+authztest.ClientID+"&post_logout_redirect_uri=https://evil.example", nil).isErrorPage(t, http.StatusBadRequest)
	// A server without it has no such endpoint.
	if a := newHost(t, handlers.Options{}, withOpenID).do(http.MethodGet, path, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("off: %s", a.Status)
	}
}
