package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// using is the client with another key, whatever it is bound to by then.
func (c *client) using(key *proofKey, do func() *exchange) *exchange {
	own := c.dpop
	c.dpop = key
	defer func() { c.dpop = own }()
	return do()
}

// wantBound notes a problem unless a code or a refresh token is refused to another key, or to none.
func (x *exchange) wantBound(with string) {
	switch said := x.text("error"); {
	case x.status == http.StatusOK:
		x.p.errorf("with %s there are tokens", with)
	case x.status < 400 || x.status > 499 || said != "invalid_grant" && said != "invalid_dpop_proof" && said != "invalid_request" && said != "use_dpop_nonce":
		x.p.errorf("with %s: status %d, error %q, want invalid_grant or invalid_dpop_proof", with, x.status, said)
	}
}

// RFC 9449 §5 and §10: what is bound to a key besides access tokens.
var proofKeyCases = []Case{
	{
		ID: "dpop-code-key", Spec: "RFC 9449", Section: "10", Level: Must,
		Request: "a code whose request had dpop_jkt is redeemed with a proof by another key, without a proof, and with one by that key",
		Want:    "tokens for the last alone",
		Attacks: []string{"P10"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			c := p.prover(with("client_name", "Conformance, with a key"))
			key := c.dpop
			ask := func() *outcome { return c.authorize(set("dpop_jkt", key.thumbprint())) }
			o := ask()
			c.using(p.proofKey(), func() *exchange { return o.redeem() }).wantBound("another key")
			o = ask()
			c.using(nil, func() *exchange { return o.redeem() }).wantBound("no proof")
			c.wantProven(ask().redeem(), "the key that was named")
		},
	},
	{
		ID: "dpop-pushed-key", Spec: "RFC 9449", Section: "10.1", Level: Must,
		Request: "a request is pushed with a proof, and the code redeemed with a proof by another key, and by the same",
		Want:    "tokens for the last alone",
		Attacks: []string{"P10"},
		needs:   []feature{codeFlow, proving, pushing},
		run: func(p *probe) {
			c := p.prover(with("client_name", "Conformance, with a key"))
			a, uri := c.pushed()
			o := a.referred(p.browser(), uri).wantCode()
			c.using(p.proofKey(), func() *exchange { return o.redeem() }).wantBound("another key")
			a, uri = c.pushed()
			c.wantProven(a.referred(p.browser(), uri).wantCode().redeem(), "the key of the pushed request")
		},
	},
	{
		ID: "dpop-pushed-proof", Spec: "RFC 9449", Section: "10.1", Level: Must,
		Request: "requests are pushed with a proof for another URL, and with one by another key than dpop_jkt names",
		Want:    "they are refused",
		Attacks: []string{"P10"},
		needs:   []feature{codeFlow, proving, pushing},
		run: func(p *probe) {
			c := p.prover(with("client_name", "Conformance, with a key"))
			c.pushed()
			refused := func(what string, x *exchange) {
				switch said := x.text("error"); {
				case x.status == http.StatusCreated:
					p.errorf("a request is taken with %s", what)
				case x.status != 400 && x.status != 401 || said != "invalid_dpop_proof" && said != "invalid_request":
					p.errorf("%s: status %d, error %q", what, x.status, said)
				}
			}
			at := c.at(pushEndpoint)
			form := func() url.Values { return c.request().pushable() }
			refused("a proof for the token endpoint", c.post(pushEndpoint, form(), header("DPoP", c.dpop.proof(http.MethodPost, c.at("token_endpoint"), c.dpop.withNonce()))))
			refused("a proof for GET", c.post(pushEndpoint, form(), header("DPoP", c.dpop.proof(http.MethodGet, at, c.dpop.withNonce()))))
			refused("the dpop_jkt of another key", c.push(c.request(set("dpop_jkt", p.proofKey().thumbprint())).pushable()))
			refused("what is no proof", c.post(pushEndpoint, form(), header("DPoP", "x")))
		},
	},
	{
		ID: "dpop-refresh-public", Spec: "RFC 9449", Section: "5", Level: Must,
		Request: "a public client's refresh token comes with a proof by another key, and without any, and then with one by its key",
		Want:    "tokens for the last alone: the others have not spent it either",
		Attacks: []string{"F13"},
		needs:   []feature{codeFlow, proving, publicClients, refreshing},
		run: func(p *probe) {
			c := p.prover(public())
			t := c.lastingTokens()
			c.using(p.proofKey(), func() *exchange { return c.refreshed(t.refresh) }).wantBound("another key")
			c.using(nil, func() *exchange { return c.refreshed(t.refresh) }).wantBound("no proof")
			again := c.wantProven(c.refreshed(t.refresh), "its key")
			if got := again.confirmationIfShown(); got != nil && got["jkt"] != c.dpop.thumbprint() {
				p.errorf("the new access token is bound to another key")
			}
		},
	},
	{
		ID: "dpop-refresh-retried", Spec: "RFC 9449", Section: "5", Level: Must,
		Request: "a public client's refresh token that was just rotated comes once more, by another key",
		Want:    "a refusal, whatever a server does for clients that never got the answer",
		Attacks: []string{"F4", "F13"},
		needs:   []feature{codeFlow, proving, publicClients, refreshing},
		run: func(p *probe) {
			c := p.prover(public())
			t := c.lastingTokens()
			again := c.wantProven(c.refreshed(t.refresh), "its key")
			c.using(p.proofKey(), func() *exchange { return c.refreshed(t.refresh) }).wantBound("another key")
			if again.refresh != "" {
				c.using(p.proofKey(), func() *exchange { return c.refreshed(again.refresh) }).wantBound("another key, of the new one")
			}
		},
	},
	{
		ID: "dpop-refresh-confidential", Spec: "RFC 9449", Section: "5", Level: Should,
		Request: "a confidential client's refresh token comes with a proof by a new key",
		Want:    "tokens that are bound to the new key: the refresh token is the client's, by its credentials",
		needs:   []feature{codeFlow, proving, refreshing},
		run: func(p *probe) {
			c := p.prover(with("client_name", "Conformance, with a key"))
			if c.way() == "none" {
				p.notOffered("all clients are public")
			}
			t := c.lastingTokens()
			c.dpop = p.proofKey()
			again := c.wantProven(c.refreshed(t.refresh), "a new key")
			if got := again.confirmation()["jkt"]; got != c.dpop.thumbprint() {
				p.failf("cnf.jkt is %v, want the thumbprint of the new key", got)
			}
		},
	},
}

