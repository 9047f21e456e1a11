package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/handlers"
)

// withSessions makes the host name its sessions, after withLogout.
func withSessions(c *authz.Config) {
	c.Sessions = true
	login := c.Login
	c.Login = func(r *http.Request) (*authz.User, error) {
		u, err := login(r)
		if u != nil {
			named := *u
			named.SessionID, u = "s-1", &named
		}
		return u, err
	}
}

// signIn has the user sign in to a client.
func signIn(t testing.TB, as *authztest.Server, client, redirectURI string) {
	t.Helper()
	params := authztest.AuthorizationParameters("openid")
	params.Set("client_id", client)
	params.Set("redirect_uri", redirectURI)
	if as.Authorize(t, params).Get("code") == "" {
		t.Fatal("no code")
	}
}

// Front-Channel Logout §3, over HTTP: the page that opens the clients' pages, and those alone.
func TestFrontChannelLogout_3(t *testing.T) {
	var h *host
	h = newHost(t, handlers.Options{}, withLogout(&h), withSessions, func(c *authz.Config) {
		for i := range c.Clients {
			if c.Clients[i].ID == "rp" {
				c.Clients[i].FrontchannelLogoutURI = "https://rp.example/out?a=1&b=2"
			}
		}
		c.Clients = append(c.Clients, authz.Client{
			ID: "tool", Name: "Tool", ApplicationType: "native", Scopes: []string{"openid"},
			RedirectURIs: []string{"com.example.tool:/cb"}, PostLogoutRedirectURIs: []string{"com.example.tool:/bye"},
		}, authz.Client{
			ID: "other", Name: "Other", Scopes: []string{"openid"},
			RedirectURIs: []string{"https://other.example:8443/cb"}, FrontchannelLogoutURI: "https://other.example:8443/out",
		})
	})
	const path, bye = "/oauth2/logout", "https://rp.example/bye"
	signIn(t, h.Server, "rp", "https://rp.example/cb")
	signIn(t, h.Server, "other", "https://other.example:8443/cb")
	asked := h.do(http.MethodGet, path+"?"+url.Values{"client_id": {"rp"}, "post_logout_redirect_uri": {bye}, "state": {`"><x`}}.Encode(), nil)
	if !strings.Contains(asked.body, "Sites that you have signed in to from here are told.") {
		t.Errorf("the page does not say that sites are told: %s", asked.body)
	}
	done := h.do(http.MethodPost, path, asked.form(t), "Sec-Fetch-Site", "same-origin")
	if done.StatusCode != http.StatusOK || !strings.Contains(strings.Join(done.Header.Values("Set-Cookie"), " "), "session=") {
		t.Fatalf("%s %v", done.Status, done.Header)
	}
	csp := done.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
		!strings.HasSuffix(csp, "; frame-src https://rp.example https://other.example:8443") && !strings.HasSuffix(csp, "; frame-src https://other.example:8443 https://rp.example") {
		t.Errorf("policy %s", csp)
	}
	for _, want := range []string{
		`<iframe src="https://rp.example/out?a=1&amp;b=2&amp;iss=` + url.QueryEscape(h.url) + `&amp;sid=`, `<iframe src="https://other.example:8443/out?iss=`,
		`sandbox="allow-same-origin allow-scripts"`, `content="3; url=` + bye + `?state=%22%3E%3Cx"`, `<a href="` + bye + `?state=%22%3E%3Cx"`, "rp.example",
	} {
		if !strings.Contains(done.body, want) {
			t.Errorf("the page lacks %s: %s", want, done.body)
		}
	}
	if strings.Contains(done.body, "<x") || strings.Contains(done.body, "ZgotmplZ") || strings.Contains(done.body, "<script") {
		t.Error(done.body)
	}
	// Nowhere to go: a page to close. And to an application on the device.
	h.SignIn("ana")
	signIn(t, h.Server, "rp", "https://rp.example/cb")
	hint := h.Tokens(t, "openid").IDToken
	closed := h.do(http.MethodPost, path, url.Values{"id_token_hint": {hint}})
	if !strings.Contains(closed.body, "You can close this page") || strings.Contains(closed.body, "http-equiv") || strings.Count(closed.body, "<iframe") != 1 {
		t.Errorf("%s %s", closed.Status, closed.body)
	}
	h.SignIn("ana")
	signIn(t, h.Server, "rp", "https://rp.example/cb")
	asked = h.do(http.MethodGet, path+"?client_id=tool&post_logout_redirect_uri=com.example.tool:/bye", nil)
	app := h.do(http.MethodPost, path, asked.form(t), "Sec-Fetch-Site", "same-origin")
	if !strings.Contains(app.body, `url=com.example.tool:/bye"`) || !strings.Contains(app.body, `<a href="com.example.tool:/bye">`) {
		t.Error(app.body)
	}
}

// In a real browser: the frames end the sessions of two sites, under the page's own policy, and
// the browser then goes on without a script.
func TestFrontChannelLogoutInChromium(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	var mu sync.Mutex
	var opened []string
	site := func(name string) *httptest.Server {
		pages := http.NewServeMux()
		pages.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.FormValue("iss") == server.URL && r.FormValue("sid") != "" {
				opened = append(opened, name)
			}
			w.Header().Set("Cache-Control", "no-store")
		})
		pages.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<title>Back at " + name + "</title>")) })
		pages.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
		s := httptest.NewServer(pages)
		t.Cleanup(s.Close)
		return s
	}
	one, two := site("one"), site("two")
	var as *authztest.Server
	as = authztest.New(t, withOpenID, func(c *authz.Config) {
		c.Issuer = server.URL
		for name, s := range map[string]*httptest.Server{"one": one, "two": two} {
			c.Clients = append(c.Clients, authz.Client{
				ID: name, Name: name, Scopes: []string{"openid"}, RedirectURIs: []string{s.URL + "/cb"},
				FrontchannelLogoutURI: s.URL + "/out", PostLogoutRedirectURIs: []string{s.URL + "/bye"},
			})
		}
		c.Logout = func(http.ResponseWriter, *http.Request) error { as.SignIn(""); return nil }
	}, withSessions)
	as.SignIn("ana")
	handlers.Mount(mux, as.Server, handlers.Options{Theme: handlers.Theme{Name: "Acme"}})
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	signIn(t, as, "one", one.URL+"/cb")
	signIn(t, as, "two", two.URL+"/cb")

	page := browser.Open(t, server.URL+"/oauth2/logout?client_id=one&post_logout_redirect_uri="+url.QueryEscape(one.URL+"/bye"))
	for _, width := range []int{1280, 390} {
		for _, dark := range []bool{false, true} {
			page.Resize(width)
			page.Dark(dark)
			if got := page.Eval("document.documentElement.scrollWidth - innerWidth"); got.(float64) > 0 {
				t.Errorf("%d: the page is %v pixels too wide", width, got)
			}
			if got := page.Eval(contrastFaults); got != "" {
				t.Errorf("WCAG 2.2 §1.4.3: %v", got)
			}
			page.Screenshot(fmt.Sprintf("logout-confirm-%d-%v", width, dark))
		}
	}
	page.Click(".allow")
	page.Await("document.querySelectorAll('iframe').length === 2")
	page.Screenshot("logout-frames")
	page.Await("document.title === 'Back at one'")
	mu.Lock()
	defer mu.Unlock()
	if slices.Sort(opened); !slices.Equal(opened, []string{"one", "two"}) {
		t.Errorf("opened %q", opened)
	}
	for _, problem := range page.Problems() {
		t.Error(problem)
	}
}
