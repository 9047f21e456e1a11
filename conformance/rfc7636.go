package conformance

import "strings"

// RFC 7636: proof key for code exchange.
var pkceCases = []Case{
	{
		ID: "pkce-right-verifier", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "a code whose request had an S256 challenge is redeemed with its verifier",
		Want:    "tokens",
		Needs:   []Feature{codeFlow},
		run:     func(p *probe) { p.client().tokens() },
	},
	{
		ID: "pkce-wrong-verifier", Spec: "RFC 7636", Section: "4.6", Level: Must,
		Request: "a code is redeemed with the verifier of another request, and with none",
		Want:    "invalid_grant both times",
		Attacks: []string{"C13"},
		Needs:   []Feature{codeFlow},
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
		Needs:   []Feature{codeFlow},
		run: func(p *probe) {
			code := p.client().authorize()
			code.redeem(set("code_verifier", p.secret("code_verifier"))).wantError(400, "invalid_grant")
			code.redeem(del("code_verifier")).wantError(400, "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "pkce-public-client-without-challenge", Spec: "RFC 9700", Section: "2.1.1", Level: Must,
		Request: "a public client sends an authorization request without code_challenge",
		Want:    "invalid_request",
		Attacks: []string{"C7"},
		Needs:   []Feature{codeFlow, publicClients},
		run: func(p *probe) {
			p.client(public()).try(del("code_challenge", "code_challenge_method")).wantError("invalid_request")
		},
	},
	{
		ID: "pkce-plain-refused", Spec: "RFC 7636", Section: "4.4.1", Level: Must,
		Request: "code_challenge_method is plain, is left out, or is none of those that the server lists",
		Want:    "invalid_request, where S256 alone is listed",
		Attacks: []string{"C10"},
		Needs:   []Feature{codeFlow, lacks(lists("code_challenge_methods_supported", "plain"), "plain is offered")},
		run: func(p *probe) {
			c := p.client()
			for _, e := range []edit{set("code_challenge_method", "plain"), set("code_challenge_method", "s256"), set("code_challenge_method", "S512")} {
				c.try(e).wantError("invalid_request")
			}
			c.try(set("code_challenge", strings.Repeat("v", 43)), del("code_challenge_method")).wantError("invalid_request")
		},
	},
}
