package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/browser"
)

// TestInChromium walks a person's way in a real browser: sign in, consent, call the API,
// let the token expire, refresh, revoke. With GRANTOR_SCREENSHOTS set to a folder it
// leaves pictures of every page there: light and dark, 390 and 1280 pixels wide.
func TestInChromium(t *testing.T) {
	d, err := start("127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "quickstart.db"), new(demoClock))
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	page := browser.Open(t, d.boardURL)
	look := func(name string) {
		t.Helper()
		for _, width := range []int{390, 1280} {
			for _, dark := range []bool{false, true} {
				page.Resize(width)
				page.Dark(dark)
				scheme := map[bool]string{false: "light", true: "dark"}[dark]
				if over := page.Eval("document.documentElement.scrollWidth - innerWidth"); over.(float64) > 0 {
					t.Errorf("%s is %v pixels too wide at %d", name, over, width)
				}
				page.Screenshot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
			}
		}
	}
	shows := func(text string) {
		t.Helper()
		page.Await(fmt.Sprintf("document.body.innerText.includes(%q)", text))
	}
	press := func(client, button string) {
		t.Helper()
		page.Click(fmt.Sprintf("form[action='/%s/%s'] button", client, button))
	}

	look("board-empty")
	press(confidentialClient, "connect")
	shows("Sign in to Pager")
	page.Type("#email", demoUser)
	page.Type("#password", "not it")
	page.Click("button.main")
	shows("Wrong e-mail address or password")
	look("login")
	page.Type("#password", demoPassword)
	page.Click("button.main")
	shows("Status board wants to access your Pager account")
	shows("Ana Costa")
	look("consent")
	page.Click("button.allow")
	shows("Connected, with a refresh token")
	shows("at+jwt")
	look("board-connected")

	press(confidentialClient, "call")
	shows("Checkout latency")
	press(confidentialClient, "expire")
	shows("61 minutes pass")
	press(confidentialClient, "call")
	shows("Call the API again")
	shows("401 Unauthorized")
	look("board-expired")
	press(confidentialClient, "refresh")
	page.Await("document.querySelector('.step h2').innerText === 'Refresh' && !document.querySelector('.step.failed:first-child')")
	press(confidentialClient, "revoke")
	page.Await("document.querySelector('.step h2').innerText === 'Revoke' && !document.querySelector('.step.failed:first-child')")
	press(confidentialClient, "call")
	shows("That did not work")
	look("board-revoked")

	page.Visit(d.boardURL)
	press(publicClient, "connect")
	shows("Status board mobile wants to access your Pager account")
	shows("This app runs on your device")
	look("consent-native")
	page.Click("input[value='source:w']")
	page.Click("button.allow")
	page.Await("location.pathname === '/'")
	page.Await(fmt.Sprintf("document.getElementById(%q).innerText.includes('Connected, with a refresh token')", publicClient))

	page.Visit(d.pagerURL)
	shows("Alert sources")
	look("pager")
	page.Visit(d.pagerURL + "/apps")
	shows("Status board mobile")
	look("apps")
	page.Click("form[action='/apps/disconnect'] button")
	page.Await("document.querySelectorAll('form[action=\"/apps/disconnect\"]').length === 1")
	page.Visit(d.pagerURL + "/oauth2/authorize?client_id=nobody")
	shows("not known to this server")
	look("error")

	for _, problem := range page.Problems() {
		if !strings.Contains(problem, "status of 40") { // the wrong password, the error page
			t.Error(problem)
		}
	}
}
