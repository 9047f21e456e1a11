package authz_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

func TestLogin_hook(t *testing.T) {
	for _, test := range []struct {
		name string
		hook func(*http.Request) (*authz.User, error)
		want string
	}{
		{"a user", as("ana"), "ask"},
		{"nobody", func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") }, "login"},
		{"nobody, wrapped", func(*http.Request) (*authz.User, error) {
			return nil, fmt.Errorf("session: %w", authz.RedirectToLogin("/login"))
		}, "login"},
		{"a user and nobody", func(*http.Request) (*authz.User, error) {
			return &authz.User{Subject: "ana"}, authz.RedirectToLogin("/login")
		}, "login"},
		{"neither", func(*http.Request) (*authz.User, error) { return nil, nil }, "page: server_error login_hook_failed"},
		{"an error", func(*http.Request) (*authz.User, error) { return nil, errors.New("the session store is away") }, "page: server_error login_hook_failed"},
		{"a user and an error", func(*http.Request) (*authz.User, error) {
			return &authz.User{Subject: "ana"}, errors.New("the session store is away")
		}, "page: server_error login_hook_failed"},
		{"empty subject", as(""), "page: server_error login_hook_failed"},
		{"subject not text", as("ana\x00"), "page: server_error login_hook_failed"},
		{"subject not UTF-8", as("\xff"), "page: server_error login_hook_failed"},
		{"redirect to nowhere", func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("") }, "page: server_error login_hook_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, func(c *authz.Config) { c.Login = test.hook })
			response, err := s.authorize(web)
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func as(subject string) func(*http.Request) (*authz.User, error) {
	return func(*http.Request) (*authz.User, error) { return &authz.User{Subject: subject}, nil }
}

// The hook gets the browser's request, and is asked only once the request is good.
func TestLogin_hook_is_asked_last(t *testing.T) {
	var seen *http.Request
	s := newServer(t, func(c *authz.Config) {
		c.Login = func(r *http.Request) (*authz.User, error) { seen = r; return &authz.User{Subject: "ana"}, nil }
	})
	for _, bad := range []edit{drop("client_id"), set("redirect_uri", "x"), drop("code_challenge"), set("scope", "nope")} {
		response, err := s.authorize(web, bad)
		s.outcome(t, response, err)
	}
	if seen != nil {
		t.Error("asked about a bad request")
	}
	s.page(t, web)
	if seen == nil || seen.URL.Path != "/oauth2/authorize" {
		t.Errorf("the hook got %v", seen)
	}
}

// prompt=none never shows a page of ours or the host's (OpenID Connect Core §3.1.2.1).
func TestLogin_prompt_none(t *testing.T) {
	s := newServer(t)
	for _, test := range []struct{ user, client, want string }{
		{"", web, "back: login_required login_required"},
		{"", first, "back: login_required login_required"},
		{"ana", web, "back: consent_required consent_required"},
		{"ana", native, "back: consent_required consent_required"},
		{"ana", first, "code"},
	} {
		s.host.SignIn(test.user)
		response, err := s.authorize(test.client, set("prompt", "none"))
		if got := s.outcome(t, response, err); got != test.want {
			t.Errorf("%q at %s: %s, want %s", test.user, test.client, got, test.want)
		}
	}
}

// The way to the sign-in page and back loses nothing of the request.
func TestRedirectToLogin(t *testing.T) {
	for to, want := range map[string]string{
		"/login":                           "/login?return_to=",
		"/login?theme=dark":                "/login?theme=dark&return_to=",
		"https://login.example/in":         "https://login.example/in?return_to=",
		"https://login.example/in?a=b#top": "https://login.example/in?a=b&return_to=",
		"/login#top":                       "/login?return_to=",
	} {
		s := newServer(t, func(c *authz.Config) {
			c.Issuer = issuer + "/tenant"
			c.Prefix = "/o"
			c.Login = func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin(to) }
		})
		state := "a&b=c #%\x00\u00fc"
		response, err := s.authorize(web, set("state", state), set("x", ""), set("resource", issuer+"/tenant", issuer+"/tenant"))
		if err != nil || !strings.HasPrefix(response.Redirect, want) {
			t.Fatalf("%+v, %v, want a redirect to %s", response, err, want)
		}
		u, err := url.Parse(response.Redirect)
		if err != nil {
			t.Fatal(err)
		}
		if (u.Fragment == "top") != strings.Contains(to, "#top") {
			t.Errorf("fragment %q", u.Fragment)
		}
		r := httptest.NewRequest("GET", response.Redirect, nil)
		returned, err := url.Parse(s.ReturnTo(r, "/fallback"))
		if err != nil || returned.Path != "/tenant/o/authorize" || returned.Host != "" {
			t.Fatalf("ReturnTo: %v, %v", returned, err)
		}
		q := returned.Query()
		if q.Get("state") != state || len(q["resource"]) != 2 || q.Get("client_id") != web || q.Has("x") {
			t.Errorf("came back with %v", q)
		}
	}
}

// ReturnTo is what keeps the sign-in page from being an open redirector (RFC 9700
// §4.11).
func TestRFC9700_Section4_11(t *testing.T) {
	s := newServer(t)
	for _, to := range []string{
		"", "/", "/login", "/oauth2/", "/oauth2/token", "/oauth2/authorize/", "/oauth2/authorize/../../x", "/oauth2/./authorize", "/x/../oauth2/authorize", "oauth2/authorize",
		"//evil.example", "//evil.example/oauth2/authorize", "///evil.example/oauth2/authorize", "////evil.example/oauth2/authorize", "//oauth2/authorize", "/%2f/oauth2/authorize",
		"/\\evil.example", "\\\\evil.example/oauth2/authorize", "/\\/evil.example/oauth2/authorize", "\\/oauth2/authorize", "/\t/evil.example/oauth2/authorize", "\t//evil.example/oauth2/authorize", " //evil.example/oauth2/authorize",
		"https://evil.example/oauth2/authorize", "https:/oauth2/authorize", "https:oauth2/authorize", "https:///oauth2/authorize", "http:///oauth2/authorize", "HTTPS://evil.example/oauth2/authorize", issuer + "/oauth2/authorize",
		"//user@evil.example/oauth2/authorize", "//@/oauth2/authorize", "javascript:alert(1)", "javascript:/oauth2/authorize", "javascript:%2foauth2/authorize", "data:,/oauth2/authorize",
		"%2f%2fevil.example/oauth2/authorize", "%68ttps://evil.example/oauth2/authorize", "/%5cevil.example/oauth2/authorize", "/oauth2/authorize\r\nX: y", "/oauth2/authorize\x00", "/oauth2%00/authorize", "/OAUTH2/AUTHORIZE",
		"?x=/oauth2/authorize", "#/oauth2/authorize", ";/oauth2/authorize",
	} {
		r := httptest.NewRequest("GET", "/login?"+url.Values{"return_to": {to}}.Encode(), nil)
		if got := s.ReturnTo(r, "/home"); got != "/home" {
			t.Errorf("ReturnTo(%q) = %q", to, got)
		}
	}
	// Whatever it lets through is a path on this host, as every browser reads it.
	for _, to := range []string{
		"/oauth2/authorize", "/oauth2/authorize?", "/oauth2/authorize?a=b", "/oauth2/authorize?a=//evil.example", "/oauth2/authorize?x#//evil.example", "/oauth2/%61uthorize", "/oauth2%2fauthorize?x",
	} {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"return_to": {to}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got := s.ReturnTo(r, "/home")
		if got != "/home" && (!strings.HasPrefix(got, "/oauth2") || strings.ContainsAny(got, "\\\r\n\t#") || strings.HasPrefix(got, "//")) {
			t.Errorf("ReturnTo(%q) = %q", to, got)
		}
		if !strings.Contains(to, "%") && got == "/home" {
			t.Errorf("ReturnTo(%q) = %q", to, got)
		}
	}
}

// What the hook says of the sign-in reaches the token (RFC 9068 §2.2.1).
func TestRFC9068_Section2_2_1(t *testing.T) {
	s := newServer(t)
	at := s.clock.Now()
	user := &authz.User{Subject: "ana", AuthTime: at, ACR: "urn:mfa", AMR: []string{"pwd", "otp"}}
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) {
			c.AccessTokenFormat = format
			c.Login = func(*http.Request) (*authz.User, error) { return user, nil }
		})
		tokens := s.tokens(t, web)
		s.clock.Advance(60 * 1e9)
		tokens = must(s.refresh(web, tokens.RefreshToken))(t)
		v := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
		if !v.AuthTime.Equal(at) || v.ACR != "urn:mfa" || len(v.AMR) != 2 || v.Subject != "ana" {
			t.Errorf("%s: %+v", format, v)
		}
	}
}
