package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// play is -check: the story of the demo over real HTTP, one line a step, ending at the
// first thing that is not so.
func play(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := &checker{ctx: ctx, visitor: newVisitor(), file: filepath.Join(dir, "quickstart.db"), clock: new(demoClock)}
	if c.demo, err = start("127.0.0.1:0", "127.0.0.1:0", c.file, c.clock); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.demo.stop()) }()
	for _, s := range c.story() {
		if err := s.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", s.is, err)
		}
		fmt.Fprintln(out, "ok  ", s.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// checker plays all parts: the user at a browser, and a client of its own.
type checker struct {
	*visitor
	ctx   context.Context
	demo  *demo
	file  string
	clock *demoClock

	code    string // redeemed by Status board
	mobile  *oauth2.Token
	used    *oauth2.Token // mobile before its refresh
	staying *oauth2.Token // kept over the restart
}

type beat struct {
	is string
	do func() error
}

func (c *checker) story() []beat {
	return []beat{
		{"the metadata names the issuer and demands PKCE with S256", c.metadata},
		{"the API refuses a call without a token: 401, Bearer", func() error { return c.api("", http.StatusUnauthorized) }},
		{"Status board sends the browser to Pager, whose own sign-in page comes up", c.connect},
		{"a wrong password is refused, and the right one leads to the consent page", c.signIn},
		{"allowing it brings Status board a code, and for that a JWT of one hour and a refresh token", c.allow},
		{"Status board calls the API with it", func() error { return c.press("call", "Call the API", "200 OK", "Checkout latency") }},
		{"an hour later the API says 401; Status board refreshes and goes on where it stopped", c.expire},
		{"the refresh token lives for a year", c.oneYear},
		{"the code comes back: invalid_grant", c.replayCode},
		{"and with that everything the code had yielded is dead", func() error {
			return c.press("call", "401 Unauthorized", "invalid_grant")
		}},
		{"Status board connects again, without asking: the consent is remembered", c.reconnect},
		{"it revokes: the API says 401 at once, and the refresh token is dead", c.revoke},
		{"a public client gets tokens without a secret, and a refresh token through offline_access", c.connectMobile},
		{"its user unticked source:w: reading works, writing is 403 insufficient_scope", c.readOnly},
		{"without offline_access it gets no refresh token", c.noOfflineAccess},
		{"its token expires: 401; it refreshes and goes on", c.refreshMobile},
		{"the same refresh at once, its answer lost: the same answer", c.repeatRefresh},
		{"the old refresh token a minute later: invalid_grant", c.replayRefresh},
		{"and with that its successor and the access token are dead", c.familyIsDead},
		{"restart on the same file: the remaining tokens are still good", c.restart},
	}
}

func (c *checker) metadata() error {
	var m struct {
		Issuer  string   `json:"issuer"`
		Methods []string `json:"code_challenge_methods_supported"`
	}
	_, err := c.getJSON(c.demo.pagerURL+"/.well-known/oauth-authorization-server", "", &m)
	if err == nil && (m.Issuer != c.demo.pagerURL || len(m.Methods) != 1 || m.Methods[0] != "S256") {
		return fmt.Errorf("got %+v", m)
	}
	return err
}

func (c *checker) connect() error {
	if _, err := c.open(c.demo.boardURL, ""); err != nil {
		return err
	}
	at, err := c.submit("/"+confidentialClient+"/connect", nil, "")
	if err == nil && !strings.HasPrefix(at.String(), c.demo.pagerURL+"/login") {
		return fmt.Errorf("the browser is at %s", at.Path)
	}
	return err
}

func (c *checker) signIn() error {
	for _, password := range []string{"wrong", demoPassword} {
		if _, err := c.submit("/login", map[string][]string{"email": {demoUser}, "password": {password}}, ""); err != nil {
			return err
		}
		if password == "wrong" {
			if err := c.shows("Wrong e-mail address or password"); err != nil {
				return err
			}
		}
	}
	return c.shows("Status board", "See your alert sources", "Add and change alert sources", "Ana Costa")
}

func (c *checker) allow() error {
	to, err := c.submit("/consent", map[string][]string{"decision": {"allow"}}, c.demo.boardURL+"/callback/")
	if err != nil {
		return err
	}
	if c.code = to.Query().Get("code"); c.code == "" || to.Query().Get("iss") != c.demo.pagerURL {
		return fmt.Errorf("the client gets %s", strings.Join(keys(to.Query()), ", "))
	}
	if _, err := c.open(to.String(), ""); err != nil {
		return err
	}
	return c.shows("Connected, with a refresh token", `"expires_in": 3600`, `"typ": "at+jwt"`)
}

// press presses one of Status board's buttons and looks for texts on the page after.
func (c *checker) press(button string, texts ...string) error {
	if _, err := c.open(c.demo.boardURL, ""); err != nil {
		return err
	}
	if _, err := c.submit("/clear", nil, ""); err != nil {
		return err
	}
	if _, err := c.submit("/"+confidentialClient+"/"+button, nil, ""); err != nil {
		return err
	}
	return c.shows(texts...)
}

func (c *checker) expire() error {
	if err := c.press("expire", "61 minutes pass"); err != nil {
		return err
	}
	return c.press("call", "401 Unauthorized", `error="invalid_token"`, "Refresh", "Call the API again", "200 OK", "Checkout latency")
}

func (c *checker) replayCode() error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {c.code}, "code_verifier": {oauth2.GenerateVerifier()},
		"redirect_uri": {c.demo.boardURL + "/callback/" + confidentialClient}}
	return c.refused("/oauth2/token", form, c.demo.secret, "invalid_grant")
}

