package chromium_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/chromium"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
)

func start(t *testing.T, config *tls.Config) *chromium.Chromium {
	t.Helper()
	browser, err := chromium.Start(t.Context(), chromium.Options{TLS: config, NoSandbox: true})
	if errors.Is(err, chromium.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = browser.Close() })
	return browser
}

// Our own server passes in a real browser what it passes in the suite's own.
func TestSelf(t *testing.T) {
	site, err := self.Start(t.Context(), self.Options{Backend: "memory", Profile: "everything"})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	target := site.Target()
	target.Browser = start(t, target.TLS).Open
	only := slices.DeleteFunc(slices.Clone(browsed), func(id string) bool {
		return !slices.ContainsFunc(conformance.Cases(), func(c conformance.Case) bool { return c.ID == id })
	})
	if len(only) < 6 {
		t.Fatalf("the catalogue has but %v of %v", only, browsed)
	}
	report, err := conformance.Check(t.Context(), target, conformance.Options{Only: only, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Status != conformance.Passed {
			t.Errorf("%s %s: %s%s", r.ID, r.Status, strings.Join(r.Problems, "; "), r.Reason)
		}
	}
	if len(report.Results) != len(only) {
		t.Errorf("%d cases were run, of %d", len(report.Results), len(only))
	}
}

// browsed are cases in which a browser is sent to the client in all the ways that there are, or
// is not.
var browsed = []string{
	"pkce-right-verifier", "pkce-wrong-verifier", "pkce-verifier-after-failure", "pkce-public-client-without-challenge", "pkce-plain-refused",
	"iss-in-response", "iss-in-denial", "iss-in-error", "iss-in-fragment", "native-private-scheme", "implicit-form-post", "implicit-no-query",
}

// pages is a server of pages that browsers alone understand, with a client beside it that
// nobody may reach.
type pages struct {
	*httptest.Server
	client *httptest.Server

	mu   sync.Mutex
	said []string
}

func (p *pages) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.said)
}

func newPages(t *testing.T) *pages {
	p := &pages{}
	note := func(format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said = append(p.said, fmt.Sprintf(format, args...))
	}
	p.client = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note("the client was asked for %s", r.URL) }))
	t.Cleanup(p.client.Close)
	mux := http.NewServeMux()
	html := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, strings.ReplaceAll(text, "CLIENT", p.client.URL+"/callback"))
		}
	}
	// A sign-in made by script, of controls that belong to no form, after a while.
	mux.Handle("GET /script", html(`<!doctype html><title>Sign in</title><script>
setTimeout(() => {
  document.body.innerHTML = '<input id="n" type="text"><input id="p" type="password"><button type="button" id="b">Sign in</button>';
  const values = {};
  for (const e of document.querySelectorAll("input")) e.addEventListener("input", () => { values[e.id] = e.value; });
  document.getElementById("b").addEventListener("click", async () => {
    await fetch("/check", {method: "POST", body: new URLSearchParams(values)});
    location.assign("/consent");
  });
}, 50);
</script>`))
	// A sign-in in two steps, of which the server hears at the end.
	mux.Handle("GET /steps", html(`<!doctype html><title>Sign in</title><body><input type="email"><button type="button">Next</button><script>
document.querySelector("button").addEventListener("click", () => setTimeout(() => {
  document.body.innerHTML = '<form action="/consent"><input type="password" name="p"><button>Sign in</button></form>';
}, 400));
</script>`))
	mux.HandleFunc("POST /check", func(_ http.ResponseWriter, r *http.Request) {
		note("%s signs in with %s", r.FormValue("n"), r.FormValue("p"))
	})
	mux.Handle("GET /consent", html(`<!doctype html><title>Allow?</title>
<form method="post" action="/decide"><input type="checkbox" name="scope" value="read"><label><input type="text" name="trap" style="display:none"></label>
<button name="answer" value="deny">Refuse</button><button name="answer" value="allow">Allow</button></form>`))
	mux.HandleFunc("POST /decide", func(w http.ResponseWriter, r *http.Request) {
		note("%s %s %q", r.FormValue("answer"), r.FormValue("scope"), r.FormValue("trap"))
		http.Redirect(w, r, p.client.URL+"/callback?code=1#state=2", http.StatusSeeOther)
	})
	mux.Handle("GET /form-post", html(`<!doctype html><title>…</title><form method="post" action="CLIENT?own=1"><input type="hidden" name="code" value="a b"></form><script>document.forms[0].submit()</script>`))
	mux.Handle("GET /form-post-button", html(`<!doctype html><title>…</title><form method="post" action="CLIENT?own=1"><input type="hidden" name="code" value="a b"><button>Continue</button></form>`))
	mux.HandleFunc("GET /app", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "com.example.app:/callback?code=1")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("GET /error", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<title>No</title><p>No such client.</p><button type=button>Next</button>")
	})
	mux.HandleFunc("GET /gone", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *pages) tls() *tls.Config { return p.Client().Transport.(*http.Transport).TLSClientConfig }

