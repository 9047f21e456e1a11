package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// RFC 8414 §3, RFC 7517 §5: documents that can be kept for a while.
func TestDocuments(t *testing.T) {
	h := newHost(t, handlers.Options{})
	types := map[string]string{"/oauth2/jwks": "application/jwk-set+json", "/.well-known/oauth-authorization-server": "application/json"}
	for path, contentType := range types {
		a := h.do("GET", path, nil)
		tag := a.Header.Get("ETag")
		if !json.Valid([]byte(a.body)) || a.Header.Get("Content-Type") != contentType || tag == "" {
			t.Errorf("%s: %s %v %s", path, a.Status, a.Header, a.body)
		}
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag} {
			if a := h.do("GET", path, nil, "If-None-Match", match); a.StatusCode != http.StatusNotModified || a.body != "" || a.Header.Get("ETag") != tag {
				t.Errorf("%s: If-None-Match %s: %s", path, match, a.Status)
			}
		}
		if a := h.do("HEAD", path, nil); a.StatusCode != 200 || a.body != "" || a.Header.Get("Content-Type") != contentType {
			t.Errorf("HEAD %s: %s %q", path, a.Status, a.body)
		}
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(h.do("GET", "/oauth2/jwks", nil).body), &set); err != nil || len(set.Keys) == 0 {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, found := key[private]; found {
				t.Errorf("the key set holds the private member %s", private)
			}
		}
	}
}

// RFC 8414 §3.1: the well-known string goes between host and path of the issuer.
func TestRFC8414_Section3_1(t *testing.T) {
	as := authztest.New(t, func(c *authz.Config) { c.Issuer, c.Prefix = "https://auth.example/tenant/one", "/o" })
	mux := http.NewServeMux()
	handlers.Mount(mux, as.Server)
	for name, handler := range map[string]http.Handler{"Mount": mux, "New": handlers.New(as.Server)} {
		for path, status := range map[string]int{
			"/.well-known/oauth-authorization-server/tenant/one": 200, "/tenant/one/.well-known/oauth-authorization-server": 200, "/tenant/one/o/jwks": 200, "/tenant/one/o/authorize": 400,
			"/tenant/one/o/consent": 405, "/tenant/one/o/token": 405, "/tenant/one/o/revoke": 405, "/tenant/one/o/introspect": 405,
			"/.well-known/oauth-authorization-server": 404, "/o/jwks": 404, "/": 404, "/tenant/one/o/jwks/": 404, "/tenant/one/o/": 404,
		} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != status {
				t.Errorf("%s %s: %d, want %d", name, path, w.Code, status)
			}
		}
	}
	as.SignIn("ana")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/tenant/one/o/authorize?"+authztest.AuthorizationParameters("read").Encode(), nil))
	if !strings.Contains(w.Body.String(), `action="/tenant/one/o/consent"`) {
		t.Error("the consent page does not post to the consent endpoint")
	}
}
