package protect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

const api = "https://api.example.com"

// tokens is a verifier that knows some tokens by heart.
type tokens map[string]*resource.Token

var errDown = errors.New("the issuer is out of reach")

func (v tokens) VerifyAccessToken(_ context.Context, token string) (*resource.Token, error) {
	switch t, ok := v[token]; {
	case token == "down":
		return nil, errDown
	case token == "broken-verifier":
		return nil, nil
	case !ok:
		return nil, fmt.Errorf("%w: not by heart", resource.ErrInvalidToken)
	default:
		return t, nil
	}
}

var known = tokens{
	"good":        {Subject: "user-1", Audience: []string{"https://other.example", api}, Scopes: []string{"alerts:read", "alerts:write"}},
	"a-._~+/1==":  {Subject: "user-2", Audience: []string{api}, Scopes: []string{"alerts:read", "alerts:write"}},
	"read-only":   {Subject: "user-1", Audience: []string{api}, Scopes: []string{"alerts:read"}},
	"prefix":      {Subject: "user-1", Audience: []string{api}, Scopes: []string{"alerts:read", "alerts"}},
	"no-scopes":   {Subject: "user-1", Audience: []string{api}},
	"elsewhere":   {Subject: "user-1", Audience: []string{"https://other.example"}, Scopes: []string{"alerts:read", "alerts:write"}},
	"no-audience": {Subject: "user-1", Scopes: []string{"alerts:read", "alerts:write"}},
	"bound": {Subject: "user-1", Audience: []string{api}, Scopes: []string{"alerts:read", "alerts:write"},
		Claims: map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}},
}

// newAPI serves an API that requires both scopes and answers with the token's subject
// and the form field "comment".
func newAPI(t testing.TB, options protect.Options) *httptest.Server {
	if options.Audience == "" {
		options.Audience = api
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, protect.TokenFrom(r.Context()).Subject, r.PostFormValue("comment"))
	})
	server := httptest.NewServer(protect.Require(known, options, "alerts:read", "alerts:write")(next))
	t.Cleanup(server.Close)
	return server
}

func send(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

const (
	invalidRequest    = `Bearer realm="alerts", error="invalid_request", error_description="The request must carry one access token, in one Authorization header, and nowhere else."`
	invalidToken      = `Bearer realm="alerts", error="invalid_token", error_description="The access token is malformed, expired, revoked or not meant for this resource.", scope="alerts:read alerts:write"`
	insufficientScope = `Bearer realm="alerts", error="insufficient_scope", error_description="The access token lacks a scope that this resource requires.", scope="alerts:read alerts:write"`
	plain             = `Bearer realm="alerts", scope="alerts:read alerts:write"`
)

func TestRFC6750_Section2_1_AuthorizationHeader(t *testing.T) {
	server := newAPI(t, protect.Options{Realm: "alerts"})
	for name, c := range map[string]struct {
		headers   []string
		status    int
		challenge string
	}{
		"bearer":                   {[]string{"Bearer good"}, 200, ""},
		"scheme_in_lower_case":     {[]string{"bearer good"}, 200, ""},
		"scheme_in_mixed_case":     {[]string{"bEARER good"}, 200, ""},
		"several_spaces":           {[]string{"Bearer    good"}, 200, ""},
		"every_kind_of_character":  {[]string{"Bearer a-._~+/1=="}, 200, ""},
		"none":                     {nil, 401, plain},
		"empty":                    {[]string{""}, 401, plain},
		"basic":                    {[]string{"Basic Z29vZDpnb29k"}, 401, plain},
		"token_without_scheme":     {[]string{"good"}, 401, plain},
		"scheme_runs_into_token":   {[]string{"Bearergood"}, 401, plain},
		"scheme_bearers":           {[]string{"Bearers good"}, 401, plain},
		"dpop":                     {[]string{"DPoP good"}, 401, plain},
		"tab":                      {[]string{"Bearer\tgood"}, 401, plain},
		"token_missing":            {[]string{"Bearer"}, 400, invalidRequest},
		"token_blank":              {[]string{"Bearer  "}, 400, invalidRequest},
		"two_tokens":               {[]string{"Bearer good good"}, 400, invalidRequest},
		"list":                     {[]string{"Bearer good, Bearer good"}, 400, invalidRequest},
		"quoted":                   {[]string{`Bearer "good"`}, 400, invalidRequest},
		"padding_alone":            {[]string{"Bearer =="}, 400, invalidRequest},
		"padding_inside":           {[]string{"Bearer go=od"}, 400, invalidRequest},
		"not_ascii":                {[]string{"Bearer göod"}, 400, invalidRequest},
		"two_headers":              {[]string{"Bearer good", "Bearer good"}, 400, invalidRequest},
		"two_headers_one_basic":    {[]string{"Basic Z29vZDpnb29k", "Bearer good"}, 400, invalidRequest},
		"two_headers_one_is_empty": {[]string{"Bearer good", ""}, 400, invalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
			req.Header["Authorization"] = c.headers
			answer, body := send(t, req)
			if answer.StatusCode != c.status || answer.Header.Get("WWW-Authenticate") != c.challenge {
				t.Errorf("got %d %q, want %d %q; %s", answer.StatusCode, answer.Header.Get("WWW-Authenticate"), c.status, c.challenge, body)
			}
		})
	}
}

