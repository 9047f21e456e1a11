package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/grantor-oauth/grantor/handlers"
)

// The part of the story in which the check is the client: with Status board's secret,
// and as the public client, from a port that nobody registered, as a native app's is
// (RFC 8252 §7.3). Nothing listens there: the check reads the answer off the redirect.
const mobileRedirect = "http://127.0.0.1:7/callback/" + publicClient

func (c *checker) boardCallback() string { return c.demo.boardURL + "/callback/" + confidentialClient }

// reachable is what every host does well to ask itself when it starts. It has the server
// refuse, and log, two requests that are none; here nobody takes them for real ones.
func (c *checker) reachable() error { return handlers.Check(c.ctx, c.demo.as, nil) }

func (c *checker) metadata() error {
	var m struct {
		Issuer  string   `json:"issuer"`
		Methods []string `json:"code_challenge_methods_supported"`
	}
	_, err := c.getJSON(c.demo.pagerURL+"/.well-known/oauth-authorization-server", &m)
	if err == nil && (m.Issuer != c.demo.pagerURL || len(m.Methods) != 1 || m.Methods[0] != "S256") {
		return fmt.Errorf("expected issuer %s and S256 alone, got %+v", c.demo.pagerURL, m)
	}
	return err
}

func (c *checker) pkceForEveryone() error {
	for _, config := range []*oauth2.Config{c.board("source:r"), c.public("source:r")} {
		for _, challenge := range [][]oauth2.AuthCodeOption{
			nil,
			{oauth2.SetAuthURLParam("code_challenge", oauth2.GenerateVerifier()), oauth2.SetAuthURLParam("code_challenge_method", "plain")},
		} {
			to, err := c.open(config.AuthCodeURL("state", challenge...), config.RedirectURL)
			if err != nil {
				return err
			}
			if got := to.Query().Get("error"); got != "invalid_request" {
				return fmt.Errorf("expected %s to be sent back with invalid_request, it goes to %s", config.ClientID, to)
			}
		}
	}
	return nil
}

func (c *checker) noToken() error {
	answer, err := c.api(http.MethodGet, "")
	if challenge := answer.Header.Get("WWW-Authenticate"); err == nil && (answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ")) {
		return fmt.Errorf("expected 401 with a Bearer challenge, got %s with %q", answer.Status, challenge)
	}
	return err
}

// secretIsNeeded: RFC 6749 §3.2.1. The refused tries do not use the refresh token up.
func (c *checker) secretIsNeeded() (err error) {
	if c.keptBoard, err = c.authorize(c.board("source:r"), nil); err != nil {
		return err
	}
	c.keptSince = c.clock.now()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.keptBoard.RefreshToken}}
	if err := c.refused("/oauth2/token", form, "wrong", http.StatusUnauthorized, "invalid_client"); err != nil {
		return err
	}
	form.Set("client_id", confidentialClient)
	if err := c.refused("/oauth2/token", form, "", http.StatusUnauthorized, "invalid_client"); err != nil {
		return err
	}
	return c.reads(c.keptBoard, http.StatusOK)
}

func (c *checker) replayFreshCode() error {
	config, verifier := c.board("source:r"), oauth2.GenerateVerifier()
	to, err := c.open(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), config.RedirectURL)
	if err != nil {
		return err
	}
	code := to.Query().Get("code")
	token, err := config.Exchange(c.ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return err
	}
	if err := c.reads(token, http.StatusOK); err != nil {
		return err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {config.RedirectURL}}
	if err := c.refused("/oauth2/token", form, c.demo.secret, http.StatusBadRequest, "invalid_grant"); err != nil {
		return err
	}
	form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}
	return errors.Join(c.reads(token, http.StatusUnauthorized), c.refused("/oauth2/token", form, c.demo.secret, http.StatusBadRequest, "invalid_grant"))
}

func (c *checker) connectMobile() (err error) {
	c.mobile, err = c.authorize(c.public("source:r source:w offline_access"), []string{"source:r", "offline_access"})
	if err == nil && (c.mobile.RefreshToken == "" || c.mobile.Extra("scope") != "source:r offline_access") {
		return fmt.Errorf("expected a refresh token and scope source:r offline_access, got one: %v, scope %v", c.mobile.RefreshToken != "", c.mobile.Extra("scope"))
	}
	return err
}

