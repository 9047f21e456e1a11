package engine_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// loopback is one request of a native client. Both servers are asked; what fosite says
// is in the table because the point of the table is where it differs.
type loopback struct {
	registered, requested string
	fosite, ours          bool
}

// Only the port may differ from what is registered. fosite compares parsed URLs: host,
// decoded path and query, and nothing else of them.
func TestLoopbackRedirect_RFC8252_7_3(t *testing.T) {
	const (
		v4     = "http://127.0.0.1/cb"
		v6     = "http://[::1]/cb"
		byName = "http://localhost/cb"
	)
	for name, l := range map[string]loopback{
		// Any port, of all three hosts: native clients of today send localhost.
		"same":               {v4, v4, true, true},
		"port":               {v4, "http://127.0.0.1:5555/cb", true, true},
		"another port":       {"http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", true, true},
		"no port":            {"http://127.0.0.1:1/cb", v4, true, true},
		"v6 port":            {v6, "http://[::1]:5555/cb", true, true},
		"localhost":          {byName, byName, true, true},
		"localhost port":     {byName, "http://localhost:5555/cb", false, true},
		"query":              {v4 + "?a=b", "http://127.0.0.1:5555/cb?a=b", true, true},
		"root":               {"http://127.0.0.1", "http://127.0.0.1:5555", true, true},
		"localhost no path":  {"http://localhost", "http://localhost:5555", false, true},
		"another host of it": {byName, "http://127.0.0.1:5555/cb", false, false},

		// What fosite lets through.
		"user":             {v4, "http://evil@127.0.0.1:5555/cb", true, false},
		"user, password":   {v4, "http://127.0.0.1:80@127.0.0.1:5555/cb", true, false},
		"empty fragment":   {v4, "http://127.0.0.1:5555/cb#", true, false},
		"encoded path":     {v4, "http://127.0.0.1:5555/%63b", true, false},
		"encoded slash":    {"http://127.0.0.1/a/b", "http://127.0.0.1:5555/a%2fb", true, false},
		"empty query":      {v4, "http://127.0.0.1:5555/cb?", true, false},
		"empty port":       {v4, "http://127.0.0.1:/cb", true, false},
		"port too long":    {v4, "http://127.0.0.1:999999/cb", true, false},
		"upper case":       {v4, "HTTP://127.0.0.1:5555/cb", true, false},
		"another scheme":   {"https://127.0.0.1/cb", "http://127.0.0.1:5555/cb", true, false},
		"a private scheme": {"com.example.app://127.0.0.1/cb", "http://127.0.0.1:5555/cb", true, false},

		// What neither does.
		"fragment":               {v4, "http://127.0.0.1:5555/cb#f", false, false},
		"path":                   {v4, "http://127.0.0.1:5555/cb/", false, false},
		"path in upper case":     {v4, "http://127.0.0.1:5555/CB", false, false},
		"dot segments":           {v4, "http://127.0.0.1:5555/x/../cb", false, false},
		"more query":             {v4, "http://127.0.0.1:5555/cb?x=1", false, false},
		"https":                  {v4, "https://127.0.0.1:5555/cb", false, false},
		"another address":        {v4, "http://127.0.0.2:5555/cb", false, false},
		"short form":             {v4, "http://127.1:5555/cb", false, false},
		"hexadecimal":            {v4, "http://0x7f000001:5555/cb", false, false},
		"decimal":                {v4, "http://2130706433:5555/cb", false, false},
		"v4 in v6":               {v4, "http://[::ffff:127.0.0.1]:5555/cb", false, false},
		"v6 long form":           {v6, "http://[0:0:0:0:0:0:0:1]:5555/cb", false, false},
		"suffix":                 {v4, "http://127.0.0.1.nip.io:5555/cb", false, false},
		"suffix of localhost":    {byName, "http://localhost.evil.example:5555/cb", false, false},
		"user that looks like a": {byName, "http://localhost:5555@evil.example/cb", false, false},
		"backslash":              {byName, `http://localhost:5555\@evil.example/cb`, false, false},
		"subdomain":              {byName, "http://app.localhost:5555/cb", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRaw(t, rawOptions{clients: []fosite.Client{&fosite.DefaultClient{
				ID: "app", Public: true, RedirectURIs: []string{l.registered}, Scopes: strings.Fields(allScopes),
			}}})
			got := r.authorize(t, authorizationParameters("app", "redirect_uri", l.requested))
			fact(t, (got.params.Get("code") != "") == l.fosite, "perhaps sameButPort in authz/redirect_uri.go", got)

			s := newOurs(t, func(c *authz.Config) {
				c.Clients = []authz.Client{{ID: "app", ApplicationType: "native", RedirectURIs: []string{l.registered}, Scopes: strings.Fields(allScopes)}}
			})
			got = s.authorize(t, authorizationParameters("app", "redirect_uri", l.requested))
			if !l.ours {
				wantPage(t, got, "invalid_request")
				return
			}
			if !strings.HasPrefix(got.location, l.requested) || got.params.Get("code") == "" {
				t.Fatalf("got %s (%s)", got.location, got.reason)
			}
			// The port is part of what the token endpoint compares (RFC 6749 §4.1.3).
			form := codeForm("app", got.params.Get("code"))
			want(t, s.token(t, with(form, "redirect_uri", l.requested+"x")), http.StatusBadRequest, "invalid_grant")
			wantOK(t, s.token(t, with(form, "redirect_uri", l.requested)))
		})
	}
}

