package conformance

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signer is a client that signs request objects.
func (p *probe) signer(wanted ...wanting) *client {
	algorithm := "ES256"
	if all := p.run.md.list("request_object_signing_alg_values_supported"); len(all) > 0 && !p.run.md.lists("request_object_signing_alg_values_supported", algorithm) {
		for _, one := range all {
			if one == "PS256" || one == "RS256" || one == "EdDSA" {
				algorithm = one
			}
		}
	}
	all := []wanting{with("request_object_signing_alg", algorithm), with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey(algorithm)}})}
	return p.client(append(all, wanted...)...)
}

// inObject is a request whose parameters stand in a request object, which object makes of them;
// outside are further ones beside it.
func (a *authorization) inObject(object func(params url.Values) string, outside ...edit) *outcome {
	return a.inObjectAt(a.c.p.browser(), object, outside...)
}

// inObjectAt is the same at a certain browser.
func (a *authorization) inObjectAt(b *browser, object func(params url.Values) string, outside ...edit) *outcome {
	a.identify()
	a.sent = url.Values{"client_id": {a.c.ID}, "request": {object(a.params)}}
	a.repeat()
	for _, e := range outside {
		e(a.sent)
	}
	return a.in(b, Allow)
}

// identify makes the request one of OpenID Connect where there is that: its request objects are for
// such requests, and those of RFC 9101 for all.
func (a *authorization) identify() {
	scope := a.params.Get("scope")
	if openID(a.c.p.run) != "" || slices.Contains(strings.Fields(scope), "openid") {
		return
	}
	a.params.Set("scope", joined(scope, "openid"))
	a.params.Set("nonce", a.c.p.secret("nonce"))
}

// repeat has what OpenID Connect Core §6.1 wants beside the object, and RFC 9101 §5 allows: but not
// where the request is pushed (RFC 9126 §3).
func (a *authorization) repeat() {
	if a.c.p.run.md.is("require_pushed_authorization_requests") || a.c.Metadata["require_pushed_authorization_requests"] == true {
		return
	}
	for _, name := range []string{"response_type", "scope"} {
		if values, there := a.params[name]; there {
			a.sent[name] = values
		}
	}
}

// askAlone is what the client gets for a request object with nothing beside it but client_id, which
// RFC 9101 §5 asks for, and OpenID Connect Core §6.1 does not allow.
func (c *client) askAlone() url.Values {
	a := c.request()
	a.identify()
	a.sent = url.Values{"client_id": {c.ID}, "request": {c.requestObject(a.params, nil)}}
	return a.in(c.p.browser(), Allow).params
}

// signedAsk is a request in a good request object, changed by some claims.
func (c *client) signedAsk(changes claims) *outcome {
	return c.request().inObject(func(params url.Values) string { return c.requestObject(params, changes) })
}

var (
	byValue       = is("request_parameter_supported")
	objectErrors  = []string{"invalid_request_object", "invalid_request", "unauthorized_client", "invalid_client"}
	objectClaimed = []feature{codeFlow, byValue}
)