// RFC 6750 §2.2 and §2.3 are not supported: alone they count as no token, and beside
// the header a second method makes the request malformed.
func TestRFC6750_Section2_OtherMethods(t *testing.T) {
	server := newAPI(t, protect.Options{Realm: "alerts"})
	form := url.Values{"access_token": {"good"}, "comment": {"!"}}
	for name, c := range map[string]struct {
		header, query string
		form          url.Values
		status        int
		want          string // challenge or body
	}{
		"query":                  {"", "access_token=good", nil, 401, plain},
		"query_and_header":       {"Bearer good", "access_token=good", nil, 400, invalidRequest},
		"query_without_value":    {"Bearer good", "a=b&access_token", nil, 400, invalidRequest},
		"query_encoded":          {"Bearer good", "a=b&access%5Ftoken=good", nil, 400, invalidRequest},
		"query_other_name":       {"Bearer good", "xaccess_token=good&access_tokens=a&b=access_token", nil, 200, "user-1"},
		"query_badly_encoded":    {"Bearer good", "%zz=access_token", nil, 200, "user-1"},
		"form":                   {"", "", form, 401, plain},
		"form_left_to_the_api":   {"Bearer good", "", url.Values{"comment": {"!"}}, 200, "user-1!"},
		"form_beside_the_header": {"Bearer good", "", form, 200, "user-1!"},
	} {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequest(http.MethodPost, server.URL+"?"+c.query, strings.NewReader(c.form.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.header != "" {
				req.Header.Set("Authorization", c.header)
			}
			answer, body := send(t, req)
			got := answer.Header.Get("WWW-Authenticate")
			if c.status == 200 {
				got = body
			}
			if answer.StatusCode != c.status || got != c.want {
				t.Errorf("got %d %q, want %d %q", answer.StatusCode, got, c.status, c.want)
			}
		})
	}
}

