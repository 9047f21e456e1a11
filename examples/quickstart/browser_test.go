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
		page.Eval("document.activeElement.blur()") // which is elsewhere each time
		for _, width := range []int{390, 1280} {
			for _, dark := range []bool{false, true} {
				page.Resize(width)
				page.Dark(dark)
				scheme := map[bool]string{false: "light", true: "dark"}[dark]
				if over := page.Eval("document.documentElement.scrollWidth - innerWidth"); over.(float64) > 0 {
					t.Errorf("%s is %v pixels too wide at %d", name, over, width)
				}
				page.Eval("document.getAnimations().forEach(a => a.finish())") // colours fade into each other
				for rule, faults := range map[string]string{"§1.4.3": contrastFaults, "§2.5.8": smallTargets} {
					if got := page.Eval(faults); got != "" {
						t.Errorf("%s, %d pixels, %s: WCAG 2.2 %s: %v", name, width, scheme, rule, got)
					}
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
	page.Click(".full summary") // a person can see the tokens, but is not shown them
	shows("code_verifier")
	look("board-full")

	press(confidentialClient, "call")
	shows("Checkout latency")
	press(confidentialClient, "add")
	shows("201 Created")
	press(confidentialClient, "expire")
	shows("61 minutes pass")
	press(confidentialClient, "call")
	shows("Call the API again")
	shows("401 Unauthorized")
	look("board-expired")
	latest := func(title, status string) {
		t.Helper()
		page.Await(fmt.Sprintf("document.querySelector('.act strong').innerText === %q && document.querySelector('.act .trail').innerText === %q", title, status))
	}
	press(confidentialClient, "refresh")
	latest("Refresh", "200")
	press(confidentialClient, "revoke")
	latest("Revoke", "200")
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
	press(publicClient, "add") // source:w was left out
	latest("Add a source", "403")
	shows("insufficient_scope")
	look("board-public")

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
const smallTargets = `[...document.querySelectorAll('button, summary, header a')]
	.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24)
	.map(e => e.textContent.trim() + ': ' + e.getBoundingClientRect().height).join('; ')`