func (c *checker) reconnect() error {
	if _, err := c.open(c.demo.boardURL, ""); err != nil {
		return err
	}
	if _, err := c.submit("/"+confidentialClient+"/connect", nil, ""); err != nil {
		return err
	}
	return c.shows("Connected, with a refresh token", "Exchange the code for tokens")
}

func (c *checker) revoke() error {
	if err := c.press("revoke", "Revoke", "200 OK"); err != nil {
		return err
	}
	return c.press("call", "401 Unauthorized", "invalid_grant")
}

// oneYear has Status board's registration ask about a refresh token of its own.
func (c *checker) oneYear() error {
	token, err := c.authorize(c.config(confidentialClient, c.demo.boardURL+"/callback/"+confidentialClient, "source:r"), nil)
	if err != nil {
		return err
	}
	var answer struct {
		Active bool  `json:"active"`
		Iat    int64 `json:"iat"`
		Exp    int64 `json:"exp"`
	}
	status, err := c.post("/oauth2/introspect", url.Values{"token": {token.RefreshToken}}, c.demo.secret, &answer)
	if err != nil {
		return err
	}
	if life := time.Duration(answer.Exp-answer.Iat) * time.Second; status != http.StatusOK || !answer.Active || (life-year).Abs() > time.Minute {
		return fmt.Errorf("status %d, active %v, for %v", status, answer.Active, life)
	}
	return nil
}

// mobileRedirect is on a port that nobody registered, as a native app's is (RFC 8252
// §7.3). Nothing listens there: the check reads the answer off the redirect.
const mobileRedirect = "http://127.0.0.1:7/callback/" + publicClient

func (c *checker) connectMobile() (err error) {
	c.mobile, err = c.authorize(c.config(publicClient, mobileRedirect, "source:r source:w offline_access"), []string{"source:r", "offline_access"})
	if err == nil && (c.mobile.RefreshToken == "" || c.mobile.Extra("scope") != "source:r offline_access") {
		return fmt.Errorf("a refresh token: %v; scope %v", c.mobile.RefreshToken != "", c.mobile.Extra("scope"))
	}
	return err
}

