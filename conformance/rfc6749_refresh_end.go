package conformance

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// RFC 6749 §6, RFC 9700 §4.14: what a refresh token ends with, and what it is no good for.
var refreshEndCases = []Case{
	{
		ID: "refresh-idle-expiry", Spec: "RFC 9700", Section: "4.14.2", Level: Should,
		Request: "a refresh token is used after it was left alone for 400 days",
		Want:    "invalid_grant",
		Attacks: []string{"F10"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			p.advance(400 * 24 * time.Hour)
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "refresh-absolute-expiry", Spec: "RFC 6819", Section: "5.1.5.2", Level: Should,
		Request: "a client refreshes every thirty days, for three years",
		Want:    "invalid_grant at some time: rotation does not put off the end for ever",
		Attacks: []string{"F10"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			token := c.lastingTokens().refresh
			for month := range 37 {
				x := c.refreshed(token)
				if x.status != http.StatusOK {
					if x.wantError(400, "invalid_grant"); month < 2 {
						p.failf("refused after %d months already", month)
					}
					return
				}
				if next := x.text("refresh_token"); next != "" {
					token = next
				}
				p.advance(30 * 24 * time.Hour)
			}
			p.failf("after three years there is no end to it")
		},
	},
	{
		ID: "refresh-user-revoked", Spec: "RFC 6819", Section: "5.2.2.4", Level: Should,
		Request: "the user takes back all that was authorized",
		Want:    "access and refresh tokens are dead at once",
		Attacks: []string{"F11"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			t.wantAlive("it was issued")
			p.revokeUser(0)
			t.wantDead("the user has taken everything back")
		},
	},
	{
		ID: "refresh-bound-to-key", Spec: "RFC 9449", Section: "5", Level: Must,
		Request: "a refresh token of a client that does not authenticate, issued with a DPoP proof, is used with a proof of another key, and with none",
		Want:    "invalid_grant or invalid_dpop_proof; with the right key, tokens",
		Attacks: []string{"F13"},
		needs:   []feature{codeFlow, refreshing, publicClients, proving},
		run: func(p *probe) {
			c := p.client(public())
			c.dpop = p.proofKey()
			t := c.lastingTokens()
			right := c.dpop
			for _, wrong := range []*proofKey{p.proofKey(), nil} {
				c.dpop = wrong
				c.refreshed(t.refresh).wantError(400, "invalid_grant", "invalid_dpop_proof", "invalid_request")
			}
			c.dpop = right
			c.got(c.refreshed(t.refresh))
		},
	},
	{
		ID: "refresh-scope-withdrawn", Spec: "RFC 6749", Section: "3.3", Level: Should,
		Request: "a scope is taken from a client; it refreshes what was authorized before",
		Want:    "an error, or an access token without that scope",
		Attacks: []string{"F16"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client()
			t := c.lastingTokens(set("scope", one+" "+other))
			left := slices.DeleteFunc(p.allScopes(), func(s string) bool { return s == other })
			p.changeClient(c, map[string]any{"scope": strings.Join(left, " ")})
			x := c.refreshed(t.refresh)
			if x.status != http.StatusOK {
				x.wantError(400, "invalid_scope", "invalid_grant", "unauthorized_client")
				return
			}
			if got := c.got(x).scopes(one + " " + other); slices.Contains(got, other) {
				p.failf("the access token is for %v", got)
			}
		},
	},
	{
		ID: "refresh-grant-withdrawn", Spec: "RFC 6749", Section: "5.2", Level: Should,
		Request: "the grant type refresh_token is taken from a client that has a refresh token",
		Want:    "unauthorized_client or invalid_grant",
		Attacks: []string{"D4", "F16"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			p.changeClient(c, map[string]any{"grant_types": []string{"authorization_code"}})
			c.refreshed(t.refresh).wantError(400, "unauthorized_client", "invalid_grant")
		},
	},
	{
		ID: "refresh-token-is-no-access-token", Spec: "RFC 6749", Section: "1.5", Level: Must,
		Request: "a refresh token is presented to a protected resource",
		Want:    "a refusal",
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			if p.run.target.Resource == "" {
				p.notTested("there is no protected resource: see Target.Resource")
			}
			t := p.client().lastingTokens()
			t.wantAlive("it was issued")
			wrong := *t
			wrong.access = t.refresh
			wrong.present(http.MethodGet, p.run.target.Resource).wantRefused()
		},
	},
}
