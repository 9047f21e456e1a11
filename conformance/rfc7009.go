package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// RFC 7009: token revocation.
var revocationCases = []Case{
	{
		ID: "revoke-access-token", Spec: "RFC 7009", Section: "2", Level: Should,
		Request: "a client revokes its access token",
		Want:    "200, and the token is dead at once",
		Attacks: []string{"G8"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			t := p.client().tokens()
			t.wantAlive("it was issued")
			t.c.revoke(t.access).wantStatus(http.StatusOK)
			if t.alive() {
				p.failf("the access token works after its revocation")
			}
		},
	},
	{
		ID: "revoke-refresh-token", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "a client revokes its refresh token",
		Want:    "200, and the token is dead at once",
		Attacks: []string{"G8"},
		needs:   []feature{codeFlow, refreshing, revoking},
		run: func(p *probe) {
			c := p.client()
			t := c.rotatedOrNot(c.lastingTokens())
			c.revoke(t.refresh).wantStatus(http.StatusOK)
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "revoke-refresh-token-ends-grant", Spec: "RFC 7009", Section: "2.1", Level: Should,
		Request: "a client revokes its refresh token",
		Want:    "the access tokens of the same authorization are dead too",
		Attacks: []string{"G8"},
		needs:   []feature{codeFlow, refreshing, revoking},
		run: func(p *probe) {
			c := p.client()
			first := c.lastingTokens()
			t := c.rotatedOrNot(first)
			t.wantAlive("a refresh")
			c.revoke(t.refresh).wantStatus(http.StatusOK)
			if first.alive() || t.alive() {
				p.failf("an access token works after its grant was revoked")
			}
		},
	},
	{
		ID: "revoke-by-public-client", Spec: "RFC 7009", Section: "2.1", Level: Should,
		Request: "a client that does not authenticate revokes its access token, naming itself",
		Want:    "200, and the token is dead at once",
		needs:   []feature{codeFlow, revoking, publicClients},
		run: func(p *probe) {
			t := p.client(public()).tokens()
			t.wantAlive("it was issued")
			t.c.revoke(t.access).wantStatus(http.StatusOK)
			if t.alive() {
				p.failf("the access token works after its revocation")
			}
		},
	},
	{
		ID: "revoke-unknown-token", Spec: "RFC 7009", Section: "2.2", Level: Must,
		Request: "a client revokes a token that there is not, and one that it has revoked already",
		Want:    "200",
		Attacks: []string{"G8"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			t := p.client().tokens()
			t.c.revoke(p.secret("token")).wantStatus(http.StatusOK)
			t.c.revoke("x").wantStatus(http.StatusOK)
			t.c.revokeAccess(t).wantStatus(http.StatusOK)
			t.c.revokeAccess(t).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "revoke-wrong-hint", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "tokens are revoked with a token_type_hint that is wrong, or that nobody knows",
		Want:    "200, and they are dead: the hint is only a hint",
		Attacks: []string{"G8"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			c := p.client()
			for _, hint := range []string{"refresh_token", "urn:example:no-such-type"} {
				t := c.tokens()
				t.wantAlive("it was issued")
				c.revokeAccess(t, set("token_type_hint", hint)).wantStatus(http.StatusOK)
				if t.alive() {
					p.errorf("the access token works after its revocation with token_type_hint=%s", hint)
				}
			}
			if refreshing(p.run) == "" {
				t := c.lastingTokens()
				c.revoke(t.refresh, set("token_type_hint", "access_token")).wantStatus(http.StatusOK)
				c.refreshed(t.refresh).wantError(400, "invalid_grant")
			}
		},
	},
	{
		ID: "revoke-other-clients-token", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "a client revokes the access token and the refresh token of another one",
		Want:    "a refusal, or 200 without effect",
		Attacks: []string{"G9"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			t := owner.tokens()
			if refreshing(p.run) == "" {
				t = owner.lastingTokens()
			}
			for _, token := range []string{t.access, t.refresh} {
				if token == "" {
					continue
				}
				if x := stranger.revoke(token); x.status != http.StatusOK {
					x.wantRefused()
				}
			}
			t.wantAlive("a stranger has revoked it")
			if t.refresh != "" {
				owner.got(owner.refreshed(t.refresh))
			}
		},
	},
	{
		ID: "revoke-altered-token", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "a client revokes what its tokens would be with another character, shorter, or longer",
		Want:    "no effect on the tokens",
		Attacks: []string{"G14"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			if refreshing(p.run) == "" {
				t = c.lastingTokens()
			}
			wrong := altered(t.access)
			if t.refresh != "" {
				wrong = append(wrong, altered(t.refresh)...)
			}
			for _, token := range wrong {
				c.revoke(token)
			}
			t.wantAlive("wrong tokens were revoked")
			if t.refresh != "" {
				c.got(c.refreshed(t.refresh))
			}
			c.revoke(t.access).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "revoke-missing-token", Spec: "RFC 7009", Section: "2.2.1", Level: Must,
		Request: "a revocation request without token, and with an empty one",
		Want:    "invalid_request",
		Attacks: []string{"G11"},
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			c := p.client()
			c.revoke("", del("token")).wantError(400, "invalid_request")
			c.revoke("").wantError(400, "invalid_request")
			c.revoke(p.secret("token")).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "revoke-unauthenticated", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "a token of a client that authenticates is revoked with its client_id alone, and with wrong credentials",
		Want:    "invalid_client, and no effect",
		needs:   []feature{codeFlow, revoking},
		run: func(p *probe) {
			c := p.client()
			if c.way() == "none" {
				p.notOffered("clients do not authenticate")
			}
			t := c.tokens()
			address := p.endpoint("revocation_endpoint")
			p.post(address, url.Values{"token": {t.access}, "client_id": {c.ID}}).wantError(0, "invalid_client")
			p.post(address, url.Values{"token": {t.access}}, c.basic(c.ID, p.secret("client_secret"))).wantError(0, "invalid_client")
			t.wantAlive("somebody else has revoked it")
		},
	},
	{
		ID: "revoke-race", Spec: "RFC 7009", Section: "2.1", Level: Must,
		Request: "a grant is revoked while it is being refreshed, twelve times over",
		Want:    "no refresh token of it works once the revocation was answered",
		Attacks: []string{"F14"},
		needs:   []feature{codeFlow, refreshing, revoking},
		varies:  true,
		run: func(p *probe) {
			p.revokedWhileRefreshed(func(c *client, all []*tokens) {
				if c.stillRefreshing(all) {
					p.failf("a refresh token works after its grant was revoked")
				}
			})
		},
	},
	{
		ID: "revoke-race-access-tokens", Spec: "RFC 7009", Section: "2.1", Level: Should,
		Request: "a grant is revoked while it is being refreshed, twelve times over",
		Want:    "no access token of it works once the revocation was answered",
		Attacks: []string{"F14"},
		needs:   []feature{codeFlow, refreshing, revoking},
		varies:  true,
		run: func(p *probe) {
			p.revokedWhileRefreshed(func(_ *client, all []*tokens) {
				for _, t := range all {
					if t.alive() {
						p.failf("an access token works after its grant was revoked")
					}
				}
			})
		},
	},
	{
		ID: "revoke-store-down", Spec: "RFC 7009", Section: "2.2.1", Level: Must,
		Request: "a token is revoked while the server's store fails",
		Want:    "a server error: the client must not take the token for dead; when the store works, 200 and the token is",
		Attacks: []string{"D20"},
		needs:   []feature{codeFlow, revoking},
		alone:   true,
		run: func(p *probe) {
			down := p.controls().StoreDown
			if down == nil {
				p.notTested("the server's store cannot be stopped: see Controls.StoreDown")
			}
			c := p.client()
			c.revokeAccess(c.tokens()).wantStatus(http.StatusOK)
			t := c.tokens()
			p.after(func() { down(false) })
			down(true)
			x := t.c.revoke(t.access)
			down(false)
			x.wantServerTrouble()
			t.c.revoke(t.access).wantStatus(http.StatusOK)
			if t.alive() {
				p.failf("the access token works after its revocation")
			}
		},
	},
}

// rotatedOrNot uses the refresh token once.
func (c *client) rotatedOrNot(t *tokens) *tokens {
	next := c.got(c.refreshed(t.refresh))
	if next.refresh == "" {
		next.refresh = t.refresh
	}
	return next
}

// revokedWhileRefreshed has grants revoked that are being refreshed, and judges all tokens that
// came of each.
func (p *probe) revokedWhileRefreshed(judge func(c *client, all []*tokens)) {
	c := p.client()
	for round := range 12 {
		first := c.lastingTokens()
		got := together(p, 4, func(i int) []*tokens {
			if i > 0 {
				return c.lineage(first, 6)
			}
			time.Sleep(time.Duration(round) * time.Millisecond) // another moment every time
			c.revoke(first.refresh).wantStatus(http.StatusOK)
			return nil
		})
		var all []*tokens
		for _, some := range got {
			all = append(all, some...)
		}
		judge(c, all)
	}
}

// lineage keeps refreshing until it is refused, and returns all tokens that it got.
func (c *client) lineage(t *tokens, most int) []*tokens {
	all := []*tokens{t}
	for range most {
		x := c.refreshed(all[len(all)-1].refresh)
		if x.status != http.StatusOK {
			break
		}
		next := c.got(x)
		if next.refresh == "" {
			next.refresh = all[len(all)-1].refresh
		}
		all = append(all, next)
	}
	return all
}

// stillRefreshing tells whether any of these refresh tokens yields anything.
func (c *client) stillRefreshing(all []*tokens) bool {
	seen := map[string]bool{}
	for _, t := range all {
		seen[t.refresh] = true
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(token string) bool { return c.refreshed(token).status == http.StatusOK })
}
