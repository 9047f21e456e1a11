package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// TestCheck is what go run ./examples/signin -check runs.
func TestCheck(t *testing.T) {
	for _, on := range []string{onGo, onNode} {
		t.Run(on, func(t *testing.T) {
			if on == onNode {
				needNode(t)
			}
			var out strings.Builder
			if err := play(t.Context(), &out, on); err != nil {
				t.Fatalf("%s%v", out.String(), err)
			}
			if got := strings.Count(out.String(), "ok  "); got != 12 {
				t.Errorf("%d steps:\n%s", got, out.String())
			}
			if strings.Contains(out.String(), "eyJ") { // as every JWT begins
				t.Error("a token is printed")
			}
		})
	}
}

// needNode skips where there is no Node, or no registry to install from.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := installRunbooks(t.Context()); err != nil {
		if os.Getenv("GRANTOR_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// The pages in a real browser: one password, two sites, and the silent question.
func TestPages(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "signin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	free := "127.0.0.1:0"
	s, err := start(t.Context(), addresses{&free, &free, &free}, db, onGo)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()

	p := browser.Open(t, s.status.url+"/")
	p.Click("button")
	p.Await("document.querySelector('input[name=user]')")
	p.Screenshot("signin-login")
	p.Type("input[name=user]", "ana")
	p.Type("input[name=password]", "tulip")
	p.Click("button")
	p.Await("document.getElementById('person')?.textContent === 'Ana Example'")
	p.Screenshot("signin-account")
	p.Visit(s.runbooks.url + "/")
	p.Click("button")
	p.Await("document.querySelector('.allow')")
	p.Screenshot("signin-consent")
	p.Click(".allow")
	p.Await("document.getElementById('userinfo')?.textContent.includes('Ana Example')")
	p.Await("window.before = true") // the page that comes looks the same
	p.Click("button")               // is she still there?
	p.Await("!window.before && document.getElementById('person')?.textContent === 'Ana Example'")
	p.Visit(s.pagerURL + "/")
	p.Click("button") // sign out of Pager
	p.Await("document.body.textContent.includes('not signed in')")
	nobodyAt(t, s.runbooks)
	p.Visit(s.runbooks.url + "/")
	p.Await("document.querySelector('form').action.endsWith('/signin')")
	p.Screenshot("signin-gone")

	// Out at one, out at the other.
	for _, s := range []*site{s.runbooks, s.status} {
		p.Visit(s.url + "/")
		p.Click("button")
		if s.name == "Runbooks" {
			p.Await("document.querySelector('input[name=user]')")
			p.Type("input[name=user]", "ana")
			p.Type("input[name=password]", "tulip")
			p.Click("button")
		}
		p.Await("document.getElementById('person')?.textContent === 'Ana Example'")
	}
	p.Click("#signout")
	p.Await("document.title === 'Status' && !document.getElementById('person')")
	nobodyAt(t, s.runbooks)
	p.Visit(s.runbooks.url + "/")
	p.Await("document.title === 'Runbooks' && !document.getElementById('person')")
	if problems := p.Problems(); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}

// nobodyAt waits until a site was told that its users have signed out.
func nobodyAt(t *testing.T, s *site) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		left := len(s.people)
		s.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s was not told", s.name)
		}
	}
}
