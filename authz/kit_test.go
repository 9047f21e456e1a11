package authz_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The clients of the tests, one of a kind each. All are in the store.
const (
	web     = "web"     // confidential
	spa     = "spa"     // public, in a browser
	native  = "native"  // public, on the user's device
	first   = "first"   // confidential, the host's own
	service = "service" // confidential, without users
	rs      = "api"     // a resource server
)

const issuer = "https://auth.example"

var redirectOf = map[string]string{
	web: "https://web.example/cb", spa: "https://spa.example/cb",
	native: "http://127.0.0.1:7777/cb", first: "https://first.example/cb",
}

// secretOf are the secrets of the confidential clients, liveSecrets their hashes.
var secretOf, liveSecrets = func() (map[string]string, map[string][]storage.Secret) {
	plain, hashed := map[string]string{}, map[string][]storage.Secret{}
	for _, id := range []string{web, first, service, rs} {
		secret, h := authz.NewSecret()
		plain[id], hashed[id] = secret, []storage.Secret{h}
	}
	return plain, hashed
}()

func testClients() []authz.Client {
	scopes := []string{"read", "write", "offline_access"}
	return []authz.Client{
		{ID: web, Name: "Web", RedirectURIs: []string{redirectOf[web]}, Scopes: scopes, Secrets: liveSecrets[web]},
		{ID: spa, Name: "Page", RedirectURIs: []string{redirectOf[spa]}, Scopes: scopes},
		{ID: native, Name: "Tool", ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"}, Scopes: scopes},
		{ID: first, Name: "Ours", FirstParty: true, RedirectURIs: []string{redirectOf[first]}, Scopes: scopes, Secrets: liveSecrets[first]},
		{ID: service, GrantTypes: []string{"client_credentials"}, Scopes: scopes, Secrets: liveSecrets[service]},
		{ID: rs, ResourceServer: true, Secrets: liveSecrets[rs]},
	}
}

// server is an authorization server under test.
type server struct {
	*authz.Server
	host  *authztest.Server // its SignIn says who is at the browser
	clock *authztest.Clock
	store *probe
	log   safeBuffer

	// replica is another server on the same store, with a clock of its own, if the test
	// has one.
	replica *server

	mu     sync.Mutex
	events []authz.Event
}

// newServer makes a server with the test clients, where ana is signed in.
func newServer(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	return newServerOn(t, newProbe(memory.New()), configure...)
}

func newServerOn(t testing.TB, store *probe, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := &server{store: store}
	s.host = authztest.New(t, append([]func(*authz.Config){func(c *authz.Config) {
		c.Storage = store
		c.Events = s.hear
		c.Logger = slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Scopes["admin"] = "Do everything" // for no client
	}}, configure...)...)
	s.Server, s.clock = s.host.Server, s.host.Clock
	for _, c := range testClients() {
		s.register(t, c)
	}
	s.host.SignIn("ana")
	store.watch(-1)
	return s
}

func (s *server) register(t testing.TB, c authz.Client) {
	t.Helper()
	if err := s.RegisterClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// change edits a client in the store, as a host would that keeps them itself:
// nothing checks it.
func (s *server) change(t testing.TB, id string, edit func(*authz.Client)) {
	t.Helper()
	c, err := s.store.inner.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	edit(c)
	if err := s.store.inner.PutClient(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
}

func (s *server) hear(_ context.Context, e authz.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *server) heard() []authz.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]authz.Event(nil), s.events...)
}

func (s *server) lastReason() string {
	events := s.heard()
	if len(events) == 0 {
		return ""
	}
	return events[len(events)-1].Reason
}

// safeBuffer is a buffer that many goroutines may use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// edit changes the parameters of a request that would be good without it.
type edit func(url.Values)

func set(name string, values ...string) edit { return func(v url.Values) { v[name] = values } }
func drop(name string) edit                  { return func(v url.Values) { v.Del(name) } }

func form(edits []edit, pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	for _, e := range edits {
		e(v)
	}
	return v
}

const browser = "the value of this browser's cookie"

// authorize sends an authorization request with the scopes read and write.
func (s *server) authorize(client string, edits ...edit) (*authz.AuthorizationResponse, error) {
	return s.Authorize(context.Background(), &authz.AuthorizationRequest{
		Parameters: form(edits, "response_type", "code", "client_id", client, "redirect_uri", redirectOf[client],
			"state", "xyz", "scope", "read write",
			"code_challenge", authztest.Challenge(), "code_challenge_method", "S256"),
		HTTP: httptest.NewRequest("GET", "/oauth2/authorize", nil), Browser: browser,
	})
}

// page sends an authorization request that must end at the consent page.
func (s *server) page(t testing.TB, client string, edits ...edit) *authz.ConsentPrompt {
	t.Helper()
	response, err := s.authorize(client, edits...)
	if err != nil || response.Consent == nil {
		t.Fatalf("Authorize: %s, want the consent page", s.outcome(t, response, err))
	}
	return response.Consent
}

// submission approves everything on the page.
func submission(prompt *authz.ConsentPrompt) *authz.ConsentSubmission {
	sub := &authz.ConsentSubmission{
		Interaction: prompt.Interaction, HTTP: httptest.NewRequest("POST", "/oauth2/consent", nil),
		Browser: browser, Approve: true,
	}
	for _, scope := range prompt.Scopes {
		sub.Scopes = append(sub.Scopes, scope.Name)
	}
	return sub
}

