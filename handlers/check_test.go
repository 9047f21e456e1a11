package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

func TestCheck(t *testing.T) {
	const metadata = "/.well-known/oauth-authorization-server"
	for _, c := range []struct {
		name   string
		before func(w http.ResponseWriter, r *http.Request) (done bool)
		want   string // in the error; empty for none
	}{
		{"good", func(http.ResponseWriter, *http.Request) bool { return false }, ""},
		{"well_known_not_at_the_root", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == metadata {
				http.NotFound(w, r)
			}
			return r.URL.Path == metadata
		}, "have the proxy pass it on"},
		{"single_page_application", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == metadata {
				w.Header().Set("Content-Type", "text/html")
				w.Write([]byte("<html>"))
			}
			return r.URL.Path == metadata
		}, "catch-all"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://www.example.com"+r.URL.Path, http.StatusMovedPermanently)
			return true
		}, "www.example.com"},
		{"other_server", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"issuer":"https://other.example"}`))
			return true
		}, "another server answers"},
		{"csrf_middleware", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				http.Error(w, "CSRF token missing", http.StatusForbidden)
			}
			return r.Method == http.MethodPost
		}, "CSRF token"},
		{"sign_in_middleware", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/authorize") {
				http.Redirect(w, r, "/login", http.StatusFound)
			}
			return strings.HasSuffix(r.URL.Path, "/authorize")
		}, "sign-in page"},
		{"policy_of_a_proxy", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Add("X-Proxy-CSP", "form-action 'self'")
			return false
		}, "form-action"},
		{"keys_lost", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/jwks") {
				w.Write([]byte(`{"keys":[]}`))
			}
			return strings.HasSuffix(r.URL.Path, "/jwks")
		}, "nobody can verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var as http.Handler
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.before(w, r) {
					return
				}
				if csp := w.Header().Get("X-Proxy-CSP"); csp != "" {
					w = addingCSP{w, csp}
				}
				as.ServeHTTP(w, r)
			}))
			defer server.Close()
			s := authztest.New(t, func(c *authz.Config) { c.Issuer = server.URL })
			as = handlers.New(s.Server)
			err := handlers.Check(t.Context(), s.Server, nil)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("nobody_there", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		s := authztest.New(t, func(c *authz.Config) { c.Issuer = server.URL })
		if err := handlers.Check(t.Context(), s.Server, nil); err == nil || !strings.Contains(err.Error(), "nobody answers") {
			t.Error(err)
		}
	})
}

// addingCSP is a proxy that adds a policy to every answer.
type addingCSP struct {
	http.ResponseWriter
	csp string
}

func (w addingCSP) WriteHeader(status int) {
	w.Header().Add("Content-Security-Policy", w.csp)
	w.ResponseWriter.WriteHeader(status)
}