func (c *checker) readOnly() error {
	if err := c.api(c.mobile.AccessToken, http.StatusOK); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.demo.pagerURL+"/api/sources", strings.NewReader(`{"name":"x"}`))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.mobile.AccessToken)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if challenge := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`) {
		return fmt.Errorf("status %d, %s", answer.StatusCode, challenge)
	}
	return nil
}

func (c *checker) noOfflineAccess() error {
	token, err := c.authorize(c.config(publicClient, mobileRedirect, "source:r"), []string{"source:r"})
	if err == nil && token.RefreshToken != "" {
		return errors.New("it got one")
	}
	return err
}

func (c *checker) refreshMobile() (err error) {
	c.clock.advance(61 * time.Minute)
	if err := c.api(c.mobile.AccessToken, http.StatusUnauthorized); err != nil {
		return err
	}
	c.used = c.mobile
	if c.mobile, err = c.refresh(c.used); err != nil {
		return err
	}
	return c.api(c.mobile.AccessToken, http.StatusOK)
}

func (c *checker) repeatRefresh() error {
	again, err := c.refresh(c.used)
	if err == nil && (again.AccessToken != c.mobile.AccessToken || again.RefreshToken != c.mobile.RefreshToken) {
		return errors.New("another answer")
	}
	return err
}

func (c *checker) replayRefresh() error {
	c.clock.advance(time.Minute)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.used.RefreshToken}, "client_id": {publicClient}}
	return c.refused("/oauth2/token", form, "", "invalid_grant")
}

func (c *checker) familyIsDead() error {
	if err := c.api(c.mobile.AccessToken, http.StatusUnauthorized); err != nil {
		return err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.mobile.RefreshToken}, "client_id": {publicClient}}
	return c.refused("/oauth2/token", form, "", "invalid_grant")
}

func (c *checker) restart() (err error) {
	if c.staying, err = c.authorize(c.config(publicClient, mobileRedirect, "source:r offline_access"), []string{"source:r", "offline_access"}); err != nil {
		return err
	}
	pager, board := strings.TrimPrefix(c.demo.pagerURL, "http://"), strings.TrimPrefix(c.demo.boardURL, "http://")
	if err := c.demo.stop(); err != nil {
		return err
	}
	if c.demo, err = start(pager, board, c.file, c.clock); err != nil {
		return err
	}
	if err := c.api(c.staying.AccessToken, http.StatusOK); err != nil {
		return err
	}
	if c.staying, err = c.refresh(c.staying); err != nil {
		return err
	}
	if err := c.api(c.staying.AccessToken, http.StatusOK); err != nil {
		return err
	}
	return c.api(c.mobile.AccessToken, http.StatusUnauthorized) // what was dead stays dead
}

// config is what x/oauth2 needs to be one of the clients.
func (c *checker) config(client, redirectURI, scope string) *oauth2.Config {
	config := &oauth2.Config{
		ClientID: client, RedirectURL: redirectURI, Scopes: strings.Fields(scope),
		Endpoint: oauth2.Endpoint{AuthURL: c.demo.pagerURL + "/oauth2/authorize", TokenURL: c.demo.pagerURL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	if client == confidentialClient {
		config.ClientSecret, config.Endpoint.AuthStyle = c.demo.secret, oauth2.AuthStyleInHeader
	}
	return config
}

// authorize runs the code flow to its end, ticking these scopes if the user is asked.
func (c *checker) authorize(config *oauth2.Config, tick []string) (*oauth2.Token, error) {
	verifier := oauth2.GenerateVerifier()
	to, err := c.open(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), config.RedirectURL)
	if err == nil && tick != nil {
		if !strings.HasSuffix(to.Path, "/authorize") {
			return nil, errors.New("the user was not asked, although any program could pose as this client")
		}
		to, err = c.submit("/consent", map[string][]string{"decision": {"allow"}, "scope": tick}, config.RedirectURL)
	}
	if err != nil {
		return nil, err
	}
	if to.Query().Get("code") == "" {
		return nil, fmt.Errorf("the client gets %s %s", to.Query().Get("error"), to.Query().Get("error_description"))
	}
	return config.Exchange(c.ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier))
}

func (c *checker) refresh(token *oauth2.Token) (*oauth2.Token, error) {
	return c.config(publicClient, "", "").TokenSource(c.ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// api calls the API and expects this status.
func (c *checker) api(token string, want int) error {
	status, err := c.getJSON(c.demo.pagerURL+"/api/sources", token, new(any))
	if err == nil && status != want {
		return fmt.Errorf("the API answers %d, expected %d", status, want)
	}
	return err
}

// refused posts a form and expects an error.
func (c *checker) refused(path string, form url.Values, secret, want string) error {
	var answer struct {
		Error string `json:"error"`
	}
	status, err := c.post(path, form, secret, &answer)
	if err == nil && (status != http.StatusBadRequest || answer.Error != want) {
		return fmt.Errorf("status %d, error %q, expected 400 and %q", status, answer.Error, want)
	}
	return err
}

func (c *checker) post(path string, form url.Values, secret string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.demo.pagerURL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth(confidentialClient, url.QueryEscape(secret))
	}
	return exchange(r, answer)
}

func (c *checker) getJSON(address, token string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return exchange(r, answer)
}

func exchange(r *http.Request, answer any) (int, error) {
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	return a.StatusCode, json.NewDecoder(a.Body).Decode(answer)
}

func keys(v url.Values) (names []string) {
	for name := range v {
		names = append(names, name)
	}
	return names
}
