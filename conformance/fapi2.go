package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

const fapiProfile = "FAPI 2.0 Security Profile"

// fapi is there if the metadata has all of what the profile asks for that metadata can tell.
var fapi feature = func(r *running) string {
	if !r.md.is("require_pushed_authorization_requests") {
		return "no FAPI 2.0: require_pushed_authorization_requests is not true"
	}
	for name, allowed := range map[string][]string{
		"token_endpoint_auth_methods_supported":            {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"},
		"token_endpoint_auth_signing_alg_values_supported": {"PS256", "ES256", "EdDSA", "Ed25519"},
		"code_challenge_methods_supported":                 {"S256"},
	} {
		all := r.md.list(name)
		if len(all) == 0 || slices.ContainsFunc(all, func(one string) bool { return !slices.Contains(allowed, one) }) {
			return "no FAPI 2.0: " + name + " lists others than the profile allows"
		}
	}
	return ""
}

// FAPI 2.0 Security Profile.
var fapiCases = []Case{
	{
		ID: "fapi-not-pushed", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "an authorization request with its parameters in the URL",
		Want:    "an error, and no code",
		Attacks: []string{"P9"},
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			a := c.request()
			b := p.browser().ownBrowser()
			to, last := b.walk(b.open(a.url()), callback(c.redirectURI()), Allow)
			if to == nil {
				last.wantStays()
				return
			}
			said := answerIn(to)
			if signed := said.Get("response"); signed != "" {
				said = p.signedAnswer(signed, c.ID)
			}
			if said.Has("code") || said.Get("error") == "" {
				p.failf("the request has brought a code")
			}
		},
	},
	{
		ID: "fapi-pushed-by-nobody", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "a request is pushed with the client_id alone, without the client's authentication",
		Want:    "invalid_client",
		Attacks: []string{"P1"},
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			p.post(p.endpoint("pushed_authorization_request_endpoint"), c.request().params).wantError(0, "invalid_client", "invalid_request")
		},
	},
	{
		ID: "fapi-challenge-required", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "a confidential client pushes a request without code_challenge",
		Want:    "invalid_request",
		Attacks: []string{"C7"},
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			c.try(del("code_challenge", "code_challenge_method")).wantError("invalid_request", "invalid_request_object")
		},
	},
	{
		ID: "fapi-redirect-uri-required", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "a request is pushed without redirect_uri, by a client that has registered one",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			c.try(del("redirect_uri")).wantError("invalid_request", "invalid_request_object")
		},
	},
	{
		ID: "fapi-iss", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "an authorization request that succeeds, and one that the user denies",
		Want:    "iss in both answers",
		Attacks: []string{"O3"},
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			for _, o := range []*outcome{c.authorize(), c.request().in(p.browser(), Deny)} {
				if got := o.params.Get("iss"); got != p.run.target.Issuer {
					p.errorf("iss %q, want %q", got, p.run.target.Issuer)
				}
			}
		},
	},
	{
		ID: "fapi-code-alone", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "response_type is id_token, code id_token or token",
		Want:    "an error",
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, kind := range []string{"id_token", "code id_token", "token"} {
				c.try(set("response_type", kind), set("nonce", p.secret("nonce"))).wantRefused()
			}
		},
	},
	{
		ID: "fapi-code-lifetime", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "a code is redeemed after 61 seconds",
		Want:    "invalid_grant",
		Attacks: []string{"B23", "C14"},
		needs:   []feature{codeFlow, fapi},
		alone:   true,
		run: func(p *probe) {
			o := p.client().authorize()
			p.advance(61 * time.Second)
			o.redeem().wantError(400, "invalid_grant")
		},
	},
	{
		ID: "fapi-request-uri-lifetime", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "a request is pushed",
		Want:    "expires_in is less than 600",
		needs:   []feature{codeFlow, fapi},
		run: func(p *probe) {
			c := p.client()
			a := c.request()
			params := a.params
			if signedRequests(p.run) == "" {
				params = url.Values{"client_id": {c.ID}, "request": {c.requestObject(a.params, nil)}}
			}
			x := c.push(params).wantStatus(http.StatusCreated)
			if seconds, _ := x.member["expires_in"].(float64); seconds <= 0 || seconds >= 600 {
				p.failf("expires_in is %v", x.member["expires_in"])
			}
		},
	},
	{
		ID: "fapi-bound-tokens", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "a code is redeemed without a DPoP proof and without a certificate",
		Want:    "an error: no access token that works for whoever has it",
		Attacks: []string{"P13"},
		needs:   []feature{codeFlow, fapi, lists("token_endpoint_auth_methods_supported", "private_key_jwt")},
		run: func(p *probe) {
			c := p.client(method("private_key_jwt"))
			c.dpop = p.proofKey()
			c.tokens()
			c.dpop = nil
			o := c.authorize()
			c.post("token_endpoint", o.redemption()).wantError(400, "invalid_dpop_proof", "invalid_request", "invalid_grant", "use_dpop_nonce")
		},
	},
	{
		ID: "fapi-token-type", Spec: fapiProfile, Section: "5.3.4", Level: Must,
		Request: "a bound access token is presented as a Bearer token, without a proof",
		Want:    "401",
		Attacks: []string{"P13"},
		needs:   []feature{codeFlow, fapi, proving},
		run: func(p *probe) {
			c := p.client()
			if c.dpop == nil {
				c.dpop = p.proofKey()
			}
			t := c.tokens()
			at := p.run.target.Resource
			if at == "" {
				p.notTested("nothing takes access tokens: see Target.Resource")
			}
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
			if t.kind != "DPoP" {
				p.errorf("token_type is %q, want DPoP", t.kind)
			}
			p.get(at, bearer(t.access)).wantStatus(http.StatusUnauthorized)
		},
	},
	{
		ID: "fapi-assertion-audience", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "the aud of a client assertion is the token endpoint, and an array of that and the issuer",
		Want:    "invalid_client: the issuer alone will do",
		needs:   []feature{codeFlow, fapi, lists("token_endpoint_auth_methods_supported", "private_key_jwt")},
		run: func(p *probe) {
			c := p.client(method("private_key_jwt"))
			issuer, endpoint := p.run.target.Issuer, p.endpoint("token_endpoint")
			c.authorize().tokens()
			for _, audience := range []any{endpoint, []string{issuer, endpoint}, issuer + "/"} {
				x := c.asserted(c.authorize().redemption(), c.assertion(claims{"aud": audience}))
				x.wantError(0, "invalid_client")
			}
		},
	},
	{
		ID: "fapi-assertion-algorithm", Spec: fapiProfile, Section: "5.4.1", Level: Must,
		Request: "a client assertion is signed with RS256, by a key that the client has registered",
		Want:    "invalid_client, or no registration of such a client",
		Attacks: []string{"E1"},
		needs:   []feature{codeFlow, fapi, lists("token_endpoint_auth_methods_supported", "private_key_jwt")},
		run: func(p *probe) {
			key := p.newKey("PS256")
			c := p.client(method("private_key_jwt"), withKey(key))
			c.authorize().tokens()
			key.Algorithm = "RS256"
			c.asserted(c.authorize().redemption(), p.sign(key, c.assertionClaims(), nil)).wantError(0, "invalid_client")
		},
	},
	{
		ID: "fapi-clock-skew", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "client assertions have iat and nbf 8 seconds ahead, and 70 seconds ahead",
		Want:    "the first is accepted, the second refused",
		needs:   []feature{codeFlow, fapi, lists("token_endpoint_auth_methods_supported", "private_key_jwt")},
		run: func(p *probe) {
			c := p.client(method("private_key_jwt"))
			ahead := func(seconds int64) *exchange {
				at := p.now().Unix() + seconds
				return c.asserted(c.authorize().redemption(), c.assertion(claims{"iat": at, "nbf": at, "exp": at + 60}))
			}
			c.got(ahead(8))
			ahead(70).wantError(0, "invalid_client")
		},
	},
	{
		ID: "fapi-refresh-kept", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "a refresh token is used, and used again",
		Want:    "both succeed: refresh tokens are not rotated",
		needs:   []feature{codeFlow, fapi, refreshing},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			next := c.got(c.refreshed(t.refresh))
			if next.refresh != "" && next.refresh != t.refresh {
				p.errorf("a refresh brings another refresh token")
			}
			c.got(c.refreshed(t.refresh))
		},
	},
	{
		ID: "fapi-code-bound", Spec: fapiProfile, Section: "5.3.2.1", Level: Must,
		Request: "a request is pushed with dpop_jkt, and the code redeemed with the proof of another key",
		Want:    "an error",
		Attacks: []string{"F13"},
		needs:   []feature{codeFlow, fapi, proving},
		run: func(p *probe) {
			c := p.client()
			c.dpop = p.proofKey()
			bound := set("dpop_jkt", c.dpop.thumbprint())
			c.authorize(bound).tokens()
			o := c.authorize(bound)
			c.dpop = p.proofKey()
			o.redeem().wantError(400, "invalid_dpop_proof", "invalid_grant")
		},
	},
	{
		ID: "fapi-nonce-length", Spec: fapiProfile, Section: "5.3.2.2", Level: Must,
		Request: "a nonce of 64 characters",
		Want:    "the same in the ID token",
		Attacks: []string{"C17"},
		needs:   []feature{codeFlow, fapi, openID},
		run: func(p *probe) {
			nonce := random(48)
			if got := p.client().tokens(identifying(), set("nonce", nonce)).identity().said["nonce"]; got != nonce {
				p.failf("nonce comes back as %v", got)
			}
		},
	},
}

// asserted sends a token request with this client assertion, and a proof if tokens are bound.
func (c *client) asserted(form url.Values, assertion string) *exchange {
	p, address := c.p, c.at("token_endpoint")
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	var changes []sending
	if c.dpop != nil {
		changes = append(changes, header("DPoP", c.dpop.proof(http.MethodPost, address, nil)))
	}
	return p.postWith(c.http, address, form, changes...)
}
