package conformance

import (
	"net/http"
	"slices"
	"time"
)

// RFC 6749 §6, RFC 9700 §4.14: refresh tokens.
var refreshCases = []Case{
	{
		ID: "refresh-works", Spec: "RFC 6749", Section: "6", Level: Must,
		Request: "a refresh token is used, and then the one that came with the answer, if one did",
		Want:    "access tokens that work",
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			c := p.client()
			token := c.lastingTokens().refresh
			for range 3 {
				t := c.got(c.refreshed(token))
				t.wantAlive("a refresh")
				if t.refresh != "" {
					token = t.refresh
				}
			}
		},
	},
	{
		ID: "refresh-rotated-for-public-clients", Spec: "RFC 9700", Section: "2.2.2", Level: Must,
		Request: "a client that does not authenticate refreshes",
		Want:    "another refresh token, unless they are bound to a key",
		Attacks: []string{"F1"},
		needs:   []feature{codeFlow, refreshing, publicClients},
		run: func(p *probe) {
			c := p.client(public())
			t := c.lastingTokens()
			if next := c.got(c.refreshed(t.refresh)); c.dpop == nil && (next.refresh == "" || next.refresh == t.refresh) {
				p.failf("the refresh token stays the same")
			}
		},
	},
	{
		ID: "refresh-reuse-revokes", Spec: "RFC 9700", Section: "4.14.2", Level: Must,
		Request: "a rotated refresh token of a public client comes back after ten minutes, when no lost answer explains it",
		Want:    "invalid_grant, and the newest refresh token of its family is dead",
		Attacks: []string{"F2"},
		needs:   []feature{codeFlow, refreshing, publicClients},
		alone:   true,
		run: func(p *probe) {
			c := p.client(public())
			t := c.lastingTokens()
			next := c.rotated(t)
			p.advance(10 * time.Minute)
			last := c.rotated(next)
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
			c.refreshed(last.refresh).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "refresh-reuse-ends-grant", Spec: "RFC 9700", Section: "4.14.2", Level: Should,
		Request: "a rotated refresh token comes back after ten minutes",
		Want:    "all that the grant has yielded is dead, access tokens too",
		Attacks: []string{"F2"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			next := c.rotated(t)
			p.advance(10 * time.Minute)
			last := c.rotated(next)
			last.wantAlive("a refresh")
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
			last.wantDead("a refresh token of its family was used again")
		},
	},
	{
		ID: "refresh-reuse-refused", Spec: "RFC 9700", Section: "4.14.2", Level: Must,
		Request: "a rotated refresh token of a public client comes back after ten minutes, twice",
		Want:    "invalid_grant both times",
		Attacks: []string{"F1", "F4"},
		needs:   []feature{codeFlow, refreshing, publicClients},
		alone:   true,
		run: func(p *probe) {
			c := p.client(public())
			t := c.lastingTokens()
			c.rotated(t)
			p.advance(10 * time.Minute)
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
			c.refreshed(t.refresh).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "refresh-grace-not-extended", Spec: "RFC 9700", Section: "4.14.2", Level: Should,
		Request: "where a refresh may be repeated at once, it is repeated every twenty seconds for ten minutes",
		Want:    "invalid_grant before that is over, and never another family of tokens",
		Attacks: []string{"F4"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			next := c.rotated(t)
			families := map[string]bool{next.refresh: true}
			for range 30 {
				x := c.refreshed(t.refresh)
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_grant")
					if len(families) > 1 {
						p.failf("there are %d refresh tokens for one", len(families))
					}
					return
				}
				families[x.text("refresh_token")] = true
				p.advance(20 * time.Second)
			}
			p.failf("after ten minutes of repeating a used refresh token still works")
		},
	},
	{
		ID: "refresh-race", Spec: "RFC 9700", Section: "4.14.2", Level: Must,
		Request: "a refresh token of a public client is used 64 times at once",
		Want:    "one family of tokens at most: all who get a new refresh token get the same one, the others invalid_grant",
		Attacks: []string{"F2", "F4"},
		needs:   []feature{codeFlow, refreshing, publicClients},
		varies:  true,
		run: func(p *probe) {
			c := p.client(public())
			t := c.lastingTokens()
			families := map[string]bool{}
			for _, x := range together(p, races, func(int) *exchange { return c.refreshed(t.refresh) }) {
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_grant")
					continue
				}
				if next := x.text("refresh_token"); next != "" {
					families[next] = true
				}
			}
			if len(families) > 1 {
				p.failf("%d different refresh tokens come of one", len(families))
			}
		},
	},
	{
		ID: "refresh-wider-scope-refused", Spec: "RFC 6749", Section: "6", Level: Must,
		Request: "a refresh asks for a scope that the user has not authorized, beside one that they have, and alone",
		Want:    "invalid_scope, or tokens without that scope, which say so",
		Attacks: []string{"F5"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client()
			t := c.lastingTokens(set("scope", one))
			token := t.refresh
			for _, wider := range []string{one + " " + other, other} {
				x := c.refreshed(token, set("scope", wider))
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_scope")
					continue
				}
				// The scope may be ignored (§3.3), and without one in the answer it is what was asked for (§5.1).
				got := c.got(x)
				if slices.Contains(got.scopes(wider), other) || slices.Contains(got.introspected(), other) {
					p.errorf("asked for %s, the access token is for %v", wider, got.scopes(wider))
				}
				if got.refresh != "" {
					token = got.refresh
				}
			}
			c.got(c.refreshed(token, set("scope", one)))
		},
	},
	{
		ID: "refresh-narrower-scope", Spec: "RFC 9700", Section: "2.3", Level: Should,
		Request: "of two scopes a refresh asks for one",
		Want:    "an access token for that one alone",
		Attacks: []string{"F6"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client()
			t := c.lastingTokens(set("scope", one+" "+other))
			narrow := c.got(c.refreshed(t.refresh, set("scope", one)))
			if got := narrow.scopes(one); !slices.Contains(got, one) || slices.Contains(got, other) {
				p.errorf("asked for %s, the access token is for %v", one, got)
			}
			if has := narrow.introspected(); has != nil && slices.Contains(has, other) {
				p.errorf("asked for %s, introspection has the access token for %v", one, has)
			}
		},
	},
	{
		ID: "refresh-scope-comes-back", Spec: "RFC 6749", Section: "6", Level: Must,
		Request: "of two scopes a refresh asks for one, and the next refresh for none in particular",
		Want:    "tokens, whose scope is told if it is not what was asked for; then an access token for both",
		Attacks: []string{"F6"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client()
			t := c.lastingTokens(set("scope", one+" "+other))
			narrow := c.got(c.refreshed(t.refresh, set("scope", one)))
			if has := narrow.introspected(); narrow.scope == "" && slices.Contains(has, other) {
				p.errorf("asked for %s, the answer has no scope, and introspection has the access token for %v", one, has)
			}
			token := t.refresh
			if narrow.refresh != "" {
				token = narrow.refresh
			}
			wide := c.got(c.refreshed(token))
			if got := wide.scopes(one + " " + other); !slices.Contains(got, one) || !slices.Contains(got, other) {
				p.errorf("asked for nothing in particular, the access token is for %v", got)
			}
		},
	},
	{
		ID: "refresh-other-client-refused", Spec: "RFC 6749", Section: "6", Level: Must,
		Request: "another client uses a refresh token",
		Want:    "invalid_grant",
		Attacks: []string{"F7"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			t := owner.lastingTokens()
			stranger.dpop = owner.dpop
			stranger.refreshed(t.refresh).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "refresh-survives-stranger", Spec: "RFC 6819", Section: "4.5.2", Level: Should,
		Request: "another client uses a refresh token, then the client that it was issued to",
		Want:    "tokens for that one: strangers do no harm",
		Attacks: []string{"F7"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			t := owner.lastingTokens()
			stranger.dpop = owner.dpop
			stranger.refreshed(t.refresh).wantRefused()
			t.wantAlive("a stranger tried its refresh token")
			owner.got(owner.refreshed(t.refresh)).wantAlive("a refresh")
		},
	},
	{
		ID: "refresh-used-by-other-client-harmless", Spec: "RFC 9700", Section: "4.14.2", Level: Should,
		Request: "another client sends a refresh token that has been used, ten minutes later",
		Want:    "invalid_grant, and the tokens go on working: strangers cannot end what is not theirs",
		Attacks: []string{"F7"},
		needs:   []feature{codeFlow, refreshing},
		alone:   true,
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			t := owner.lastingTokens()
			next := owner.rotated(t)
			p.advance(10 * time.Minute)
			stranger.dpop = owner.dpop
			stranger.refreshed(t.refresh).wantError(400, "invalid_grant")
			owner.got(owner.refreshed(next.refresh)).wantAlive("a stranger sent a used refresh token of its family")
		},
	},
	{
		ID: "refresh-altered-refused", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "refresh tokens that are another in one character, shorter, longer, or in other letters; then the right one",
		Want:    "invalid_grant; then tokens, which no wrong refresh token has ended",
		Attacks: []string{"F9", "G14"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			for _, wrong := range altered(t.refresh) {
				c.refreshed(wrong).wantError(400, "invalid_grant", "invalid_request")
			}
			t.wantAlive("wrong refresh tokens were tried")
			c.got(c.refreshed(t.refresh)).wantAlive("a refresh")
		},
	},
	{
		ID: "refresh-confidential-client-authenticates", Spec: "RFC 6749", Section: "6", Level: Must,
		Request: "a refresh token of a client that authenticates comes with its client_id alone",
		Want:    "invalid_client, and no harm",
		Attacks: []string{"D11"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			c := p.client()
			if c.way() == "none" {
				p.notOffered("clients do not authenticate")
			}
			t := c.lastingTokens()
			c.plainlyAs(map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {t.refresh}, "client_id": {c.ID}}).wantError(0, "invalid_client")
			c.got(c.refreshed(t.refresh))
		},
	},
}
