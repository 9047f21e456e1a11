package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RFC 6749: the redemption of authorization codes.
var codeCases = []Case{
	{
		ID: "code-replay-refused", Spec: "RFC 6749", Section: "4.1.2", Level: Must,
		Request: "a code is redeemed twice",
		Want:    "tokens, then invalid_grant",
		Attacks: []string{"C3"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			code := p.client().authorize()
			code.tokens()
			code.redeem().wantError(400, "invalid_grant")
		},
	},
	{
		ID: "code-replay-revokes", Spec: "RFC 6749", Section: "4.1.2", Level: Should,
		Request: "a code is redeemed, the tokens are refreshed, and the code comes back",
		Want:    "all tokens of the grant are dead, the refreshed ones too",
		Attacks: []string{"C3"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			code := c.authorize(lasting(p)...)
			t := code.tokens()
			all := []*tokens{t}
			if t.refresh != "" {
				all = append(all, c.got(c.refreshed(t.refresh)))
				t.refresh = "" // used
			}
			all[len(all)-1].wantAlive("it was issued")
			code.redeem().wantError(400, "invalid_grant")
			for _, one := range all {
				one.wantDead("its code came back")
			}
		},
	},
	{
		ID: "code-race", Spec: "RFC 6749", Section: "10.5", Level: Must,
		Request: "a code is redeemed 64 times at once",
		Want:    "tokens once, and invalid_grant 63 times",
		Attacks: []string{"C1"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			code := p.client().authorize()
			good := 0
			for _, x := range together(p, races, func(int) *exchange { return code.redeem() }) {
				if x.status == http.StatusOK {
					good++
					continue
				}
				x.wantError(400, "invalid_grant")
			}
			if good != 1 {
				p.failf("%d of %d redemptions yield tokens, want 1", good, races)
			}
		},
	},
	{
		ID: "code-race-revokes", Spec: "RFC 6749", Section: "4.1.2", Level: Should,
		Request: "a code is redeemed 64 times at once, and once more",
		Want:    "no token of the grant works then",
		Attacks: []string{"C1"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			code := p.client().authorize(lasting(p)...)
			answers := together(p, races, func(int) *exchange { return code.redeem() })
			code.redeem().wantError(400, "invalid_grant")
			for _, x := range answers {
				if x.status == http.StatusOK {
					code.a.c.got(x).wantDead("its code came back")
				}
			}
		},
	},
	{
		ID: "code-other-client-refused", Spec: "RFC 6749", Section: "4.1.3", Level: Must,
		Request: "another client redeems a code, with all that belongs to it",
		Want:    "invalid_grant",
		Attacks: []string{"C4"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			code := owner.authorize()
			stranger.dpop = owner.dpop // so that nothing but the client is another
			stranger.token(code.redemption()).wantError(400, "invalid_grant")
		},
	},
	{
		ID: "code-survives-stranger", Spec: "RFC 6749", Section: "4.1.3", Level: Should,
		Request: "another client tries a code, then the client that it was issued to",
		Want:    "tokens for the latter: strangers cannot use codes up",
		Attacks: []string{"C4"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			code := owner.authorize()
			stranger.token(code.redemption()).wantRefused()
			code.tokens().wantAlive("a stranger tried its code")
		},
	},
	{
		ID: "code-redirect-uri-checked", Spec: "RFC 6749", Section: "4.1.3", Level: Must,
		Request: "redirect_uri stood in the authorization request; the token request has another one that is registered, a longer one, or none",
		Want:    "invalid_grant",
		Attacks: []string{"C5"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client(redirects("https://client.example/callback", "https://client.example/other"))
			all := texts(c.Metadata["redirect_uris"])
			for _, e := range []edit{set("redirect_uri", all[1]), set("redirect_uri", all[0]+"/"), set("redirect_uri", strings.ToUpper(all[0])), del("redirect_uri")} {
				c.authorize(set("redirect_uri", all[0])).redeem(e).wantError(400, "invalid_grant", "invalid_request")
			}
			c.authorize(set("redirect_uri", all[0])).tokens()
		},
	},
	{
		ID: "code-altered-refused", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "codes that are another in one character, shorter, longer, or in other letters; then the right one",
		Want:    "invalid_grant; then tokens, which no wrong code has ended",
		Attacks: []string{"G14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			code := p.client().authorize()
			for _, wrong := range altered(code.code()) {
				code.redeem(set("code", wrong)).wantError(400, "invalid_grant", "invalid_request")
			}
			code.tokens().wantAlive("wrong codes were tried")
		},
	},
	{
		ID: "code-survives-wrong-secret", Spec: "RFC 6749", Section: "4.1.3", Level: Should,
		Request: "a code is sent with a wrong secret, then with the right one",
		Want:    "invalid_client, then tokens: who is not the client cannot use codes up",
		Attacks: []string{"D6"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client(method("client_secret_basic"))
			code := c.authorize()
			c.plainly(code.redemption(), c.basic(c.ID, p.secret("client_secret"))).wantError(401, "invalid_client")
			code.tokens().wantAlive("its code was tried with a wrong secret")
		},
	},
	{
		ID: "code-confidential-client-authenticates", Spec: "RFC 6749", Section: "4.1.3", Level: Must,
		Request: "a code of a client that authenticates is redeemed with its client_id alone",
		Want:    "invalid_client",
		Attacks: []string{"D11"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			if c.way() == "none" {
				p.notOffered("clients do not authenticate")
			}
			code := c.authorize()
			c.plainlyAs(code.redemption(set("client_id", c.ID))).wantError(0, "invalid_client")
			code.tokens()
		},
	},
	{
		ID: "code-expires", Spec: "RFC 6749", Section: "4.1.2", Level: Should,
		Request: "a code is redeemed eleven minutes after it was issued",
		Want:    "invalid_grant",
		Attacks: []string{"B23", "C14"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			code := c.authorize()
			p.advance(11 * time.Minute)
			code.redeem().wantError(400, "invalid_grant")
			c.tokens()
		},
	},
	{
		ID: "code-user-revoked", Spec: "RFC 6749", Section: "4.1.3", Level: Should,
		Request: "the user takes back all that was authorized, after a code was issued and before it is redeemed",
		Want:    "invalid_grant",
		Attacks: []string{"C16"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			code := c.authorize()
			p.revokeUser(0)
			code.redeem().wantError(400, "invalid_grant")
			p.advance(2 * time.Second)
			c.tokens().wantAlive("the user has authorized the client again")
		},
	},
	{
		ID: "code-client-deleted", Spec: "RFC 6749", Section: "4.1.3", Level: Should,
		Request: "the client is deleted after a code was issued and before it is redeemed",
		Want:    "invalid_client or invalid_grant",
		Attacks: []string{"C16"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			code := c.authorize()
			p.changeClient(c, nil)
			code.redeem().wantError(0, "invalid_client", "invalid_grant", "unauthorized_client")
		},
	},
	{
		ID: "code-redirect-uri-withdrawn", Spec: "RFC 6749", Section: "4.1.3", Level: Should,
		Request: "the redirect URI that a code went to is taken from the client before the code is redeemed",
		Want:    "invalid_grant",
		Attacks: []string{"C16"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			code := c.authorize()
			p.changeClient(c, map[string]any{"redirect_uris": []string{"https://client.example/another"}})
			code.redeem().wantError(400, "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "code-scope-not-widened", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "a code for one scope is redeemed with another one in the token request",
		Want:    "an error, or tokens for the scope that the user has authorized",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client()
			x := c.authorize(set("scope", one)).redeem(set("scope", one+" "+other))
			if x.status != http.StatusOK {
				x.wantError(400, "invalid_scope", "invalid_request")
				return
			}
			t := c.got(x)
			if slices.Contains(t.scopes(one), other) {
				p.failf("the access token is for %v", t.scopes(one))
			}
		},
	},
	{
		ID: "code-kinds-not-confused", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "a refresh token or an access token in the place of a code; a code or an access token in that of a refresh token",
		Want:    "invalid_grant",
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			c := p.client()
			t, code := c.lastingTokens(), c.authorize()
			for _, wrong := range []string{t.refresh, t.access} {
				code.redeem(set("code", wrong)).wantError(400, "invalid_grant", "invalid_request")
			}
			for _, wrong := range []string{code.code(), t.access} {
				c.refreshed(wrong).wantError(400, "invalid_grant", "invalid_request")
			}
			code.tokens()
			c.got(c.refreshed(t.refresh))
		},
	},
}

