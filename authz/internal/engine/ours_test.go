package engine_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
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

// answer is what a client gets to see of either server.
type answer struct {
	status   int
	header   http.Header
	body     map[string]any
	location string     // where the browser is sent
	params   url.Values // what it brings along

	reason     string // ours only
	retryAfter time.Duration
}

func (a *answer) redirectedTo(location string) {
	a.location, a.params = location, url.Values{}
	if u, err := url.Parse(location); err == nil {
		a.params = u.Query()
		if fragment, err := url.ParseQuery(u.Fragment); err == nil && len(fragment) > 0 {
			a.params = fragment
		}
	}
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// failure is the error code, wherever it stands.
func (a answer) failure() string { return a.text("error") + a.params.Get("error") }

// want checks a refusal.
func want(t *testing.T, got answer, status int, failure string) {
	t.Helper()
	if got.status != status || got.failure() != failure {
		t.Errorf("got %d %s (%s), want %d %s", got.status, got.failure(), got.reason, status, failure)
	}
	if got.text("access_token")+got.params.Get("code") != "" {
		t.Errorf("a refusal that hands something out: %+v", got)
	}
}

// wantUnavailable checks the answer of a server whose store is down.
func wantUnavailable(t *testing.T, got answer) {
	t.Helper()
	want(t, got, http.StatusServiceUnavailable, "temporarily_unavailable")
	if got.retryAfter <= 0 {
		t.Error("no word on when to try again")
	}
}

func wantOK(t *testing.T, got answer) {
	t.Helper()
	if got.status != http.StatusOK {
		t.Errorf("got %d %s (%s), want 200", got.status, got.failure(), got.reason)
	}
}

// wantSent checks that the browser goes back to the client with this error.
func wantSent(t *testing.T, got answer, failure string) {
	t.Helper()
	if !strings.HasPrefix(got.location, redirectURI+"?") {
		t.Errorf("the browser is sent to %q, not to the client", got.location)
	}
	want(t, got, http.StatusSeeOther, failure)
}

// wantPage checks that the error stays with us, as a page.
func wantPage(t *testing.T, got answer, failure string) {
	t.Helper()
	if got.location != "" {
		t.Errorf("redirected to %s", got.location)
	}
	want(t, got, http.StatusBadRequest, failure)
}

// trouble is a store that is slow, or fails in some of its calls.
type trouble struct {
	storage.Store

	// upTo is the most that a call takes. Spans vary, so that each round of a race
	// runs another course.
	upTo time.Duration

	// meanwhile, if set, happens once, right before a Commit.
	meanwhile func()

	mu      sync.Mutex
	broken  map[string]bool
	commits int
}

func (s *trouble) fail(calls ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = map[string]bool{}
	for _, call := range calls {
		s.broken[call] = true
	}
}

func (s *trouble) mend() { s.fail() }

func (s *trouble) roundTrip(call string) error {
	if s.upTo > 0 {
		time.Sleep(rand.N(s.upTo))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if call == "Commit" {
		s.commits++
	}
	if s.broken[call] {
		return errDown
	}
	return nil
}

func (s *trouble) Client(ctx context.Context, id string) (*storage.Client, error) {
	if err := s.roundTrip("Client"); err != nil {
		return nil, err
	}
	return s.Store.Client(ctx, id)
}

func (s *trouble) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	if err := s.roundTrip("Code"); err != nil {
		return nil, err
	}
	return s.Store.Code(ctx, d)
}

func (s *trouble) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	if err := s.roundTrip("Token"); err != nil {
		return nil, err
	}
	return s.Store.Token(ctx, d)
}

func (s *trouble) Grant(ctx context.Context, id string) (*storage.Grant, error) {
	if err := s.roundTrip("Grant"); err != nil {
		return nil, err
	}
	return s.Store.Grant(ctx, id)
}

func (s *trouble) Commit(ctx context.Context, w storage.Write) error {
	if err := s.roundTrip("Commit"); err != nil {
		return err
	}
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return s.Store.Commit(ctx, w)
}

// ours is our server, on a store that can be troubled, with "ana" at the browser.
type ours struct {
	*authztest.Server
	store *trouble
}

