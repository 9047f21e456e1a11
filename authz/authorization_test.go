package authz_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// An error that belongs to client_id or redirect_uri stays on this server: there is
// no safe place to redirect to.
func TestRFC6749_Section4_1_2_1(t *testing.T) {
	for _, test := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"client_id missing", []edit{drop("client_id")}, "page: invalid_request client_id_missing"},
		{"client_id empty", []edit{set("client_id", "")}, "page: invalid_request client_id_missing"},
		{"client_id twice", []edit{set("client_id", spa, web)}, "page: invalid_request client_id_missing"},
		{"client_id unknown", []edit{set("client_id", "nobody")}, "page: invalid_request client_unknown"},
		{"client_id of 3000 characters", []edit{set("client_id", strings.Repeat("x", 3000))}, "page: invalid_request client_unknown"},
		{"client_id not text", []edit{set("client_id", "\xff\x00")}, "page: invalid_request client_unknown"},
		{"redirect_uri twice", []edit{set("redirect_uri", redirectOf[spa], redirectOf[spa])}, "page: invalid_request parameter_repeated"},
		{"redirect_uri twice, one bad", []edit{set("redirect_uri", redirectOf[spa], "https://evil.example/")}, "page: invalid_request parameter_repeated"},
		{"redirect_uri not registered", []edit{set("redirect_uri", "https://evil.example/")}, "page: invalid_request redirect_uri_not_registered"},
		{"several faults", []edit{set("redirect_uri", "https://evil.example/"), set("response_type", "token"), drop("code_challenge")}, "page: invalid_request redirect_uri_not_registered"},
		{"state of 64 KB", []edit{set("state", strings.Repeat("x", 64<<10))}, "page: invalid_request state_too_long"},

		{"response_type missing", []edit{drop("response_type")}, "back: invalid_request response_type_missing"},
		{"response_type token", []edit{set("response_type", "token")}, "back: unsupported_response_type response_type_not_supported"},
		{"response_type id_token", []edit{set("response_type", "id_token")}, "back: unsupported_response_type response_type_not_supported"},
		{"response_type code token", []edit{set("response_type", "code token")}, "back: unsupported_response_type response_type_not_supported"},
		{"response_type CODE", []edit{set("response_type", "CODE")}, "back: unsupported_response_type response_type_not_supported"},
		{"response_type twice", []edit{set("response_type", "code", "code")}, "back: invalid_request parameter_repeated"},
		{"scope twice", []edit{set("scope", "read", "read")}, "back: invalid_request parameter_repeated"},
		{"unknown parameter twice", []edit{set("x", "1", "2")}, "back: invalid_request parameter_repeated"},
		{"state twice", []edit{set("state", "a", "b")}, "back: invalid_request parameter_repeated"},
		{"parameter of 9 KB", []edit{set("x", strings.Repeat("x", 9<<10))}, "back: invalid_request parameter_too_long"},
		{"parameters of more than 24 KB", []edit{set("a", strings.Repeat("x", 8150)), set("b", strings.Repeat("x", 8150)), set("c", strings.Repeat("x", 8150))}, "back: invalid_request parameter_too_long"},
		{"parameter not UTF-8", []edit{set("x", "\xc3\x28")}, "back: invalid_request parameter_not_text"},
		{"overlong UTF-8", []edit{set("scope", "\xc0\xaf")}, "back: invalid_request parameter_not_text"},
		{"unpaired surrogate", []edit{set("x", "\xed\xa0\x80")}, "back: invalid_request parameter_not_text"},
		{"byte order mark", []edit{set("scope", "\ufeffread")}, "back: invalid_request parameter_not_text"},
		{"NUL", []edit{set("scope", "read\x00")}, "back: invalid_request parameter_not_text"},
		{"line break in a name", []edit{set("x\r\nSet-Cookie: a", "1")}, "back: invalid_request parameter_not_text"},
		{"state not UTF-8", []edit{set("state", "\xff")}, "back: invalid_request parameter_not_text"},
		{"response_mode fragment", []edit{set("response_mode", "fragment")}, "back: invalid_request response_mode_not_supported"},
		{"response_mode unknown", []edit{set("response_mode", "carrier_pigeon")}, "back: invalid_request response_mode_not_supported"},
		{"request object", []edit{set("request", "e30.e30.")}, "page: invalid_request_object request_object_alg_not_allowed"},
		{"request_uri", []edit{set("request_uri", "https://evil.example/r")}, "back: request_uri_not_supported request_uri_not_supported"},
		{"registration", []edit{set("registration", "{}")}, "back: registration_not_supported registration_not_supported"},
		{"prompt none login", []edit{set("prompt", "none login")}, "back: invalid_request prompt_contradictory"},
		{"prompt login none", []edit{set("prompt", "login none")}, "back: invalid_request prompt_contradictory"},
		{"resource unknown", []edit{set("resource", "https://other.example")}, "back: invalid_target resource_unknown"},
		{"one resource of two unknown", []edit{set("resource", issuer, "https://other.example")}, "back: invalid_target resource_unknown"},
		{"resource relative", []edit{set("resource", "/")}, "back: invalid_target resource_unknown"},
		{"resource with fragment", []edit{set("resource", issuer+"#x")}, "back: invalid_target resource_unknown"},
		{"resource with a path", []edit{set("resource", issuer+"/x")}, "back: invalid_target resource_unknown"},
		{"resource with two slashes more", []edit{set("resource", issuer+"//")}, "back: invalid_target resource_unknown"},

		{"nothing wrong", nil, "ask"},
		{"response_mode query", []edit{set("response_mode", "query")}, "ask"},
		{"unknown parameter", []edit{set("x", "1")}, "ask"},
		{"resource known", []edit{set("resource", issuer)}, "ask"},
		{"resource twice", []edit{set("resource", issuer, issuer)}, "ask"},
		// RFC 6749 §3.1: a parameter without a value is treated as if it were left out.
		{"parameters without a value", []edit{set("response_mode", ""), set("request", ""), set("prompt", "")}, "ask"},
		{"resource without a value", []edit{set("resource", "")}, "ask"},
		{"no state", []edit{drop("state")}, "ask"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			response, err := s.authorize(spa, test.edits...)
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if strings.HasPrefix(test.want, "back: ") && !strings.HasPrefix(response.Redirect, redirectOf[spa]+"?") {
				t.Errorf("redirect to %q, want the registered URI", response.Redirect)
			}
			if _, commits := s.store.seen(); commits != 0 {
				t.Errorf("%d writes before the user has decided", commits)
			}
		})
	}
}

