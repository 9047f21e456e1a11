package handlers_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// counting counts what is written.
type counting struct {
	storage.Store
	commits atomic.Int64
}

func (c *counting) Commit(ctx context.Context, w storage.Write) error {
	c.commits.Add(1)
	return c.Store.Commit(ctx, w)
}

// Each of these is a clear error over HTTP; it consumes nothing and stores nothing, and
// the code that was at stake still works afterwards. On a real bbolt file.
func TestRefusalsUseNothingUp(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "authz.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := &counting{Store: db}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	secret, hashed := authz.NewSecret()
	as := authztest.New(t, func(c *authz.Config) {
		c.Storage, c.Issuer = store, server.URL
		c.Clients = []authz.Client{{ID: "other", RedirectURIs: []string{"https://other.example/cb"}, Scopes: []string{"read"}, Secrets: []storage.Secret{hashed}}}
	})
	as.SignIn("ana")
	handlers.Mount(mux, as.Server)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	good := func(code string) url.Values {
		return url.Values{
			"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
			"code": {code}, "code_verifier": {authztest.Verifier},
		}
	}
	type change func(url.Values)
	set := func(name string, values ...string) change {
		return func(v url.Values) { v[name] = values }
	}
	post := func(form string, header ...string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/oauth2/token", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	with := func(changes ...change) func(code string) *http.Request {
		return func(code string) *http.Request {
			form := good(code)
			for _, c := range changes {
				c(form)
			}
			return post(form.Encode())
		}
	}
	for _, test := range []struct {
		name    string
		request func(code string) *http.Request
		status  int
		code    string
	}{
		{"RFC7636_4_6/wrong_verifier", with(set("code_verifier", strings.Repeat("w", 43))), 400, "invalid_grant"},
		{"RFC7636_4_6/no_verifier", with(set("code_verifier")), 400, "invalid_request"},
		{"RFC7636_4_6/empty_verifier", with(set("code_verifier", "")), 400, "invalid_request"},
		{"RFC6749_3_2/repeated_parameter", with(set("code_verifier", authztest.Verifier, authztest.Verifier)), 400, "invalid_request"},
		{"RFC6749_3_2/repeated_client_id", with(set("client_id", authztest.ClientID, "other")), 400, "invalid_request"},
		{"RFC6749_4_1_3/another_redirect_uri", with(set("redirect_uri", authztest.RedirectURI+"/")), 400, "invalid_grant"},
		{"RFC6749_4_1_3/no_redirect_uri", with(set("redirect_uri")), 400, "invalid_grant"},
		{"RFC6749_4_1_3/another_client", func(code string) *http.Request {
			form := good(code)
			form.Del("client_id")
			r := post(form.Encode())
			r.SetBasicAuth("other", secret)
			return r
		}, 400, "invalid_grant"},
		{"RFC6749_2_3/two_ways_to_authenticate", func(code string) *http.Request {
			form := good(code)
			form.Set("client_id", "other")
			form.Set("client_secret", secret)
			r := post(form.Encode())
			r.SetBasicAuth("other", secret)
			return r
		}, 400, "invalid_request"},
		{"RFC6749_5_2/wrong_secret", func(code string) *http.Request {
			r := post(good(code).Encode())
			r.SetBasicAuth(authztest.ClientID, "")
			return r
		}, 401, "invalid_client"},
		{"RFC6749_3_2/GET", func(code string) *http.Request {
			r, _ := http.NewRequest(http.MethodGet, server.URL+"/oauth2/token?"+good(code).Encode(), nil)
			return r
		}, 405, "invalid_request"},
		{"RFC6749_3_2/body_of_1_MiB", func(code string) *http.Request {
			return post(good(code).Encode() + "&padding=" + strings.Repeat("x", 1<<20))
		}, 413, "invalid_request"},
		{"RFC6749_4_1_3/JSON", func(code string) *http.Request {
			b, _ := json.Marshal(good(code))
			return post(string(b), "Content-Type", "application/json")
		}, 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code := as.Authorize(t, authztest.AuthorizationParameters("read")).Get("code")
			before := store.commits.Load()
			answer, err := browser.Do(test.request(code))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			var refused struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal(body, &refused); err != nil || answer.StatusCode != test.status || refused.Error != test.code {
				t.Errorf("got %d %s, want %d %s", answer.StatusCode, body, test.status, test.code)
			}
			if n := store.commits.Load() - before; n != 0 {
				t.Errorf("%d writes", n)
			}
			answer, err = browser.Do(post(good(code).Encode()))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				body, _ := io.ReadAll(answer.Body)
				t.Errorf("the code is burnt: %d %s", answer.StatusCode, body)
			}
		})
	}

	// The same at the authorization endpoint: a redirect URI that differs by anything
	// leads to a page, and nowhere else (RFC 9700 §2.1, §4.11).
	for _, uri := range []string{
		authztest.RedirectURI + "/", authztest.RedirectURI + "?x=1", authztest.RedirectURI + "#f", strings.ToUpper(authztest.RedirectURI),
		"https://client.example:443/callback", "https://client.example/./callback", "https://user@client.example/callback",
		"https://client.example/callbac%6b", " " + authztest.RedirectURI, "https://client.example", "javascript:alert(1)",
	} {
		params := authztest.AuthorizationParameters("read")
		params.Set("redirect_uri", uri)
		before := store.commits.Load()
		answer, err := browser.Get(server.URL + "/oauth2/authorize?" + params.Encode())
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest || answer.Header.Get("Location") != "" || store.commits.Load() != before {
			t.Errorf("%q: %d, to %q, %d writes", uri, answer.StatusCode, answer.Header.Get("Location"), store.commits.Load()-before)
		}
	}
}
