package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// siteConfig is what a site is told by whoever runs it. All else it finds out by the issuer.
type siteConfig struct {
	name, url, issuer, id string
	secret                string     // or
	key                   *clientKey // in its place
	algorithm             string     // of ID tokens, as registered
	scopes                []string
}

// site is a website that leaves signing in to Pager (a relying party). It keeps no passwords;
// it keeps whom Pager has named.
type site struct {
	siteConfig
	oauth    oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier

	endSession string // Pager's endpoint for signing out

	mu     sync.Mutex
	asking map[string]asking  // by cookie
	people map[string]*person // by cookie
}

// asking is an authentication request whose answer has not come yet.
type asking struct {
	state, nonce, verifier string
	confirms               string // the session, if the question is whether the user is still there
	since                  time.Time
}

const (
	askingFor = 10 * time.Minute
	maxAsking = 1000
	patience  = 10 * time.Second
)

func newSite(ctx context.Context, c siteConfig) (*site, error) {
	ctx = oidc.ClientContext(ctx, &http.Client{Timeout: patience})
	provider, err := oidc.NewProvider(ctx, c.issuer)
	if err != nil {
		return nil, err
	}
	var known struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&known); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.key != nil {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &site{
		siteConfig: c, provider: provider, endSession: known.EndSession,
		oauth: oauth2.Config{
			ClientID: c.id, ClientSecret: c.secret, RedirectURL: c.url + "/callback", Endpoint: endpoint,
			Scopes: append([]string{oidc.ScopeOpenID}, c.scopes...),
		},
		// The algorithm is the one that was agreed on, whatever the token says (RFC 8725 §3.1).
		verifier: provider.Verifier(&oidc.Config{ClientID: c.id, SupportedSigningAlgs: []string{c.algorithm}}),
		asking:   map[string]asking{}, people: map[string]*person{},
	}, nil
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, http.StatusOK, "") })
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) { s.ask(w, r, asking{}) })
	mux.HandleFunc("POST /confirm", s.confirm)
	mux.HandleFunc("GET /callback", s.callback)
	mux.HandleFunc("POST /signout", s.signOut)
	mux.HandleFunc("POST /signed-out", s.signedOut)
	mux.HandleFunc("GET /begin", s.begin)
	return http.NewCrossOriginProtection().Handler(mux)
}

// begin is where somebody else sends a user who wants to sign in here: Pager's list of
// applications, say, or a link in a mail (OpenID Connect Core §4). Only Pager is asked, and
// nothing else that the link says is believed; where it leads afterwards is this site's own page.
func (s *site) begin(w http.ResponseWriter, r *http.Request) {
	if iss := r.URL.Query().Get("iss"); iss != s.issuer {
		s.show(w, r, http.StatusBadRequest, "This site leaves signing in to Pager, and to nobody else.")
		return
	}
	var hint []oauth2.AuthCodeOption
	if login := r.URL.Query().Get("login_hint"); login != "" {
		hint = append(hint, oauth2.SetAuthURLParam("login_hint", login))
	}
	s.ask(w, r, asking{}, hint...)
}

// confirm asks Pager, without any page, whether the user is still there: prompt=none, and the
// ID token for a hint whom the site means (OpenID Connect Core §3.1.2.1).
func (s *site) confirm(w http.ResponseWriter, r *http.Request) {
	id, p := s.session(r)
	if p == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.ask(w, r, asking{confirms: id}, oauth2.SetAuthURLParam("prompt", "none"), oauth2.SetAuthURLParam("id_token_hint", p.hint))
}

