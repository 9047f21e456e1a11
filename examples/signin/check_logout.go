package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// together: the user signs out at one site, and is signed out at Pager and at the other.
func (c *checker) together() error {
	if err := c.bothAgain(); err != nil {
		return err
	}
	page, body, err := c.press(c.status, "/signout")
	if err != nil {
		return err
	}
	if err := at(c.status, page, body, []string{"Sign in with Pager"}, []string{"Example"}); err != nil {
		return err
	}
	if want := []string{"/oauth2/logout", "/"}; !slices.Equal(c.way, want) {
		return fmt.Errorf("by way of %q", c.way) // Runbooks is not on it
	}
	if err := c.hears(c.runbooks); err != nil {
		return err
	}
	if page, body, err = c.press(c.runbooks, "/signin"); err != nil || page.Request.URL.Path != "/login" {
		return fmt.Errorf("nobody is asked for a password: %.400s, %w", body, err)
	}
	return nil
}

// atPager: the user signs out at Pager itself.
func (c *checker) atPager() error {
	if err := c.bothAgain(); err != nil {
		return err
	}
	if _, _, err := c.open(http.MethodPost, c.pagerURL+"/leave", nil); err != nil {
		return err
	}
	return errors.Join(c.hears(c.status), c.hears(c.runbooks))
}

// forged: what is no logout token for this site ends no session.
func (c *checker) forged() error {
	if err := c.bothAgain(); err != nil {
		return err
	}
	for _, s := range []*site{c.status, c.runbooks} {
		for _, token := range []string{"", "x", c.person(s).hint, c.hint} {
			// Without the browser: the back channel has no cookie.
			answer, err := http.PostForm(s.url+"/signed-out", url.Values{"logout_token": {token}})
			if err != nil {
				return err
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusBadRequest {
				return fmt.Errorf("%s: %s", s.name, answer.Status)
			}
		}
		if page, body, err := c.open(http.MethodGet, s.url+"/", nil); err != nil {
			return err
		} else if err := at(s, page, body, []string{"Ana Example"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// bothAgain signs ana in to Pager and to both sites.
func (c *checker) bothAgain() error {
	if page, body, err := c.open(http.MethodPost, c.pagerURL+"/login", url.Values{"user": {"ana"}, "password": {"tulip"}}); err != nil || page.StatusCode != http.StatusOK {
		return fmt.Errorf("%.400s, %w", body, err)
	}
	for _, s := range []*site{c.status, c.runbooks} {
		page, body, err := c.press(s, "/signin")
		if err != nil {
			return err
		}
		if err := at(s, page, body, []string{"Ana Example"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// hears waits until nobody is signed in to a site. It learns of that beside the browser.
func (c *checker) hears(s *site) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		page, body, err := c.open(http.MethodGet, s.url+"/", nil)
		if err != nil {
			return err
		}
		if err := at(s, page, body, []string{"Sign in with Pager"}, []string{"Example"}); err == nil || time.Now().After(end) {
			return err
		}
	}
}
