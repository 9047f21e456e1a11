package authz_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
)

// FuzzAuthorizationHeader: whatever stands in the header, the answer is a protocol
// error, unless it says the client's name and secret.
func FuzzAuthorizationHeader(f *testing.F) {
	s := newServer(f, quiet)
	for _, seed := range []string{"", "Basic", "Basic ", "Basic  ", basic(service, secretOf[service]), basic(service, "x"), rawBasic(":"), rawBasic("a:b:c"), rawBasic("%"), rawBasic("\x00:"), "Bearer x", "basic\tx", "Basic " + strings.Repeat("A", 9000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		_, err := s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: header})
		if err == nil {
			scheme, encoded, _ := strings.Cut(header, " ")
			raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
			id, secret, _ := strings.Cut(string(raw), ":")
			id, _ = url.QueryUnescape(id)
			secret, _ = url.QueryUnescape(secret)
			if !strings.EqualFold(scheme, "Basic") || id != service || secret != secretOf[service] {
				t.Errorf("%q authenticates", header)
			}
			return
		}
		if got := refusedWith(t, err); !strings.HasPrefix(got, "invalid_client ") {
			t.Errorf("%q: %s", header, got)
		}
	})
}

// quiet keeps the memory of a long run from filling up with what was said.
func quiet(c *authz.Config) { c.Logger, c.Events = slog.New(slog.DiscardHandler), nil }