// races is how many requests a race is of.
const races = 64

// lasting are the edits by which a code may yield a refresh token too.
func lasting(p *probe) []edit {
	if !p.run.md.lists("scopes_supported", "offline_access") || refreshing(p.run) != "" {
		return nil
	}
	return []edit{func(v url.Values) {
		v.Set("scope", joined(v.Get("scope"), "offline_access"))
		v.Set("prompt", "consent")
	}}
}

// different ends the case if the suite has the same client for both.
func different(p *probe, a, b *client) {
	if a.ID == b.ID {
		p.notTested("it takes two clients")
	}
}

// altered are values like this one that it is not.
func altered(value string) []string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := func(i int) string {
		b := []byte(value)
		// The highest of the six bits: the lowest ones of a last character may mean nothing.
		if n := strings.IndexByte(alphabet, b[i]); n >= 0 {
			b[i] = alphabet[n^32]
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	all := []string{at(0), at(len(value) / 4), at(len(value) / 2), at(len(value) - 1), value[:len(value)-1], value[1:], value + "A", value + "=", strings.ToUpper(value), "." + value}
	return slices.DeleteFunc(all, func(s string) bool { return s == value })
}

// changeClient changes members of a client's metadata; nil deletes the client.
func (p *probe) changeClient(c *client, members map[string]any) {
	change := p.controls().ChangeClient
	if change == nil {
		p.notTested("the client cannot be changed: see Controls.ChangeClient")
	}
	var metadata map[string]any
	if members != nil {
		metadata = maps.Clone(c.Metadata)
		maps.Copy(metadata, members)
	}
	if err := change(p.ctx, c.ID, metadata); err != nil {
		p.failf("Controls.ChangeClient: %v", err)
	}
}

// revokeUser ends all that the n-th user has authorized.
func (p *probe) revokeUser(n int) {
	revoke := p.controls().RevokeUser
	if revoke == nil || len(p.run.target.Users) <= n {
		p.notTested("what a user has authorized cannot be ended: see Controls.RevokeUser")
	}
	if err := revoke(p.ctx, p.run.target.Users[n]); err != nil {
		p.failf("Controls.RevokeUser: %v", err)
	}
}

// scopes are those of the access token: what the answer says, or else what was asked for.
func (t *tokens) scopes(asked string) []string {
	if t.scope == "" {
		return strings.Fields(asked)
	}
	return strings.Fields(t.scope)
}