func TestRFC6750_Section3_1_Errors(t *testing.T) {
	server := newAPI(t, protect.Options{Realm: "alerts"})
	for _, c := range []struct {
		name, token string
		status      int
		challenge   string
		body        string // the error member
	}{
		{"no_token", "", 401, plain, ""},
		{"malformed", "=", 400, invalidRequest, "invalid_request"},
		{"unknown_token", "unknown", 401, invalidToken, "invalid_token"},
		{"other_audience", "elsewhere", 401, invalidToken, "invalid_token"},
		{"no_audience", "no-audience", 401, invalidToken, "invalid_token"},
		{"bound_to_a_key", "bound", 401, invalidToken, "invalid_token"}, // RFC 9449 §7.2
		{"one_scope_of_two", "read-only", 403, insufficientScope, "insufficient_scope"},
		{"scope_is_a_prefix", "prefix", 403, insufficientScope, "insufficient_scope"},
		{"no_scopes", "no-scopes", 403, insufficientScope, "insufficient_scope"},
		{"could_not_find_out", "down", 503, "", "temporarily_unavailable"},
		{"broken_verifier", "broken-verifier", 503, "", "temporarily_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			answer, body := send(t, req)
			if got := answer.Header.Values("WWW-Authenticate"); answer.StatusCode != c.status || strings.Join(got, "|") != c.challenge {
				t.Errorf("got  %d %q\nwant %d %q", answer.StatusCode, got, c.status, c.challenge)
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "Content-Type": "application/json", "X-Content-Type-Options": "nosniff",
				"Retry-After": map[bool]string{true: "5"}[c.status == 503],
			} {
				if got := answer.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			var parsed map[string]string
			if err := json.Unmarshal([]byte(body), &parsed); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if parsed["error"] != c.body || (len(parsed) == 0) != (c.body == "") {
				t.Errorf("body: %s", body)
			}
			if c.token != "" && c.token != "=" && strings.Contains(body, c.token) {
				t.Errorf("the body repeats the token: %s", body)
			}
		})
	}
}

func TestRequireWithoutScopes(t *testing.T) {
	reached := 0
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached++ })
	h := protect.Require(known, protect.Options{Audience: api, Logger: slog.New(slog.DiscardHandler)})(next)
	for token, want := range map[string]int{"no-scopes": 200, "unknown": 401} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", token, w.Code, want)
		}
	}
	if reached != 1 {
		t.Errorf("the API was reached %d times", reached)
	}
}

func TestTokenFromWithoutRequire(t *testing.T) {
	if protect.TokenFrom(context.Background()) != nil {
		t.Error("a token from nowhere")
	}
}

// RFC 9110 §5.6.4: a realm is a quoted string.
func TestRFC9110_Section11_5_Realm(t *testing.T) {
	for realm, want := range map[string]string{
		"":       `Bearer realm="` + api + `", scope="alerts:read alerts:write"`,
		`a"b\c`:  `Bearer realm="a\"b\\c", scope="alerts:read alerts:write"`,
		"Alerts": `Bearer realm="Alerts", scope="alerts:read alerts:write"`,
	} {
		server := newAPI(t, protect.Options{Realm: realm})
		req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
		if answer, _ := send(t, req); answer.Header.Get("WWW-Authenticate") != want {
			t.Errorf("got %q, want %q", answer.Header.Get("WWW-Authenticate"), want)
		}
	}
}

func TestRequireRefusesFaultsOfTheProgram(t *testing.T) {
	for name, f := range map[string]func(){
		"no_verifier":       func() { protect.Require(nil, protect.Options{Audience: api}) },
		"no_audience":       func() { protect.Require(known, protect.Options{Realm: "alerts"}, "a") },
		"scopes_in_one":     func() { protect.Require(known, protect.Options{Audience: api}, "a b") },
		"scope_empty":       func() { protect.Require(known, protect.Options{Audience: api}, "") },
		"scope_with_quote":  func() { protect.Require(known, protect.Options{Audience: api}, `a"`) },
		"realm_breaks_out":  func() { protect.Require(known, protect.Options{Audience: api, Realm: "a\r\nX: y"}) },
		"audience_as_realm": func() { protect.Require(known, protect.Options{Audience: "https://é.example"}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.HasPrefix(err.Error(), "protect: ") {
					t.Errorf("panic: %v", err)
				}
			}()
			f()
		})
	}
}

// The log says why, and never holds a token.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	h := protect.Require(known, protect.Options{Audience: api, Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}, "admin")(http.NotFoundHandler())
	for _, token := range []string{"unknown-canary", "elsewhere", "bound", "down", "good"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	log := out.String()
	for _, want := range []string{"level=ERROR", errDown.Error(), "not by heart", "another audience", "bound to a key"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "canary") || strings.Contains(log, "elsewhere") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}
