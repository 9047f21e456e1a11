package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// TestCheck is what go run ./examples/signin -check runs.
func TestCheck(t *testing.T) {
	var out strings.Builder
	if err := play(t.Context(), &out); err != nil {
		t.Fatalf("%s%v", out.String(), err)
	}
	if got := strings.Count(out.String(), "ok  "); got != 8 {
		t.Errorf("%d steps:\n%s", got, out.String())
	}
	if strings.Contains(out.String(), "eyJ") { // as every JWT begins
		t.Error("a token is printed")
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
	s, err := start(t.Context(), addresses{&free, &free, &free}, db)
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
	p.Visit(s.runbooks.url + "/")
	p.Click("button")
	p.Await("document.getElementById('notice')?.textContent.includes('not signed in there any more')")
	p.Screenshot("signin-gone")
	if problems := p.Problems(); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}
