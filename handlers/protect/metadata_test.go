package protect_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// RFC 9728 §3.1: the well-known string goes between host and path.
func TestRFC9728_Section3_1(t *testing.T) {
	for resource, want := range map[string]string{
		"https://api.example.com":           "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/":          "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/mcp":       "https://api.example.com/.well-known/oauth-protected-resource/mcp",
		"https://api.example.com/mcp/":      "https://api.example.com/.well-known/oauth-protected-resource/mcp/",
		"https://api.example.com:8443/a/b":  "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b",
		"https://api.example.com/a%2Fb?k=v": "https://api.example.com/.well-known/oauth-protected-resource/a%2Fb?k=v",
		"https://api.example.com?k=v":       "https://api.example.com/.well-known/oauth-protected-resource?k=v",
		"http://127.0.0.1:8080/mcp":         "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
		"https://[::1]/mcp":                 "https://[::1]/.well-known/oauth-protected-resource/mcp",
		"urn:example:api":                   "",
		"https://api.example.com/#x":        "",
		"https://user@api.example.com/":     "",
		"api.example.com":                   "",
		"":                                  "",
		"https:///mcp":                      "",
		"https://api.example.com/%zz":       "",
		"ftp://api.example.com/":            "",
	} {
		got, err := protect.MetadataURL(resource)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", resource, got, err, want)
		}
	}
}

// RFC 9728 §2 and §3.2.
func TestRFC9728_Section3_2(t *testing.T) {
	h := protect.Metadata{
		Resource: api, AuthorizationServers: []string{"https://auth.example.com"}, ScopesSupported: []string{"alerts:read"}, Name: "Alerts",
	}.Handler()
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204, "POST": 405, "PUT": 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/.well-known/oauth-protected-resource", nil))
		if w.Code != status || w.Header().Get("Access-Control-Allow-Origin") != "*" || (status == 405) != (w.Header().Get("Allow") != "") {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
		if method != "GET" {
			continue
		}
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v, %v", err, w.Header())
		}
		want := map[string]any{
			"resource": api, "authorization_servers": []any{"https://auth.example.com"}, "scopes_supported": []any{"alerts:read"},
			"bearer_methods_supported": []any{"header"}, "resource_name": "Alerts",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	for name, m := range map[string]protect.Metadata{
		"no_resource": {AuthorizationServers: []string{"https://auth.example.com"}},
		"no_server":   {Resource: api},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			m.Handler()
		})
	}
}

// RFC 9728 §5.1: every challenge says where the metadata is.
func TestRFC9728_Section5_1(t *testing.T) {
	const place = "https://api.example.com/.well-known/oauth-protected-resource"
	server := newAPI(t, protect.Options{ResourceMetadata: place})
	for token, status := range map[string]int{"": 401, "unknown": 401, "read-only": 403, "a b": 400, "good": 200} {
		req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		answer, _ := send(t, req)
		said := strings.Contains(answer.Header.Get("WWW-Authenticate"), `, resource_metadata="`+place+`"`)
		if answer.StatusCode != status || said != (status != 200) {
			t.Errorf("%q: %d %q", token, answer.StatusCode, answer.Header.Get("WWW-Authenticate"))
		}
	}
}

// RFC 9470 §3 and §5: a sign-in that will not do is answered with one that would.
func TestRFC9470_Section3(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const description = `error="insufficient_user_authentication", error_description="The user has to sign in again, in a way that this resource demands."`
	for _, test := range []struct {
		name   string
		acrs   []string
		maxAge time.Duration
		token  resource.Token
		scopes bool
		want   string // behind the realm
	}{
		{"acr", []string{"gold", "silver"}, 0, resource.Token{ACR: "silver"}, true, ""},
		{"acr_other", []string{"gold", "silver"}, 0, resource.Token{ACR: "bronze"}, true, description + `, acr_values="gold silver"`},
		{"acr_none", []string{"gold"}, 0, resource.Token{}, true, description + `, acr_values="gold"`},
		{"age", nil, time.Minute, resource.Token{AuthTime: now.Add(-time.Minute)}, true, ""},
		{"age_too_old", nil, time.Minute, resource.Token{AuthTime: now.Add(-61 * time.Second)}, true, description + `, max_age="60"`},
		{"age_unknown", nil, time.Hour, resource.Token{}, true, description + `, max_age="3600"`},
		{"both", []string{"gold"}, time.Hour, resource.Token{ACR: "gold"}, true, description + `, acr_values="gold", max_age="3600"`},
		{"before_scope", []string{"gold"}, 0, resource.Token{}, false, description + `, acr_values="gold"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := test.token
			if token.Audience = []string{api}; test.scopes {
				token.Scopes = []string{"write"}
			}
			guarded := protect.Require(tokens{"t": &token}, protect.Options{
				Audience: api, Realm: "alerts", ACRValues: test.acrs, MaxAge: test.maxAge, Clock: func() time.Time { return now },
			}, "write")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer t")
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			status, challenge := 200, ""
			if test.want != "" {
				status, challenge = 401, `Bearer realm="alerts", `+test.want
			}
			if w.Code != status || w.Header().Get("WWW-Authenticate") != challenge {
				t.Errorf("%d %q, want %d %q", w.Code, w.Header().Get("WWW-Authenticate"), status, challenge)
			}
		})
	}
	for name, options := range map[string]protect.Options{
		"acr_with_a_space": {ACRValues: []string{"gold silver"}},
		"acr_with_a_quote": {ACRValues: []string{`"`}},
		"age_negative":     {MaxAge: -1},
		"age_of_a_half":    {MaxAge: time.Second / 2},
		"metadata":         {ResourceMetadata: "https://a.example/\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			options.Audience = api
			protect.Require(known, options)
		})
	}
}