func (c *checker) readOnly() error {
	if err := c.reads(c.mobile, http.StatusOK); err != nil {
		return err
	}
	answer, err := c.api(http.MethodPost, c.mobile.AccessToken)
	if challenge := answer.Header.Get("WWW-Authenticate"); err == nil && (answer.StatusCode != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`)) {
		return fmt.Errorf("expected 403 with insufficient_scope, got %s with %q", answer.Status, challenge)
	}
	return err
}

func (c *checker) noOfflineAccess() error {
	token, err := c.authorize(c.public("source:r"), []string{"source:r"})
	if err == nil && token.RefreshToken != "" {
		return errors.New("it got one")
	}
	return err
}

func (c *checker) refreshMobile() (err error) {
	c.clock.advance(61 * time.Minute)
	if err := c.reads(c.mobile, http.StatusUnauthorized); err != nil {
		return err
	}
	c.used = c.mobile
	if c.mobile, err = c.refresh(c.public(""), c.used); err != nil {
		return err
	}
	return c.reads(c.mobile, http.StatusOK)
}

func (c *checker) repeatRefresh() error {
	again, err := c.refresh(c.public(""), c.used)
	if err == nil && (again.AccessToken != c.mobile.AccessToken || again.RefreshToken != c.mobile.RefreshToken) {
		return errors.New("another answer")
	}
	return err
}

func (c *checker) replayRefresh() error {
	c.clock.advance(time.Minute)
	return c.refreshRefused(c.used)
}

func (c *checker) familyIsDead() error {
	return errors.Join(c.reads(c.mobile, http.StatusUnauthorized), c.refreshRefused(c.mobile))
}

func (c *checker) refreshRefused(token *oauth2.Token) error {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}, "client_id": {publicClient}}
	return c.refused("/oauth2/token", form, "", http.StatusBadRequest, "invalid_grant")
}

// restart is with another secret for Status board: it is made at each start, and no
// token hangs on it.
func (c *checker) restart() (err error) {
	if c.kept, err = c.authorize(c.public("source:r offline_access"), []string{"source:r", "offline_access"}); err != nil {
		return err
	}
	before := c.demo
	c.demo = nil
	if err := before.stop(); err != nil {
		return err
	}
	if c.demo, err = start(strings.TrimPrefix(before.pagerURL, "http://"), strings.TrimPrefix(before.boardURL, "http://"), c.file, c.clock); err != nil {
		return err
	}
	if err := c.reads(c.kept, http.StatusOK); err != nil {
		return err
	}
	if c.kept, err = c.refresh(c.public(""), c.kept); err != nil {
		return err
	}
	return errors.Join(c.reads(c.kept, http.StatusOK), c.familyIsDead())
}

// almostAYear: the public client's token has been refreshed since, the confidential
// client's has lain idle all the time.
func (c *checker) almostAYear() (err error) {
	c.clock.advance(c.keptSince.AddDate(0, 0, 364).Sub(c.clock.now()))
	if c.kept, err = c.refresh(c.public(""), c.kept); err != nil {
		return err
	}
	if c.keptBoard, err = c.refresh(c.board(""), c.keptBoard); err != nil {
		return err
	}
	return errors.Join(c.reads(c.kept, http.StatusOK), c.reads(c.keptBoard, http.StatusOK))
}

func (c *checker) overAYear() error {
	c.clock.advance(2 * 24 * time.Hour)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.keptBoard.RefreshToken}}
	return errors.Join(c.refreshRefused(c.kept), c.refused("/oauth2/token", form, c.demo.secret, http.StatusBadRequest, "invalid_grant"))
}

// board is what x/oauth2 needs to be Status board; public, to be its mobile app.
func (c *checker) board(scope string) *oauth2.Config {
	config := c.public(scope)
	config.ClientID, config.ClientSecret, config.RedirectURL = confidentialClient, c.demo.secret, c.boardCallback()
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return config
}

func (c *checker) public(scope string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: publicClient, RedirectURL: mobileRedirect, Scopes: strings.Fields(scope),
		Endpoint: oauth2.Endpoint{AuthURL: c.demo.pagerURL + "/oauth2/authorize", TokenURL: c.demo.pagerURL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// authorize runs the code flow to its end. The user is to be asked, and ticks these
// scopes; if there are none the user is not to be asked.
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
		return nil, fmt.Errorf("expected a code, the browser is at %s", to)
	}
	return config.Exchange(c.ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier))
}

func (c *checker) refresh(config *oauth2.Config, token *oauth2.Token) (*oauth2.Token, error) {
	return config.TokenSource(c.ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// reads calls the API and expects this status.
func (c *checker) reads(token *oauth2.Token, want int) error {
	answer, err := c.api(http.MethodGet, token.AccessToken)
	if err == nil && answer.StatusCode != want {
		return fmt.Errorf("expected the API to answer %d, it answers %s", want, answer.Status)
	}
	return err
}

// api asks the API; without a token if it is empty. The answer's body is gone, and the
// answer never nil.
func (c *checker) api(method, token string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(c.ctx, method, c.demo.pagerURL+"/api/sources", strings.NewReader(`{"name":"x"}`))
	if err != nil {
		return new(http.Response), err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return new(http.Response), err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer, err
}

// refused posts a form and expects an error.
func (c *checker) refused(path string, form url.Values, secret string, wantStatus int, want string) error {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.demo.pagerURL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth(confidentialClient, url.QueryEscape(secret))
	}
	var answer struct {
		Error string `json:"error"`
	}
	status, err := exchange(r, &answer)
	if err == nil && (status != wantStatus || answer.Error != want) {
		return fmt.Errorf("expected %d and %s, got %d and %q", wantStatus, want, status, answer.Error)
	}
	return err
}

func (c *checker) getJSON(address string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
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
