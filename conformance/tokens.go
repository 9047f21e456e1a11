package conformance

import (
	"net/http"
	"net/url"
	"strings"
)

// tokens are what a client got of the token endpoint.
type tokens struct {
	*exchange
	c *client

	access, refresh, id string
	kind, scope         string
}

// token sends a token request of the client, with a DPoP proof if its tokens are bound.
func (c *client) token(form url.Values, changes ...sending) *exchange {
	if c.dpop != nil {
		return c.proving("token_endpoint", form, c.dpop, changes...)
	}
	return c.post("token_endpoint", form, changes...)
}

// redemption is the token request for a code (RFC 6749 §4.1.3).
func (o *outcome) redemption(edits ...edit) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {o.code()}}
	if o.a.params.Has("redirect_uri") {
		form.Set("redirect_uri", o.a.params.Get("redirect_uri"))
	}
	if o.a.params.Has("code_challenge") {
		form.Set("code_verifier", o.a.verifier)
	}
	for _, e := range edits {
		e(form)
	}
	return form
}

// redeem sends the token request for a code.
func (o *outcome) redeem(edits ...edit) *exchange { return o.a.c.token(o.redemption(edits...)) }

// tokens are those for the code, which must be there.
func (o *outcome) tokens(edits ...edit) *tokens { return o.a.c.got(o.redeem(edits...)) }

// got reads a token response (RFC 6749 §5.1), which it must be.
func (c *client) got(x *exchange) *tokens {
	if x.status != http.StatusOK || x.member == nil {
		c.p.failBasic(x.basic(), "%s: no tokens: status %d, error %q: %s", x.what(), x.status, x.text("error"), x.text("error_description"))
	}
	t := &tokens{exchange: x, c: c, access: x.text("access_token"), refresh: x.text("refresh_token"), id: x.text("id_token"), kind: x.text("token_type"), scope: x.text("scope")}
	if t.access == "" || t.kind == "" {
		c.p.failf("%s: the answer has no access_token or no token_type", x.what())
	}
	return t
}

// tokens takes a user through the whole code flow in a new browser.
func (c *client) tokens(edits ...edit) *tokens { return c.authorize(edits...).tokens() }

// lastingTokens are tokens with a refresh token, by asking in the ways that servers want to be asked.
func (c *client) lastingTokens(edits ...edit) *tokens { return c.lastingTokensBy(nil, edits...) }

// lastingTokensBy are such tokens, by a token request with these changes.
func (c *client) lastingTokensBy(redeeming []edit, edits ...edit) *tokens {
	p := c.p
	if missing := refreshing(p.run); missing != "" {
		p.notOffered("%s", missing)
	}
	ask := append([]edit{}, edits...)
	if p.run.md.lists("scopes_supported", "offline_access") {
		ask = append(ask, func(v url.Values) {
			v.Set("scope", joined(v.Get("scope"), "offline_access"))
			v.Set("prompt", "consent")
		})
	}
	t := c.authorize(ask...).tokens(redeeming...)
	if t.refresh == "" {
		p.notTested("the token response has no refresh_token, with scope %q", t.scope)
	}
	return t
}

// joined adds a scope to others.
func joined(scope, one string) string {
	if scope == "" {
		return one
	}
	return scope + " " + one
}

// own are tokens of the client's own (RFC 6749 §4.4).
func (c *client) own(edits ...edit) *tokens {
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope := c.p.scope(); scope != "" && scope != "openid" {
		form.Set("scope", scope)
	}
	for _, e := range edits {
		e(form)
	}
	return c.got(c.token(form))
}

// refreshed sends a refresh token (RFC 6749 §6).
func (c *client) refreshed(token string, edits ...edit) *exchange {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for _, e := range edits {
		e(form)
	}
	return c.token(form)
}

// introspect asks about a token (RFC 7662 §2.1).
func (c *client) introspect(token string, edits ...edit) *exchange {
	form := url.Values{"token": {token}}
	for _, e := range edits {
		e(form)
	}
	return c.post("introspection_endpoint", form)
}

// revoke revokes a token (RFC 7009 §2.1).
func (c *client) revoke(token string, edits ...edit) *exchange {
	form := url.Values{"token": {token}}
	for _, e := range edits {
		e(form)
	}
	return c.post("revocation_endpoint", form)
}

// revokeAccess revokes an access token; the case is over if the server does so with refresh tokens
// alone (RFC 7009 §2).
func (c *client) revokeAccess(t *tokens, edits ...edit) *exchange {
	x := c.revoke(t.access, edits...)
	if x.text("error") == "unsupported_token_type" {
		c.p.notOffered("access tokens are not revoked")
	}
	return x
}

// present presents the access token at a URL, with a proof if it is bound.
func (t *tokens) present(method, address string, changes ...sending) *exchange {
	p := t.c.p
	if t.c.dpop != nil && t.kind != "Bearer" {
		return p.proven(t.c.http, method, address, nil, t.c.dpop, t.access, append([]sending{header("Authorization", "DPoP "+t.access)}, changes...)...)
	}
	return p.sendWith(t.c.http, method, address, nil, append([]sending{bearer(t.access)}, changes...)...).answered()
}

// alive tells whether the access token still opens anything: a protected resource, or the
// UserInfo endpoint, or by what introspection says. Where there is none of them, the case ends.
func (t *tokens) alive() bool {
	p := t.c.p
	switch userInfo := p.run.md.text("userinfo_endpoint"); {
	case p.run.target.Resource != "":
		return t.present(http.MethodGet, p.run.target.Resource).status == http.StatusOK
	case p.run.md.text("introspection_endpoint") != "" && t.c.way() != "none":
		x := t.c.introspect(t.access)
		x.wantStatus(http.StatusOK)
		active, _ := x.member["active"].(bool)
		return active
	case userInfo != "" && t.id != "":
		return t.present(http.MethodGet, userInfo).status == http.StatusOK
	}
	p.notTested("nothing shows whether an access token is good: see Target.Resource")
	return false
}

// wantDead fails the case if the access token, or the refresh token if there is one, still works.
func (t *tokens) wantDead(after string) {
	if t.alive() {
		t.c.p.errorf("the access token works after %s", after)
	}
	if t.refresh != "" {
		if x := t.c.refreshed(t.refresh); x.status == http.StatusOK {
			t.c.p.errorf("the refresh token works after %s", after)
		}
	}
}

// wantAlive fails the case unless the access token works.
func (t *tokens) wantAlive(after string) {
	if !t.alive() {
		t.c.p.failf("the access token is dead after %s", after)
	}
}

// rotated uses the refresh token, whose successor must be another; where there is none, the
// case has nothing to say.
func (c *client) rotated(t *tokens) *tokens {
	next := c.got(c.refreshed(t.refresh))
	if next.refresh == "" || next.refresh == t.refresh {
		c.p.notOffered("refresh tokens are not rotated")
	}
	return next
}

// introspected are the scopes that introspection knows of, nil where the client cannot ask.
func (t *tokens) introspected() []string {
	if introspecting(t.c.p.run) != "" || t.c.way() == "none" {
		return nil
	}
	x := t.c.introspect(t.access)
	if active, _ := x.member["active"].(bool); !active {
		return nil
	}
	return strings.Fields(x.text("scope"))
}