func TestVisit(t *testing.T) {
	p := newPages(t)
	browser := start(t, p.tls())
	client := p.client.URL + "/callback"
	for _, c := range []struct {
		path, want string
		decision   conformance.Decision
		heard      []string
	}{
		{"/script", client + "?code=1#state=2", conformance.Allow, []string{"ana signs in with secret", `allow read ""`}},
		{"/script", client + "?code=1#state=2", conformance.Deny, []string{"ana signs in with secret", `deny read ""`}},
		{"/script", "200 /consent", conformance.Stay, []string{"ana signs in with secret"}},
		{"/steps", client + "?code=1#state=2", conformance.Allow, []string{`allow read ""`}},
		{"/form-post", client + "?own=1&code=a+b", conformance.Allow, nil},
		{"/form-post-button", client + "?own=1&code=a+b", conformance.Allow, nil},
		{"/app", "com.example.app:/callback?code=1", conformance.Allow, nil},
		{"/error", "400 /error", conformance.Allow, nil},
		{"/gone", "error", conformance.Allow, nil},
	} {
		t.Run(fmt.Sprint(c.path, c.decision), func(t *testing.T) {
			p.mu.Lock()
			p.said = nil
			p.mu.Unlock()
			window, err := browser.Open(conformance.User{Name: "ana", Password: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			defer window.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			to, page, err := window.Visit(ctx, p.URL+c.path, func(u *url.URL) bool {
				return u.Host == strings.TrimPrefix(p.client.URL, "http://") || u.Scheme == "com.example.app"
			}, c.decision)
			got := "error"
			switch {
			case to != nil:
				got = to.String()
			case page != nil:
				got = fmt.Sprint(page.Status, " ", page.URL.Path)
			case err == nil:
				got = "nothing"
			}
			if got != c.want || !slices.Equal(p.heard(), c.heard) {
				t.Errorf("got %s, %v, %v; want %s, %v", got, err, p.heard(), c.want, c.heard)
			}
		})
	}
}

// A server whose certificate the suite does not trust gets nothing from the browser either.
func TestVisit_untrusted(t *testing.T) {
	p := newPages(t)
	window, err := start(t, &tls.Config{MinVersion: tls.VersionTLS12}).Open(conformance.User{Name: "ana", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer window.Close()
	to, page, err := window.Visit(t.Context(), p.URL+"/error", func(*url.URL) bool { return false }, conformance.Allow)
	if err == nil || to != nil || page != nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, %v, %v", to, page, err)
	}
}

// Windows share no cookies: what one is told another does not say.
func TestOpen_apart(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			return // the icon
		}
		mu.Lock()
		seen = append(seen, r.Header.Get("Cookie"))
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		fmt.Fprint(w, "<title>Here</title>")
	}))
	defer server.Close()
	browser := start(t, nil)
	for range 2 {
		window, err := browser.Open(conformance.User{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, page, err := window.Visit(t.Context(), server.URL+"/", func(*url.URL) bool { return false }, conformance.Allow); err != nil || page == nil || page.Status != http.StatusOK {
				t.Fatalf("%v, %v", page, err)
			}
		}
		if err := window.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"", "session=1", "", "session=1"}; !slices.Equal(seen, want) {
		t.Errorf("cookies %q, want %q", seen, want)
	}
}
