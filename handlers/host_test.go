package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// host is an application with the server mounted, on a TLS listener of its own, and a
// browser that trusts it.
type host struct {
	*authztest.Server
	t       *testing.T
	url     string
	mux     *http.ServeMux
	browser *http.Client // follows no redirects
	log     *lockedBuffer
}

func newHost(t *testing.T, options handlers.Options, configure ...func(*authz.Config)) *host {
	t.Helper()
	h := &host{t: t, log: &lockedBuffer{}}
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	options.Logger = logger
	mux := http.NewServeMux()
	h.mux = mux
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelError)
	h.url = server.URL
	h.Server = authztest.New(t, append([]func(*authz.Config){func(c *authz.Config) {
		c.Issuer = server.URL
		c.Logger = logger
		c.Clients = []authz.Client{{
			ID: "confidential", Secrets: []storage.Secret{hashedSecret}, Scopes: []string{"read"},
			GrantTypes: []string{"client_credentials"}, ResourceServer: true,
		}}
	}}, configure...)...)
	handlers.Mount(mux, h.Server.Server, options)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.browser = server.Client()
	h.browser.Jar = jar
	h.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.SignIn("ana")
	return h
}

// What the client named confidential authenticates with.
var secret, hashedSecret = authz.NewSecret()

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

// do sends a request. body may be a url.Values, a string, or nil.
func (h *host) do(method, path string, body any, headers ...string) *answer {
	h.t.Helper()
	var reader io.Reader
	contentType := ""
	switch body := body.(type) {
	case url.Values:
		reader, contentType = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	case string:
		reader, contentType = strings.NewReader(body), "application/x-www-form-urlencoded"
	}
	r, err := http.NewRequest(method, h.url+path, reader)
	if err != nil {
		h.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header[headers[i]] = append(r.Header[headers[i]][:0:0], headers[i+1])
		}
	}
	response, err := h.browser.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return &answer{response, string(b)}
}

// ask opens the authorization endpoint.
func (h *host) ask(params url.Values) *answer {
	h.t.Helper()
	return h.do(http.MethodGet, "/oauth2/authorize?"+params.Encode(), nil)
}

// form are the fields that the consent page would send back with Allow.
func (a *answer) form(t testing.TB) url.Values {
	t.Helper()
	v := url.Values{"decision": {"allow"}}
	for _, m := range regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		v.Add(m[1], m[2])
	}
	if a.StatusCode != http.StatusOK || v.Get("interaction") == "" {
		t.Fatalf("no consent page but %s %s\n%s", a.Status, a.Header.Get("Location"), a.body)
	}
	return v
}

// location is the query that a redirect carries.
func (a *answer) location(t testing.TB) url.Values {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("no redirect by 303 but %s\n%s", a.Status, a.body)
	}
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// isError checks a JSON error.
func (a *answer) isError(t testing.TB, status int, code string) {
	t.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("no JSON error: %s %q %q", a.Status, a.Header.Get("Content-Type"), a.body)
	}
	if a.StatusCode != status || e.Error != code {
		t.Errorf("got %d %s (%s), want %d %s", a.StatusCode, e.Error, e.Description, status, code)
	}
	if strings.ContainsFunc(e.Description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		t.Errorf("error_description %q: RFC 6749 §5.2 allows %%x20-21 / %%x23-5B / %%x5D-7E", e.Description)
	}
}

// isErrorPage checks an error page: no way out of it but by the user's own will.
func (a *answer) isErrorPage(t testing.TB, status int) {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %s %s, want %d and a page\n%s", a.Status, a.Header.Get("Content-Type"), status, a.body)
	}
	if location, ok := a.Header["Location"]; ok || strings.Contains(a.body, "http-equiv") || strings.Contains(a.body, "<script") {
		t.Errorf("the error page leads away: %v", location)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// brokenStore cannot look anything up once it is told to fail.
type brokenStore struct {
	storage.Store
	broken *bool
}

func (s brokenStore) Client(ctx context.Context, id string) (*storage.Client, error) {
	if *s.broken {
		return nil, io.ErrUnexpectedEOF
	}
	return s.Store.Client(ctx, id)
}