// A client that may not use the code grant is told so, at its own redirect URI.
func TestRFC6749_Section4_1_1_client_without_the_grant(t *testing.T) {
	s := newServer(t)
	s.register(t, authz.Client{ID: "machine", GrantTypes: []string{"client_credentials"}, Secrets: liveSecrets[web],
		RedirectURIs: []string{"https://machine.example/"}, Scopes: []string{"read"}})
	response, err := s.authorize("machine", drop("redirect_uri"), set("scope", "read"))
	if got := s.outcome(t, response, err); got != "back: unauthorized_client grant_type_not_allowed" {
		t.Error(got)
	}
	// The resource server has no redirect URI at all.
	response, err = s.authorize(rs, drop("redirect_uri"), drop("scope"))
	if got := s.outcome(t, response, err); got != "page: invalid_request redirect_uri_missing" {
		t.Error(got)
	}
}

// state comes back exactly as it was sent (RFC 6749 §4.1.2), on errors too.
func TestRFC6749_Section4_1_2_state(t *testing.T) {
	s := newServer(t)
	for _, state := range []string{
		"a", "&#<>\"'\x00%00", "a b+c", "\r\nLocation: https://evil.example", strings.Repeat("s", 4096), "\u00fc\u4e16", "iss=x&code=y",
	} {
		for _, edits := range [][]edit{{}, {set("response_type", "x")}} {
			response, err := s.authorize(first, append(edits, set("state", state))...)
			q := back(t, response, err)
			if len(q["state"]) != 1 || q.Get("state") != state {
				t.Errorf("state %q came back as %q", state, q["state"])
			}
			if strings.ContainsAny(response.Redirect, "\r\n\x00 <>\"") {
				t.Errorf("raw bytes in %q", response.Redirect)
			}
			if len(q["iss"]) != 1 || len(q["code"]) > 1 || q.Get("code") == "y" {
				t.Errorf("state leaked into other parameters: %q", response.Redirect)
			}
		}
	}
	response, err := s.authorize(first, drop("state"))
	if q := back(t, response, err); q.Has("state") || q.Get("code") == "" {
		t.Errorf("without a state: %v", q)
	}
}

// RFC 6749 §3.1: the endpoint takes the request whatever host the browser called it by,
// and nothing of that gets into the answer (RFC 9700 §4.13).
func TestRFC9207_Section2_issuer_is_configured(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.Issuer = "https://auth.example/tenant" })
	r := httptest.NewRequest("GET", "http://evil.example/oauth2/authorize", nil)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-Proto", "http")
	params := url.Values{"client_id": {first}, "response_type": {"code"}, "state": {"s"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
	ask := func() url.Values {
		response, err := s.Authorize(context.Background(), &authz.AuthorizationRequest{Parameters: params, HTTP: r, Browser: browser})
		return back(t, response, err)
	}
	if q := ask(); q.Get("iss") != "https://auth.example/tenant" {
		t.Errorf("iss = %q", q.Get("iss"))
	}
	s.host.SignIn("")
	if to := ask().Get("return_to"); !strings.HasPrefix(to, "/tenant/oauth2/authorize?") {
		t.Errorf("return_to = %q", to)
	}
}

// The client's own query is kept (RFC 6749 §3.1.2).
func TestRFC6749_Section3_1_2_query_is_kept(t *testing.T) {
	s := newServer(t)
	for _, uri := range []string{"https://q.example/cb?a=1", "https://q.example/cb?a=1&", "https://q.example/cb?", "https://q.example", "https://q.example/cb?a=%2F+b"} {
		s.register(t, authz.Client{ID: "q", FirstParty: true, Secrets: liveSecrets[web], RedirectURIs: []string{uri}, Scopes: []string{"read"}})
		response, err := s.authorize("q", drop("redirect_uri"), set("scope", "read"))
		q := back(t, response, err)
		if !strings.HasPrefix(response.Redirect, uri) {
			t.Errorf("%q became %q", uri, response.Redirect)
		}
		if q.Get("code") == "" || q.Get("state") != "xyz" || strings.Contains(uri, "a=1") && q.Get("a") != "1" {
			t.Errorf("%q became %q", uri, response.Redirect)
		}
		if strings.Count(response.Redirect, "?") != 1 || strings.Contains(response.Redirect, "&&") {
			t.Errorf("%q is not well-formed", response.Redirect)
		}
	}
}
