package conformance

import "net/http"

// RFC 8707: resource indicators. Whether a server knows them shows nowhere in its metadata, so
// that the cases need Target.ResourceIdentifier.
var resourceIndicatorCases = []Case{
	{
		ID: "resource-audience", Spec: "RFC 8707", Section: "2", Level: Should,
		Request: "authorization requests name one resource, and then the other",
		Want:    "access tokens for the one that was named, and for no other",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client()
			c.tokens(set("resource", one)).wantAudience(one, other)
			c.tokens(set("resource", other)).wantAudience(other, one)
		},
	},
	{
		ID: "resource-fragment-refused", Spec: "RFC 8707", Section: "2", Level: Must,
		Request: "resource has a fragment, or an empty one",
		Want:    "invalid_target",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one := p.resourceID()
			c := p.client()
			c.authorize(set("resource", one))
			c.try(set("resource", one+"#part")).wantError("invalid_target", "invalid_request")
			c.try(set("resource", one+"#")).wantError("invalid_target", "invalid_request")
		},
	},
	{
		ID: "resource-not-absolute-refused", Spec: "RFC 8707", Section: "2", Level: Must,
		Request: "resource is a relative reference, a host alone, or no URI",
		Want:    "invalid_target",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one := p.resourceID()
			c := p.client()
			c.authorize(set("resource", one))
			for _, value := range []string{"/api/", "api.example", "//api.example/", "not a URI"} {
				c.try(set("resource", value)).wantError("invalid_target", "invalid_request")
			}
		},
	},
	{
		ID: "resource-unknown-refused", Spec: "RFC 8707", Section: "2", Level: Should,
		Request: "resource is a URI that is nobody's here, or one that only begins or ends like one that is",
		Want:    "invalid_target",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one := p.resourceID()
			c := p.client()
			c.authorize(set("resource", one))
			for _, value := range []string{"https://nobody.example/api", one + ".evil.example", "https://evil.example/?" + one} {
				c.try(set("resource", value)).wantError("invalid_target")
			}
			c.try(set("resource", one, "https://nobody.example/api")).wantError("invalid_target")
		},
	},
	{
		ID: "resource-not-authorized-refused", Spec: "RFC 8707", Section: "2.2", Level: Should,
		Request: "a token request names a resource other than the one of the authorization request",
		Want:    "invalid_target, and no token for that resource",
		Attacks: []string{"P15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client()
			c.authorize(set("resource", one)).tokens(set("resource", one)).wantAudience(one, other)
			c.authorize(set("resource", one)).redeem(set("resource", other)).wantError(400, "invalid_target")
			c.authorize(set("resource", one)).redeem(set("resource", "https://nobody.example/api")).wantError(400, "invalid_target")
		},
	},
	{
		ID: "resource-subset-at-token", Spec: "RFC 8707", Section: "2.2", Level: Must,
		Request: "two resources are authorized, and the token request names one of them",
		Want:    "an access token for that one alone",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client()
			c.twoAuthorized(one, other).tokens(set("resource", other)).wantAudience(other, one)
			c.twoAuthorized(one, other).tokens(set("resource", one)).wantAudience(one, other)
		},
	},
	{
		ID: "resource-refresh-subset", Spec: "RFC 8707", Section: "2.2", Level: Should,
		Request: "two resources are authorized, and refresh requests name the one and then the other",
		Want:    "access tokens for the one that was named",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client()
			c.twoAuthorized(one, other)
			// Tokens at first for one, since a server may issue none for two at once (§2.2).
			t := c.lastingTokensBy([]edit{set("resource", one)}, set("resource", one, other)).wantAudience(one, other)
			t = c.got(c.refreshed(t.refresh, set("resource", other))).wantAudience(other, one).succeeding(t)
			c.got(c.refreshed(t.refresh, set("resource", one))).wantAudience(one, other)
		},
	},
	{
		ID: "resource-refresh-not-widened", Spec: "RFC 8707", Section: "2.2", Level: Should,
		Request: "a refresh request names a resource that was not authorized",
		Want:    "invalid_target",
		Attacks: []string{"P14", "P15"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client()
			t := c.lastingTokens(set("resource", one))
			c.refreshed(t.refresh, set("resource", other)).wantError(400, "invalid_target")
			t = c.lastingTokens(set("resource", one))
			c.got(c.refreshed(t.refresh, set("resource", one))).wantAudience(one, other)
		},
	},
	{
		ID: "resource-own-tokens", Spec: "RFC 8707", Section: "2.2", Level: Should,
		Request: "a client asks for tokens of its own, for one resource, the other, and one that there is not",
		Want:    "tokens for what was named, and invalid_target",
		Attacks: []string{"P14"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			one, other := p.twoResources()
			c := p.client(servicing())
			c.own(set("resource", one)).wantAudience(one, other)
			c.own(set("resource", other)).wantAudience(other, one)
			form := map[string][]string{"grant_type": {"client_credentials"}, "resource": {"https://nobody.example/api"}}
			c.token(form).wantError(400, "invalid_target")
		},
	},
	{
		ID: "resource-token-elsewhere-refused", Spec: "MCP Authorization 2026-07-28", Section: "Token Handling", Level: Must,
		Request: "an access token for one resource is presented to another",
		Want:    "401 invalid_token; the token for the right one opens it",
		Attacks: []string{"P14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one, other := p.twoResources()
			if p.run.target.Resource == "" {
				p.notTested("it takes a URL that access tokens open: see Target.Resource")
			}
			c := p.client()
			c.tokens(set("resource", one)).present(http.MethodGet, p.run.target.Resource).wantStatus(http.StatusOK)
			c.tokens(set("resource", other)).present(http.MethodGet, p.run.target.Resource).wantStatus(http.StatusUnauthorized)
		},
	},
}

// twoAuthorized is a request for two resources that the user has allowed. A server may have one
// at a time.
func (c *client) twoAuthorized(one, other string) *outcome {
	o := c.try(set("resource", one, other))
	if o.said() == "invalid_target" {
		c.p.notOffered("one authorization is for one resource")
	}
	return o.wantCode()
}

// succeeding has the refresh token of the tokens before where there was no new one.
func (t *tokens) succeeding(before *tokens) *tokens {
	if t.refresh == "" {
		t.refresh = before.refresh
	}
	return t
}
