package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Status board is an OAuth client like any other: it knows Pager's address and its own
// credentials, and speaks through golang.org/x/oauth2.
type board struct {
	issuer, self string
	secret       string
	passTime     func(time.Duration) time.Time // stands in for waiting; a real client has no such thing
	sessions     sessions[*boardSession]
	pages        *template.Template
}

// boardSession is one visitor.
type boardSession struct {
	record recorder

	mu          sync.Mutex // held while a request of the visitor is worked on
	connections map[string]*connection
}

// connection is what Status board holds for one of its two registrations at Pager.
type connection struct {
	config          oauth2.Config
	state, verifier string        // of the sign-in under way
	token           *oauth2.Token // nil before
	revoked         bool
	issuer          string
	revocation      string // endpoint
}

// serverMetadata is the part of RFC 8414 §2 that the board needs.
type serverMetadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
}

func newBoard(issuer, self, secret string, passTime func(time.Duration) time.Time) *board {
	b := &board{issuer: issuer, self: self, secret: secret, passTime: passTime}
	b.sessions.cookie = "board_session"
	b.pages = template.Must(template.ParseFS(files, "pages/*.html"))
	return b
}

func (b *board) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.home)
	mux.HandleFunc("GET /callback/{client}", b.callback)
	for _, button := range []struct {
		name, title string
		action      action
	}{
		{"connect", actConnect, b.connect},
		{"call", "Call the API", b.call},
		{"add", "Add a source", b.add},
		{"expire", "Let the token expire", b.expire},
		{"refresh", "Refresh", b.refresh},
		{"revoke", "Revoke", b.revoke},
	} {
		mux.HandleFunc("POST /{client}/"+button.name, func(w http.ResponseWriter, r *http.Request) {
			b.act(w, r, button.title, button.action)
		})
	}
	mux.HandleFunc("POST /clear", func(w http.ResponseWriter, r *http.Request) {
		b.visitor(w, r).record.clear()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /assets/", http.FileServerFS(files))
	return http.NewCrossOriginProtection().Handler(mux)
}

// action is what a button does. Its first result is where the browser goes next: empty
// for back to the page.
type action func(ctx context.Context, s *boardSession, client string) (string, error)

// actConnect ends only when the browser comes back.
const actConnect = "Connect"

// visitor is the session of a request, begun if there is none.
func (b *board) visitor(w http.ResponseWriter, r *http.Request) *boardSession {
	if s, ok := b.sessions.find(r); ok {
		return s
	}
	s := &boardSession{connections: map[string]*connection{}}
	b.sessions.begin(w, s)
	return s
}

func (b *board) home(w http.ResponseWriter, r *http.Request) {
	s := b.visitor(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	type card struct {
		Client, Name, Kind, About       string
		Connected, Refreshable, Revoked bool
	}
	cards := []card{
		{Client: confidentialClient, Name: "Status board", Kind: "Confidential client",
			About: "A web app with a server: it keeps a secret, and gets a refresh token because of it."},
		{Client: publicClient, Name: "Status board mobile", Kind: "Public client",
			About: "An app on a device: no secret. It gets a refresh token if you let it stay connected."},
	}
	names := map[string]string{}
	for i := range cards {
		names[cards[i].Client] = cards[i].Name
		if c := s.connections[cards[i].Client]; c != nil && c.token != nil {
			cards[i].Connected, cards[i].Refreshable, cards[i].Revoked = true, c.token.RefreshToken != "", c.revoked
		}
	}
	show(w, b.pages, "board.html", map[string]any{
		"Cards": cards, "Names": names, "Acts": s.record.latestFirst(), "Pager": b.issuer,
	})
}

// act runs what a button stands for, and shows where that led.
func (b *board) act(w http.ResponseWriter, r *http.Request, title string, do action) {
	s, client := b.visitor(w, r), r.PathValue("client")
	if client != confidentialClient && client != publicClient {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.begin(title, client, r.Method == http.MethodGet) // the callback goes on with Connect
	next, err := do(r.Context(), s, client)
	if err != nil {
		s.record.add(step{Title: "That did not work", Note: reason(err), Failed: true})
	}
	if next == "" {
		next = "/"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// reason is what went wrong, without the answer's body, which the step before shows.
func reason(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" {
		return refused.ErrorCode + ": " + refused.ErrorDescription
	}
	return err.Error()
}

var errNotConnected = errors.New("not connected: press Connect first")

// connect asks the server what it offers (RFC 8414) and sends the browser there.
func (b *board) connect(ctx context.Context, s *boardSession, client string) (string, error) {
	s.record.next("Discover the server", "RFC 8414: the client knows the issuer; the metadata tells the rest.")
	m, err := b.discover(ctx, s)
	if err != nil {
		return "", err
	}
	c := &connection{issuer: m.Issuer, revocation: m.RevocationEndpoint, state: rand.Text(), verifier: oauth2.GenerateVerifier()}
	c.config = oauth2.Config{
		ClientID:    client,
		Endpoint:    oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams},
		RedirectURL: b.self + "/callback/" + client,
		Scopes:      []string{"source:r", "source:w", "offline_access"},
	}
	if client == confidentialClient {
		c.config.ClientSecret, c.config.Endpoint.AuthStyle = b.secret, oauth2.AuthStyleInHeader
		c.config.Scopes = []string{"source:r", "source:w"}
	}
	s.connections[client] = c
	to := c.config.AuthCodeURL(c.state, oauth2.S256ChallengeOption(c.verifier))
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	leaves := step{
		Title: "Send the browser to the authorization endpoint", Note: "RFC 6749 §4.1.1, with the hash of a secret that only this client knows (PKCE, RFC 7636).",
		Method: "GET", URL: m.AuthorizationEndpoint,
	}
	leaves.sentParameters(u.Query())
	s.record.add(leaves)
	return to, nil
}

func (b *board) discover(ctx context.Context, s *boardSession) (*serverMetadata, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	m := new(serverMetadata)
	if err := json.NewDecoder(answer.Body).Decode(m); err != nil {
		return nil, fmt.Errorf("the metadata cannot be read: %w", err)
	}
	if m.Issuer != b.issuer { // RFC 8414 §3.3
		return nil, fmt.Errorf("the metadata is of %q, not of %q", m.Issuer, b.issuer)
	}
	return m, nil
}

// client is an HTTP client whose traffic is shown.
func (s *boardSession) client() *http.Client {
	return &http.Client{Transport: &s.record, Timeout: 10 * time.Second}
}

// oauth is a context that makes x/oauth2 use it.
func (s *boardSession) oauth(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, s.client())
}

// callback is where the browser comes back to.
func (b *board) callback(w http.ResponseWriter, r *http.Request) {
	b.act(w, r, actConnect, func(ctx context.Context, s *boardSession, client string) (string, error) {
		q := r.URL.Query()
		back := step{
			Title: "The browser comes back", Note: "RFC 6749 §4.1.2. state shows that the answer is to our question, iss (RFC 9207) that it is from the server we asked.",
			Method: "GET", URL: b.self + r.URL.Path, Failed: q.Has("error"),
		}
		back.sentParameters(q)
		s.record.add(back)
		c := s.connections[client]
		switch {
		case c == nil || c.state == "" || q.Get("state") != c.state:
			return "", errors.New("state does not match: this is not the answer to a request of this browser")
		case q.Get("iss") != c.issuer:
			return "", fmt.Errorf("iss is %q, not the server that was asked", q.Get("iss"))
		}
		c.state = "" // good for one answer
		if q.Has("error") {
			return "", fmt.Errorf("%s: %s", q.Get("error"), q.Get("error_description"))
		}
		s.record.next("Exchange the code for tokens", "RFC 6749 §4.1.3. The verifier shows that whoever has the code also asked for it.")
		token, err := c.config.Exchange(s.oauth(ctx), q.Get("code"), oauth2.VerifierOption(c.verifier))
		if err != nil {
			return "", err
		}
		c.token = token
		return "", nil
	})
}

// call reads the alert sources, which takes the scope source:r.
func (b *board) call(ctx context.Context, s *boardSession, client string) (string, error) {
	return "", b.api(ctx, s, client, http.MethodGet, "")
}

// add adds one, which takes source:w.
func (b *board) add(ctx context.Context, s *boardSession, client string) (string, error) {
	return "", b.api(ctx, s, client, http.MethodPost, `{"name":"Heartbeat of `+client+`"}`)
}

// api asks the API. If the token is refused it refreshes and goes on where it stopped.
func (b *board) api(ctx context.Context, s *boardSession, client, method, body string) error {
	c := s.connections[client]
	if c == nil || c.token == nil {
		return errNotConnected
	}
	s.record.next("Call the API", "RFC 6750 §2.1: the access token goes in a header.")
	status, err := b.ask(ctx, s, c, method, body)
	if err != nil || status != http.StatusUnauthorized || c.token.RefreshToken == "" {
		return err
	}
	if _, err := b.refresh(ctx, s, client); err != nil {
		return err
	}
	s.record.next("Call the API again", "The same request with the new token: the client goes on where it stopped.")
	_, err = b.ask(ctx, s, c, method, body)
	return err
}

func (b *board) ask(ctx context.Context, s *boardSession, c *connection, method, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, b.issuer+"/api/sources", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	// Not through x/oauth2's transport: it goes by the client's clock, and would refresh
	// before the API has a chance to say 401.
	r.Header.Set("Authorization", "Bearer "+c.token.AccessToken)
	answer, err := s.client().Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// expire lets an hour and a minute pass, on the server's clock.
func (b *board) expire(_ context.Context, s *boardSession, _ string) (string, error) {
	now := b.passTime(61 * time.Minute)
	s.record.add(step{Title: "61 minutes pass", Note: "On Pager's clock it is " + now.UTC().Format(time.TimeOnly) +
		" UTC now, and every access token from before has expired. Call the API and see."})
	return "", nil
}

// refresh: RFC 6749 §6.
func (b *board) refresh(ctx context.Context, s *boardSession, client string) (string, error) {
	c := s.connections[client]
	switch {
	case c == nil || c.token == nil:
		return "", errNotConnected
	case c.token.RefreshToken == "":
		return "", errors.New("this client was given no refresh token: connect it again and let it stay connected")
	}
	s.record.next("Refresh", "RFC 6749 §6. The refresh token is used up and replaced: whoever presents the old one later is a thief.")
	token, err := c.config.TokenSource(s.oauth(ctx), &oauth2.Token{RefreshToken: c.token.RefreshToken}).Token()
	if err != nil {
		return "", err
	}
	c.token = token
	return "", nil
}

// revoke: RFC 7009 §2.1. The refresh token takes all that came from the grant with it.
func (b *board) revoke(ctx context.Context, s *boardSession, client string) (string, error) {
	c := s.connections[client]
	if c == nil || c.token == nil {
		return "", errNotConnected
	}
	token := c.token.RefreshToken
	if token == "" {
		token = c.token.AccessToken
	}
	form := url.Values{"token": {token}}
	if c.config.ClientSecret == "" {
		form.Set("client_id", client)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.config.ClientSecret != "" {
		r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(c.config.ClientSecret))
	}
	s.record.next("Revoke", "RFC 7009. The tokens are kept here to show that they are dead: call the API, or refresh.")
	answer, err := s.client().Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s; the tokens may still be good, try again", answer.Status)
	}
	c.revoked = true
	return "", nil
}
