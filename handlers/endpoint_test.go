package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/memory"
)

var (
	forPrograms = []string{"/oauth2/par", "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"}
	forPeople   = []string{"/oauth2/authorize", "/oauth2/consent"}
	documents   = []string{"/oauth2/jwks", "/.well-known/oauth-authorization-server"}
)

// RFC 9110 §15.5.6: a method that is not supported.
func TestMethods(t *testing.T) {
	h := newHost(t, handlers.Options{})
	allow := map[string]string{
		"/oauth2/authorize": "GET, POST", "/oauth2/consent": "POST",
		"/oauth2/par": "POST", "/oauth2/token": "POST", "/oauth2/introspect": "POST", "/oauth2/revoke": "POST",
		"/oauth2/jwks": "GET, HEAD", "/.well-known/oauth-authorization-server": "GET, HEAD",
	}
	for path, allowed := range allow {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			a := h.do(method, path, nil)
			if strings.Contains(", "+allowed+",", " "+method+",") {
				if a.StatusCode == http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %s", method, path, a.Status)
				}
				continue
			}
			if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != allowed {
				t.Errorf("%s %s: %s, Allow: %q; want 405, %q", method, path, a.Status, a.Header.Get("Allow"), allowed)
			}
			if method != "HEAD" && strings.Contains(allowed, "GET, POST") != strings.HasPrefix(a.body, "<!doctype html>") && path != "/oauth2/consent" {
				t.Errorf("%s %s: %.40q", method, path, a.body)
			}
		}
	}
}

// What every answer carries, errors included: RFC 6749 §5.1, RFC 9700 §4.2.4, §4.16.
func TestSecurityHeaders(t *testing.T) {
	h := newHost(t, handlers.Options{})
	check := func(a *answer) {
		t.Helper()
		where := a.Request.Method + " " + a.Request.URL.Path
		for name, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		} {
			if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s: %q, want %q", where, name, got, want)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, directive) {
				t.Errorf("%s: Content-Security-Policy %q lacks %s", where, csp, directive)
			}
		}
		cache := "no-store"
		if a.StatusCode == http.StatusOK && (strings.Contains(where, "jwks") || strings.Contains(where, "well-known")) {
			cache = "public, max-age=300"
		}
		if got := a.Header.Get("Cache-Control"); got != cache {
			t.Errorf("%s %s: Cache-Control: %q, want %q", where, a.Status, got, cache)
		}
	}
	for _, path := range append(append(forPrograms, forPeople...), documents...) {
		for _, method := range []string{"GET", "POST", "PUT"} {
			check(h.do(method, path, nil))
		}
	}
	page := h.ask(authztest.AuthorizationParameters("read"))
	check(page)
	check(h.do("POST", "/oauth2/consent", page.form(t)))
	good := h.do("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"confidential"}, "client_secret": {secret}})
	check(good)
	if good.Header.Get("Pragma") != "no-cache" {
		t.Error("RFC 6749 §5.1: Pragma: no-cache is missing")
	}
}

// RFC 6749 §5.1 and §5.2.
func TestToken(t *testing.T) {
	h := newHost(t, handlers.Options{})
	t.Run("success", func(t *testing.T) {
		a := h.do("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"confidential"}, "client_secret": {secret}})
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s %s %s", a.Status, a.Header.Get("Content-Type"), a.body)
		}
		if got["token_type"] != "Bearer" || got["expires_in"] != 3600.0 || got["access_token"] == "" {
			t.Error(a.body)
		}
	})
	t.Run("invalid_client", func(t *testing.T) {
		for _, path := range forPrograms {
			a := h.do("POST", path, url.Values{"grant_type": {"client_credentials"}, "token": {"x"}}, "Authorization", "Basic Y29uZmlkZW50aWFsOndyb25n")
			a.isError(t, http.StatusUnauthorized, "invalid_client")
			if got, want := a.Header.Get("WWW-Authenticate"), `Basic realm="`+h.url+`", charset="UTF-8"`; got != want {
				t.Errorf("%s: WWW-Authenticate: %s, want %s", path, got, want)
			}
		}
	})
	t.Run("unsupported_grant_type", func(t *testing.T) {
		h.do("POST", "/oauth2/token", url.Values{"grant_type": {"password"}}).isError(t, http.StatusBadRequest, "unsupported_grant_type")
	})
}

