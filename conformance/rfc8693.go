package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	exchangeGrant   = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
	jwtTokenType    = "urn:ietf:params:oauth:token-type:jwt"
)

// exchanges are token exchanges (RFC 8693 §2.1).
var exchanges = lists("grant_types_supported", exchangeGrant)

// exchanger is a client that may exchange tokens.
func (p *probe) exchanger(wanted ...wanting) *client {
	return p.client(append([]wanting{grants(exchangeGrant)}, wanted...)...)
}

// exchangeOf is the request to exchange an access token.
func exchangeOf(access string, edits ...edit) url.Values {
	form := url.Values{"grant_type": {exchangeGrant}, "subject_token": {access}, "subject_token_type": {accessTokenType}}
	for _, e := range edits {
		e(form)
	}
	return form
}

// exchange exchanges an access token.
func (c *client) exchange(access string, edits ...edit) *exchange {
	return c.token(exchangeOf(access, edits...))
}

// exchanged are the tokens for it, which must be there.
func (c *client) exchanged(access string, edits ...edit) *tokens {
	t := c.got(c.exchange(access, edits...))
	if t.text("issued_token_type") == "" {
		c.p.failf("%s: the answer has no issued_token_type", t.what())
	}
	return t
}

// RFC 8693: token exchange.
var exchangeCases = []Case{
	{
		ID: "exchange-access-token", Spec: "RFC 8693", Section: "2.2.1", Level: Must,
		Request: "a client exchanges the access token of a user",
		Want:    "an access token of its own about the same user, with issued_token_type and token_type",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			subject := p.client().tokens()
			t := p.exchanger().exchanged(subject.access)
			t.wantNoStore()
			if got := t.text("issued_token_type"); got != accessTokenType && got != jwtTokenType {
				p.errorf("issued_token_type is %q", got)
			}
			t.wantAlive("an exchange")
			if was, is := subject.contents()["sub"], t.contents()["sub"]; was != is {
				p.errorf("the token was about %v, and is about %v after the exchange", was, is)
			}
			if t.contents()["client_id"] != t.c.ID {
				p.errorf("client_id is %v, not the client that has exchanged it", t.contents()["client_id"])
			}
			subject.wantAlive("it was exchanged")
		},
	},
	{
		ID: "exchange-parameters-missing", Spec: "RFC 8693", Section: "2.1", Level: Must,
		Request: "subject_token or subject_token_type is missing; actor_token comes without actor_token_type, and the other way round",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			access := p.client().tokens().access
			c := p.exchanger()
			c.exchanged(access)
			for _, e := range []edit{del("subject_token"), del("subject_token_type"), set("actor_token", access), set("actor_token_type", accessTokenType)} {
				c.exchange(access, e).wantError(400, "invalid_request")
			}
		},
	},
	{
		ID: "exchange-invalid-token", Spec: "RFC 8693", Section: "2.2.2", Level: Must,
		Request: "the subject's token, and then the actor's, is one that there never was, and one whose signature was changed",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			access := p.client().tokens().access
			c := p.exchanger()
			c.exchanged(access)
			changed := access[:len(access)-8] + strings.Map(flipped, access[len(access)-8:])
			p.hide("access_token", changed)
			for _, bad := range []string{p.secret("access_token"), changed} {
				c.exchange(bad).wantError(400, "invalid_request")
				c.exchange(access, set("actor_token", bad), set("actor_token_type", accessTokenType)).wantError(400, "invalid_request")
			}
		},
	},
	{
		ID: "exchange-revoked-token", Spec: "RFC 8693", Section: "2.2.2", Level: Must,
		Request: "an access token that was revoked is exchanged",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges, revoking},
		run: func(p *probe) {
			t := p.client().tokens()
			c := p.exchanger()
			c.exchanged(t.access)
			t.c.revoke(t.access).wantStatus(http.StatusOK)
			if t.alive() {
				p.notTested("the server does not revoke access tokens")
			}
			c.exchange(t.access).wantError(400, "invalid_request")
		},
	},
	{
		ID: "exchange-expired-token", Spec: "RFC 8693", Section: "2.2.2", Level: Must,
		Request: "an access token that has expired is exchanged",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges},
		alone:   true,
		run: func(p *probe) {
			t := p.client().tokens()
			seconds, _ := t.member["expires_in"].(float64)
			if seconds <= 0 {
				p.notTested("the token response does not say when the token expires")
			}
			c := p.exchanger()
			c.exchanged(t.access)
			p.advance(time.Duration(seconds+2) * time.Second)
			c.exchange(t.access).wantError(400, "invalid_request")
		},
	},
	{
		ID: "exchange-wrong-type", Spec: "RFC 8693", Section: "2.1", Level: Must,
		Request: "an access token is called something else, by a type that there is and by one that there is not",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			access := p.client().tokens().access
			c := p.exchanger()
			c.exchanged(access)
			for _, kind := range []string{"urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:saml2", "urn:example:token-type:none"} {
				c.exchange(access, set("subject_token_type", kind)).wantError(400, "invalid_request")
			}
		},
	},
	{
		ID: "exchange-requested-type-unknown", Spec: "RFC 8693", Section: "2.1", Level: Must,
		Request: "requested_token_type is one that there is not",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			access := p.client().tokens().access
			c := p.exchanger()
			t := c.exchanged(access, set("requested_token_type", accessTokenType))
			if got := t.text("issued_token_type"); got != accessTokenType {
				p.errorf("issued_token_type is %q, and an access token was asked for", got)
			}
			c.exchange(access, set("requested_token_type", "urn:example:token-type:none")).wantError(400, "invalid_request")
		},
	},
	{
		ID: "exchange-refresh-token-of-another", Spec: "RFC 6749", Section: "10.4", Level: Must,
		Request: "a client exchanges the refresh token of another, under each name that it may go by",
		Want:    "no tokens: a refresh token is bound to its client",
		needs:   []feature{codeFlow, exchanges, refreshing},
		run: func(p *probe) {
			t := p.client().lastingTokens()
			c := p.exchanger()
			c.exchanged(t.access)
			for _, kind := range []string{"urn:ietf:params:oauth:token-type:refresh_token", accessTokenType, jwtTokenType} {
				c.exchange(t.refresh, set("subject_token_type", kind)).wantError(400, "invalid_request", "invalid_grant")
			}
		},
	},
	{
		ID: "exchange-scope-not-widened", Spec: "RFC 9700", Section: "2.3", Level: Should,
		Request: "a token with one scope is exchanged for another scope, and for both",
		Want:    "invalid_scope, or a token without the other scope",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			one, other := p.twoScopes()
			access := p.client().tokens(set("scope", one)).access
			c := p.exchanger()
			if got := c.exchanged(access, set("scope", one)).contents()["scope"]; got != one {
				p.errorf("the scope is %v, want %s", got, one)
			}
			for _, scope := range []string{other, one + " " + other} {
				x := c.exchange(access, set("scope", scope))
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_scope")
					continue
				}
				if got, _ := c.got(x).contents()["scope"].(string); slices.Contains(strings.Fields(got), other) {
					p.errorf("the new token has the scope %s, which the old one lacks", other)
				}
			}
		},
	},
	{
		ID: "exchange-scope-narrowed", Spec: "RFC 8693", Section: "2.1", Level: Should,
		Request: "a token with two scopes is exchanged for one of them",
		Want:    "a token with that scope alone",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			one, other := p.twoScopes()
			access := p.client().tokens(set("scope", one+" "+other)).access
			if got := p.exchanger().exchanged(access, set("scope", other)).contents()["scope"]; got != other {
				p.failf("the scope is %v, want %s", got, other)
			}
		},
	},
	{
		ID: "exchange-audience", Spec: "RFC 8693", Section: "2.1", Level: Should,
		Request: "a token is exchanged for another resource, named by resource and, by the same name, as audience",
		Want:    "a token for that one alone (RFC 9700 §2.3), or invalid_target",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			one, other := p.twoResources()
			access := p.client().tokens(set("resource", one)).access
			c := p.exchanger()
			c.exchanged(access, set("resource", one)).wantAudience(one, other)
			for _, name := range []string{"resource", "audience"} {
				x := c.exchange(access, set(name, other))
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_target")
					continue
				}
				c.got(x).wantAudience(other, one)
			}
		},
	},
	{
		ID: "exchange-target-unknown", Spec: "RFC 8693", Section: "2.2.2", Level: Should,
		Request: "a token is exchanged for a resource and for an audience that there is not",
		Want:    "invalid_target",
		needs:   []feature{codeFlow, exchanges},
		run: func(p *probe) {
			access := p.client().tokens().access
			c := p.exchanger()
			c.exchanged(access)
			c.exchange(access, set("resource", "https://nobody.example/api")).wantError(400, "invalid_target")
			c.exchange(access, set("audience", "nobody-is-called-this")).wantError(400, "invalid_target")
		},
	},
	{
		ID: "exchange-client-authentication", Spec: "RFC 8693", Section: "2.1", Level: Must,
		Request: "exchanges by a client with a wrong secret, and by one without the grant",
		Want:    "invalid_client and unauthorized_client",
		needs:   []feature{codeFlow, exchanges, lists("token_endpoint_auth_methods_supported", "client_secret_basic")},
		run: func(p *probe) {
			subject := p.client().tokens()
			c := p.exchanger(method("client_secret_basic"))
			c.exchanged(subject.access)
			p.post(p.endpoint("token_endpoint"), exchangeOf(subject.access), c.basic(c.ID, p.secret("client_secret"))).wantError(401, "invalid_client")
			subject.c.exchange(subject.access).wantError(400, "unauthorized_client")
		},
	},
	{
		ID: "exchange-bound-token", Spec: "RFC 9700", Section: "2.2.1", Level: Should,
		Request: "somebody exchanges an access token that is bound to a key, without a proof of that key, and with another one",
		Want:    "a refusal: what was stolen must not become a bearer token",
		needs:   []feature{codeFlow, exchanges, proving},
		run: func(p *probe) {
			holder := p.client()
			holder.dpop = p.proofKey()
			bound := holder.tokens()
			if bound.kind == "Bearer" {
				p.notTested("the token is not bound, though there was a proof")
			}
			c := p.exchanger()
			c.dpop = nil
			c.exchange(bound.access).wantError(400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
			c.proving("token_endpoint", exchangeOf(bound.access), p.proofKey()).wantError(400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
		},
	},
}

// flipped makes a letter another one, as in a signature that was tampered with.
func flipped(r rune) rune {
	switch {
	case r >= 'a' && r < 'z', r >= 'A' && r < 'Z', r >= '0' && r < '9':
		return r + 1
	}
	return 'a'
}

// stranger is a JWT of the issuer whom the server trusts, about a user, changed by some claims.
func (p *probe) stranger(about string, changes claims) string {
	t := p.run.target
	if t.TrustedIssuer == "" || t.TrustedIssuerJWKS == "" {
		p.notTested("it takes another issuer whom the server trusts: see Target.TrustedIssuer")
	}
	keys := &jose.JSONWebKeySet{}
	if err := json.Unmarshal([]byte(t.TrustedIssuerJWKS), keys); err != nil || len(keys.Keys) == 0 {
		p.failf("Target.TrustedIssuerJWKS is no JWK Set with a key: %v", err)
	}
	return p.sign(keys.Keys[0], p.strangerClaims(about).changed(changes), nil)
}

func (p *probe) strangerClaims(about string) claims {
	now := p.now()
	return claims{"iss": p.run.target.TrustedIssuer, "sub": about, "aud": p.run.target.Issuer, "jti": random(16), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
}

// firstUser is the name of the first user.
func (p *probe) firstUser() string {
	if len(p.run.target.Users) == 0 {
		p.notTested("it takes a user: see Target.Users")
	}
	return p.run.target.Users[0].Name
}
