// Package authztest is for the tests of applications that embed the server: a
// server in one line, a clock to move, a user to sign in, and tokens on demand.
//
//	as := authztest.New(t)
//	as.SignIn("ana")
//	token := as.AccessToken(t, "alerts:read")
package authztest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/rand"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The client that every server of this package knows, if its configuration allows public
// clients: one with every scope there is.
const (
	ClientID    = "test-client"
	RedirectURI = "https://client.example/callback"
)

// Server is an authorization server for tests, with what a test needs to move it.
type Server struct {
	*authz.Server
	Clock *Clock
	Store storage.Store

	mu     sync.Mutex
	user   *authz.User
	named  bool // sessions are: Config.Sessions
	scopes []string
}

// New makes a server on a store in memory, under https://auth.example, with the
// scopes read, write and offline_access. The functions may change its configuration
// before it is made.
func New(t testing.TB, configure ...func(*authz.Config)) *Server {
	t.Helper()
	s := &Server{Clock: NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	config := authz.Config{
		Issuer: "https://auth.example",
		Login:  s.login,
		Clock:  s.Clock.Now,
		Scopes: authz.Scopes{"read": "Read things", "write": "Change things", "offline_access": "Stay connected"},
	}
	for _, f := range configure {
		f(&config)
	}
	if config.Storage == nil {
		config.Storage = memory.New()
	}
	s.Store, s.named = config.Storage, config.Sessions
	for scope := range config.Scopes {
		s.scopes = append(s.scopes, scope)
	}
	slices.Sort(s.scopes)
	if methods := config.TokenEndpointAuthMethods; len(methods) == 0 || slices.Contains(methods, "none") {
		config.Clients = append(slices.Clone(config.Clients), authz.Client{
			ID: ClientID, Name: "Test client", RedirectURIs: []string{RedirectURI}, Scopes: s.scopes,
		})
	}
	var err error
	if s.Server, err = authz.New(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// SignIn makes this user the one at the browser; an empty subject, nobody. With Config.Sessions each
// call begins another session.
func (s *Server) SignIn(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = nil
	if subject != "" {
		s.user = &authz.User{Subject: subject, Name: subject, AuthTime: s.Clock.Now()}
		if s.named {
			s.user.SessionID = rand.Text()
		}
	}
}

func (s *Server) login(*http.Request) (*authz.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		return nil, authz.RedirectToLogin("/login")
	}
	user := *s.user
	return &user, nil
}

// Verifier is the PKCE verifier that goes with Challenge (RFC 7636 §4.1).
var Verifier = strings.Repeat("v", 43)

// Challenge is the S256 challenge of Verifier (RFC 7636 §4.2).
func Challenge() string {
	sum := sha256.Sum256([]byte(Verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AuthorizationParameters are those of a good authorization request for the client of
// this package.
func AuthorizationParameters(scopes ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {ClientID}, "redirect_uri": {RedirectURI}, "state": {"s"},
		"code_challenge": {Challenge()}, "code_challenge_method": {"S256"},
	}
	if len(scopes) > 0 {
		v.Set("scope", strings.Join(scopes, " "))
	}
	return v
}

// Authorize sends an authorization request as the signed-in user, and approves
// everything if the user is asked. It returns the parameters that the client gets
// back.
func (s *Server) Authorize(t testing.TB, params url.Values) url.Values {
	t.Helper()
	browser := rand.Text()
	r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
	response, err := s.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: r, Browser: browser})
	if err == nil && response.Consent != nil {
		var scopes []string
		for _, scope := range response.Consent.Scopes {
			scopes = append(scopes, scope.Name)
		}
		response, err = s.SubmitConsent(t.Context(), &authz.ConsentSubmission{
			Interaction: response.Consent.Interaction, HTTP: r, Browser: browser, Approve: true, Scopes: scopes,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(response.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// Tokens signs the user through the whole code flow.
func (s *Server) Tokens(t testing.TB, scopes ...string) *authz.TokenResponse {
	t.Helper()
	answer := s.Authorize(t, AuthorizationParameters(scopes...))
	if answer.Get("code") == "" {
		t.Fatalf("authztest: no code but %s; is a user signed in?", answer.Get("error"))
	}
	tokens, err := s.Token(t.Context(), &authz.Request{Parameters: url.Values{
		"grant_type": {"authorization_code"}, "client_id": {ClientID}, "redirect_uri": {RedirectURI},
		"code": {answer.Get("code")}, "code_verifier": {Verifier},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// AccessToken is an access token of the signed-in user with these scopes.
func (s *Server) AccessToken(t testing.TB, scopes ...string) string {
	t.Helper()
	return s.Tokens(t, scopes...).AccessToken
}

// Clock is a clock that moves only when told to.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock is a clock that stands at this time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now is the time at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock, backwards if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