// confirmationIfShown is confirmation where a public client can see it.
func (t *tokens) confirmationIfShown() map[string]any {
	_, body := decoded(t.access)
	cnf, _ := body["cnf"].(map[string]any)
	return cnf
}

// demandsNonces has the case end unless the server wants nonces, and returns one.
func (c *client) demandsNonces() string {
	key := c.p.proofKey()
	x := c.post("token_endpoint", c.form(), header("DPoP", key.proof(http.MethodPost, c.at("token_endpoint"), nil)))
	if x.status == http.StatusOK {
		c.p.notOffered("the server wants no nonces")
	}
	x.wantError(400, "use_dpop_nonce")
	nonce := x.header.Get("DPoP-Nonce")
	if nonce == "" {
		c.p.failf("use_dpop_nonce comes without a DPoP-Nonce header")
	}
	return nonce
}

// RFC 9449 §8: nonces.
var nonceCases = []Case{
	{
		ID: "dpop-nonce", Spec: "RFC 9449", Section: "8", Level: Must,
		Request: "where a proof without a nonce is refused: one with the nonce of the refusal, one with an invented nonce, one with a changed one, one with an empty one",
		Want:    "400 use_dpop_nonce with a nonce, tokens for the nonce that was given out, use_dpop_nonce for the others",
		Attacks: []string{"P12"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			nonce := c.demandsNonces()
			send := func(nonce any) *exchange {
				return c.proved(c.dpop.by(c, nil, claims{"nonce": nonce}))
			}
			c.wantProven(send(nonce), "the nonce")
			for _, bad := range []any{random(16), nonce + "x", nonce[1:], strings.ToLower(nonce) + strings.ToUpper(nonce), "", 1, []string{nonce}} {
				send(bad).wantError(400, "use_dpop_nonce", "invalid_dpop_proof")
			}
			for _, letter := range nonce { // §8.1
				if letter < '!' || letter > '~' || letter == '"' || letter == '\\' {
					p.errorf("the nonce has a character that must not be there")
				}
			}
		},
	},
	{
		ID: "dpop-nonce-old", Spec: "RFC 9449", Section: "8", Level: Should,
		Request: "a nonce that was given out an hour ago",
		Want:    "use_dpop_nonce, with a new one that works",
		Attacks: []string{"P12"},
		needs:   []feature{proving},
		alone:   true,
		run: func(p *probe) {
			c := p.prover()
			nonce := c.demandsNonces()
			p.advance(time.Hour)
			x := c.proved(c.dpop.by(c, nil, claims{"nonce": nonce}))
			x.wantError(400, "use_dpop_nonce")
			c.wantProven(c.proved(c.dpop.by(c, nil, claims{"nonce": x.header.Get("DPoP-Nonce")})), "a new nonce")
		},
	},
	{
		ID: "dpop-nonce-costs-nothing", Spec: "RFC 9449", Section: "8", Level: Must,
		Request: "a code is redeemed without a nonce, and again with the nonce of the refusal",
		Want:    "tokens: the refusal has not spent the code",
		Attacks: []string{"P12"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			p.prover().demandsNonces()
			c := p.prover(with("client_name", "Conformance, with a key"))
			o := c.authorize()
			form := o.redemption()
			key := c.dpop
			x := c.post("token_endpoint", form, header("DPoP", key.proof(http.MethodPost, c.at("token_endpoint"), nil))).wantError(400, "use_dpop_nonce")
			x = c.post("token_endpoint", form, header("DPoP", key.proof(http.MethodPost, c.at("token_endpoint"), claims{"nonce": x.header.Get("DPoP-Nonce")})))
			c.wantProven(x, "the nonce")
		},
	},
}