// loopbackPort takes the port out of a loopback redirect URI.
var loopbackPort = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?((?:[/?].*)?)$`)

// FuzzRedirectURI: no accepted URI differs from a registered one by anything but the
// port of a native client's loopback URI, and the answer goes where the request said.
func FuzzRedirectURI(f *testing.F) {
	s := newServer(f, quiet)
	registered := []string{"https://h.example/cb", "http://127.0.0.1/cb", "http://[::1]:8080/cb?a=b", "http://localhost", "com.example.app:/cb"}
	s.register(f, authz.Client{ID: "tool", ApplicationType: "native", RedirectURIs: registered, Scopes: []string{"read", "write"}})
	s.register(f, authz.Client{ID: "site", RedirectURIs: registered[:4], Scopes: []string{"read", "write"}})
	for _, uri := range append(slices.Clone(registered), "", "http://127.0.0.1:65535/cb", "http://127.0.0.1:1@evil/cb", "http://localhost:1#", "http://[::1]:1/cb?a=b",
		"http://127.0.0.1:123456/cb", "https://h.example:443/cb", "http://127.0.0.1\\@evil/cb", "HTTP://127.0.0.1/cb", "http://localhost.evil") {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		for _, client := range []string{"tool", "site"} {
			response, err := s.authorize(client, set("redirect_uri", uri), set("prompt", "consent"))
			if err != nil {
				if got := refusedWith(t, err); !strings.HasPrefix(got, "invalid_request ") {
					t.Errorf("%q: %s", uri, got)
				}
				continue
			}
			same := slices.Contains(registered, uri)
			if !same && client == "tool" && loopbackPort.MatchString(uri) {
				portless := loopbackPort.ReplaceAllString(uri, "$1$2")
				same = slices.ContainsFunc(registered, func(r string) bool {
					return loopbackPort.MatchString(r) && loopbackPort.ReplaceAllString(r, "$1$2") == portless
				})
			}
			if !same {
				t.Fatalf("%s: %q is accepted", client, uri)
			}
			if response.Consent == nil {
				t.Fatalf("%q: %+v", uri, response)
			}
			response, err = s.submit(submission(response.Consent))
			if err != nil || !strings.HasPrefix(response.Redirect, uri) {
				t.Fatalf("%q: the answer goes to %+v, %v", uri, response, err)
			}
			if u, err := url.Parse(response.Redirect); err != nil || u.Query().Get("code") == "" {
				t.Fatalf("%q: %q, %v", uri, response.Redirect, err)
			}
		}
	})
}

// FuzzScope: what is granted is what was asked for, token by token, and was allowed.
func FuzzScope(f *testing.F) {
	s := newServer(f, quiet)
	for _, seed := range []string{"", " ", "read", "read write", "read  write", "write read read", "admin", "read\x00", "\u00a0read", "read\u2028write", strings.Repeat("read ", 200)} {
		f.Add(seed)
	}
	allowed := []string{"read", "write", "offline_access"}
	f.Fuzz(func(t *testing.T, scope string) {
		tokens, err := s.own(set("scope", scope))
		if err != nil {
			if got := refusedWith(t, err); !strings.HasPrefix(got, "invalid_scope ") && !strings.HasPrefix(got, "invalid_request parameter_") {
				t.Errorf("%q: %s", scope, got)
			}
			return
		}
		asked := strings.Split(scope, " ")
		if scope == "" {
			asked = allowed
		}
		for _, granted := range strings.Fields(tokens.Scope) {
			if !slices.Contains(asked, granted) || !slices.Contains(allowed, granted) {
				t.Errorf("%q: granted %q", scope, granted)
			}
		}
		for _, a := range asked {
			if !slices.Contains(allowed, a) {
				t.Errorf("%q is accepted", scope)
			}
		}
	})
}

// FuzzVerifyAccessToken: nothing but what the server made is taken for an access token.
func FuzzVerifyAccessToken(f *testing.F) {
	s := newServer(f, quiet)
	jwt := s.tokens(f, web).AccessToken
	s.change(f, web, func(c *authz.Client) { c.AccessTokenFormat = "opaque" })
	opaque := s.tokens(f, web)
	for _, seed := range []string{"", ".", "..", "...", jwt, opaque.AccessToken, opaque.RefreshToken, jwt + ".", "." + jwt, jwt[:60], strings.ToUpper(jwt),
		"eyJhbGciOiJub25lIn0.e30.", `{"payload":"","signatures":[]}`, strings.Repeat("A", 51)} {
		f.Add(seed)
	}
	genuine := strings.Split(jwt, ".")
	f.Fuzz(func(t *testing.T, token string) {
		v, err := s.VerifyAccessToken(t.Context(), token)
		if err != nil {
			if !errors.Is(err, resource.ErrInvalidToken) {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		// Two spellings of one signature may both be good. What is signed has to be ours.
		fields := strings.Split(token, ".")
		if token != opaque.AccessToken && (len(fields) != 3 || payload(fields[1]) != payload(genuine[1])) {
			t.Errorf("%q is accepted as %+v", token, v)
		}
	})
}

func payload(field string) string {
	b, _ := base64.RawURLEncoding.DecodeString(field)
	return string(b)
}

// FuzzReturnTo: wherever it sends the browser, it stays on this host.
func FuzzReturnTo(f *testing.F) {
	s := newServer(f, quiet)
	for _, seed := range []string{"", "/oauth2/authorize?a=b", "//evil/oauth2/authorize", "/\\evil", "https://evil/oauth2/authorize", "/oauth2%2fauthorize", "\t//evil", "/oauth2/authorize#//evil"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, to string) {
		r := httptest.NewRequest("GET", "/login?"+url.Values{"return_to": {to}}.Encode(), nil)
		got := s.ReturnTo(r, "/fallback")
		if got == "/fallback" {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "" || u.Host != "" || u.Path != "/oauth2/authorize" || !strings.HasPrefix(got, "/oauth2") || strings.ContainsAny(got, "\r\n\t\\") && !strings.Contains(got, "?") {
			t.Errorf("ReturnTo(%q) = %q", to, got)
		}
	})
}

// FuzzInteraction: only a page that the server has shown can be answered.
func FuzzInteraction(f *testing.F) {
	s := newServer(f, quiet)
	good := s.page(f, web).Interaction
	for _, seed := range []string{"", ".", good, good[:len(good)-1], good + "A", "." + good, strings.ToLower(good)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, interaction string) {
		sub := submission(&authz.ConsentPrompt{Interaction: interaction})
		sub.Approve = false
		response, err := s.submit(sub)
		if err == nil && (len(interaction) != len(good) || interaction[:len(good)-1] != good[:len(good)-1]) {
			t.Errorf("%q is answered: %+v", interaction, response)
		}
		if err != nil {
			refusedWith(t, err)
		}
	})
}

// FuzzRequestObject: nothing but what the client has signed is taken for its request.
func FuzzRequestObject(f *testing.F) {
	s := newSigning(f, quiet)
	good := s.requestObject(f, assertion{})
	parts := strings.Split(good, ".")
	for _, seed := range []string{"", ".", "..", "....", good, good + ".", good[:len(good)-1], strings.ToUpper(good), parts[0] + "." + parts[1] + ".",
		"eyJhbGciOiJub25lIn0." + parts[1] + ".", `{"payload":"","signatures":[]}`, strings.Repeat("A", 9000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, object string) {
		response, err := s.visit(signed(object, set("scope", "read"), set("prompt", "consent")))
		if err != nil {
			if got := refusedWith(t, err); object != "" && !strings.HasPrefix(got, "invalid_request_object ") {
				t.Errorf("%q: %s", object, got)
			}
			return
		}
		fields := strings.Split(object, ".")
		if object != "" && (response.Consent == nil || len(fields) != 3 || fields[1] != parts[1]) {
			t.Errorf("%q leads to %+v", object, response)
		}
	})
}
