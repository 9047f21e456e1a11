package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The part of the story in which the user clicks through both apps.

func (c *checker) connect() error {
	at, err := c.pressConnect("")
	if err == nil && !strings.HasPrefix(at.String(), c.demo.pagerURL+"/login?") {
		return fmt.Errorf("expected Pager's sign-in page, the browser is at %s", at)
	}
	return err
}

func (c *checker) pressConnect(until string) (*url.URL, error) {
	if _, err := c.open(c.demo.boardURL, ""); err != nil {
		return nil, err
	}
	return c.submit("/"+confidentialClient+"/connect", nil, until)
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
	if q := to.Query(); q.Get("code") == "" || q.Get("iss") != c.demo.pagerURL {
		return fmt.Errorf("expected a code and iss=%s, the client gets %v", c.demo.pagerURL, q)
	}
	if _, err := c.open(to.String(), ""); err != nil {
		return err
	}
	for _, name := range []string{"code", "code_verifier"} {
		c.redeemed = append(c.redeemed, field{name, c.defined(name)})
	}
	return c.shows("Connected, with a refresh token", `"expires_in": 3600`)
}

// readJWT reads the token that the page shows in full, as RFC 9068 §2 has it.
func (c *checker) readJWT() error {
	rawHeader, rawClaims, err := readJWT(c.defined("access_token"))
	if err != nil {
		return fmt.Errorf("expected a JWT: %w", err)
	}
	type header struct{ Typ string }
	type claims struct {
		Iss, Aud, Sub, Scope string
		ClientID             string `json:"client_id"`
		Iat, Exp             int64
	}
	var h header
	var got claims
	if err := errors.Join(json.Unmarshal(rawHeader, &h), json.Unmarshal(rawClaims, &got)); err != nil {
		return err
	}
	want := claims{Iss: c.demo.pagerURL, Aud: c.demo.pagerURL, Sub: demoUser, Scope: "source:r source:w",
		ClientID: confidentialClient, Iat: got.Iat, Exp: got.Iat + 3600}
	if got != want || h.Typ != "at+jwt" {
		return fmt.Errorf("expected at+jwt and %+v, got %s and %+v", want, h.Typ, got)
	}
	return nil
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

func (c *checker) callAPI() error {
	if err := c.press("call", "200 OK", "Checkout latency"); err != nil {
		return err
	}
	if err := c.press("add", "201 Created"); err != nil {
		return err
	}
	if _, err := c.open(c.demo.pagerURL, ""); err != nil {
		return err
	}
	return c.shows("Heartbeat of " + confidentialClient)
}

func (c *checker) stillGood() error {
	c.clock.advance(59 * time.Minute)
	if err := c.press("call", "200 OK", "Checkout latency"); err != nil {
		return err
	}
	return c.showsNot("401 Unauthorized")
}

func (c *checker) expire() error {
	c.clock.advance(2 * time.Minute)
	if err := c.goesOn(); err != nil {
		return err
	}
	// The button does the same to the new token.
	if err := c.press("expire", "61 minutes pass"); err != nil {
		return err
	}
	return c.goesOn()
}

func (c *checker) goesOn() error {
	return c.press("call", "401 Unauthorized", `error="invalid_token"`, "Refresh", "Call the API again", "200 OK", "Checkout latency")
}

func (c *checker) pressRefresh() error {
	if err := c.press("refresh", "200 OK", `"expires_in": 3600`); err != nil {
		return err
	}
	if err := c.press("call", "200 OK", "Checkout latency"); err != nil {
		return err
	}
	return c.showsNot("401 Unauthorized")
}

func (c *checker) replayCode() error {
	form := url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {c.boardCallback()}}
	for _, f := range c.redeemed {
		form.Set(f.Name, f.Value)
	}
	return c.refused("/oauth2/token", form, c.demo.secret, http.StatusBadRequest, "invalid_grant")
}

func (c *checker) boardIsDead() error {
	return c.press("call", "401 Unauthorized", "invalid_grant")
}

func (c *checker) reconnect() error {
	if _, err := c.pressConnect(""); err != nil {
		return err
	}
	return c.shows("Connected, with a refresh token", "Exchange the code for tokens")
}

func (c *checker) revoke() error {
	if err := c.press("revoke", "200 OK", "Revoked"); err != nil {
		return err
	}
	return c.boardIsDead()
}

func (c *checker) disconnect() error {
	if err := c.reconnect(); err != nil {
		return err
	}
	if err := c.press("call", "200 OK", "Checkout latency"); err != nil {
		return err
	}
	if _, err := c.open(c.demo.pagerURL+"/apps", ""); err != nil {
		return err
	}
	if err := c.shows("Status board", "See your alert sources"); err != nil {
		return err
	}
	if _, err := c.submit("/apps/disconnect", nil, ""); err != nil {
		return err
	}
	if err := c.shows("None yet"); err != nil {
		return err
	}
	if err := c.boardIsDead(); err != nil {
		return err
	}
	if _, err := c.pressConnect(""); err != nil {
		return err
	}
	if err := c.shows("wants", "See your alert sources"); err != nil {
		return err
	}
	_, err := c.submit("/consent", map[string][]string{"decision": {"allow"}}, "")
	return err
}
