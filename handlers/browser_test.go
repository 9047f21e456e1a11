package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/handlers"
)

// In a real browser: the consent page under its own Content-Security-Policy, by keyboard
// and by click, back to a client that sends its user on to yet another origin.
func TestInChromium(t *testing.T) {
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html><link rel=icon href=data:,><body>signed in %s", r.URL.RawQuery)
	}))
	defer home.Close()
	callbacks := make(chan *http.Request, 10)
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callbacks <- r
		http.Redirect(w, r, strings.Replace(home.URL, "127.0.0.1", "localhost", 1)+"/?"+url.Values{"error": {r.FormValue("error")}}.Encode(), http.StatusFound)
	}))
	defer client.Close()

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	as := authztest.New(t, func(cfg *authz.Config) {
		cfg.Issuer = server.URL
		cfg.Clients = []authz.Client{{
			ID: "web", Name: strings.Repeat("Donaudampfschifffahrts", 4), RedirectURIs: []string{client.URL + "/cb"},
			Scopes: []string{"read", "write", "offline_access"}, URI: "https://client.example", PolicyURI: "https://client.example/p",
		}}
	})
	as.SignIn("ana")
	handlers.Mount(mux, as.Server, handlers.Options{Theme: handlers.Theme{Name: "Acme", Logo: "/logo.svg", SupportURL: "/help"}})
	mux.HandleFunc("/logo.svg", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><circle cx="5" cy="5" r="5"/></svg>`)
	})
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {})
	params := authztest.AuthorizationParameters("read", "write", "offline_access")
	params.Set("client_id", "web")
	params.Set("redirect_uri", client.URL+"/cb")
	params.Set("prompt", "consent")
	authorize := server.URL + "/oauth2/authorize?" + params.Encode()
	page := browser.Open(t, authorize)
	open := func(t *testing.T) {
		t.Helper()
		page.For(t).Visit(authorize)
		page.Await("document.querySelector('.allow')")
	}
	callback := func(t *testing.T) url.Values {
		t.Helper()
		page.Await("document.body.innerText.startsWith('signed in')")
		r := <-callbacks
		if referer := r.Header.Get("Referer"); referer != "" {
			t.Errorf("the client was told of %s", referer)
		}
		return r.URL.Query()
	}

	t.Run("form_post", func(t *testing.T) {
		page.For(t).Visit(authorize + "&response_mode=form_post")
		page.Await("document.querySelector('.allow')")
		page.Click(".allow")
		page.Await("document.body.innerText.startsWith('signed in')")
		if r := <-callbacks; r.Method != http.MethodPost || r.PostForm.Get("code") == "" || r.PostForm.Get("iss") != server.URL || r.URL.RawQuery != "" {
			t.Errorf("%s %s, code %v", r.Method, r.URL, r.PostForm.Has("code"))
		}
	})
	for _, width := range []int{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("layout_%d_%s", width, scheme), func(t *testing.T) {
				page.For(t).Resize(width)
				page.Dark(scheme == "dark")
				for name, address := range map[string]string{"consent": authorize, "error": server.URL + "/oauth2/authorize"} {
					page.Visit(address)
					page.Await("document.querySelector('main')")
					if got := page.Eval("document.documentElement.scrollWidth - innerWidth"); got.(float64) > 0 {
						t.Errorf("the page is %v pixels too wide", got)
					}
					if got := page.Eval("getComputedStyle(document.querySelector('main')).borderRadius"); got == "0px" {
						t.Error("the style sheet does not apply")
					}
					if got := page.Eval("document.querySelector('img').naturalWidth"); got.(float64) == 0 {
						t.Error("the logo does not load")
					}
					page.Screenshot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
					if got := page.Eval(contrastFaults); got != "" {
						t.Errorf("WCAG 2.2 §1.4.3: %v", got)
					}
					if got := page.Eval(smallTargets); got != "" {
						t.Errorf("WCAG 2.2 §2.5.8: %v", got)
					}
				}
			})
		}
	}
	t.Run("allow_by_click", func(t *testing.T) {
		open(t)
		page.Click("input[value=write]")
		page.Click(".allow")
		got := callback(t)
		tokens, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"web"}, "redirect_uri": {client.URL + "/cb"},
			"code": {got.Get("code")}, "code_verifier": {authztest.Verifier},
		}})
		if err != nil || tokens.Scope != "read offline_access" || got.Get("iss") != server.URL {
			t.Errorf("%v: %v %+v", got, err, tokens)
		}
	})
	t.Run("allow_by_keyboard", func(t *testing.T) {
		open(t)
		page.Press(browser.Tab)
		page.Press(browser.Space)
		if page.Eval("document.querySelector('input[value=read]').checked") != false {
			t.Error("the first checkbox is not the first stop")
		}
		if page.Eval("getComputedStyle(document.activeElement.closest('label')).outlineStyle") != "solid" {
			t.Error("the focus cannot be seen")
		}
		for range 4 { // write, offline_access, Cancel, Allow
			page.Press(browser.Tab)
		}
		page.Press(browser.Enter)
		if got := callback(t); got.Get("code") == "" {
			t.Error(got)
		}
	})
	t.Run("enter_in_a_checkbox_does_not_allow", func(t *testing.T) {
		open(t)
		page.Press(browser.Tab)
		page.Press(browser.Enter)
		if got := callback(t); got.Get("error") != "access_denied" {
			t.Error(got)
		}
	})
	t.Run("answered_twice", func(t *testing.T) {
		open(t)
		form := page.Eval("document.querySelector('[name=interaction]').value").(string)
		page.Click(".allow")
		callback(t)
		open(t)
		page.Eval(fmt.Sprintf("document.querySelector('[name=interaction]').value = %q", form))
		page.Click("button[value=deny]")
		page.Await("document.title.startsWith('You have answered this already')")
	})
	for _, problem := range page.Problems() {
		if !strings.Contains(problem, "status of 40") { // the error pages themselves
			t.Error(problem)
		}
	}
}

// contrastFaults lists texts whose contrast to what is behind them is under 4.5.
const contrastFaults = `(() => {
	const parse = s => (s.match(/[\d.]+/g) || []).map(Number);
	const lum = c => { const f = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126*f(c[0]) + .7152*f(c[1]) + .0722*f(c[2]) };
	const faults = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim()) continue;
		let b = e, ground;
		do { ground = parse(getComputedStyle(b).backgroundColor); b = b.parentElement } while (b && ground.length > 3 && ground[3] === 0);
		const x = lum(parse(getComputedStyle(e).color)), y = lum(ground);
		const ratio = (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
		if (ratio < 4.5) faults.push(walk.currentNode.data.trim() + ': ' + ratio.toFixed(2));
	}
	return faults.join('; ');
})()`

// smallTargets lists controls that a thumb would miss.
const smallTargets = `[...document.querySelectorAll('button, label, footer a')]
	.filter(e => e.getBoundingClientRect().height < (e.tagName === 'A' ? 40 : 48))
	.map(e => e.textContent.trim() + ': ' + e.getBoundingClientRect().height).join('; ')`
