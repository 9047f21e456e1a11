package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

func startDemo(t *testing.T) *demo {
	t.Helper()
	d, err := start("127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "quickstart.db"), new(demoClock))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// stay is a client that follows no redirects and keeps cookies.
func stay(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func post(t *testing.T, client *http.Client, address string, form url.Values, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}

func get(t *testing.T, client *http.Client, address string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

var rightPassword = url.Values{"email": {demoUser}, "password": {demoPassword}}

// TestForgedForms: the page of another origin cannot press a button here, the other
// app's page included, which is the same site (cookies do not know ports) but not the
// same origin.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, address := range []string{
		d.pagerURL + "/login", d.pagerURL + "/logout", d.pagerURL + "/apps/disconnect",
		d.boardURL + "/status-board/connect", d.boardURL + "/status-board/revoke", d.boardURL + "/clear",
	} {
		for name, headers := range map[string][]string{
			"other_app":    {"Origin", d.boardURL, "Sec-Fetch-Site", "same-site"},
			"other_site":   {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
			"old_browser":  {"Origin", "https://evil.example"},
			"opaque_frame": {"Origin", "null"},
		} {
			if got := post(t, stay(t), address, rightPassword, headers...).StatusCode; got != http.StatusForbidden {
				t.Errorf("%s from %s: %d, expected 403", address, name, got)
			}
		}
	}
}

// TestSignInLeadsBackHereOnly: RFC 9700 §4.11.
func TestSignInLeadsBackHereOnly(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for to, want := range map[string]string{
		"":                                "/",
		"https://evil.example/":           "/",
		"//evil.example/":                 "/",
		`/\evil.example/`:                 "/",
		"/apps":                           "/",
		"/oauth2/authorize?client_id":     "/oauth2/authorize?client_id",
		"//evil.example/oauth2/authorize": "/",
	} {
		form := url.Values{"return_to": {to}, "email": {demoUser}, "password": {demoPassword}}
		if got := post(t, stay(t), d.pagerURL+"/login", form).Header.Get("Location"); got != want {
			t.Errorf("return_to=%q leads to %q, expected %q", to, got, want)
		}
	}
}

// TestSessionEndsWithSignInAndSignOut: a session from before a sign-in must not be the
// one after it, and one that was left is not to be used again.
func TestSessionEndsWithSignInAndSignOut(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	client := stay(t)
	session := func() *http.Cookie {
		u, _ := url.Parse(d.pagerURL)
		for _, c := range client.Jar.Cookies(u) {
			if c.Name == "pager_session" {
				return c
			}
		}
		return nil
	}
	dead := func(c *http.Cookie) {
		t.Helper()
		other := stay(t)
		u, _ := url.Parse(d.pagerURL)
		other.Jar.SetCookies(u, []*http.Cookie{c})
		if answer, _ := get(t, other, d.pagerURL+"/"); answer.Header.Get("Location") != "/login" {
			t.Errorf("an old session still opens Pager: %s", answer.Status)
		}
	}
	set := post(t, client, d.pagerURL+"/login", rightPassword).Cookies()
	first := session()
	post(t, client, d.pagerURL+"/login", rightPassword)
	second := session()
	if first == nil || second == nil || first.Value == second.Value {
		t.Fatalf("signing in anew leads from session %v to %v", first, second)
	}
	dead(first)
	post(t, client, d.pagerURL+"/logout", nil)
	dead(second)
	for _, c := range set {
		if c.MaxAge >= 0 && (!c.HttpOnly || c.SameSite != http.SameSiteLaxMode) {
			t.Errorf("cookie %s: HttpOnly %v, SameSite %v", c.Name, c.HttpOnly, c.SameSite)
		}
	}
}

// TestCallbackOfAnotherRequest: Status board takes an answer only to a question of its
// own (state, RFC 6749 §10.12), from the server that it asked (iss, RFC 9207 §2.4), and
// only once.
func TestCallbackOfAnotherRequest(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	client := stay(t)
	get(t, client, d.boardURL+"/")
	to, err := url.Parse(post(t, client, d.boardURL+"/status-board/connect", nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	state := to.Query().Get("state")
	if state == "" || to.Query().Get("code_challenge_method") != "S256" {
		t.Fatalf("the browser is sent to %s", to)
	}
	for _, c := range []struct{ name, query, says string }{
		{"no_state", "code=x&iss=" + d.pagerURL, "state does not match"},
		{"other_state", "code=x&state=other&iss=" + d.pagerURL, "state does not match"},
		{"other_server", "code=x&state=" + state + "&iss=https://evil.example", "not the server that was asked"},
		{"no_iss", "code=x&state=" + state, "not the server that was asked"},
		{"denied", "error=access_denied&state=" + state + "&iss=" + d.pagerURL, "access_denied"},
		{"again", "error=access_denied&state=" + state + "&iss=" + d.pagerURL, "state does not match"},
	} {
		post(t, client, d.boardURL+"/clear", nil)
		get(t, client, d.boardURL+"/callback/status-board?"+c.query)
		_, page := get(t, client, d.boardURL+"/")
		if !strings.Contains(page, c.says) || strings.Contains(page, "/oauth2/token") {
			t.Errorf("%s: the page does not say %q, or the code was tried:\n%s", c.name, c.says, page)
		}
	}
}

// TestRestartAtWallTime: the button "let the token expire" sets Pager's clock forward,
// and a restart sets it back. That must not lock anybody out.
func TestRestartAtWallTime(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "quickstart.db")
	c := &checker{ctx: t.Context(), visitor: newVisitor(), file: file, clock: new(demoClock)}
	c.clock.advance(5 * 61 * time.Minute)
	var before *oauth2.Token
	pagerAddr, boardAddr := "127.0.0.1:0", "127.0.0.1:0"
	for range 2 {
		var err error
		if c.demo, err = start(pagerAddr, boardAddr, file, c.clock); err != nil {
			t.Fatal(err)
		}
		pagerAddr, boardAddr = strings.TrimPrefix(c.demo.pagerURL, "http://"), strings.TrimPrefix(c.demo.boardURL, "http://")
		c.visitor = newVisitor()
		if err := c.connect(); err != nil {
			t.Fatal(err)
		}
		if before == nil {
			err = c.signIn()
		} else { // the consent is remembered, so that this is all
			_, err = c.submit("/login", map[string][]string{"email": {demoUser}, "password": {demoPassword}}, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if before == nil {
			if err := c.allow(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.press("call", "200 OK"); err != nil {
			t.Error(err)
		}
		if before, err = c.authorize(c.public("source:r offline_access"), []string{"source:r", "offline_access"}); err != nil {
			t.Fatal(err)
		}
		if err := c.reads(before, http.StatusOK); err != nil {
			t.Error(err)
		}
		if err := c.demo.stop(); err != nil {
			t.Fatal(err)
		}
		c.clock = new(demoClock)
	}
}
