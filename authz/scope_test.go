package authz_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// The scope parameter at the authorization endpoint and, for client_credentials, at
// the token endpoint.
func TestRFC6749_Section3_3(t *testing.T) {
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprint(i))
	}
	const malformed, refused, notText = "invalid_scope scope_malformed", "invalid_scope scope_not_allowed", "invalid_request parameter_not_text"
	for _, test := range []struct{ name, scope, want string }{
		{"unknown", "nope", refused},
		{"not the client's", "admin", refused},
		{"one of two unknown", "read nope", refused},
		{"in upper case", "READ", refused},
		{"wildcard", "*", refused},
		{"prefix", "rea", refused},
		{"hierarchy", "read.more", refused},
		{"openid without OpenID Connect", "openid", refused},
		{"space alone", " ", malformed},
		{"space in front", " read", malformed},
		{"space behind", "read ", malformed},
		{"two spaces", "read  write", malformed},
		{"tab", "read\twrite", notText},
		{"NUL", "read\x00", notText},
		{"line break", "read\nwrite", notText},
		{"quote", `"read"`, malformed},
		{"backslash", `read\`, malformed},
		{"beyond ASCII", "r\u00e9ad", malformed},
		{"comma", "read,write", refused},
		{"hundred and one", strings.TrimSpace(strings.Repeat("read ", 101)), malformed},
		{"10 000", strings.Join(many, " "), "invalid_request parameter_too_long"},
		{"2000 short ones", strings.TrimSpace(strings.Repeat("a ", 2000)), refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			began := time.Now()
			response, err := s.authorize(spa, set("scope", test.scope))
			if took := time.Since(began); took > 50*time.Millisecond {
				t.Errorf("took %v", took)
			}
			got := strings.TrimPrefix(s.outcome(t, response, err), "back: ")
			// Which check is first to mind is not the point where several would.
			if got != test.want && !(test.name == "2000 short ones" && got == malformed) {
				t.Errorf("authorization: %s, want %s", got, test.want)
			}
			_, err = s.own(set("scope", test.scope))
			if err == nil {
				t.Fatalf("client_credentials: no error, want %s", test.want)
			}
			if got := refusedWith(t, err); got != test.want && !(test.name == "2000 short ones" && got == malformed) {
				t.Errorf("client_credentials: %s, want %s", got, test.want)
			}
			if strings.Contains(err.Error(), "\x00") || strings.Contains(err.Error(), "\n") {
				t.Errorf("raw input in %q", err)
			}
		})
	}
}

func TestRFC6749_Section3_3_granted(t *testing.T) {
	for _, test := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"one", []edit{set("scope", "write")}, "write"},
		{"in the order asked for", []edit{set("scope", "write read")}, "write read"},
		{"one twice counts once", []edit{set("scope", "read read")}, "read"},
		{"absent means the defaults", []edit{drop("scope")}, "read"},
		{"empty means absent", []edit{set("scope", "")}, "read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			for _, id := range []string{web, service} {
				s.change(t, id, func(c *authz.Client) { c.DefaultScopes = []string{"read"} })
			}
			if got := s.tokens(t, web, test.edits...).Scope; got != test.want {
				t.Errorf("code: scope %q, want %q", got, test.want)
			}
			if got := must(s.own(test.edits...))(t).Scope; got != test.want {
				t.Errorf("client_credentials: scope %q, want %q", got, test.want)
			}
		})
	}
}

func TestRFC6749_Section3_3_no_defaults_means_all(t *testing.T) {
	s := newServer(t)
	if got := s.tokens(t, web, drop("scope")).Scope; got != "read write offline_access" {
		t.Errorf("code: %q", got)
	}
	// A client's own token has nobody who could be offline (RFC 6749 §4.4.3).
	tokens := must(s.own(drop("scope")))(t)
	if tokens.Scope != "read write" || tokens.RefreshToken != "" {
		t.Errorf("client_credentials: %q, refresh token %t", tokens.Scope, tokens.RefreshToken != "")
	}
}

// A client without scopes gets a token without scopes.
func TestRFC6749_Section3_3_client_without_scopes(t *testing.T) {
	s := newServer(t)
	s.change(t, web, func(c *authz.Client) { c.Scopes = nil })
	prompt := s.page(t, web, drop("scope"))
	if len(prompt.Scopes) != 0 {
		t.Errorf("asks for %v", prompt.Scopes)
	}
	response, err := s.submit(submission(prompt))
	tokens := must(s.redeem(web, back(t, response, err).Get("code")))(t)
	if tokens.Scope != "" {
		t.Errorf("scope %q", tokens.Scope)
	}
	verified := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
	if len(verified.Scopes) != 0 {
		t.Errorf("scopes %q", verified.Scopes)
	}
}

// A stored client may be older than the server's list of scopes: what was taken off the
// list is granted to nobody, asked for by name or by default.
func TestRFC6749_Section3_3_scope_that_the_server_dropped(t *testing.T) {
	s := newServer(t)
	for _, id := range []string{web, service} {
		s.change(t, id, func(c *authz.Client) { c.Scopes = append(c.Scopes, "gone") })
	}
	if got := s.tokens(t, web, drop("scope")).Scope; slices.Contains(strings.Fields(got), "gone") {
		t.Errorf("code: %q", got)
	}
	if got := must(s.own(drop("scope")))(t).Scope; slices.Contains(strings.Fields(got), "gone") {
		t.Errorf("client_credentials: %q", got)
	}
}

// The same holds for a grant that is older than the list.
func TestRFC6749_Section6_scope_that_the_server_dropped(t *testing.T) {
	old := newServer(t)
	tokens, code := old.tokens(t, web), old.code(t, web)
	later, err := authz.New(authz.Config{
		Issuer: issuer, Storage: old.store, Clock: old.clock.Now, Scopes: authz.Scopes{"read": "Read things"},
		Login: func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") },
	})
	if err != nil {
		t.Fatal(err)
	}
	now := &server{Server: later}
	if got := must(now.redeem(web, code))(t).Scope; got != "read" {
		t.Errorf("code: %q", got)
	}
	if got := must(now.refresh(web, tokens.RefreshToken))(t).Scope; got != "read" {
		t.Errorf("refresh: %q", got)
	}
}

// A client that the host stored with defaults beyond its scopes does not get them.
func TestRFC6749_Section3_3_default_beyond_the_client(t *testing.T) {
	s := newServer(t)
	for _, id := range []string{web, service} {
		s.change(t, id, func(c *authz.Client) { c.Scopes, c.DefaultScopes = []string{"read"}, []string{"read", "admin"} })
	}
	response, err := s.authorize(web, drop("scope"))
	if got := s.outcome(t, response, err); got == "ask" {
		for _, scope := range response.Consent.Scopes {
			if scope.Name == "admin" {
				t.Error("authorization: asks for admin")
			}
		}
	}
	if tokens, err := s.own(drop("scope")); err == nil && strings.Contains(tokens.Scope, "admin") {
		t.Errorf("client_credentials: %q", tokens.Scope)
	}
}