func newOurs(t testing.TB, configure ...func(*authz.Config)) *ours {
	t.Helper()
	store := &trouble{Store: memory.New()}
	s := &ours{store: store}
	s.Server = authztest.New(t, append([]func(*authz.Config){func(c *authz.Config) {
		c.Storage = store
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}}, configure...)...)
	for _, id := range []string{confidentialID, strangerID} {
		// In the store, not in the configuration, so that looking them up can fail.
		err := s.RegisterClient(t.Context(), authz.Client{
			ID: id, RedirectURIs: []string{redirectURI}, Scopes: strings.Fields(allScopes),
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
			Secrets:    []storage.Secret{authz.HashSecret(secret)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.SignIn("ana")
	return s
}

// authorize sends an authorization request; if she is asked, ana grants all of it.
func (s *ours) authorize(t testing.TB, params url.Values) answer {
	r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
	response, err := s.Server.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: r, Browser: "b"})
	if err == nil && response.Consent != nil {
		var scopes []string
		for _, scope := range response.Consent.Scopes {
			scopes = append(scopes, scope.Name)
		}
		response, err = s.SubmitConsent(t.Context(), &authz.ConsentSubmission{
			Interaction: response.Consent.Interaction, HTTP: r, Browser: "b", Approve: true, Scopes: scopes,
		})
	}
	if err != nil {
		return answered(nil, err)
	}
	a := answer{status: http.StatusSeeOther}
	a.redirectedTo(response.Redirect)
	return a
}

func (s *ours) code(t testing.TB, clientID string, change ...string) string {
	t.Helper()
	a := s.authorize(t, authorizationParameters(clientID, change...))
	if a.params.Get("code") == "" {
		t.Fatalf("no code: %+v", a)
	}
	return a.params.Get("code")
}

func (s *ours) token(t testing.TB, form url.Values, authorization ...string) answer {
	return answered(s.Server.Token(t.Context(), request(form, authorization...)))
}

func (s *ours) tokens(t testing.TB, clientID string, change ...string) answer {
	t.Helper()
	a := s.token(t, codeForm(clientID, s.code(t, clientID, change...)), credentialsOf(clientID)...)
	if a.status != http.StatusOK {
		t.Fatalf("no tokens: %+v", a)
	}
	return a
}

func (s *ours) introspect(t testing.TB, form url.Values, authorization ...string) answer {
	return answered(s.Server.Introspect(t.Context(), request(form, authorization...)))
}

func (s *ours) revoke(t testing.TB, form url.Values, authorization ...string) answer {
	return answered(nil, s.Server.Revoke(t.Context(), request(form, authorization...)))
}

func request(form url.Values, authorization ...string) *authz.Request {
	return &authz.Request{Parameters: form, Authorization: strings.Join(authorization, "")}
}

// answered is a method's result as a client would see it.
func answered(success any, err error) answer {
	var refused *authz.Error
	if errors.As(err, &refused) {
		return answer{
			status: refused.Status, reason: refused.Reason, retryAfter: refused.RetryAfter,
			body: map[string]any{"error": refused.Code, "error_description": refused.Description},
		}
	}
	if err != nil {
		return answer{reason: "not an *authz.Error: " + err.Error()}
	}
	a := answer{status: http.StatusOK}
	if b, err := json.Marshal(success); err == nil {
		_ = json.Unmarshal(b, &a.body) // an object of ours, or null
	}
	return a
}

// The forms of the token endpoint, the same for both servers.

func codeForm(clientID, code string, change ...string) url.Values {
	return with(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "redirect_uri": {redirectURI},
		"code": {code}, "code_verifier": {authztest.Verifier},
	}, change...)
}

func refreshForm(clientID, token string, change ...string) url.Values {
	return with(url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token},
	}, change...)
}

func tokenForm(clientID, token string) url.Values {
	return url.Values{"client_id": {clientID}, "token": {token}}
}

// credentialsOf is the Authorization header of a client, none for the public one.
func credentialsOf(clientID string) []string {
	if clientID == publicID {
		return nil
	}
	return []string{basic(clientID, secret)}
}

func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// readJWT is the header and the claims of a JWT, unverified.
func readJWT(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
