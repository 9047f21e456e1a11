package conformance

import (
	"slices"
	"strings"
)

// OpenID Connect Core §3.2 and §3.3: ID tokens from the authorization endpoint.
var hybridCases = []Case{
	{
		ID: "implicit-id-token", Spec: openIDCore, Section: "3.2.2.5", Level: Must,
		Request: "response_type=id_token",
		Want:    "an ID token in the fragment with the nonce, and no code and no access token",
		needs:   []feature{openID, lists("response_types_supported", "id_token")},
		run: func(p *probe) {
			c := p.client(implicit("id_token"))
			o := c.try(identifying(), set("response_type", "id_token"))
			id := o.identity()
			if o.sentTo.RawQuery != "" || o.sentTo.Fragment == "" {
				p.errorf("the answer is in the query: %s", o.sentTo.Redacted())
			}
			if o.params.Has("code") || o.params.Has("access_token") {
				p.errorf("there is more than an ID token")
			}
			id.wantNonce(o)
		},
	},
	{
		ID: "hybrid-code-id-token", Spec: openIDCore, Section: "3.3.3.6", Level: Must,
		Request: "response_type=code id_token, and the code is redeemed",
		Want:    "a code and an ID token in the fragment; iss, sub and nonce are those of the ID token that comes for the code, and the client is in both their aud",
		needs:   []feature{openID, lists("response_types_supported", "code id_token")},
		run: func(p *probe) {
			o := p.client(implicit("code id_token")).try(identifying(), set("response_type", "code id_token"))
			front, back := o.wantCode().identity(), o.tokens().identity()
			if o.sentTo.RawQuery != "" {
				p.errorf("the answer is in the query: %s", o.sentTo.Redacted())
			}
			front.wantNonce(o)
			for _, name := range []string{"iss", "sub", "nonce"} {
				if front.said[name] != back.said[name] {
					p.errorf("%s is %v in front, and %v at the token endpoint", name, front.said[name], back.said[name])
				}
			}
			for _, audience := range [][]string{front.said.audience(), back.said.audience()} {
				if !slices.Contains(audience, o.a.c.ID) {
					p.errorf("aud is %q, without the client", audience)
				}
			}
		},
	},
	{
		ID: "hybrid-c-hash", Spec: openIDCore, Section: "3.3.2.11", Level: Must,
		Request: "response_type=code id_token",
		Want:    "c_hash in the ID token is the left half of the hash of this code, and s_hash, if there is one, of this state",
		needs:   []feature{openID, lists("response_types_supported", "code id_token")},
		run: func(p *probe) {
			o := p.client(implicit("code id_token")).try(identifying(), set("response_type", "code id_token")).wantCode()
			id := o.identity()
			if want := id.halfHash(o.code()); id.text("c_hash") != want {
				p.errorf("c_hash %q, want %q", id.text("c_hash"), want)
			}
			if s := id.text("s_hash"); s != "" && s != id.halfHash(o.a.params.Get("state")) {
				p.errorf("s_hash is not that of the state")
			}
		},
	},
	{
		ID: "implicit-nonce-required", Spec: openIDCore, Section: "3.2.2.1", Level: Must,
		Request: "an ID token is asked for at the authorization endpoint, without a nonce",
		Want:    "invalid_request, in the fragment",
		needs:   []feature{openID, anyOf(lists("response_types_supported", "id_token"), lists("response_types_supported", "code id_token"))},
		run: func(p *probe) {
			for _, kind := range p.frontTypes() {
				o := p.client(implicit(kind)).try(identifying(), del("nonce"), set("response_type", kind)).wantError("invalid_request")
				if o.sentTo != nil && o.sentTo.RawQuery != "" {
					p.errorf("%s: the error is in the query, want the fragment", kind)
				}
			}
		},
	},
	{
		ID: "implicit-no-query", Spec: "OAuth 2.0 Multiple Response Types", Section: "3", Level: Should,
		Request: "response_mode=query with a response_type that brings an ID token",
		Want:    "an error, and not in a way that would put an ID token into the query",
		Attacks: []string{"B4"},
		needs:   []feature{openID, anyOf(lists("response_types_supported", "id_token"), lists("response_types_supported", "code id_token"))},
		run: func(p *probe) {
			for _, kind := range p.frontTypes() {
				c := p.client(implicit(kind))
				c.try(identifying(), set("response_type", kind)).identity()
				c.try(identifying(), set("response_type", kind), set("response_mode", "query")).wantRefused()
			}
		},
	},
	{
		ID: "implicit-form-post", Spec: "OAuth 2.0 Form Post Response Mode", Section: "2", Level: Must,
		Request: "response_mode=form_post with a response_type that brings an ID token",
		Want:    "a page that posts the ID token to the redirect URI",
		needs: []feature{openID, lists("response_modes_supported", "form_post"),
			anyOf(lists("response_types_supported", "id_token"), lists("response_types_supported", "code id_token"))},
		run: func(p *probe) {
			for _, kind := range p.frontTypes() {
				o := p.client(implicit(kind)).try(identifying(), set("response_type", kind), set("response_mode", "form_post"))
				o.identity().wantNonce(o)
				if o.last != nil && o.last.location() != nil {
					p.errorf("%s: the answer is a redirect", kind)
				}
			}
		},
	},
	{
		ID: "implicit-registered-alone", Spec: "OpenID Connect Registration", Section: "2", Level: Should,
		Request: "a client whose response_types are code alone asks for an ID token at the authorization endpoint",
		Want:    "unauthorized_client, unsupported_response_type or invalid_request; and no ID token",
		needs:   []feature{codeFlow, openID, anyOf(lists("response_types_supported", "id_token"), lists("response_types_supported", "code id_token"))},
		run: func(p *probe) {
			c := p.client()
			c.authorize(identifying())
			for _, kind := range p.frontTypes() {
				c.try(identifying(), set("response_type", kind)).wantError("unauthorized_client", "unsupported_response_type", "invalid_request")
			}
		},
	},
	{
		ID: "implicit-without-openid", Spec: openIDCore, Section: "3.1.2.2", Level: Should,
		Request: "response_type=id_token without the scope openid",
		Want:    "an error, and no ID token",
		needs:   []feature{openID, lists("response_types_supported", "id_token")},
		run: func(p *probe) {
			if len(p.plainScopes()) == 0 {
				p.notTested("it takes a scope beside openid: see Target.Scopes")
			}
			o := p.client(implicit("id_token")).try(set("response_type", "id_token"), set("nonce", p.secret("nonce")))
			if o.params.Get("id_token") != "" {
				p.failf("there is an ID token")
			}
			o.wantRefused()
		},
	},
	{
		ID: "hybrid-order-of-words", Spec: "RFC 6749", Section: "3.1.1", Level: Must,
		Request: "response_type=id_token code, the words the other way round",
		Want:    "the same as for code id_token",
		needs:   []feature{openID, lists("response_types_supported", "code id_token")},
		run: func(p *probe) {
			p.client(implicit("code id_token")).try(identifying(), set("response_type", "id_token code")).wantCode().identity()
		},
	},
	{
		ID: "implicit-no-access-token", Spec: "RFC 9700", Section: "2.1.2", Level: Should,
		Request: "response_type is token, id_token token, or code token",
		Want:    "unsupported_response_type or another error: no access token in a URL",
		Attacks: []string{"B2"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, kind := range []string{"token", "id_token token", "code token", "code id_token token"} {
				o := c.try(set("response_type", kind), set("nonce", p.secret("nonce")))
				if o.params.Has("access_token") {
					p.failf("%s brings an access token in a URL", kind)
				}
				o.wantRefused()
			}
		},
	},
}

