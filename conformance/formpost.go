package conformance

import (
	"net/http"
	"net/url"
	"strings"
)

// postingForms is what cases about OAuth 2.0 Form Post Response Mode need.
var postingForms = []feature{codeFlow, lists("response_modes_supported", "form_post")}

var formPostCases = []Case{
	{
		ID: "form-post-response", Spec: "OAuth 2.0 Form Post Response Mode", Section: "2", Level: Must,
		Request: "an authorization request with the response mode form_post",
		Want:    "a page with a form that is sent by POST to the redirect URI, with code and state in it, and nothing of them in a URL; the code is good",
		Attacks: []string{"B10"},
		needs:   postingForms,
		run: func(p *probe) {
			o := p.client().postedTo(p, Allow)
			o.wantCode()
			if got := o.params.Get("state"); got != o.a.params.Get("state") {
				p.errorf("state comes back as %q", got)
			}
			o.tokens()
		},
	},
	{
		ID: "form-post-error", Spec: "OAuth 2.0 Form Post Response Mode", Section: "2", Level: Must,
		Request: "a request with the response mode form_post that is refused, for its scope or by the user",
		Want:    "the error comes by such a form too",
		needs:   postingForms,
		run: func(p *probe) {
			c := p.client()
			c.postedError(p)
			if o := c.postedTo(p, Deny); o.params != nil {
				o.wantError("access_denied")
			}
		},
	},
	{
		ID: "form-post-escaped", Spec: "OAuth 2.0 Form Post Response Mode", Section: "2", Level: Must,
		Request: "a request with the response mode form_post, whose state is HTML",
		Want:    "the form has it to the letter, and the page as text",
		Attacks: []string{"B10"},
		needs:   postingForms,
		run: func(p *probe) {
			const state = `"><script>alert('conformance')</script><input value="`
			o := p.client().postedTo(p, Allow, set("state", state)).wantCode()
			if got := o.params.Get("state"); got != state {
				p.errorf("state comes back as %q", got)
			}
			if strings.Contains(string(o.last.body), "<script>alert('conf") {
				p.errorf("the page runs what the client sent")
			}
		},
	},
	{
		ID: "form-post-not-stored", Spec: "OAuth 2.0 Form Post Response Mode", Section: "2", Level: Must,
		Request: "an authorization request with the response mode form_post",
		Want:    "the page is not to be stored, or used again",
		Attacks: []string{"B9", "B10"},
		needs:   postingForms,
		run: func(p *probe) {
			p.client().postedTo(p, Allow).wantCode().last.wantNoStore()
		},
	},
	{
		ID: "form-post-page-closed", Spec: "RFC 9700", Section: "4.16", Level: Should,
		Request: "an authorization request with the response mode form_post",
		Want:    "a page that nobody can put into a frame, and whose policy lets no script run but its own",
		Attacks: []string{"B10"},
		needs:   postingForms,
		run: func(p *probe) {
			x := p.client().postedTo(p, Allow).wantCode().last
			if !refusesFrames(x.header) {
				p.errorf("the page can be put into a frame")
			}
			policy := x.header.Get("Content-Security-Policy")
			if scripts := directive(policy, "script-src", "default-src"); scripts == "" || strings.Contains(scripts, "'unsafe-inline'") && !strings.Contains(scripts, "'nonce-") && !strings.Contains(scripts, "'sha") || strings.Contains(scripts, "*") {
				p.errorf("any script can run: Content-Security-Policy is %q", policy)
			}
		},
	},
}

// postedTo is a request whose answer has to come by a form that posts it to the client; of one
// that the user cannot deny, there is no answer.
func (c *client) postedTo(p *probe, decision Decision, edits ...edit) *outcome {
	b := p.pages(0)
	all := append([]edit{func(v url.Values) {
		mode := "form_post"
		if strings.HasSuffix(v.Get("response_mode"), "jwt") {
			mode = "form_post.jwt"
		}
		v.Set("response_mode", mode)
	}}, edits...)
	o := c.request(all...).in(b, decision)
	switch {
	case o.pushed != nil:
	case o.sentTo == nil && decision == Deny && o.last.status == http.StatusOK:
	case o.sentTo == nil:
		p.failf("the client gets no answer: the browser stays at %s", o.stays())
	case o.last.header.Get("Location") != "":
		p.failf("the answer is a redirect to %s", withoutQuery(o.sentTo))
	case !o.last.isHTML():
		p.failf("%s, want a page", o.last.header.Get("Content-Type"))
	}
	return o
}

// postedError is a request that is refused, and of which the client is told by a form, or in the
// answer to a pushed request.
func (c *client) postedError(p *probe) *outcome {
	for _, wrong := range []edit{set("code_challenge", "short"), set("scope", p.name("unknown")), set("response_type", "kode")} {
		a := c.request(wrong).anywhere()
		if o := a.in(p.browser(), Allow); o.code() != "" || o.params == nil && o.pushed == nil {
			continue // the server takes it, or says it on a page
		}
		return c.postedTo(p, Allow, wrong).wantError("invalid_request", "invalid_scope", "unsupported_response_type", "unauthorized_client")
	}
	p.notTested("the client is told of none of the errors that the suite can make")
	return nil
}
