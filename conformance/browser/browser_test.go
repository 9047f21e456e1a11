package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/browser"
)

func TestPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, `<!doctype html><meta name=viewport content="width=device-width"><link rel=icon href=data:,><title>%s</title><form method=post><input name=a><button>Go</button></form>`, r.FormValue("a"))
	}))
	defer server.Close()
	p := browser.Open(t, server.URL)
	p.Resize(390)
	if got := p.Eval("innerWidth"); got != 390.0 {
		t.Errorf("innerWidth is %v", got)
	}
	p.Dark(true)
	if p.Eval("matchMedia('(prefers-color-scheme: dark)').matches") != true {
		t.Error("not dark")
	}
	p.Type("input", "hello")
	p.Click("button")
	p.Await("document.title === 'hello'")
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("problems where there are none: %v", problems)
	}
	p.Visit(server.URL + "/missing")
	p.Await("true")
	if problems := p.Problems(); len(problems) != 1 {
		t.Errorf("a missing page is one problem, got %v", problems)
	}
}