// ask sends the browser to Pager with a question. The answer has to come back in the same
// browser (state), name the nonce, and be redeemed by who holds the verifier.
func (s *site) ask(w http.ResponseWriter, r *http.Request, a asking, options ...oauth2.AuthCodeOption) {
	a.state, a.nonce, a.verifier, a.since = rand.Text(), rand.Text(), oauth2.GenerateVerifier(), time.Now()
	id := rand.Text()
	s.mu.Lock()
	for other, b := range s.asking {
		if time.Since(b.since) > askingFor || len(s.asking) >= maxAsking {
			delete(s.asking, other)
		}
	}
	s.asking[id] = a
	s.mu.Unlock()
	s.setCookie(w, "-asking", id)
	options = append(options, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier))
	http.Redirect(w, r, s.oauth.AuthCodeURL(a.state, options...), http.StatusSeeOther)
}

// answered finds the question that this is the answer to, once.
func (s *site) answered(r *http.Request) (asking, bool) {
	cookie, err := r.Cookie(s.id + "-asking")
	if err != nil {
		return asking{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.asking[cookie.Value]
	delete(s.asking, cookie.Value)
	return a, known && time.Since(a.since) <= askingFor
}

// callback is where the browser comes back to from Pager.
func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	a, known := s.answered(r)
	q := r.URL.Query()
	if !known || q.Get("state") != a.state || q.Get("iss") != s.issuer { // RFC 6749 §10.12, RFC 9207 §2.4
		s.show(w, r, http.StatusBadRequest, "This was not begun here, or too long ago.")
		return
	}
	before := s.take(a.confirms) // who was signed in begins anew, or is so no more
	switch code := q.Get("error"); {
	case code == "login_required":
		s.show(w, r, http.StatusOK, "Pager says that you are not signed in there any more. So you are not here.")
		return
	case code != "":
		s.show(w, r, http.StatusOK, "You are not signed in: Pager says "+code+".")
		return
	}
	p, err := s.learn(r.Context(), q.Get("code"), a)
	if err == nil && before != nil && before.subject != p.subject {
		err = errors.New("asked about one user, the server answered about another")
	}
	if err != nil {
		slog.Error("signing in failed", "site", s.id, "cause", err)
		s.show(w, r, http.StatusBadGateway, "You are not signed in. Try again later.")
		return
	}
	if old, there := s.session(r); there != nil {
		s.take(old)
	}
	id := rand.Text() // another than before signing in, so that nobody can have set it
	s.mu.Lock()
	s.people[id] = p
	s.mu.Unlock()
	s.setCookie(w, "", id)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// learn redeems the code, and believes what the ID token says once it is verified (OpenID
// Connect Core §3.1.3.7). The access token is asked for more, and not kept.
func (s *site) learn(ctx context.Context, code string, a asking) (*person, error) {
	ctx = oidc.ClientContext(ctx, &http.Client{Timeout: patience})
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(a.verifier)}
	if s.key != nil {
		authentication, err := s.key.authenticate(s.id, s.issuer)
		if err != nil {
			return nil, err
		}
		options = append(options, authentication...)
	}
	token, err := s.oauth.Exchange(ctx, code, options...)
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := s.verifier.Verify(ctx, raw)
	switch {
	case err != nil:
		return nil, err
	case idToken.Nonce != a.nonce:
		return nil, errors.New("the ID token answers another request")
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
		return nil, err
	}
	info, err := s.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	switch {
	case err != nil:
		return nil, err
	case info.Subject != idToken.Subject: // §5.3.2
		return nil, errors.New("UserInfo is about another user than the ID token")
	}
	return newPerson(raw, idToken, info)
}

// session is who is signed in here.
func (s *site) session(r *http.Request) (string, *person) {
	cookie, err := r.Cookie(s.id)
	if err != nil {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return cookie.Value, s.people[cookie.Value]
}

// take ends a session, and says whose it was.
func (s *site) take(id string) *person {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[id]
	delete(s.people, id)
	return p
}

func (s *site) setCookie(w http.ResponseWriter, suffix, value string) {
	http.SetCookie(w, &http.Cookie{Name: s.id + suffix, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *site) show(w http.ResponseWriter, r *http.Request, status int, notice string) {
	_, p := s.session(r)
	show(w, status, sitePage, map[string]any{"Name": s.name, "Notice": notice, "Person": p, "Pager": s.issuer})
}