// RFC 7662 §2.2, RFC 7009 §2.2.
func TestIntrospectionAndRevocation(t *testing.T) {
	h := newHost(t, handlers.Options{})
	token := h.AccessToken(t, "read")
	introspect := func() *answer {
		return h.do("POST", "/oauth2/introspect", url.Values{"token": {token}, "client_id": {"confidential"}, "client_secret": {secret}})
	}
	if a := introspect(); a.StatusCode != 200 || !strings.Contains(a.body, `"active":true`) {
		t.Fatal(a.Status, a.body)
	}
	if a := h.do("POST", "/oauth2/revoke", url.Values{"token": {token}, "client_id": {authztest.ClientID}}); a.StatusCode != 200 || a.body != "" {
		t.Fatal(a.Status, a.body)
	}
	if a := introspect(); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Error(a.body)
	}
}

// A store that is away is not a fact about the client.
func TestStoreUnavailable(t *testing.T) {
	broken := false
	h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.Storage = brokenStore{memory.New(), &broken} })
	broken = true
	a := h.do("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"other"}, "client_secret": {secret}})
	a.isError(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	page := h.ask(url.Values{"client_id": {"other"}})
	page.isErrorPage(t, http.StatusServiceUnavailable)
	for _, a := range []*answer{a, page} {
		if a.Header.Get("Retry-After") == "" {
			t.Error("Retry-After is missing")
		}
	}
}

// Hooks of the host that panic or fail end one request, not the connection.
func TestPanics(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.Login = func(*http.Request) (*authz.User, error) { panic("canary-panic") }
		c.Claims = func(context.Context, *authz.ClaimsRequest) (map[string]any, error) {
			return map[string]any{}["x"].(map[string]any), nil
		}
	})
	h.ask(authztest.AuthorizationParameters("read")).isErrorPage(t, http.StatusInternalServerError)
	h.do("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"confidential"}, "client_secret": {secret}}).
		isError(t, http.StatusInternalServerError, "server_error")
	h.do("POST", "/oauth2/token", "").isError(t, http.StatusBadRequest, "invalid_request")
	log := h.log.String()
	if strings.Contains(log, "canary") || strings.Contains(log, "code_challenge") {
		t.Errorf("the log holds what was in the request or the panic:\n%s", log)
	}
	if !strings.Contains(log, "stack=") || !strings.Contains(log, "interface conversion") {
		t.Errorf("the log does not tell the place:\n%s", log)
	}

	h = newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.Login = func(*http.Request) (*authz.User, error) { return nil, errors.New("no session store") }
	})
	h.ask(authztest.AuthorizationParameters("read")).isErrorPage(t, http.StatusInternalServerError)
}

// A page of the host's that panics is answered for by the built-in one, or, once it has
// begun, cut off.
func TestPanicsInPages(t *testing.T) {
	boom := func(http.ResponseWriter, *http.Request, *handlers.ErrorPage) { panic("no template") }
	h := newHost(t, handlers.Options{ErrorPage: boom})
	h.ask(url.Values{}).isErrorPage(t, http.StatusInternalServerError)

	half := func(w http.ResponseWriter, _ *http.Request, _ *handlers.ConsentPage) {
		w.Write([]byte("<!doctype html>"))
		w.(interface{ Unwrap() http.ResponseWriter }).Unwrap().(http.Flusher).Flush()
		panic("no template")
	}
	h = newHost(t, handlers.Options{ConsentPage: half})
	response, err := h.browser.Get(h.url + "/oauth2/authorize?" + authztest.AuthorizationParameters("read").Encode())
	if err == nil {
		var b [100]byte
		for err == nil {
			_, err = response.Body.Read(b[:])
		}
		response.Body.Close()
	}
	if err.Error() == "EOF" {
		t.Error("half a page passed for a whole one")
	}
}

// RFC 9700 §4.13: whose server this is does not depend on what the request says.
func TestRFC9700_Section4_13(t *testing.T) {
	h := newHost(t, handlers.Options{})
	spoof := []string{"Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example;proto=http"}
	for _, path := range documents {
		if a := h.do("GET", path, nil, spoof...); strings.Contains(a.body, "evil") || (strings.Contains(path, "well") && !strings.Contains(a.body, h.url)) {
			t.Error(a.body)
		}
	}
	page := h.do("GET", "/oauth2/authorize?"+authztest.AuthorizationParameters("read").Encode(), nil, spoof...)
	if strings.Contains(page.body, "evil") {
		t.Error("the page shows the Host header")
	}
	if cookie := page.Header.Get("Set-Cookie"); !strings.Contains(cookie, "; Secure") || strings.Contains(cookie, "evil") {
		t.Error(cookie)
	}
	a := h.do("GET", "/oauth2/authorize?"+url.Values{"client_id": {authztest.ClientID}}.Encode(), nil, spoof...)
	if got := a.location(t).Get("iss"); got != h.url {
		t.Errorf("iss is %q", got)
	}
}
