package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// BenchmarkToken sends token requests to the handlers, without a connection: what is left
// is what this server does itself. Run it with
//
//	go test ./handlers -run '^$' -bench Token -benchtime 20000x
func BenchmarkToken(b *testing.B) {
	for _, backend := range []string{"memory", "bolt"} {
		for _, grant := range []string{"refresh_token", "authorization_code", "client_credentials"} {
			b.Run(backend+"/"+grant, func(b *testing.B) {
				db := storage.Store(memory.New())
				if backend == "bolt" {
					file, err := bolt.Open(filepath.Join(b.TempDir(), "bench.db"))
					if err != nil {
						b.Fatal(err)
					}
					defer file.Close()
					db = file
				}
				newTokenBench(b, db).run(b, grant)
			})
		}
	}
}

// tokenBench is one client of a server of its own.
type tokenBench struct {
	*authztest.Server
	handler http.Handler
	request *http.Request
	body    readCloser
	answer  benchAnswer
}

const benchClient = "bench"

func newTokenBench(b *testing.B, db storage.Store) *tokenBench {
	s := &tokenBench{Server: authztest.New(b, func(c *authz.Config) {
		c.Storage, c.AccessTokenFormat, c.Clock = db, "opaque", time.Now
		c.Clients = []authz.Client{{
			ID: benchClient, Secrets: []storage.Secret{hashedSecret}, Scopes: []string{"read"}, FirstParty: true,
			RedirectURIs: []string{authztest.RedirectURI}, GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		}}
	})}
	s.SignIn("ana")
	s.handler = handlers.New(s.Server.Server)
	r, err := http.NewRequest(http.MethodPost, "http://auth.example/oauth2/token", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = &s.body
	s.request = r
	s.answer.header = make(http.Header, 16)
	return s
}

func (s *tokenBench) run(b *testing.B, grant string) {
	forms := make([][]byte, b.N)
	for i := range forms {
		forms[i] = s.form(b, grant)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, form := range forms {
		s.ask(b, form)
	}
}

func (s *tokenBench) form(b *testing.B, grant string) []byte {
	form := url.Values{"grant_type": {grant}, "client_id": {benchClient}, "client_secret": {secret}}
	switch grant {
	case "authorization_code":
		return s.exchange(b)
	case "refresh_token":
		s.ask(b, s.exchange(b))
		var response authz.TokenResponse
		if err := json.Unmarshal(s.answer.body, &response); err != nil || response.RefreshToken == "" {
			b.Fatalf("%v %s", err, s.answer.body)
		}
		form.Set("refresh_token", response.RefreshToken)
	default:
		form.Set("scope", "read")
	}
	return []byte(form.Encode())
}

// exchange is the form that redeems a new code.
func (s *tokenBench) exchange(b *testing.B) []byte {
	ask := authztest.AuthorizationParameters("read")
	ask.Set("client_id", benchClient)
	return []byte(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {benchClient}, "client_secret": {secret},
		"code": {s.Authorize(b, ask).Get("code")}, "redirect_uri": {authztest.RedirectURI}, "code_verifier": {authztest.Verifier},
	}.Encode())
}

// ask sends one request, as far as possible without allocating anything.
func (s *tokenBench) ask(b *testing.B, form []byte) {
	s.body.Reset(form)
	s.request.ContentLength = int64(len(form))
	s.answer.reset()
	s.handler.ServeHTTP(&s.answer, s.request)
	if s.answer.status != http.StatusOK {
		b.Fatalf("%d %s", s.answer.status, s.answer.body)
	}
}

type readCloser struct{ bytes.Reader }

func (*readCloser) Close() error { return nil }

var _ io.ReadCloser = (*readCloser)(nil)

// benchAnswer is a response that is used again.
type benchAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (a *benchAnswer) reset() {
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
}

func (a *benchAnswer) Header() http.Header    { return a.header }
func (a *benchAnswer) WriteHeader(status int) { a.status = status }

func (a *benchAnswer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}
