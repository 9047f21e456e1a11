package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/cli/client"
)

// checker plays the users, with one login folder for each machine.
type checker struct {
	ctx                    context.Context
	pager                  *pager
	program                string
	laptop, remote, victim string
}

// run runs a command of the client to its end.
func (c *checker) run(command, folder string) (string, error) {
	return runProgram(c.ctx, c.program, command, "-dir", folder)
}

// is has whoami say who is signed in.
func (c *checker) is(user, folder string) error {
	said, err := c.run("whoami", folder)
	if err == nil && !strings.Contains(said, "You are "+user+",") {
		return fmt.Errorf("whoami says %q", said)
	}
	return err
}

// fails has a command fail and say these words.
func (c *checker) fails(command, folder, why string) error {
	said, err := c.run(command, folder)
	if err == nil || !strings.Contains(err.Error(), why) {
		return fmt.Errorf("expected %s to fail with %q, it says %q, %w", command, why, said, err)
	}
	return nil
}

// kept is the login in a folder.
func (c *checker) kept(folder string) (*client.Session, error) {
	store, err := client.OpenStore(folder)
	if err != nil {
		return nil, err
	}
	return store.Load()
}

func (c *checker) signedOut() error { return c.fails("whoami", c.laptop, "run login first") }

// signIn starts login, and has a user allow it.
func (c *checker) signIn(user, folder string) error {
	s, err := start(c.ctx, c.program, "login", "-server", c.pager.url, "-no-browser", "-dir", folder)
	if err != nil {
		return err
	}
	address, err := s.line(c.pager.url + "/oauth2/authorize?")
	if err != nil {
		return err
	}
	b, err := newBrowser(c.ctx, user)
	if err != nil {
		return err
	}
	p, err := b.allow(address)
	if err != nil {
		return err
	}
	if p.at.Hostname() != "127.0.0.1" || p.at.Path != "/callback" || !strings.Contains(p.text, "You are signed in.") {
		return fmt.Errorf("the browser ends at %s with %q", p.at.Path, p.text)
	}
	_, err = s.end()
	return err
}

func (c *checker) login() error {
	if err := c.signIn("ana", c.laptop); err != nil {
		return err
	}
	return c.is("ana", c.laptop)
}

func (c *checker) keptPrivate() error {
	for file, want := range map[string]fs.FileMode{c.laptop: 0o700, filepath.Join(c.laptop, "session.json"): 0o600} {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			return fmt.Errorf("%s has mode %o", filepath.Base(file), info.Mode().Perm())
		}
	}
	return nil
}

func (c *checker) openToOthers() error {
	if runtime.GOOS == "windows" {
		return nil // has no modes
	}
	file := filepath.Join(c.laptop, "session.json")
	if err := os.Chmod(file, 0o640); err != nil {
		return err
	}
	if err := c.fails("whoami", c.laptop, "chmod 600"); err != nil {
		return err
	}
	return os.Chmod(file, 0o600)
}

// forged: RFC 6749 §10.12, RFC 9207 §2.4.
func (c *checker) forged() error {
	s, err := start(c.ctx, c.program, "login", "-server", c.pager.url, "-no-browser", "-dir", c.victim)
	if err != nil {
		return err
	}
	address, err := s.line(c.pager.url + "/oauth2/authorize?")
	if err != nil {
		return err
	}
	asked, err := url.Parse(address)
	if err != nil {
		return err
	}
	b, err := newBrowser(c.ctx, "mallory")
	if err != nil {
		return err
	}
	back := func(state, iss string) (*page, error) {
		q := url.Values{"code": {"made-up"}, "state": {state}, "iss": {iss}}
		return b.send(http.MethodGet, asked.Query().Get("redirect_uri")+"?"+q.Encode(), nil)
	}
	if p, err := back("made-up", c.pager.url); err != nil || p.status != http.StatusBadRequest {
		return fmt.Errorf("another state: %+v, %w", p, err)
	}
	if p, err := back(asked.Query().Get("state"), "https://elsewhere.example"); err != nil || !strings.Contains(p.text, "not signed in") {
		return fmt.Errorf("another iss: %+v, %w", p, err)
	}
	if said, err := s.end(); err == nil || !strings.Contains(err.Error(), "https://elsewhere.example") {
		return fmt.Errorf("it goes on: %q, %w", said, err)
	}
	return c.fails("whoami", c.victim, "run login first")
}

