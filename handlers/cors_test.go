package handlers_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
)

const spa = "https://spa.example"

func corsHeaders(a *answer) (names []string) {
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			names = append(names, name)
		}
	}
	return names
}

// RFC 9700 §2.6 and the CORS protocol.
func TestCORS(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.AllowedOrigins = []string{spa} })
	ask := func(origin string) []string {
		return []string{"Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,dpop"}
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/revoke"} {
		a := h.do("OPTIONS", path, nil, ask(spa)...)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": spa, "Access-Control-Allow-Methods": "POST",
			"Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP", "Access-Control-Max-Age": "600",
		} {
			if got := a.Header.Get(name); got != want || a.StatusCode != 204 {
				t.Errorf("%s %s: %s: %q, want %q", path, a.Status, name, got, want)
			}
		}
		a = h.do("POST", path, url.Values{}, "Origin", spa)
		if a.Header.Get("Access-Control-Allow-Origin") != spa || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
			t.Errorf("%s: %v", path, a.Header)
		}
		for _, origin := range []string{"https://evil.example", "null", "*", spa + ".evil.example", "https://SPA.example", spa + "/"} {
			if a := h.do("OPTIONS", path, nil, ask(origin)...); a.StatusCode != 405 || corsHeaders(a) != nil {
				t.Errorf("%s: preflight from %s: %s %v", path, origin, a.Status, a.Header)
			}
			a := h.do("POST", path, url.Values{}, "Origin", origin)
			if corsHeaders(a) != nil || a.Header.Get("Vary") != "Origin" {
				t.Errorf("%s: from %s: %v", path, origin, a.Header)
			}
		}
		if a := h.do("POST", path, url.Values{}); a.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: Vary: %q", path, a.Header.Get("Vary"))
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/oauth2/consent", "/oauth2/introspect"} {
		for _, method := range []string{"OPTIONS", "POST", "GET"} {
			if a := h.do(method, path, url.Values{}, ask(spa)...); corsHeaders(a) != nil || a.StatusCode < 400 {
				t.Errorf("%s %s: %s %v", method, path, a.Status, a.Header)
			}
		}
	}
	for _, path := range documents {
		if a := h.do("GET", path, nil, "Origin", "https://anybody.example"); a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", path, a.Header)
		}
		a := h.do("OPTIONS", path, nil, "Origin", "https://anybody.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "mcp-protocol-version")
		if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Headers") != "*" {
			t.Errorf("%s: %s %v", path, a.Status, a.Header)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials")
		}
	}
}

// For clients that nobody knows beforehand. Cookies play no part even so.
func TestCORSForEveryOrigin(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.AllowedOrigins = []string{"*"} })
	for _, origin := range []string{"http://localhost:6274", "https://anybody.example", "null"} {
		a := h.do("OPTIONS", "/oauth2/token", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
		b := h.do("POST", "/oauth2/token", url.Values{}, "Origin", origin)
		for _, a := range []*answer{a, b} {
			if a.Header.Get("Access-Control-Allow-Origin") != origin || a.Header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(strings.Join(a.Header.Values("Vary"), " "), "Origin") {
				t.Errorf("%s: %s %v", origin, a.Status, a.Header)
			}
		}
		if a := h.do("POST", "/oauth2/authorize", url.Values{}, "Origin", origin); corsHeaders(a) != nil {
			t.Errorf("the authorization endpoint: %v", a.Header)
		}
	}
}