// A client that is no native application has no business on the user's device, where
// any program may listen: its port is compared like everything else.
func TestLoopbackRedirectOfWebClient_RFC8252_8_4(t *testing.T) {
	const registered, requested = "http://127.0.0.1:8080/cb", "http://127.0.0.1:5555/cb"
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{clients: []fosite.Client{&fosite.DefaultClient{
			ID: "web", Public: true, RedirectURIs: []string{registered}, Scopes: strings.Fields(allScopes),
		}}})
		got := r.authorize(t, authorizationParameters("web", "redirect_uri", requested))
		fact(t, got.params.Get("code") != "", "ApplicationType in matchRedirectURI, authz/redirect_uri.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) {
			c.Clients = []authz.Client{{ID: "web", RedirectURIs: []string{registered}, Scopes: strings.Fields(allScopes)}}
		})
		wantPage(t, s.authorize(t, authorizationParameters("web", "redirect_uri", requested)), "invalid_request")
	})
}

// fosite counts every name under .localhost as secure, and has no opinion on schemes.
// Ours refuses them when they are registered, and again when they are used.
func TestRegisteredRedirect_RFC9700_2_6(t *testing.T) {
	register := func(uri string) error {
		s := newOurs(t)
		return s.RegisterClient(t.Context(), authz.Client{ID: "app", ApplicationType: "native", RedirectURIs: []string{uri}})
	}
	t.Run("fosite", func(t *testing.T) {
		for _, uri := range []string{"http://app.localhost/cb", "javascript://x/%0aalert(1)", "myapp://cb", "https://user@client.example/cb"} {
			r := newRaw(t, rawOptions{clients: []fosite.Client{&fosite.DefaultClient{
				ID: "app", Public: true, RedirectURIs: []string{uri}, Scopes: strings.Fields(allScopes),
			}}})
			got := r.authorize(t, authorizationParameters("app", "redirect_uri", uri))
			fact(t, got.params.Get("code") != "", "checkRedirectURI in authz/redirect_uri.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		for _, uri := range []string{
			"http://app.localhost/cb", "http://client.example/cb", "javascript:alert(1)", "javascript://x/%0aalert(1)",
			"data:text/html,x", "file:///etc/passwd", "myapp://cb", "myapp:/cb", "https://user@client.example/cb",
			"https://client.example/cb#", "https://client.example/cb#f", "/cb", "https:///cb", "HTTPS://client.example/cb",
			"https://*.client.example/cb", "https://client.example/c b", "",
		} {
			if err := register(uri); err == nil {
				t.Errorf("%q was registered", uri)
			}
		}
		for _, uri := range []string{"https://client.example/cb?a=b", "com.example.app:/cb", "http://localhost:8080/cb"} {
			if err := register(uri); err != nil {
				t.Errorf("%q: %v", uri, err)
			}
		}
		// A host's own client storage may hold anything.
		s := newOurs(t)
		if err := s.Store.PutClient(t.Context(), authz.Client{ID: "odd", RedirectURIs: []string{"javascript://x/%0aalert(1)"}}); err != nil {
			t.Fatal(err)
		}
		wantPage(t, s.authorize(t, authorizationParameters("odd", "redirect_uri", "javascript://x/%0aalert(1)", "scope", "-")), "invalid_request")
	})
}
