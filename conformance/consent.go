package conformance

import (
	"net/http"
	"net/url"
	"slices"
)

// RFC 6749 §3.1, §4.1, §10.12: what users sign in to, and what they allow.
var consentCases = []Case{
	{
		ID: "login-forged", Spec: "RFC 6749", Section: "10.12", Level: Must,
		Request: "a page of somebody else's sends the sign-in form, with their own name and password, from a browser that was never shown it",
		Want:    "nobody is signed in at that browser; the browser that was shown the form does sign in by it",
		Attacks: []string{"U3"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			attackers := p.pages(0)
			a, page := c.signInPage(attackers)
			form := attackers.wantAnswer(page, Allow)
			victims := p.pages(0)
			x := victims.submit(again(p, form, nil), header("Origin", "https://"+foreign), header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"))
			victims.walk(x, a.anywhere().arrived, Stay)
			if c.signedIn(victims) {
				p.failf("the browser is signed in, by a form that it was not shown")
			}
			a.from(attackers, attackers.submit(again(p, form, nil)), Allow).wantCode()
			if !c.signedIn(attackers) {
				p.notTested("the server asks who it is each time")
			}
		},
	},
	{
		ID: "login-session-rotates", Spec: "RFC 6749", Section: "3.1", Level: Should,
		Request: "somebody gets cookies of the sign-in page, plants them in another browser, at which the user signs in, and then uses them",
		Want:    "they are signed in at no browser but the user's: signing in makes new ones",
		Attacks: []string{"U4"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			attackers := p.pages(0)
			from := len(p.seen())
			a, page := c.signInPage(attackers)
			victims := p.pages(0)
			victims.plant(from)
			a.from(victims, victims.submit(victims.wantAnswer(page, Allow)), Allow).wantCode()
			if !c.signedIn(victims) {
				p.notTested("the server asks who it is each time")
			}
			if c.signedIn(attackers) {
				p.failf("the cookies from before the sign-in are signed in now")
			}
		},
	},
	{
		ID: "consent-forged", Spec: "RFC 6749", Section: "10.12", Level: Must,
		Request: "the form that allows a request is sent without what is hidden in it, and with that of another user's page, from a browser whose user is signed in",
		Want:    "no code; the page's own form does lead to one",
		Attacks: []string{"U1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			users := p.pages(0)
			a, page := c.asking(users)
			form := users.wantAnswer(page, Allow)
			bare := again(p, form, func(v url.Values) {
				for _, f := range formsIn(string(page.body)) {
					del(slices.Collect(keys(f.hidden))...)(v)
				}
			})
			if a.from(users, users.submit(bare), Stay).code() != "" {
				p.errorf("there is a code, for a form without what was hidden in it")
			}

			others := p.pages(1)
			attack, theirs := c.asking(others)
			stolen := others.wantAnswer(theirs, Allow)
			victims := p.pages(0)
			a, page = c.asking(victims)
			x := victims.submit(again(p, stolen, nil), header("Origin", "https://"+foreign), header("Sec-Fetch-Site", "cross-site"))
			if attack.from(victims, x, Stay).code() != "" {
				p.errorf("there is a code, for a form of another user's page")
			}
			a.from(victims, victims.submit(victims.wantAnswer(page, Allow)), Allow).wantCode()
		},
	},
	{
		ID: "consent-of-another-browser", Spec: "RFC 6749", Section: "10.12", Level: Should,
		Request: "the form that allows a request is sent whole, but from another browser: one that nobody is signed in at, and one at which the same user is",
		Want:    "no code",
		Attacks: []string{"U1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			users := p.pages(0)
			a, page := c.asking(users)
			form := users.wantAnswer(page, Allow)
			empty := p.pages(0)
			empty.user = User{}
			if a.from(empty, empty.submit(again(p, form, nil)), Stay).code() != "" {
				p.errorf("there is a code, from a browser that nobody is signed in at")
			}
			second := p.pages(0)
			c.asking(second)
			if a.from(second, second.submit(again(p, form, nil)), Stay).code() != "" {
				p.errorf("there is a code, from a browser that was not shown the page")
			}
			a.from(users, users.submit(form), Allow).wantCode().tokens()
		},
	},
	{
		ID: "consent-denied", Spec: "RFC 6749", Section: "4.1.2.1", Level: Must,
		Request: "the user denies a request",
		Want:    "access_denied, with the state",
		Attacks: []string{"U10"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			o := p.client().request().in(p.pages(0), Deny)
			o.canDeny()
			o.wantError("access_denied")
		},
	},
	{
		ID: "consent-denied-then-allowed", Spec: "RFC 6749", Section: "4.1.1", Level: Should,
		Request: "the user denies a request, goes back, and allows it on the same page",
		Want:    "no code: a page is answered once",
		Attacks: []string{"U10"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			a, page := c.asking(b)
			allow, deny := b.wantAnswer(page, Allow), b.wantAnswer(page, Deny)
			a.from(b, b.submit(deny), Deny).wantError("access_denied")
			if a.from(b, b.submit(allow), Stay).code() != "" {
				p.failf("there is a code, after access_denied")
			}
			a, page = c.asking(b)
			a.from(b, b.submit(b.wantAnswer(page, Allow)), Allow).wantCode()
		},
	},
	{
		ID: "consent-two-tabs", Spec: "RFC 6749", Section: "10.12", Level: Must,
		Request: "two clients ask in two tabs of one browser; the user allows the one that came first, and then the other",
		Want:    "each client gets its own answer, and tokens for it; neither can redeem the other's code",
		Attacks: []string{"U11"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			first, second, b := p.client(), p.client(), p.pages(0)
			if first.ID == second.ID {
				p.notTested("it takes two clients")
			}
			a1, page1 := first.asking(b)
			a2, page2 := second.asking(b)
			o1 := a1.from(b, b.submit(b.wantAnswer(page1, Allow)), Allow).wantCode()
			o2 := a2.from(b, b.submit(b.wantAnswer(page2, Allow)), Allow).wantCode()
			for _, o := range []*outcome{o1, o2} {
				if o.params.Get("state") != o.a.params.Get("state") {
					p.errorf("the answer has the other one's state")
				}
			}
			second.token(o1.redemption()).wantError(0, "invalid_grant", "invalid_client", "unauthorized_client")
			o1.tokens()
			o2.tokens()
		},
	},
	{
		ID: "consent-of-another-user", Spec: "RFC 6749", Section: "10.12", Level: Must,
		Request: "a page asks one user; in another tab of the browser, somebody else signs in; then the first page's form is sent",
		Want:    "no code that stands for the second user, who was not asked",
		Attacks: []string{"U13"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c, b, second := p.client(), p.pages(0), p.pages(1)
			scope := set("scope", "openid")
			_, theirs := p.verified(c.request(scope).in(second, Allow).wantCode().tokens().id)
			a, page := c.asking(b, scope, set("prompt", "consent"))
			form := b.wantAnswer(page, Allow)
			p.moment() // or else the user has only just signed in, and prompt=login is content with that
			b.user = second.user
			other, asked := c.asking(b, scope, set("prompt", "login consent"))
			mine := a.from(b, b.submit(form), Stay)
			_, got := p.verified(other.from(b, b.submit(b.wantAnswer(asked, Allow)), Allow).wantCode().tokens().id)
			if got["sub"] != theirs["sub"] {
				p.notTested("nobody else can sign in while a user is signed in")
			}
			if mine.code() == "" {
				return
			}
			x := mine.redeem()
			if x.status != http.StatusOK {
				return // the server has noticed
			}
			if _, of := p.verified(c.got(x).id); of["sub"] == theirs["sub"] {
				p.failf("the code stands for the second user, by the answer of the first")
			}
		},
	},
	{
		ID: "host-fails", Spec: "RFC 6749", Section: "4.1.2.1", Level: Should,
		Request: "what tells the server who is signed in breaks down in the middle of a request, and works again later",
		Want:    "server_error, or a page with a status from 500, and no code; then a code, over the same connections",
		Attacks: []string{"L7"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			fails := p.controls().HostFails
			if fails == nil {
				p.notTested("it takes Controls.HostFails")
			}
			c, b := p.client(), p.pages(0)
			a, page := c.asking(b)
			form := b.wantAnswer(page, Allow)
			p.after(func() { fails(false) })
			fails(true)
			fresh := c.request()
			address, refused := fresh.address()
			if refused != nil {
				fails(false)
				refused.wantStatus(http.StatusCreated)
			}
			for _, x := range []*exchange{b.submit(again(p, form, nil)), b.open(address)} {
				switch o := a.from(b, x, Stay); {
				case o.code() != "":
					p.errorf("%s: there is a code", x.what())
				case o.sentTo != nil && o.said() != "server_error" && o.said() != "temporarily_unavailable":
					p.errorf("%s: the client is told %q", x.what(), o.said())
				case o.sentTo == nil && o.last.status < 500:
					p.errorf("%s: status %d", x.what(), o.last.status)
				}
			}
			fails(false)
			c.authorize().tokens()
		},
	},
}
