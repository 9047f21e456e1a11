package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const fapiSigning = "FAPI 2.0 Message Signing"

var (
	// signedRequests are there if no others are taken.
	signedRequests = is("require_signed_request_object")

	// signedResponses are there if there are no others: all response modes are of JARM.
	signedResponses feature = func(r *running) string {
		modes := r.md.list("response_modes_supported")
		for _, mode := range modes {
			if mode != "jwt" && !strings.HasSuffix(mode, ".jwt") {
				return "response_modes_supported lists " + mode
			}
		}
		if len(modes) == 0 {
			return "the metadata has no response_modes_supported"
		}
		return ""
	}
)

// FAPI 2.0 Message Signing.
var fapiSigningCases = []Case{
	{
		ID: "signing-unsigned-request", Spec: fapiSigning, Section: "5.3.1", Level: Must,
		Request: "a request is pushed as plain parameters, and as a request object that is not signed",
		Want:    "an error",
		Attacks: []string{"E13"},
		needs:   []feature{codeFlow, fapi, signedRequests},
		run: func(p *probe) {
			c := p.client(signing())
			c.authorize()
			c.push(c.request().params).wantError(0, "invalid_request", "invalid_request_object")
			what := claims{"iss": c.ID, "aud": p.run.target.Issuer, "nbf": p.now().Unix(), "exp": p.now().Unix() + 300}
			for name, values := range c.request().params {
				what[name] = values[0]
			}
			unsigned := p.unsigned(map[string]any{"alg": "none", "typ": "oauth-authz-req+jwt"}, what, nil)
			c.pushObject(unsigned).wantError(0, "invalid_request", "invalid_request_object")
		},
	},
	{
		ID: "signing-request-claims", Spec: fapiSigning, Section: "5.3.1", Level: Must,
		Request: "request objects without aud, nbf or exp, of another server's aud, with an nbf or an exp more than 60 minutes away",
		Want:    "an error each time",
		Attacks: []string{"E15", "E16"},
		needs:   []feature{codeFlow, fapi, signedRequests},
		run: func(p *probe) {
			c := p.client(signing())
			now := p.now().Unix()
			c.pushObject(c.requestObject(c.request().params, nil)).wantStatus(http.StatusCreated)
			for _, changes := range []claims{
				{"aud": nil}, {"nbf": nil}, {"exp": nil}, {"aud": "https://other.example"},
				{"nbf": now - 61*60}, {"exp": now + 65*60}, {"nbf": now - 600, "exp": now - 120}, {"nbf": now + 300, "exp": now + 600},
			} {
				c.pushObject(c.requestObject(c.request().params, changes)).wantError(0, "invalid_request_object", "invalid_request")
			}
		},
	},
	{
		ID: "signing-request-key", Spec: fapiSigning, Section: "5.3.1", Level: Must,
		Request: "a request object is signed with a key that the client has not registered, and with RS256",
		Want:    "invalid_request_object",
		Attacks: []string{"E13"},
		needs:   []feature{codeFlow, fapi, signedRequests},
		run: func(p *probe) {
			key := p.newKey("PS256")
			c := p.client(signing(), withKey(key))
			c.authorize()
			for _, alg := range []string{"ES256", "RS256"} {
				other := key
				if other.Algorithm = alg; alg == "ES256" {
					other = p.newKey(alg)
					other.KeyID = key.KeyID
				}
				forger := *c
				forger.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{other}}
				c.pushObject(forger.requestObject(c.request().params, nil)).wantError(0, "invalid_request_object", "invalid_request")
			}
		},
	},
	{
		ID: "signing-parameters-beside", Spec: fapiSigning, Section: "5.3.1", Level: Must,
		Request: "a signed request is pushed, with another scope and state beside it",
		Want:    "an error, or what is signed alone counts",
		Attacks: []string{"P6"},
		needs:   []feature{codeFlow, fapi, signedRequests},
		run: func(p *probe) {
			one, two := p.twoScopes()
			c := p.client(signing())
			a := c.request(set("scope", one))
			x := c.push(url.Values{"client_id": {c.ID}, "request": {c.requestObject(a.params, nil)}, "scope": {two}, "state": {p.secret("state")}})
			if x.status != http.StatusCreated {
				x.wantError(0, "invalid_request", "invalid_request_object")
				return
			}
			b := p.browser().ownBrowser()
			to, last := b.walk(b.open(p.authorizeURL(url.Values{"client_id": {c.ID}, "request_uri": {x.text("request_uri")}})), callback(c.redirectURI()), Allow)
			if to == nil {
				last.wantStays()
				return
			}
			said := answerIn(to)
			if signed := said.Get("response"); signed != "" {
				said = p.signedAnswer(signed, c.ID)
			}
			if said.Get("state") != a.params.Get("state") {
				p.errorf("the state is not the one that was signed")
			}
			o := &outcome{a: a, params: said}
			if t := o.wantCode().tokens(); t.scope != "" && t.scope != one {
				p.errorf("the scope is %q, and %q was signed", t.scope, one)
			}
		},
	},
	{
		ID: "signing-responses", Spec: fapiSigning, Section: "5.4.1", Level: Must,
		Request: "authorization requests that succeed and that the user denies",
		Want:    "signed responses: iss, this client as aud, and an exp that is to come",
		needs:   []feature{codeFlow, fapi, signedResponses},
		run: func(p *probe) {
			c := p.client()
			for _, o := range []*outcome{c.authorize(), c.request().in(p.browser(), Deny)} {
				if o.signed == "" {
					p.failf("the response is not signed")
				}
				said := p.identity(o.signed)
				if left := said.seconds("exp") - p.now().Unix(); left <= 0 {
					p.errorf("exp is %d seconds from now", left)
				}
				if !same(said.said.audience(), []string{c.ID}) || said.text("iss") != p.run.target.Issuer {
					p.errorf("iss %v and aud %v", said.said["iss"], said.said["aud"])
				}
				if o.sentTo.Query().Has("code") || o.sentTo.Query().Has("error") {
					p.errorf("there are parameters beside the signed response")
				}
			}
		},
	},
	{
		ID: "signing-plain-response-refused", Spec: fapiSigning, Section: "5.4.1", Level: Must,
		Request: "response_mode is query, form_post, or is left out",
		Want:    "an error, or a signed response: no code in clear",
		needs:   []feature{codeFlow, fapi, signedResponses},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, e := range []edit{set("response_mode", "query"), set("response_mode", "form_post"), del("response_mode")} {
				if o := c.try(e); o.code() != "" && o.signed == "" {
					p.errorf("there is a code in a response that is not signed")
				}
			}
		},
	},
	{
		ID: "signing-introspection", Spec: fapiSigning, Section: "5.5.1", Level: Must,
		Request: "a resource server asks for a signed introspection response (RFC 9701)",
		Want:    "a JWT of token-introspection+jwt, with iss, aud, iat and the answer in token_introspection",
		needs:   []feature{codeFlow, fapi, introspecting, has("introspection_signing_alg_values_supported")},
		run: func(p *probe) {
			t := p.client().tokens()
			server := p.client(with("resource_server", true), grants())
			x := server.post("introspection_endpoint", url.Values{"token": {t.access}}, header("Accept", "application/token-introspection+jwt")).wantStatus(http.StatusOK)
			if kind := x.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/token-introspection+jwt") {
				p.failf("Content-Type is %q", kind)
			}
			p.hide("jwt", string(x.body))
			said := p.identity(strings.TrimSpace(string(x.body)))
			answer, _ := said.said["token_introspection"].(map[string]any)
			if said.head["typ"] != "token-introspection+jwt" || said.text("iss") != p.run.target.Issuer || !same(said.said.audience(), []string{server.ID}) {
				p.errorf("typ %v, iss %v, aud %v", said.head["typ"], said.said["iss"], said.said["aud"])
			}
			if at := said.seconds("iat"); at > p.now().Add(time.Minute).Unix() {
				p.errorf("iat is ahead")
			}
			if answer["active"] != true {
				p.errorf("token_introspection is %v", answer)
			}
		},
	},
}

// signing asks for a client that authenticates and signs with its own key.
func signing() wanting { return method("private_key_jwt") }

// withKey asks for a client with this key.
func withKey(key jose.JSONWebKey) wanting {
	return with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
}

// pushObject pushes a request object.
func (c *client) pushObject(jwt string) *exchange {
	return c.push(url.Values{"client_id": {c.ID}, "request": {jwt}})
}
