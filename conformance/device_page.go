package conformance

import (
	"net/http"
	"strings"
	"time"
)

// RFC 8628 §3.3 and §5: the page on which users type the code, and what can be done to them
// there.
var devicePageCases = []Case{
	{
		ID: "device-user-code-unknown", Spec: "RFC 8628", Section: "3.3", Level: Must,
		Request: "a user types a code that is not the device's",
		Want:    "the page does not ask them to decide, and the device goes on waiting",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			b := p.browser()
			if x := d.typed(b, d.another(), Allow); b.decides(x) {
				p.errorf("the page asks the user to decide")
			}
			d.wantWaiting()
			d.typed(p.browser(), d.userCode, Allow)
			d.tokens()
		},
	},
	{
		ID: "device-user-code-spent", Spec: "RFC 8628", Section: "5.1", Level: Should,
		Request: "the user code is typed again, by another user, after the first has allowed the device or denied it",
		Want:    "the page does not ask them to decide, and looks as it does for a code that never was",
		Attacks: []string{"V1", "V6"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			c := p.deviceClient()
			for _, decision := range []Decision{Allow, Deny} {
				d := c.device()
				d.typed(p.browser(), d.userCode, decision)
				b := p.browserOf(1)
				spent := d.typed(b, d.userCode, Allow)
				if b.decides(spent) {
					p.errorf("the page asks a second user to decide")
				}
				unknown := d.typed(b, d.another(), Allow)
				if spent.status != unknown.status || len(spent.body) != len(unknown.body) {
					p.errorf("a code that was used and one that never was are answered with %d and %d, %d and %d bytes: the difference tells which codes there are",
						spent.status, unknown.status, len(spent.body), len(unknown.body))
				}
				if decision == Allow {
					d.tokens()
				} else {
					d.poll().wantError(400, "access_denied")
				}
			}
		},
	},
	{
		ID: "device-user-code-forms", Spec: "RFC 8628", Section: "6.1", Level: Should,
		Request: "user codes are typed in lower case, without the dash, and with spaces",
		Want:    "they are taken for what they are",
		Attacks: []string{"V6"},
		needs:   []feature{devices},
		run: func(p *probe) {
			c := p.deviceClient()
			for _, form := range []func(string) string{strings.ToLower, bare, func(s string) string { return " " + strings.ReplaceAll(s, "-", " ") + " " }} {
				d := c.device()
				if d.typed(p.browser(), form(d.userCode), Allow); d.poll().status != http.StatusOK {
					p.errorf("a user code is not known again in another form")
				}
			}
		},
	},
	{
		ID: "device-complete-uri-asks", Spec: "RFC 8628", Section: "3.3.1", Level: Must,
		Request: "a user opens verification_uri_complete, and does nothing more than sign in",
		Want:    "a page that asks; the device goes on waiting until the user allows it",
		Attacks: []string{"V5"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			b := p.browser()
			page := d.clicked(b, Stay)
			d.wantWaiting()
			if !b.decides(page) {
				p.failf("%s: the page does not ask the user to decide: status %d", page.what(), page.status)
			}
			d.goesOn(b, b.decide(page, Allow), "", Allow)
			d.tokens()
		},
	},
	{
		ID: "device-complete-uri-shows-code", Spec: "RFC 8628", Section: "3.3.1", Level: Should,
		Request: "a user opens verification_uri_complete",
		Want:    "the page shows the user code, so that they can compare it with what the device shows",
		Attacks: []string{"V5"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			page := d.clicked(p.browser(), Stay)
			if !strings.Contains(strings.ToUpper(bare(string(page.body))), strings.ToUpper(bare(d.userCode))) {
				p.failf("%s: the page does not show the user code", page.what())
			}
		},
	},
	{
		ID: "device-page-names-client", Spec: "RFC 8628", Section: "5.4", Level: Should,
		Request: "a user types the code and is asked",
		Want:    "a page that names the client, and cannot be framed",
		Attacks: []string{"V5"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient(with("client_name", "Living Room Screen")).device()
			page := d.asked(p.browser())
			if !strings.Contains(string(page.body), "Living Room Screen") {
				p.errorf("%s: the page does not name the client", page.what())
			}
			if !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors") && page.header.Get("X-Frame-Options") == "" {
				p.errorf("%s: other sites may frame the page", page.what())
			}
		},
	},
	{
		ID: "device-decision-of-another-browser", Spec: "RFC 6749", Section: "10.12", Level: Must,
		Request: "another site has the form that asks somebody else about a device, and has the browser of a user send it who is signed in",
		Want:    "no tokens for the device; from the user's own page there are",
		Attacks: []string{"U1", "U3"},
		needs:   []feature{devices},
		run: func(p *probe) {
			c := p.deviceClient()
			b, attacker := p.browser(), p.browserOf(1)
			d := c.device()
			d.goesOn(b, b.decide(d.asked(b), Allow), "", Allow)
			d.tokens()
			for _, from := range fromElsewhere {
				d = c.device()
				b.decide(d.asked(attacker), Allow, from...)
				d.poll().wantError(400, "authorization_pending", "slow_down", "access_denied", "expired_token")
			}
		},
	},
	{
		ID: "device-one-decision", Spec: "RFC 8628", Section: "3.3", Level: Should,
		Request: "the user denies, goes back in the browser, and allows",
		Want:    "access_denied: the first decision counts",
		Attacks: []string{"U10", "V1"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			b := p.browser()
			page := d.asked(b)
			b.decide(page, Deny)
			b.decide(page, Allow)
			d.poll().wantError(400, "access_denied")
		},
	},
	{
		ID: "device-codes-unguessable", Spec: "RFC 8628", Section: "5.2", Level: Should,
		Request: "20 device authorization requests",
		Want:    "device codes of 128 bits and more, user codes of 20 and more (§5.1), and none twice",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		run: func(p *probe) {
			c := p.deviceClient()
			seen := map[string]bool{}
			for range 20 {
				d := c.device()
				if seen[d.code] || seen[d.userCode] {
					p.failf("a code comes a second time")
				}
				seen[d.code], seen[d.userCode] = true, true
				if len(d.code) < 22 {
					p.failf("a device code has %d characters", len(d.code))
				}
				// Of digits alone a sign has 3.3 bits, of consonants 4.3.
				sign := 3.3
				if strings.ContainsFunc(d.userCode, func(r rune) bool { return r > '9' }) {
					sign = 4.3
				}
				if float64(len(bare(d.userCode)))*sign < 20 {
					p.failf("a user code has %d signs", len(bare(d.userCode)))
				}
			}
		},
	},
	{
		ID: "device-codes-short-lived", Spec: "RFC 8628", Section: "5.1", Level: Should,
		Request: "a device authorization request",
		Want:    "codes that expire within half an hour, so that few guesses fit in",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		run: func(p *probe) {
			if d := p.deviceClient().device(); d.lifetime() > 30*time.Minute {
				p.failf("the codes can be used for %v", d.lifetime())
			}
		},
	},
	{
		ID: "device-user-code-brute-force", Spec: "RFC 8628", Section: "5.1", Level: Should,
		Request: "a user types 60 wrong codes in a row, and then the right one",
		Want:    "the right one is not taken any more, or the answers have become slow or a refusal",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			b := p.browserOf(max(len(p.run.target.Users)-1, 0)) // whom no other case needs so soon
			begun := time.Now()
			for range 60 {
				x := d.typed(b, d.another(), Allow)
				if x.status == http.StatusTooManyRequests || time.Since(begun) > time.Minute {
					return
				}
				if b.decides(x) {
					p.failf("a code that is not the device's is taken")
				}
			}
			if x := d.typed(b, d.userCode, Allow); d.poll().status == http.StatusOK {
				p.failf("%s: the right code is taken after 60 wrong ones: status %d", x.what(), x.status)
			}
		},
	},
}