func (s *server) submit(sub *authz.ConsentSubmission) (*authz.AuthorizationResponse, error) {
	return s.SubmitConsent(context.Background(), sub)
}

// outcome says in a few words what became of an authorization request: "code",
// "ask", "login", "page: CODE REASON" for an error page, "back: CODE REASON" for an
// error that the client gets. It checks what must hold of all of them.
func (s *server) outcome(t testing.TB, response *authz.AuthorizationResponse, err error) string {
	t.Helper()
	if err != nil {
		if response != nil {
			t.Errorf("an error came with a response: %+v", response)
		}
		return "page: " + refusedWith(t, err)
	}
	if response.Consent != nil {
		if response.Redirect != "" {
			t.Errorf("a consent page came with a redirect to %q", response.Redirect)
		}
		return "ask"
	}
	u, err := url.Parse(response.Redirect)
	if err != nil {
		t.Fatalf("redirect to %q: %v", response.Redirect, err)
	}
	q := u.Query()
	switch {
	case u.Path == "/login":
		return "login"
	case u.Path == "/oauth2/authorize" && u.Host == "":
		return "restart"
	case q.Get("iss") != issuer: // RFC 9207 §2
		t.Errorf("iss = %q in %q, want %q", q.Get("iss"), response.Redirect, issuer)
	}
	if q.Get("error") != "" {
		if q.Has("code") {
			t.Errorf("an error came with a code: %q", response.Redirect)
		}
		checkDescription(t, q.Get("error_description"))
		return "back: " + q.Get("error") + " " + s.lastReason()
	}
	if q.Get("code") == "" {
		t.Errorf("neither code nor error in %q", response.Redirect)
	}
	return "code"
}

// refusedWith is "CODE REASON" of a protocol error.
func refusedWith(t testing.TB, err error) string {
	t.Helper()
	var e *authz.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *authz.Error", err, err)
	}
	checkDescription(t, e.Description)
	want := map[string]int{"invalid_client": 401, "server_error": 500, "temporarily_unavailable": 503}[e.Code]
	if want == 0 {
		want = 400
	}
	if strings.HasPrefix(e.Reason, "interaction_") || e.Reason == "browser_cookie_missing" {
		want = 403
	}
	if e.Status != want {
		t.Errorf("status of %s is %d, want %d", e.Code, e.Status, want)
	}
	if (e.Code == "temporarily_unavailable") != (e.RetryAfter > 0) {
		t.Errorf("%s has RetryAfter %v", e.Code, e.RetryAfter)
	}
	return e.Code + " " + e.Reason
}

// checkDescription: RFC 6749 §5.2, error_description is %x20-21 / %x23-5B / %x5D-7E.
func checkDescription(t testing.TB, s string) {
	t.Helper()
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		t.Errorf("error_description %q, want printable ASCII without quote and backslash", s)
	}
}

// back are the parameters that the client gets back.
func back(t testing.TB, response *authz.AuthorizationResponse, err error) url.Values {
	t.Helper()
	if err != nil || response.Redirect == "" {
		t.Fatalf("%+v, %v, want a redirect", response, err)
	}
	u, err := url.Parse(response.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// code takes the user through the whole authorization, approving everything.
func (s *server) code(t testing.TB, client string, edits ...edit) string {
	t.Helper()
	response, err := s.authorize(client, edits...)
	if err == nil && response.Consent != nil {
		response, err = s.submit(submission(response.Consent))
	}
	code := back(t, response, err).Get("code")
	if code == "" {
		t.Fatalf("no code but %s", s.outcome(t, response, err))
	}
	return code
}

// request authenticates a client in the way that suits it.
func request(client string, v url.Values) *authz.Request {
	if secretOf[client] == "" {
		if !v.Has("client_id") {
			v.Set("client_id", client)
		}
		return &authz.Request{Parameters: v}
	}
	return &authz.Request{Parameters: v, Authorization: basic(client, secretOf[client])}
}

func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

func redemption(client, code string, edits ...edit) *authz.Request {
	return request(client, form(edits, "grant_type", "authorization_code", "code", code,
		"redirect_uri", redirectOf[client], "code_verifier", authztest.Verifier))
}

func (s *server) redeem(client, code string, edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), redemption(client, code, edits...))
}

func (s *server) refresh(client, token string, edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), request(client, form(edits, "grant_type", "refresh_token", "refresh_token", token)))
}

// own is an access token of the service itself.
func (s *server) own(edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), request(service, form(edits, "grant_type", "client_credentials", "scope", "read")))
}

// tokens takes the user through the whole code flow.
func (s *server) tokens(t testing.TB, client string, edits ...edit) *authz.TokenResponse {
	t.Helper()
	tokens, err := s.redeem(client, s.code(t, client, edits...))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// live reports whether an access token opens anything.
func (s *server) live(token string) bool {
	_, err := s.VerifyAccessToken(context.Background(), token)
	return err == nil
}

func wantRefusal(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := refusedWith(t, err); got != want {
		t.Errorf("error %s, want %s", got, want)
	}
}

func must[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// lifetimes sets Config.Lifetimes.
func lifetimes(l authz.Lifetimes) func(*authz.Config) {
	return func(c *authz.Config) { c.Lifetimes = l }
}

func opaque(c *authz.Config) { c.AccessTokenFormat = "opaque" }

const aMoment = time.Microsecond