// RFC 9101: authorization requests in signed request objects.
var requestObjectCases = []Case{
	{
		ID: "request-object-good", Spec: "RFC 9101", Section: "5.1", Level: Must,
		Request: "a request whose parameters stand in a signed request object alone, but for those that OpenID Connect wants beside it",
		Want:    "a code, with the state that is in the object",
		needs:   objectClaimed,
		run: func(p *probe) {
			o := p.signer().signedAsk(nil).wantCode()
			if o.params.Get("state") != o.a.params.Get("state") {
				p.errorf("state %q, want %q", o.params.Get("state"), o.a.params.Get("state"))
			}
			o.tokens()
		},
	},
	{
		ID: "request-object-alone-counts", Spec: "RFC 9101", Section: "6.3", Level: Must,
		Request: "a request object beside which stand another state, redirect URI, challenge and scope",
		Want:    "what is in the object counts, and not what is outside",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			object := func(params url.Values) string { return c.requestObject(params, nil) }
			b := p.browser()
			scope := "no-such-scope"
			if openID(p.run) == "" {
				scope = "openid no-such-scope"
			}
			// The second time, the user is signed in, has agreed before, and may be asked nothing.
			for range 2 {
				o := c.request().inObjectAt(b, object, set("state", "another-state"), set("redirect_uri", "https://client.example/another"), set("scope", scope),
					set("response_type", "code"), set("code_challenge", challengeOf(random(32)))).wantCode()
				if o.params.Get("state") != o.a.params.Get("state") {
					p.errorf("state %q, want that of the object, %q", o.params.Get("state"), o.a.params.Get("state"))
				}
				o.tokens()
			}
		},
	},
	{
		ID: "request-object-nothing-added", Spec: "RFC 9101", Section: "6.3", Level: Must,
		Request: "a request object without a state, beside which stands one, at a server that takes request objects alone",
		Want:    "the state, which was not signed, does not come back",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			if !c.askAlone().Has("code") {
				// OpenID Connect Core §6.1 has what is outside added to what is in the object.
				p.notOffered("the server takes the request objects of OpenID Connect, and not those of RFC 9101")
			}
			object := func(params url.Values) string { return c.requestObject(params, nil) }
			b := p.browser()
			for range 2 {
				o := c.request(del("state")).inObjectAt(b, object, set("state", "unsigned-state"))
				if o.wantCode().params.Has("state") {
					p.errorf("a state that is not in the object comes back: %q", o.params.Get("state"))
				}
			}
		},
	},
	{
		ID: "request-object-unsigned", Spec: "RFC 9101", Section: "10.1", Level: Must,
		Request: "request objects with alg none, of a client that is registered to sign them",
		Want:    "invalid_request_object",
		Attacks: []string{"E13"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			for _, none := range []string{"none", "None", "NONE", ""} {
				for _, signature := range []string{"", "x"} {
					c.request().inObject(func(params url.Values) string {
						return p.unsigned(map[string]any{"alg": none}, c.objectClaims(params), []byte(signature))
					}).wantRefused(objectErrors...)
				}
			}
		},
	},
	{
		ID: "request-object-signature", Spec: "RFC 9101", Section: "6.2", Level: Must,
		Request: "request objects signed by a stranger's key, by that of another client, by a key that they bring along, by a MAC with the public key, and malformed ones",
		Want:    "invalid_request_object",
		Attacks: []string{"E9", "E10", "E12"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c, other := p.signer(), p.signer()
			c.signedAsk(nil).wantCode()
			refused := func(what string, object func(params url.Values) string) {
				p.within(what, c.request().inObject(object))
			}
			stranger := p.newKey("ES256")
			stranger.KeyID = c.key().KeyID
			refused("a stranger's key", func(params url.Values) string { return p.sign(stranger, c.objectClaims(params), nil) })
			refused("a key that comes along", func(params url.Values) string {
				return p.sign(stranger, c.objectClaims(params), map[string]any{"jwk": stranger.Public()})
			})
			refused("another client's key", func(params url.Values) string { return p.sign(other.key(), c.objectClaims(params), nil) })
			for form, secret := range ordered(p.publicForms(c.key())) {
				refused("a MAC with the public key as "+form, func(params url.Values) string {
					return p.raw(secret, p.text(map[string]any{"alg": "HS256", "kid": c.key().KeyID}), p.text(c.objectClaims(params)))
				})
			}
			a := c.request()
			for what, jwt := range ordered(p.badly(c.key().Key, c.rawHead(), c.objectClaims(a.params))) {
				if len(jwt) < 8<<10 { // longer ones are about the length of URLs
					refused(what, func(url.Values) string { return jwt })
				}
			}
		},
	},
	{
		ID: "request-object-audience", Spec: "RFC 7519", Section: "4.1.3", Level: Must,
		Request: "request objects for another server",
		Want:    "invalid_request_object",
		Attacks: []string{"E15"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			p.within("aud of another server", c.signedAsk(claims{"aud": "https://as.other.example"}))
			p.within("aud of others", c.signedAsk(claims{"aud": []string{"https://as.other.example", "https://third.example"}}))
		},
	},
	{
		ID: "request-object-issuer", Spec: "RFC 9101", Section: "4", Level: Should,
		Request: "request objects of which iss is another client, or the server itself, signed by the client",
		Want:    "invalid_request_object",
		Attacks: []string{"E15"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c, other := p.signer(), p.signer()
			c.signedAsk(nil).wantCode()
			p.within("iss of another client", c.signedAsk(claims{"iss": other.ID}))
			p.within("iss of the server", c.signedAsk(claims{"iss": p.run.target.Issuer}))
		},
	},
	{
		ID: "request-object-client-id", Spec: "RFC 9101", Section: "6.3", Level: Must,
		Request: "request objects whose client_id is that of another client, or missing where the server takes request objects alone",
		Want:    "a refusal: it has to be that of the request",
		Attacks: []string{"E15"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c, other := p.signer(), p.signer()
			c.signedAsk(nil).wantCode()
			p.within("the client_id of another client", c.signedAsk(claims{"client_id": other.ID}))
			p.within("client_id and iss of another client", c.signedAsk(claims{"client_id": other.ID, "iss": other.ID}))
			if c.askAlone().Has("code") { // OpenID Connect Core §6.1 lets it stand outside alone
				p.within("no client_id", c.signedAsk(claims{"client_id": nil}))
			}
		},
	},
	{
		ID: "request-object-life", Spec: "RFC 7519", Section: "4.1.4", Level: Must,
		Request: "request objects that have expired, or are not good yet",
		Want:    "invalid_request_object, not an error of the server",
		Attacks: []string{"E16"},
		needs:   objectClaimed,
		run: func(p *probe) {
			c, now := p.signer(), p.now()
			c.signedAsk(nil).wantCode()
			p.within("an exp that has passed", c.signedAsk(claims{"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(-30 * time.Minute).Unix()}))
			p.within("an nbf to come", c.signedAsk(claims{"nbf": now.Add(time.Hour).Unix(), "exp": now.Add(65 * time.Minute).Unix()}))
			p.within("an exp in words", c.signedAsk(claims{"exp": "tomorrow"}))
		},
	},
	{
		ID: "request-object-nested", Spec: "RFC 9101", Section: "4", Level: Must,
		Request: "request objects that hold another one, or a request_uri",
		Want:    "a refusal",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			inner := c.request()
			p.within("another request object in it", c.signedAsk(claims{"request": c.requestObject(inner.params, nil)}))
			p.within("a request_uri in it", c.signedAsk(claims{"request_uri": "https://client.example/request"}))
		},
	},
	{
		ID: "request-object-and-uri", Spec: "RFC 9101", Section: "5", Level: Must,
		Request: "a request with a request object and a request_uri as well",
		Want:    "a refusal",
		needs:   append([]feature{frontRequests}, objectClaimed...),
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			c.request().inObject(func(params url.Values) string { return c.requestObject(params, nil) }, set("request_uri", "https://client.example/request")).wantRefused()
		},
	},
	{
		ID: "request-object-of-another-type", Spec: "RFC 9101", Section: "10.8", Level: Should,
		Request: "a request object comes as an assertion; and request objects that are typed as something else",
		Want:    "a refusal of the first; of the others, of all or of none, for not every server asks for their type",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			var taken []string
			all := []string{"at+jwt", "dpop+jwt", "logout+jwt"}
			for _, typ := range all {
				o := c.request().inObject(func(params url.Values) string {
					return p.sign(c.key(), c.objectClaims(params), map[string]any{"typ": typ})
				})
				if o.params.Has("code") {
					taken = append(taken, typ)
					continue
				}
				o.wantRefused(objectErrors...)
			}
			if len(taken) > 0 && len(taken) < len(all) {
				p.errorf("request objects with typ %s are taken, and others are not", strings.Join(taken, ", "))
			}
			if byKey(p.run) == "" {
				c := p.keyed()
				c.identified().wantKnown("a good assertion")
				c.trying(func() string { return c.requestObject(url.Values{}, nil) }).wantUnknown("a request object as an assertion")
			}
		},
	},
	{
		ID: "request-object-algorithm-registered", Spec: "RFC 9101", Section: "6.2", Level: Must,
		Request: "a client whose request_object_signing_alg is ES256 signs with its RSA key",
		Want:    "invalid_request_object",
		needs:   append([]feature{lists("request_object_signing_alg_values_supported", "ES256"), lists("request_object_signing_alg_values_supported", "PS256")}, objectClaimed...),
		run: func(p *probe) {
			both := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256"), p.newKey("PS256")}}
			c := p.signer(with("jwks", both), with("request_object_signing_alg", "ES256"))
			c.signedAsk(nil).wantCode()
			p.within("PS256", c.request().inObject(func(params url.Values) string { return p.sign(both.Keys[1], c.objectClaims(params), nil) }))
		},
	},
	{
		ID: "request-object-required", Spec: "RFC 9101", Section: "10.5", Level: Must,
		Request: "a client with require_signed_request_object, or a server that says so of all, gets a request without one",
		Want:    "a refusal",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer(with("require_signed_request_object", true))
			c.signedAsk(nil).wantCode()
			a := c.request()
			a.sent = a.params
			a.in(p.browser(), Allow).wantRefused(objectErrors...)
		},
	},
	{
		ID: "request-object-as-it-was-signed", Spec: "RFC 9101", Section: "6.3", Level: Must,
		Request: "a request object with an unregistered redirect URI, and one whose challenge method is plain",
		Want:    "what is signed is judged like any other request",
		needs:   objectClaimed,
		run: func(p *probe) {
			c := p.signer()
			c.signedAsk(nil).wantCode()
			c.signedAsk(claims{"redirect_uri": "https://attacker.example/"}).wantNoAnswer()
			if !p.run.md.lists("code_challenge_methods_supported", "plain") {
				c.signedAsk(claims{"code_challenge_method": "plain"}).wantError("invalid_request")
			}
		},
	},
}

// objectClaims are those of a good request object.
func (c *client) objectClaims(params url.Values) claims {
	_, body := decoded(c.requestObject(params, nil))
	return body
}

// within notes a problem unless a request in a bad request object came to nothing.
func (p *probe) within(what string, o *outcome) {
	switch {
	case o.params.Has("code"):
		p.errorf("a request object with %s leads to a code", what)
	default:
		o.wantRefused(objectErrors...)
	}
}
