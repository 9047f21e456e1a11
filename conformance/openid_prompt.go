package conformance

import (
	"net/url"
	"strings"
	"time"
)

// OpenID Connect Core §3.1.2.1: when the user is asked, and when not.
var promptCases = []Case{
	{
		ID: "prompt-none-nobody", Spec: openIDCore, Section: "3.1.2.3", Level: Must,
		Request: "prompt=none in a browser in which nobody is signed in",
		Want:    "login_required, or another error that says that the user would have to do something, and no page",
		Attacks: []string{"B14"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			p.client().try(identifying(), set("prompt", "none")).wantError("login_required", "interaction_required", "account_selection_required", "consent_required").asksNothing()
		},
	},
	{
		ID: "prompt-none-no-consent", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "prompt=none in a browser whose user is signed in and has never allowed this client anything",
		Want:    "consent_required or interaction_required, and no page; or a code, if the server asks nobody for consent",
		Attacks: []string{"B14", "U16"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			b, _ := p.client().stays(identifying())
			c := p.client()
			asks := !c.request(identifying()).answersAtOnce(b)
			o := c.again(b, identifying(), set("prompt", "none"))
			if !asks && o.code() != "" {
				p.notOffered("the server does not ask the user before it lets in a client for the first time")
			}
			o.wantError("consent_required", "interaction_required").asksNothing()
		},
	},
	{
		ID: "prompt-none-after-consent", Spec: openIDCore, Section: "3.1.2.1", Level: Should,
		Request: "prompt=none in a browser whose user is signed in and has allowed the client the same",
		Want:    "a code without any page, and an ID token of the same user",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.stays(identifying())
			o := c.again(b, identifying(), set("prompt", "none"))
			if said := o.said(); said == "consent_required" || said == "interaction_required" {
				p.notOffered("the server remembers no consent: %s", said)
			}
			next := o.wantCode().asksNothing().tokens()
			if was, is := t.identity().text("sub"), next.identity().text("sub"); is != was {
				p.failf("sub is %q, and was %q", is, was)
			}
		},
	},
	{
		ID: "prompt-none-more-scope", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "prompt=none with a scope beyond what the user has allowed the client",
		Want:    "an error, or a code whose tokens do not have that scope; and no page",
		Attacks: []string{"B14"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			more, _ := p.twoScopes()
			b, _ := c.stays(identifying())
			if c.request(identifying(more)).answersAtOnce(b) {
				p.notOffered("the server asks no user about scopes")
			}
			o := c.again(b, identifying(more), set("prompt", "none"))
			if o.code() == "" {
				o.wantError("consent_required", "interaction_required").asksNothing()
				return
			}
			if t := o.asksNothing().tokens(); t.scope == "" || strings.Contains(" "+t.scope+" ", " "+more+" ") {
				p.failf("the scope is %q, of which the user has not allowed %s", t.scope, more)
			}
		},
	},
	{
		ID: "prompt-none-with-others", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "prompt is none together with login or consent",
		Want:    "invalid_request, or any other error, and no code",
		Attacks: []string{"B15"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.stays(identifying())
			for _, prompt := range []string{"none login", "consent none"} {
				c.again(b, identifying(), set("prompt", prompt)).wantRefused()
			}
		},
	},
	{
		ID: "prompt-login", Spec: openIDCore, Section: "3.1.2.3", Level: Must,
		Request: "prompt=login in a browser whose user is signed in, some seconds after the sign-in",
		Want:    "the user signs in again: auth_time is later; or an error",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.stays(identifying(), set("max_age", "3600"))
			was := t.identity().seconds("auth_time")
			p.advance(3 * time.Second)
			if same := c.again(b, identifying(), set("max_age", "3600")).wantCode().tokens().identity().seconds("auth_time"); same != was {
				p.errorf("without prompt, auth_time moves by %d seconds", same-was)
			}
			o := c.again(b, identifying(), set("max_age", "3600"), set("prompt", "login"))
			if o.code() == "" {
				o.wantError("login_required", "interaction_required", "access_denied")
				return
			}
			if now := o.tokens().identity().seconds("auth_time"); now <= was {
				p.failf("auth_time has not moved: the user was not asked to sign in")
			}
		},
	},
	{
		ID: "prompt-login-twice", Spec: openIDCore, Section: "3.1.2.3", Level: Must,
		Request: "a request with prompt=login that has been answered is opened once more in the same browser",
		Want:    "the user is asked again, or the request is refused: no code without a new sign-in",
		needs:   []feature{codeFlow, openID, frontRequests},
		run: func(p *probe) {
			c := p.client()
			a := c.request(identifying(), set("prompt", "login"))
			b, _ := c.stays(identifying())
			a.in(b.ownBrowser(), Allow).wantCode()
			p.advance(2 * time.Second)
			if x := b.open(a.url()); a.answersClient(x) && answerIn(x.location()).Has("code") {
				p.failf("%s: the client gets a code at once", x.what())
			}
		},
	},
	{
		ID: "prompt-consent", Spec: openIDCore, Section: "3.1.2.1", Level: Should,
		Request: "prompt=consent in a browser whose user has allowed the client the same, and who denies it now",
		Want:    "the user is asked again: no code",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			o := c.request(identifying(), set("prompt", "consent")).in(b, Deny)
			if o.code() != "" {
				p.failf("the client gets a code, and the user was not asked or denied it")
			}
		},
	},
	{
		ID: "prompt-select-account", Spec: openIDCore, Section: "3.1.2.1", Level: Should,
		Request: "prompt=select_account in a browser whose user is signed in and has allowed the client the same",
		Want:    "the user is asked which account it is to be, or the client gets an error: no code at once",
		needs:   []feature{codeFlow, openID, anyOf(lists("prompt_values_supported", "select_account"), lacks(has("prompt_values_supported"), "prompt_values_supported does not list select_account"))},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			if !c.request(identifying()).answersAtOnce(b) {
				p.notOffered("the user is asked every time")
			}
			if c.request(identifying(), set("prompt", "select_account")).answersAtOnce(b) {
				p.failf("the client gets a code, and the user was not asked")
			}
		},
	},
	{
		ID: "max-age-passed", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "max_age=1 in a browser whose user signed in some seconds ago",
		Want:    "the user signs in again: auth_time is later",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.enters(identifying(), set("max_age", "3600"))
			was := t.identity().seconds("auth_time")
			p.advance(3 * time.Second)
			if now := c.again(b, identifying(), set("max_age", "1")).wantCode().tokens().identity().seconds("auth_time"); now <= was {
				p.failf("auth_time has not moved: the user was not asked to sign in")
			}
		},
	},
	{
		ID: "max-age-passed-silently", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "max_age=1 and prompt=none in a browser whose user signed in some seconds ago",
		Want:    "login_required, interaction_required or consent_required",
		Attacks: []string{"B14"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.staysSilently(identifying())
			p.advance(3 * time.Second)
			c.again(b, identifying(), set("max_age", "1"), set("prompt", "none")).wantError("login_required", "interaction_required", "consent_required").asksNothing()
		},
	},
	{
		ID: "max-age-malformed", Spec: openIDCore, Section: "3.1.2.1", Level: Should,
		Request: "max_age is a word, negative, or beyond what numbers hold",
		Want:    "invalid_request, or a page: no code at once, as if nothing had been asked for",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			for _, age := range []string{"soon", "-1", strings.Repeat("9", 40)} {
				o := c.request(identifying(), set("max_age", age), set("prompt", "none")).in(b, Stay)
				if o.code() != "" {
					p.errorf("max_age=%s brings a code", age)
				}
			}
		},
	},
	{
		ID: "default-max-age", Spec: "OpenID Connect Registration", Section: "2", Level: Must,
		Request: "a client with default_max_age 1 asks for a user who signed in some seconds ago",
		Want:    "the user signs in again, and the ID token has auth_time",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client(with("default_max_age", 1))
			if c.Metadata["default_max_age"] == nil {
				p.notOffered("the server does not register default_max_age")
			}
			b, t := c.enters(identifying())
			was := t.identity().seconds("auth_time")
			p.advance(3 * time.Second)
			if now := c.again(b, identifying()).wantCode().tokens().identity().seconds("auth_time"); now <= was {
				p.failf("auth_time has not moved: the user was not asked to sign in")
			}
		},
	},
	{
		ID: "offline-access", Spec: openIDCore, Section: "11", Level: Should,
		Request: "offline_access with prompt=consent, which the user allows",
		Want:    "a refresh token",
		needs:   []feature{codeFlow, openID, refreshing, lists("scopes_supported", "offline_access")},
		run: func(p *probe) {
			if t := p.client().tokens(identifying("offline_access"), set("prompt", "consent")); t.refresh == "" {
				p.failf("there is no refresh token, with scope %q", t.scope)
			}
		},
	},
	{
		ID: "offline-access-silently", Spec: openIDCore, Section: "11", Level: Must,
		Request: "offline_access and prompt=none, of a client that the user has allowed openid alone",
		Want:    "an error, or tokens without the scope offline_access and without a refresh token",
		Attacks: []string{"F12"},
		needs:   []feature{codeFlow, openID, refreshing, lists("scopes_supported", "offline_access")},
		run: func(p *probe) {
			c := p.client()
			if publicClients(p.run) == "" { // to which servers give refresh tokens less readily
				c = p.client(public())
			}
			b, t := c.stays(identifying())
			if t.refresh != "" {
				p.notOffered("the server issues refresh tokens without offline_access")
			}
			o := c.again(b, identifying("offline_access"), set("prompt", "none"))
			if o.code() == "" {
				o.wantError("consent_required", "interaction_required", "login_required", "invalid_request", "invalid_scope")
				return
			}
			if t := o.tokens(); t.refresh != "" || strings.Contains(t.scope, "offline_access") {
				p.failf("there is a refresh token, or offline_access in the scope %q", t.scope)
			}
		},
	},
	{
		ID: "offline-access-response-type", Spec: openIDCore, Section: "11", Level: Must,
		Request: "offline_access with response_type=id_token, which brings no code",
		Want:    "offline_access is ignored, or refused: no refresh token and no code",
		needs:   []feature{openID, lists("scopes_supported", "offline_access"), lists("response_types_supported", "id_token")},
		run: func(p *probe) {
			o := p.client(implicit("id_token")).try(identifying("offline_access"), set("response_type", "id_token"), set("prompt", "consent"))
			if o.code() != "" || o.params.Has("refresh_token") || o.params.Has("access_token") {
				p.failf("the client gets more than an ID token")
			}
			if o.params.Get("id_token") == "" && o.said() == "" {
				p.failf("the client is told nothing: the browser stays at %s", o.stays())
			}
		},
	},
}

// answersAtOnce tells whether the client gets a code without any page for the user.
func (a *authorization) answersAtOnce(b *browser) bool {
	x := a.firstAnswer(b)
	if !a.answersClient(x) {
		return false
	}
	var said url.Values
	if to := x.location(); to != nil {
		said = answerIn(to)
	} else {
		said = formPost(x).Query()
	}
	if signed := said.Get("response"); signed != "" {
		said = a.c.p.signedAnswer(signed, a.c.ID)
	}
	return said.Has("code") || said.Has("id_token")
}
