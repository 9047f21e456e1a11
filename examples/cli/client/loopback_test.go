package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/examples/cli/client"
)

// What the browser brings and is no login, although the state is right.
func TestRFC9207_Section2_4(t *testing.T) {
	issuer := serve(t)
	for name, test := range map[string]struct {
		answer url.Values
		why    string
	}{
		"another server":           {url.Values{"iss": {"https://elsewhere.example"}, "code": {"c"}}, "elsewhere.example"},
		"no iss":                   {url.Values{"code": {"c"}}, "came from"},
		"iss twice":                {url.Values{"iss": {issuer, issuer}, "code": {"c"}}, "came from"},
		"an error from elsewhere":  {url.Values{"iss": {"https://elsewhere.example"}, "error": {"access_denied"}}, "elsewhere.example"},
		"refused":                  {url.Values{"iss": {issuer}, "error": {"access_denied"}}, "refused in the browser"},
		"an error":                 {url.Values{"iss": {issuer}, "error": {"server_error"}}, "server_error"},
		"an error twice":           {url.Values{"iss": {issuer}, "error": {"a", "b"}, "code": {"c"}}, "the server says"},
		"no code":                  {url.Values{"iss": {issuer}}, "no code"},
		"a code twice":             {url.Values{"iss": {issuer}, "code": {"a", "b"}}, "no code"},
		"a code that is not known": {url.Values{"iss": {issuer}, "code": {"c"}}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			c, said := newClient(t)
			done := make(chan error, 1)
			go func() { done <- c.Login(t.Context(), issuer) }()
			asked, err := url.Parse(indented(t, said))
			if err != nil {
				t.Fatal(err)
			}
			q := asked.Query()
			back := func(answer url.Values) {
				t.Helper()
				page, err := http.Get(q.Get("redirect_uri") + "?" + answer.Encode())
				if err != nil {
					t.Fatal(err)
				}
				page.Body.Close()
				if policy := page.Header.Get("Referrer-Policy"); policy != "no-referrer" {
					t.Errorf("Referrer-Policy %q", policy)
				}
			}
			back(url.Values{"iss": {issuer}, "code": {"c"}}) // without state: RFC 6749 §10.12
			select {
			case err := <-done:
				t.Fatalf("an answer without state ends the login: %v", err)
			default:
			}
			test.answer.Set("state", q.Get("state"))
			back(test.answer)
			if err := <-done; err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%v, want %q", err, test.why)
			}
			if _, err := c.Store.Load(); !errors.Is(err, client.ErrSignedOut) {
				t.Errorf("kept: %v", err)
			}
		})
	}
}

// A server that is not who it should be, or cannot be trusted with a login.
func TestRFC8414_Section3_3(t *testing.T) {
	var says map[string]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(says)
	}))
	defer server.Close()
	for name, test := range map[string]struct {
		issuer string
		says   map[string]string
		why    string
	}{
		"http elsewhere":       {"http://pager.example", nil, "https"},
		"a password":           {"https://ana:secret@pager.example", nil, "https"},
		"a query":              {server.URL + "?a=b", nil, "https"},
		"another issuer":       {server.URL, map[string]string{"issuer": "https://pager.example"}, "pager.example"},
		"another, by a slash":  {server.URL + "/", map[string]string{"issuer": server.URL}, "calls itself"},
		"an insecure endpoint": {server.URL, map[string]string{"issuer": server.URL, "token_endpoint": "http://pager.example/token"}, "token_endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			says = test.says
			c, _ := newClient(t)
			if err := c.Login(t.Context(), test.issuer); err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%v, want %q", err, test.why)
			}
		})
	}
}