func (c *checker) device() error {
	s, err := start(c.ctx, c.program, "login", "-device", "-server", c.pager.url, "-dir", c.remote)
	if err != nil {
		return err
	}
	address, err := s.line(c.pager.url)
	if err != nil {
		return err
	}
	code, err := s.line("-")
	if err != nil {
		return err
	}
	b, err := newBrowser(c.ctx, "ben")
	if err != nil {
		return err
	}
	p, err := b.open(address)
	if err != nil {
		return err
	}
	if p, err = b.answer(p, url.Values{"user_code": {code}}); err != nil {
		return err
	}
	if !strings.Contains(p.text, code) {
		return fmt.Errorf("the page does not show the code to compare: %.300s", p.text)
	}
	if p, err = b.answer(p, url.Values{"decision": {"allow"}}); err != nil || !strings.Contains(p.text, "is connected") {
		return fmt.Errorf("%+v, %w", p, err)
	}
	if _, err := s.end(); err != nil {
		return err
	}
	return errors.Join(c.is("ben", c.remote), c.is("ana", c.laptop))
}

// rotates has f lead to one refresh and new tokens.
func (c *checker) rotates(f func() error) error {
	before, err := c.kept(c.laptop)
	if err != nil {
		return err
	}
	refreshed := c.pager.heard(authz.TokenRefreshed)
	if err := f(); err != nil {
		return err
	}
	after, err := c.kept(c.laptop)
	if err != nil {
		return err
	}
	if n := c.pager.heard(authz.TokenRefreshed) - refreshed; n != 1 || after.AccessToken == before.AccessToken || after.RefreshToken == before.RefreshToken {
		return fmt.Errorf("%d refreshes; other tokens: %v, %v", n, after.AccessToken != before.AccessToken, after.RefreshToken != before.RefreshToken)
	}
	if n := c.pager.heard(authz.ReplayDetected); n != 0 {
		return fmt.Errorf("%d refresh tokens were used twice", n)
	}
	return c.keptPrivate()
}

// refresh is the case in which the program knows by itself: its file says that it is time.
func (c *checker) refresh() error {
	s, err := c.kept(c.laptop)
	if err != nil {
		return err
	}
	if left := time.Until(s.ExpiresAt); left <= 0 || left > 5*time.Minute {
		return fmt.Errorf("the file gives the token %v", left)
	}
	s.ExpiresAt = time.Now().Add(5 * time.Second)
	aged, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.laptop, "session.json"), aged, 0o600); err != nil {
		return err
	}
	refused := c.pager.heard(authz.RequestRefused)
	if err := c.rotates(func() error { return c.is("ana", c.laptop) }); err != nil {
		return err
	}
	if n := c.pager.heard(authz.RequestRefused); n != refused {
		return errors.New("the API was asked with the old token first")
	}
	return nil
}

// refused is the case in which it does not.
func (c *checker) refused() error {
	c.pager.wait(10 * time.Minute)
	return c.rotates(func() error { return c.is("ana", c.laptop) })
}

func (c *checker) together() error {
	c.pager.wait(10 * time.Minute)
	return c.rotates(func() error {
		done := make(chan error, 4)
		for range cap(done) {
			go func() { done <- c.is("ana", c.laptop) }()
		}
		var errs []error
		for range cap(done) {
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	})
}

// dead holds that neither token of a login is good any more.
func (c *checker) dead(s *client.Session) error {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.pager.url+"/api/me", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.AccessToken)
	called, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	called.Body.Close()
	refreshed, err := http.PostForm(c.pager.url+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {s.RefreshToken},
	})
	if err != nil {
		return err
	}
	defer refreshed.Body.Close()
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(refreshed.Body).Decode(&answer); err != nil {
		return err
	}
	if called.StatusCode != http.StatusUnauthorized || answer.Error != "invalid_grant" {
		return fmt.Errorf("the API answers %s, the token endpoint %q", called.Status, answer.Error)
	}
	return nil
}

func (c *checker) again() error {
	before, err := c.kept(c.laptop)
	if err != nil {
		return err
	}
	if err := c.signIn("ana", c.laptop); err != nil {
		return err
	}
	return errors.Join(c.dead(before), c.is("ana", c.laptop))
}

func (c *checker) logout() error {
	for _, folder := range []string{c.laptop, c.remote} {
		s, err := c.kept(folder)
		if err != nil {
			return err
		}
		if said, err := c.run("logout", folder); err != nil || !strings.Contains(said, "signed out") {
			return fmt.Errorf("%q, %w", said, err)
		}
		if _, err := os.Stat(filepath.Join(folder, "session.json")); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the file is still there: %w", err)
		}
		if err := errors.Join(c.dead(s), c.fails("whoami", folder, "run login first")); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) ended() error {
	if err := c.signIn("ana", c.laptop); err != nil {
		return err
	}
	c.pager.wait(366 * 24 * time.Hour)
	return errors.Join(c.fails("whoami", c.laptop, "the login has ended"), c.fails("whoami", c.laptop, "you are not signed in"))
}
