package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

func TestCheck(t *testing.T) {
	if err := play(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
}

// The page in a real browser, from the first click to the last.
func TestPage(t *testing.T) {
	hostMux, pageMux := http.NewServeMux(), http.NewServeMux()
	host, page := httptest.NewServer(hostMux), httptest.NewServer(pageMux)
	defer host.Close()
	defer page.Close()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "spa.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	app, err := newHost(host.URL, page.URL, db)
	if err != nil {
		t.Fatal(err)
	}
	hostMux.Handle("/", app)
	hostMux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	pageMux.Handle("/", newPage(host.URL))

	p := browser.Open(t, page.URL+"/")
	status := func(want string) {
		t.Helper()
		p.Await("document.getElementById('status')?.textContent.includes(" + quote(want) + ")")
	}
	status("Not connected")
	p.Screenshot("spa-start")
	p.Click("#connect")
	p.Await("document.querySelector('input[name=user]')")
	p.Type("input[name=user]", "ana")
	p.Click("button")
	p.Await("document.querySelector('.allow')")
	p.Click(".allow")
	status("the token is of type DPoP")
	if address, _ := p.Eval("location.href").(string); address != page.URL+"/" {
		t.Errorf("the page is left at %s", address)
	}
	p.Click("#read")
	status("3 articles")
	p.Screenshot("spa-articles")
	p.Click("#refresh")
	status("New tokens")
	p.Visit(page.URL + "/") // the key and the tokens are still there
	status("the token is of type DPoP")
	p.Click("#read")
	status("3 articles")
	p.Click("#disconnect")
	status("Disconnected")
	if problems := p.Problems(); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}

func quote(s string) string { return `"` + s + `"` }
