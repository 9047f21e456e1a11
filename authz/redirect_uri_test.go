package authz_test

import (
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// Compared byte for byte (RFC 9700 §2.1): nothing that some parser takes for the same
// URI is the same.
func TestRFC9700_Section2_1(t *testing.T) {
	s := newServer(t)
	s.register(t, authz.Client{ID: "app", RedirectURIs: []string{"https://h.example/cb", "https://h.example/cb2?x=1"}, Scopes: []string{"read", "write"}})
	s.register(t, authz.Client{ID: "tool", ApplicationType: "native", RedirectURIs: []string{"https://h.example/cb"}, Scopes: []string{"read", "write"}})
	for _, id := range []string{"app", "tool"} {
		response, err := s.authorize(id, set("redirect_uri", "https://h.example/cb"))
		if got := s.outcome(t, response, err); got != "ask" {
			t.Errorf("the registered URI for %s: %s", id, got)
		}
		for _, uri := range []string{
			"https://h.example/cb/", "https://h.example/CB", "https://h.example/cb?", "https://h.example/cb?x=1", "https://h.example/cb;x",
			"https://h.example/cb/../x", "https://h.example/x/../cb", "https://h.example/./cb", "https://h.example//cb", "https://h.example/%63b", "https://h.example/cb%2f",
			"https://h.example:443/cb", "https://h.example:/cb", "https://h.example:8443/cb", "HTTPS://h.example/cb", "https://H.example/cb", "https://h.example./cb",
			"https://user@h.example/cb", "https://user:pw@h.example/cb", "https://@h.example/cb", "https://h.example@evil.example/cb", "https://h.example:x@evil.example/cb",
			"https://h.example\\@evil.example/cb", "https://evil.example\\.h.example/cb", "https:h.example/cb", "https:/h.example/cb", "https:///h.example/cb", "//h.example/cb", "/cb", "h.example/cb",
			"https://h.example/cb#", "https://h.example/cb#x", "https://h.example/cb%23x", "https://h.example/cb2", "https://h.example/cb2?x=2", "https://h.example/cb2?x=1&y=2",
			" https://h.example/cb", "https://h.example/cb ", "https://h.example/cb\t", "https://h.example/cb\n", "https://h.example/cb\r\nX: y", "https://h.example/cb\x00", "https://h.example/cb%00", "https://h.example/cb%0d%0aX:%20y", "+https://h.example/cb",
			"https://h.example.evil.example/cb", "https://evilh.example/cb", "https://evil.example/https://h.example/cb", "https://evil.example/?https://h.example/cb",
			"http://h.example/cb", "https://h%2eexample/cb", "https://\uff48.example/cb", "https://h\u3002example/cb", "https://h.example\uff0fcb", "https://h.example/c\u200bb",
			"javascript:alert(1)", "javascript://h.example/cb%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://h.example/x", "about:blank",
			strings.Repeat("https://h.example/cb", 100),
		} {
			response, err := s.authorize(id, set("redirect_uri", uri))
			if got := s.outcome(t, response, err); got != "page: invalid_request redirect_uri_not_registered" {
				t.Errorf("%s with %q: %s", id, uri, got)
			}
		}
	}
}

// Native clients get the loopback interface on any port (RFC 8252 §7.3), which they
// learn from the operating system, and nothing else of the URI may differ.
func TestRFC8252_Section7_3(t *testing.T) {
	registered := []string{"http://127.0.0.1/cb", "http://[::1]:1234/cb?a=1", "http://localhost", "com.example.app:/cb"}
	refused := "page: invalid_request redirect_uri_not_registered"
	for uri, want := range map[string]string{
		"http://127.0.0.1/cb":              "ask",
		"http://127.0.0.1:1/cb":            "ask",
		"http://127.0.0.1:65535/cb":        "ask",
		"http://[::1]/cb?a=1":              "ask",
		"http://[::1]:49152/cb?a=1":        "ask",
		"http://localhost":                 "ask",
		"http://localhost:5555":            "ask",
		"com.example.app:/cb":              "ask",
		"http://127.0.0.1:/cb":             refused,
		"http://127.0.0.1:123456/cb":       refused,
		"http://127.0.0.1:12a/cb":          refused,
		"http://127.0.0.1:-1/cb":           refused,
		"http://127.0.0.1: 1/cb":           refused,
		"http://127.0.0.1:1:2/cb":          refused,
		"http://127.0.0.1:%31/cb":          refused,
		"http://127.0.0.1:\uff11/cb":       refused,
		"http://127.0.0.1:1/cb/":           refused,
		"http://127.0.0.1:1/cb?x=1":        refused,
		"http://127.0.0.1:1/cb#":           refused,
		"http://127.0.0.1:1/cb#x":          refused,
		"http://127.0.0.1:1":               refused,
		"http://127.0.0.1:1/%63b":          refused,
		"http://127.0.0.1:1/x/../cb":       refused,
		"http://127.0.0.1:1\\@evil/cb":     refused,
		"http://127.0.0.1:1@evil/cb":       refused,
		"http://127.0.0.1@evil/cb":         refused,
		"http://user@127.0.0.1:1/cb":       refused,
		"http://127.0.0.1.evil.example/cb": refused,
		"http://127.0.0.1.nip.io/cb":       refused,
		"http://127.0.0.11/cb":             refused,
		"http://127.0.0.2/cb":              refused,
		"http://127.1/cb":                  refused,
		"http://0x7f000001/cb":             refused,
		"http://2130706433/cb":             refused,
		"http://0177.0.0.1/cb":             refused,
		"http://[::ffff:127.0.0.1]/cb":     refused,
		"http://[0:0:0:0:0:0:0:1]/cb?a=1":  refused,
		"http://[::1%25lo]/cb?a=1":         refused,
		"http://::1/cb?a=1":                refused,
		"http://[::1]/cb":                  refused,
		"http://[::1]x/cb?a=1":             refused,
		"http://localhost/cb":              refused, // registered for 127.0.0.1 alone
		"http://127.0.0.1:1?a=1":           refused,
		"http://localhost:1/":              refused,
		"http://localhost.":                refused,
		"http://LOCALHOST:1":               refused,
		"http://localhost.evil.example":    refused,
		"http://localhostevil.example":     refused,
		"http://x.localhost":               refused,
		"https://127.0.0.1:1/cb":           refused,
		"HTTP://127.0.0.1:1/cb":            refused,
		"http:127.0.0.1:1/cb":              refused,
		"com.example.app:1/cb":             refused,
		"com.example.app://cb":             refused,
		"com.example.app:/cb?x":            refused,
		"COM.EXAMPLE.APP:/cb":              refused,
	} {
		t.Run(uri, func(t *testing.T) {
			s := newServer(t)
			s.register(t, authz.Client{ID: "tool", ApplicationType: "native", RedirectURIs: registered, Scopes: []string{"read", "write"}})
			response, err := s.authorize("tool", set("redirect_uri", uri))
			if got := s.outcome(t, response, err); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if want != "ask" {
				return
			}
			response, err = s.submit(submission(response.Consent))
			if code := back(t, response, err).Get("code"); code == "" || !strings.HasPrefix(response.Redirect, uri) {
				t.Errorf("answer goes to %q", response.Redirect)
			}
		})
	}
}

// The port is free for native clients alone.
func TestRFC8252_Section7_3_web_client(t *testing.T) {
	s := newServer(t)
	s.register(t, authz.Client{ID: "dev", RedirectURIs: []string{"http://localhost:3000/cb"}, Scopes: []string{"read", "write"}})
	for uri, want := range map[string]string{
		"http://localhost:3000/cb": "ask",
		"http://localhost:3001/cb": "page: invalid_request redirect_uri_not_registered",
		"http://localhost/cb":      "page: invalid_request redirect_uri_not_registered",
	} {
		response, err := s.authorize("dev", set("redirect_uri", uri))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// The URI of the token request is the one of the authorization request, port included
// (RFC 6749 §4.1.3).
func TestRFC6749_Section4_1_3_loopback_port(t *testing.T) {
	s := newServer(t)
	code := s.code(t, native, set("redirect_uri", "http://127.0.0.1:4000/cb"))
	for _, uri := range []string{"http://127.0.0.1:4001/cb", "http://127.0.0.1/cb"} {
		_, err := s.redeem(native, code, set("redirect_uri", uri))
		wantRefusal(t, err, "invalid_grant redirect_uri_mismatch")
	}
	must(s.redeem(native, code, set("redirect_uri", "http://127.0.0.1:4000/cb")))(t)
}

// RFC 6749 §3.1.2.3: redirect_uri may be left out where there is only one.
func TestRFC6749_Section3_1_2_3(t *testing.T) {
	s := newServer(t)
	response, err := s.authorize(spa, drop("redirect_uri"))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Errorf("one registered: %s", got)
	}
	response, err = s.authorize(native, set("redirect_uri", ""))
	if got := s.outcome(t, response, err); got != "page: invalid_request redirect_uri_missing" {
		t.Errorf("two registered: %s", got)
	}
}

// What may be registered (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.6). What is in a
// host's own client storage is held to the same at use.
func TestRFC9700_Section2_6_registration(t *testing.T) {
	const plain, absolute, fragment, http, scheme = "plain ASCII", "absolute URI", "fragment", "use https", "is not allowed"
	for _, test := range []struct{ uri, web, native string }{
		{"https://h.example/cb", "", ""},
		{"https://h.example", "", ""},
		{"https://h.example:8443/cb?a=b", "", ""},
		{"https://xn--bcher-kva.example/", "", ""},
		{"http://127.0.0.1/cb", "", ""},
		{"http://[::1]:80/cb", "", ""},
		{"http://localhost:3000", "", ""},
		{"com.example.app:/cb", "private-use", ""},
		{"com.example.app://h/cb", "private-use", ""},
		{"", plain, plain},
		{"https://h.example/c b", plain, plain},
		{" https://h.example/", plain, plain},
		{"https://h.example/\n", plain, plain},
		{"https://h.example/\x00", plain, plain},
		{"https://h\\@evil.example/", plain, plain},
		{"https://h.example/\"onload=x", plain, plain},
		{"https://h.example/<script>", plain, plain},
		{"https://b\u00fccher.example/", plain, plain},
		{"/cb", absolute, absolute},
		{"h.example/cb", absolute, absolute},
		{"//h.example/cb", absolute, absolute},
		{"https://h.example/#", fragment, fragment},
		{"https://h.example/#x", fragment, fragment},
		{"http://127.0.0.1/cb#", fragment, fragment},
		{"https://*.h.example/", "wildcards", "wildcards"},
		{"https://h.example/*", "wildcards", "wildcards"},
		{"HTTPS://h.example/", "lower case", "lower case"},
		{"https://user@h.example/", "user name", "user name"},
		{"http://user@127.0.0.1/", "user name", "user name"},
		{"https:h.example/cb", "needs a host", "needs a host"},
		{"https:///cb", "needs a host", "needs a host"},
		{"https://:443/cb", "needs a host", "needs a host"},
		{"http://h.example/", http, http},
		{"http://127.0.0.2/", http, http},
		{"http://127.1/", http, http},
		{"http://0x7f000001/", http, http},
		{"http://x.localhost/", http, http},
		{"http://localhost.evil.example/", http, http},
		{"http://[::ffff:127.0.0.1]/", http, http},
		{"http:127.0.0.1/", http, http},
		{"javascript:alert(1)", scheme, scheme},
		{"data:text/html,x", scheme, scheme},
		{"file:///etc/passwd", scheme, scheme},
		{"vbscript:x", scheme, scheme},
		{"blob:https://h.example/x", scheme, scheme},
		{"about:blank", scheme, scheme},
		{"ftp://h.example/", scheme, scheme},
		{"myapp:/cb", scheme, scheme},
		{"intent:/cb", scheme, scheme},
		{"urn:ietf:wg:oauth:2.0:oob", scheme, scheme},
	} {
		for kind, want := range map[string]string{"web": test.web, "native": test.native} {
			t.Run(kind+" "+test.uri, func(t *testing.T) {
				s := newServer(t)
				c := authz.Client{ID: "app", ApplicationType: kind, RedirectURIs: []string{test.uri}, Scopes: []string{"read"}}
				err := s.RegisterClient(t.Context(), c)
				if want == "" {
					if err != nil {
						t.Errorf("RegisterClient: %v", err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), "RedirectURIs") || !strings.Contains(err.Error(), want) {
					t.Errorf("RegisterClient: %v, want it to say %q", err, want)
				}
				if err := s.store.inner.PutClient(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				for _, edits := range [][]edit{{drop("redirect_uri")}, {set("redirect_uri", test.uri)}} {
					response, err := s.authorize("app", append(edits, set("scope", "read"))...)
					got := s.outcome(t, response, err)
					if got != "page: invalid_request redirect_uri_unsafe" && (test.uri != "" || !strings.HasPrefix(got, "page: ")) {
						t.Errorf("at use: %s", got)
					}
				}
			})
		}
	}
}

// A redirect URI taken out of the registration is out, also for a code that is on its
// way to it.
func TestRFC6749_Section4_1_3_redirect_uri_gone(t *testing.T) {
	for name, edits := range map[string][]edit{"named": nil, "left out": {drop("redirect_uri")}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			code := s.code(t, spa, edits...)
			s.change(t, spa, func(c *authz.Client) { c.RedirectURIs = []string{"https://new.example/cb"} })
			_, err := s.redeem(spa, code, edits...)
			wantRefusal(t, err, "invalid_grant redirect_uri_gone")
		})
	}
}