// implicit asks for a client with this response type, and the grants that go with it (OpenID
// Connect Registration §2).
func implicit(kind string) wanting {
	return func(p *probe, metadata map[string]any) {
		metadata["response_types"], metadata["grant_types"] = []string{kind}, []string{"implicit"}
		if strings.Contains(kind, "code") {
			metadata["grant_types"] = []string{"authorization_code", "implicit"}
		}
	}
}

// frontTypes are the response types with an ID token and without an access token.
func (p *probe) frontTypes() []string {
	var all []string
	for _, kind := range []string{"id_token", "code id_token"} {
		if p.run.md.lists("response_types_supported", kind) {
			all = append(all, kind)
		}
	}
	return all
}

// identity is the ID token in an authorization response, which must be there.
func (o *outcome) identity() *identity {
	p := o.a.c.p
	if o.params.Get("id_token") == "" {
		p.failf("the client gets no ID token: %q, %s", o.said(), o.params.Get("error_description"))
	}
	if o.params.Get("state") != o.a.params.Get("state") {
		p.errorf("state %q comes back as %q", o.a.params.Get("state"), o.params.Get("state"))
	}
	return p.identity(o.params.Get("id_token"))
}

func (i *identity) wantNonce(o *outcome) {
	if want := o.a.params.Get("nonce"); i.said["nonce"] != want {
		i.p.errorf("nonce %v, want %q", i.said["nonce"], want)
	}
}
