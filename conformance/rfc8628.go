package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RFC 8628: the device authorization grant.
var deviceCases = []Case{
	{
		ID: "device-flow", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "a device polls, its user types the code and allows it, and the device polls again",
		Want:    "authorization_pending, and then tokens",
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.poll().wantError(400, "authorization_pending")
			d.typed(p.browser(), d.userCode, Allow)
			d.tokens().wantAlive("the device grant")
		},
	},
	{
		ID: "device-response", Spec: "RFC 8628", Section: "3.2", Level: Must,
		Request: "a device authorization request",
		Want:    "JSON that no cache keeps, https URLs, and a lifetime and an interval in whole seconds",
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.wantNoStore()
			for _, name := range []string{"verification_uri", "verification_uri_complete"} {
				at, err := url.Parse(d.text(name))
				if d.text(name) != "" && (err != nil || at.Scheme != "https") {
					p.errorf("%s is %q, no https URL", name, d.text(name))
				}
			}
			for _, name := range []string{"expires_in", "interval"} {
				if n, there := d.member[name]; there {
					if seconds, ok := n.(float64); !ok || seconds <= 0 || seconds != float64(int64(seconds)) {
						p.errorf("%s is %v", name, n)
					}
				}
			}
			if strings.Contains(d.text("verification_uri_complete"), d.code) {
				p.errorf("verification_uri_complete shows the device code to the user")
			}
		},
	},
	{
		ID: "device-denied", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "the user denies what a device asks for, and the device polls",
		Want:    "access_denied",
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.typed(p.browser(), d.userCode, Deny)
			d.poll().wantError(400, "access_denied")
		},
	},
	{
		ID: "device-slow-down", Spec: "RFC 8628", Section: "3.5", Level: Should,
		Request: "a device polls again and again without a pause",
		Want:    "slow_down; once the user has decided, the device gets its tokens all the same",
		Attacks: []string{"V2"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.poll().wantError(400, "authorization_pending")
			slowed := false
			for range 4 {
				slowed = slowed || d.poll().wantError(400, "authorization_pending", "slow_down").text("error") == "slow_down"
			}
			if !slowed {
				p.errorf("five polls at once are never told to slow_down")
			}
			d.typed(p.browser(), d.userCode, Allow)
			if x := d.poll(); x.status != http.StatusOK {
				x.wantError(400, "slow_down")
			}
		},
	},
	{
		ID: "device-interval-grows", Spec: "RFC 8628", Section: "3.5", Level: Should,
		Request: "a device is told to slow_down, and polls after the old interval and after one that is 5 seconds longer",
		Want:    "slow_down once more, and then authorization_pending",
		Attacks: []string{"V2"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.poll().wantError(400, "authorization_pending")
			if d.poll().wantError(400, "authorization_pending", "slow_down").text("error") != "slow_down" {
				p.notOffered("the server does not tell devices to slow down")
			}
			p.advance(d.interval() + time.Second)
			d.poll().wantError(400, "slow_down")
			p.advance(d.interval() + 15*time.Second)
			d.poll().wantError(400, "authorization_pending")
		},
	},
	{
		ID: "device-expired", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "the codes of a device have expired, when it polls and when the user types theirs",
		Want:    "expired_token, and a page that does not ask the user to decide",
		Attacks: []string{"V1", "V2"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			p.advance(d.lifetime() + 2*time.Second)
			d.poll().wantError(400, "expired_token", "invalid_grant")
			b := p.browser()
			if x := d.typed(b, d.userCode, Allow); b.decides(x) {
				p.errorf("the page asks the user to decide about a code that has expired")
			}
			d.poll().wantError(400, "expired_token", "invalid_grant")
			again := d.c.device()
			again.typed(p.browser(), again.userCode, Allow)
			again.tokens()
		},
	},
	{
		ID: "device-approved-then-expired", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "the user allows a device in time, and the device polls after its code has expired",
		Want:    "expired_token, and no tokens",
		Attacks: []string{"V2"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.typed(p.browser(), d.userCode, Allow)
			p.advance(d.lifetime() + 2*time.Second)
			d.poll().wantError(400, "expired_token", "invalid_grant")
		},
	},
	{
		ID: "device-single-use", Spec: "RFC 8628", Section: "3.5", Level: Should,
		Request: "a device that has its tokens polls once more",
		Want:    "invalid_grant: no grant is good twice (RFC 6819 §5.1.5.4)",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.typed(p.browser(), d.userCode, Allow)
			d.tokens()
			d.poll().wantError(400, "invalid_grant", "expired_token")
		},
	},
	{
		ID: "device-race", Spec: "RFC 8628", Section: "3.5", Level: Should,
		Request: "a device whose user has allowed it polls 32 times at once",
		Want:    "tokens once (RFC 6819 §5.1.5.4)",
		Attacks: []string{"V1"},
		needs:   []feature{devices},
		varies:  true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.typed(p.browser(), d.userCode, Allow)
			got := 0
			for _, x := range together(p, 32, func(int) *exchange { return d.poll() }) {
				if x.status == http.StatusOK {
					got++
					continue
				}
				x.wantError(400, "invalid_grant", "slow_down", "expired_token", "authorization_pending")
			}
			if got != 1 {
				p.failf("%d of 32 polls get tokens", got)
			}
		},
	},
	{
		ID: "device-code-of-another-client", Spec: "RFC 8628", Section: "3.4", Level: Must,
		Request: "another client polls with a device's code, before and after the user has allowed it",
		Want:    "invalid_grant; the device itself gets its tokens",
		needs:   []feature{devices},
		run: func(p *probe) {
			d, stranger := p.deviceClient().device(), p.deviceClient()
			if stranger.ID == d.c.ID {
				p.notTested("it takes two clients with the device grant")
			}
			d.pollAs(stranger).wantError(400, "invalid_grant")
			d.typed(p.browser(), d.userCode, Allow)
			d.pollAs(stranger).wantError(400, "invalid_grant")
			d.tokens()
		},
	},
	{
		ID: "device-code-unknown", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "a device polls with a code that never was, with the user code, and with none",
		Want:    "invalid_grant, and invalid_request",
		needs:   []feature{devices},
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.poll().wantError(400, "authorization_pending")
			ask := func(code string) *exchange {
				return d.c.token(url.Values{"grant_type": {deviceGrant}, "device_code": {code}})
			}
			ask(p.secret("device_code")).wantError(400, "invalid_grant", "expired_token")
			ask(d.userCode).wantError(400, "invalid_grant", "expired_token")
			d.c.token(url.Values{"grant_type": {deviceGrant}}).wantError(400, "invalid_request")
		},
	},
	{
		ID: "device-client-authentication", Spec: "RFC 8628", Section: "3.1", Level: Must,
		Request: "device authorization requests of a client with a wrong secret, of one that there is not, and of one without the grant",
		Want:    "invalid_client, twice, and unauthorized_client",
		needs:   []feature{devices, lists("token_endpoint_auth_methods_supported", "client_secret_basic")},
		run: func(p *probe) {
			c := p.deviceClient(method("client_secret_basic"))
			c.device()
			at, form := p.endpoint("device_authorization_endpoint"), url.Values{"scope": {p.scope()}}
			p.post(at, form, c.basic(c.ID, p.secret("client_secret"))).wantError(401, "invalid_client")
			p.post(at, form, c.basic(p.name("client"), p.secret("client_secret"))).wantError(401, "invalid_client")
			p.client().deviceRequest().wantError(400, "unauthorized_client")
		},
	},
	{
		ID: "device-scope-refused", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "a device asks for a scope that is not of the form of one",
		Want:    "invalid_scope or invalid_request; or it is ignored, and the tokens say for which scope they are",
		needs:   []feature{devices},
		run: func(p *probe) {
			c := p.deviceClient()
			c.device()
			const scope = `a"b`
			x := c.deviceRequest(set("scope", scope))
			if x.status != http.StatusOK {
				x.wantError(400, "invalid_scope", "invalid_request")
				return
			}
			d := &device{exchange: x, c: c, code: x.text("device_code"), userCode: x.text("user_code")}
			d.typed(p.browser(), d.userCode, Allow)
			if t := d.tokens(); t.scope == "" || !scopeForm(t.scope) {
				p.failf("there are tokens for the scope %q: the answer says %q", scope, t.scope)
			}
		},
	},
	{
		ID: "device-get-refused", Spec: "RFC 8628", Section: "3.1", Level: Must,
		Request: "the device authorization endpoint is asked by GET",
		Want:    "a refusal, and no codes",
		needs:   []feature{devices},
		run: func(p *probe) {
			c := p.deviceClient()
			c.device()
			x := p.get(p.endpoint("device_authorization_endpoint") + "?client_id=" + url.QueryEscape(c.ID)).wantRefused()
			if x.text("device_code") != "" {
				p.errorf("there is a device_code")
			}
		},
	},
	{
		ID: "device-refresh", Spec: "RFC 8628", Section: "3.5", Level: Must,
		Request: "a device that was allowed to stay connected refreshes its tokens",
		Want:    "tokens",
		needs:   []feature{devices, refreshing},
		run: func(p *probe) {
			var ask []edit
			if p.run.md.lists("scopes_supported", "offline_access") {
				ask = append(ask, set("scope", joined(p.scope(), "offline_access")))
			}
			d := p.deviceClient().device(ask...)
			d.typed(p.browser(), d.userCode, Allow)
			t := d.tokens()
			if t.refresh == "" {
				p.notTested("the token response has no refresh_token")
			}
			d.c.got(d.c.refreshed(t.refresh)).wantAlive("a refresh")
		},
	},
	{
		ID: "device-revoked-before-poll", Spec: "RFC 6749", Section: "5.2", Level: Should,
		Request: "a user allows a device, and ends all authorizations before the device polls",
		Want:    "no tokens",
		Attacks: []string{"C16", "F11"},
		needs:   []feature{devices},
		alone:   true,
		run: func(p *probe) {
			d := p.deviceClient().device()
			d.typed(p.browser(), d.userCode, Allow)
			p.revokesUser()
			d.poll().wantError(400, "invalid_grant", "access_denied", "expired_token")
			again := d.c.device()
			again.typed(p.browser(), again.userCode, Allow)
			again.tokens()
		},
	},
	{
		ID: "device-resource", Spec: "RFC 8707", Section: "2.2", Level: Should,
		Request: "a device names one resource when it asks, and another one when it polls",
		Want:    "invalid_target; a token for the first if it names that one, or none",
		Attacks: []string{"P15"},
		needs:   []feature{devices},
		run: func(p *probe) {
			one, other := p.twoResources()
			d := p.deviceClient().device(set("resource", one))
			d.typed(p.browser(), d.userCode, Allow)
			form := url.Values{"grant_type": {deviceGrant}, "device_code": {d.code}, "resource": {other}}
			d.c.token(form).wantError(400, "invalid_target")
			again := d.c.device(set("resource", one))
			again.typed(p.browser(), again.userCode, Allow)
			again.tokens().wantAudience(one, other)
		},
	},
}
