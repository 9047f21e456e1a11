package conformance

import "strings"

// RFC 7636: proof key for code exchange.
var pkceCases = []Case{
	{
		ID: "pkce-right-verifier", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "a code whose request had an S256 challenge is redeemed with its verifier",
		Want:    "tokens",
		needs:   []feature{codeFlow},
		run:     func(p *probe) { p.client().tokens() },
	},
	{
		ID: "pkce-wrong-verifier", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "a code is redeemed with the verifier of another request, and with none",
		Want:    "invalid_grant; invalid_request will do for none",
		Attacks: []string{"C13"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			c.authorize().redeem(set("code_verifier", p.secret("code_verifier"))).wantError(400, "invalid_grant")
			c.authorize().redeem(del("code_verifier")).wantError(400, "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "pkce-verifier-after-failure", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "a code is redeemed with a wrong verifier, and then without any",
		Want:    "no tokens: the failure has not switched the check off",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			code := p.client().authorize()
			code.redeem(set("code_verifier", p.secret("code_verifier"))).wantError(400, "invalid_grant")
			code.redeem(del("code_verifier")).wantError(400, "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "pkce-public-client-without-challenge", Spec: "OAuth 2.1 (draft)", Section: "4.1.2.1", Level: Must,
		Request: "a public client sends an authorization request without code_challenge",
		Want:    "invalid_request",
		Attacks: []string{"C7"},
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			p.client(public()).try(del("code_challenge", "code_challenge_method")).wantError("invalid_request")
		},
	},
	{
		ID: "pkce-plain-refused", Spec: "RFC 7636", Section: "4.4.1", Level: Must,
		Request: "code_challenge_method is plain, is left out, or is none of those that the server lists",
		Want:    "invalid_request, where S256 alone is listed",
		Attacks: []string{"C10"},
		needs:   []feature{codeFlow, lacks(lists("code_challenge_methods_supported", "plain"), "plain is offered")},
		run: func(p *probe) {
			c := p.client()
			for _, e := range []edit{set("code_challenge_method", "plain"), set("code_challenge_method", "s256"), set("code_challenge_method", "S512")} {
				c.try(e).wantError("invalid_request")
			}
			c.try(set("code_challenge", strings.Repeat("v", 43)), del("code_challenge_method")).wantError("invalid_request")
		},
	},
	{
		ID: "pkce-advertised", Spec: "RFC 9700", Section: "2.1.1", Level: Should,
		Request: "the metadata",
		Want:    "code_challenge_methods_supported lists S256",
		needs:   []feature{published, codeFlow},
		run: func(p *probe) {
			if !p.run.md.lists("code_challenge_methods_supported", "S256") {
				p.failf("code_challenge_methods_supported is %v", p.run.md["code_challenge_methods_supported"])
			}
		},
	},
	{
		ID: "pkce-verifier-bounds", Spec: "RFC 7636", Section: "4.1", Level: Must,
		Request: "verifiers of 43 and of 128 characters, with all that may stand in one",
		Want:    "tokens",
		Attacks: []string{"C12"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, n := range []int{43, 128} {
				c.proofOf(unreserved[:20] + random(96)[:n-20]).tokens()
				c.proofOf((unreserved + unreserved)[len(unreserved)*2-n:]).tokens()
			}
		},
	},
	{
		ID: "pkce-verifier-exact", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "the challenge in the place of the verifier; the verifier shorter, longer, in capitals, with padding, and empty",
		Want:    "no tokens",
		Attacks: []string{"C12"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, wrong := range []func(verifier string) string{
				challengeOf,
				func(v string) string { return v[:len(v)-1] },
				func(v string) string { return v + "A" },
				strings.ToUpper,
				func(v string) string { return v + "=" },
				func(string) string { return "" },
			} {
				code := c.authorize()
				code.redeem(set("code_verifier", wrong(code.a.verifier))).wantError(400, "invalid_grant", "invalid_request")
			}
		},
	},
	{
		ID: "pkce-flows-crossed", Spec: "RFC 9700", Section: "2.1.1", Level: Must,
		Request: "two flows of one client in two tabs of one browser, each code with the verifier of the other",
		Want:    "invalid_grant both times",
		Attacks: []string{"C13"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			one, two := c.request().in(b, Allow).wantCode(), c.request().in(b, Allow).wantCode()
			one.redeem(set("code_verifier", two.a.verifier)).wantError(400, "invalid_grant")
			two.redeem(set("code_verifier", one.a.verifier)).wantError(400, "invalid_grant")
			c.request().in(b, Allow).wantCode().tokens()
		},
	},
	{
		ID: "pkce-verifier-without-challenge", Spec: "RFC 9700", Section: "2.1.1", Level: Must,
		Request: "a code whose request had no challenge is redeemed with a verifier",
		Want:    "invalid_grant or invalid_request: somebody has taken the challenge out of the request",
		Attacks: []string{"C9"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			without := []edit{del("code_challenge", "code_challenge_method")}
			if openID(p.run) == "" { // whose nonce some servers take for protection enough
				without = append(without, set("scope", "openid"), set("nonce", p.secret("nonce")))
			}
			code := c.try(without...)
			if code.code() == "" {
				p.notOffered("there are no codes without a challenge")
			}
			code.redeem(set("code_verifier", p.secret("code_verifier"))).wantError(400, "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "pkce-challenge-form", Spec: "RFC 7636", Section: "4.2", Level: Should,
		Request: "challenges that are none: shorter than 43 characters, longer than 128, with padding, with + and /, with a space",
		Want:    "invalid_request; what could be the challenge of another method is not asked about",
		Attacks: []string{"C12"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			good := challengeOf(random(32))
			for _, wrong := range []string{"a", good[:42], strings.Repeat("a", 129), good + "=", "+/" + good[2:], good[:42] + " "} {
				c.try(set("code_challenge", wrong)).wantRefused("invalid_request")
			}
		},
	},
}

// unreserved is all that may stand in a verifier (RFC 7636 §4.1).
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// proofOf is a code for the challenge of this verifier.
func (c *client) proofOf(verifier string) *outcome {
	c.p.hide("code_verifier", verifier)
	a := c.request(set("code_challenge", challengeOf(verifier)))
	a.verifier = verifier
	return a.in(c.p.browser(), Allow).wantCode()
}
