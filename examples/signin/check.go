package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

// play is -check: two users at one browser, over real HTTP, one line a step, ending at the
// first thing that is not so.
func play(ctx context.Context, out io.Writer, on string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	slog.SetLogLoggerLevel(slog.LevelError + 1) // the refusals are meant
	defer slog.SetLogLoggerLevel(slog.LevelInfo)
	dir, err := os.MkdirTemp("", "signin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := bolt.Open(filepath.Join(dir, "signin.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	free := "127.0.0.1:0"
	s, err := start(ctx, addresses{&free, &free, &free}, db, on)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := &checker{system: s, ctx: ctx}
	c.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		c.way = append(c.way, r.URL.Path)
		return nil
	}}
	for _, step := range []struct {
		is string
		do func() error
	}{
		{"ana signs in to Status at Pager, where a wrong password is refused, and Status learns her name and e-mail", c.first},
		{"Runbooks signs her in without a password: she is only asked whether it may see her name", c.second},
		{"from then on she signs in to either without a page", c.noPage},
		{"a link from elsewhere that names Pager begins a sign-in, and one that names another does not", c.begun},
		{"asked without a page, Pager says that she is still there: a new ID token, and the same sign-in", c.confirm},
		{"one site does not take what Pager has said to the other", c.otherSite},
		{"an answer to what nobody has asked is refused", c.unasked},
		{"ben signs in to Pager in ana's place: asked about ana, Pager says that she is gone", c.another},
		{"nobody is signed in at Pager: the other site hears of it when it asks", c.gone},
		{"ana signs out at Status, and is signed out at Pager and at Runbooks, where her browser has not been", c.together},
		{"ana signs out at Pager, and is signed out at both sites", c.atPager},
		{"what is no logout token for a site signs nobody out there", c.forged},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", step.is, err)
		}
		fmt.Fprintln(out, "ok  ", step.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// checker plays the users, and looks at the pages that they see.
type checker struct {
	*system
	ctx     context.Context
	browser *http.Client
	way     []string // the paths that the last request was redirected to

	hint string // ana's ID token for Status
}

// open makes a request, and follows it to the page at the end.
func (c *checker) open(method, address string, form url.Values) (*http.Response, string, error) {
	c.way = nil
	r, err := http.NewRequestWithContext(c.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := c.browser.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}

// press presses the button of a site.
func (c *checker) press(s *site, button string) (*http.Response, string, error) {
	return c.open(http.MethodPost, s.url+button, nil)
}

// at holds that the browser is at a site's account page, and that it says this and not that.
func at(s *site, answer *http.Response, body string, says, not []string) error {
	if answer.StatusCode != http.StatusOK || answer.Request.URL.String() != s.url+"/" {
		return fmt.Errorf("%s at %s: %.400s", answer.Status, answer.Request.URL, body)
	}
	for _, text := range says {
		if !strings.Contains(body, text) {
			return fmt.Errorf("the page lacks %q: %s", text, body)
		}
	}
	for _, text := range not {
		if strings.Contains(body, text) {
			return fmt.Errorf("the page has %q: %s", text, body)
		}
	}
	return nil
}

func (c *checker) first() error {
	page, body, err := c.press(c.status, "/signin")
	if err != nil || page.Request.URL.Path != "/login" {
		return fmt.Errorf("no sign-in page: %.400s, %w", body, err)
	}
	address := page.Request.URL.String()
	if page, body, err = c.open(http.MethodPost, address, url.Values{"user": {"ana"}, "password": {"crocus"}}); err != nil || page.StatusCode != http.StatusForbidden {
		return fmt.Errorf("a wrong password: %.400s, %w", body, err)
	}
	if page, body, err = c.open(http.MethodPost, address, url.Values{"user": {"ana"}, "password": {"tulip"}}); err != nil {
		return err
	}
	if slices.Contains(c.way, "/oauth2/consent") {
		return errors.New("the user of a first-party site was asked")
	}
	c.hint = c.person(c.status).hint
	return at(c.status, page, body, []string{"Ana Example", "ana@example.com", "u-7301", "auth_time"}, nil)
}

var fieldPattern = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)

func (c *checker) second() error {
	page, body, err := c.press(c.runbooks, "/signin")
	if err != nil || page.Request.URL.Path != "/oauth2/authorize" || slices.Contains(c.way, "/login") {
		return fmt.Errorf("no consent page, by way of %q: %.400s, %w", c.way, body, err)
	}
	if !strings.Contains(body, "See your name") || strings.Contains(body, "See your e-mail address") {
		return fmt.Errorf("another question: %s", body)
	}
	form := url.Values{"decision": {"allow"}}
	for _, field := range fieldPattern.FindAllStringSubmatch(body, -1) {
		form.Add(field[1], field[2])
	}
	if page, body, err = c.open(http.MethodPost, c.pagerURL+"/oauth2/consent", form); err != nil {
		return err
	}
	return at(c.runbooks, page, body, []string{"Ana Example", "u-7301"}, []string{"ana@example.com"})
}

// noPage: a 200 on the way would have ended it, so all that was met was redirects.
func (c *checker) noPage() error {
	for _, s := range []*site{c.status, c.runbooks} {
		page, body, err := c.press(s, "/signin")
		if err != nil {
			return err
		}
		if err := at(s, page, body, []string{"Ana Example"}, nil); err != nil {
			return err
		}
		if want := []string{"/oauth2/authorize", "/callback", "/"}; !slices.Equal(c.way, want) {
			return fmt.Errorf("by way of %q", c.way)
		}
	}
	return nil
}

func (c *checker) begun() error {
	begin := func(issuer string) (*http.Response, string, error) {
		return c.open(http.MethodGet, c.status.url+"/begin?"+url.Values{"iss": {issuer}, "login_hint": {"ana"}}.Encode(), nil)
	}
	page, body, err := begin("https://pager.example")
	if err != nil || page.StatusCode != http.StatusBadRequest || slices.Contains(c.way, "/oauth2/authorize") {
		return fmt.Errorf("another issuer, by way of %q: %.400s, %w", c.way, body, err)
	}
	if page, body, err = begin(c.status.issuer); err != nil {
		return err
	}
	return at(c.status, page, body, []string{"Ana Example"}, nil)
}

func (c *checker) confirm() error {
	for _, s := range []*site{c.status, c.runbooks} {
		before := c.person(s)
		page, body, err := c.press(s, "/confirm")
		if err != nil {
			return err
		}
		if err := at(s, page, body, []string{"Ana Example"}, nil); err != nil {
			return err
		}
		after := c.person(s)
		if after == before || after.hint == before.hint || after.subject != before.subject || !after.SignedInAt.Equal(before.SignedInAt) {
			return fmt.Errorf("it was %+v and is %+v", before.IDToken, after.IDToken)
		}
	}
	return nil
}

func (c *checker) otherSite() error {
	if _, err := c.status.verifier.Verify(c.ctx, c.hint); err != nil {
		return err
	}
	// Even if Runbooks took the algorithm: it is not meant.
	lax := c.runbooks.provider.Verifier(&oidc.Config{ClientID: c.runbooks.id, SupportedSigningAlgs: []string{"RS256", "ES256"}})
	if _, err := lax.Verify(c.ctx, c.hint); err == nil || !strings.Contains(err.Error(), "audience") {
		return fmt.Errorf("taken, or refused for another reason: %w", err)
	}
	if _, err := c.runbooks.verifier.Verify(c.ctx, c.hint); err == nil {
		return errors.New("taken")
	}
	return nil
}

func (c *checker) unasked() error {
	q := url.Values{"code": {"x"}, "state": {"x"}, "iss": {c.pagerURL}}
	page, body, err := c.open(http.MethodGet, c.status.url+"/callback?"+q.Encode(), nil)
	if err != nil || page.StatusCode != http.StatusBadRequest {
		return fmt.Errorf("%.400s, %w", body, err)
	}
	return nil
}

func (c *checker) another() error {
	if page, body, err := c.open(http.MethodPost, c.pagerURL+"/login", url.Values{"user": {"ben"}, "password": {"crocus"}}); err != nil || page.StatusCode != http.StatusOK {
		return fmt.Errorf("%.400s, %w", body, err)
	}
	return c.goneFrom(c.status)
}

func (c *checker) gone() error {
	if _, _, err := c.open(http.MethodPost, c.pagerURL+"/leave", nil); err != nil {
		return err
	}
	return c.goneFrom(c.runbooks)
}

// goneFrom holds that a site asks, hears that the user is gone, and ends its session.
func (c *checker) goneFrom(s *site) error {
	page, body, err := c.press(s, "/confirm")
	if err != nil || page.StatusCode != http.StatusOK || !strings.Contains(body, "not signed in there any more") || slices.Contains(c.way, "/login") {
		return fmt.Errorf("by way of %q: %.400s, %w", c.way, body, err)
	}
	if page, body, err = c.open(http.MethodGet, s.url+"/", nil); err != nil {
		return err
	}
	return at(s, page, body, []string{"Sign in with Pager"}, []string{"Example"})
}

// person is who the browser is to a site.
func (c *checker) person(s *site) *person {
	if s == c.runbooks && c.node != nil {
		return c.personOn(s)
	}
	address, err := url.Parse(s.url)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Header: http.Header{}}
	for _, cookie := range c.browser.Jar.Cookies(address) {
		r.AddCookie(cookie)
	}
	if _, p := s.session(r); p != nil {
		return p
	}
	return &person{}
}

var rowPattern = regexp.MustCompile(`<tr><th scope="row">([a-z_]+)<td>([^<]*)`)

// personOn is the same of a site in another process, by what its page says.
func (c *checker) personOn(s *site) *person {
	_, body, err := c.open(http.MethodGet, s.url+"/", nil)
	if err != nil {
		return &person{}
	}
	p := &person{}
	for _, row := range rowPattern.FindAllStringSubmatch(body, -1) {
		switch p.hint += row[2] + " "; row[1] { // for want of the ID token
		case "sub":
			p.subject = row[2]
		case "auth_time":
			seconds, _ := strconv.ParseInt(row[2], 10, 64)
			p.SignedInAt = time.Unix(seconds, 0)
		}
	}
	return p
}
