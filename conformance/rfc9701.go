package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

var introspectionMedia = header("Accept", "application/token-introspection+jwt")

// signedIntrospection asks for a signed answer, and reads it.
func (c *client) signedIntrospection(token string) (head, body claims) {
	p := c.p
	x := c.post("introspection_endpoint", formOf("token", token), introspectionMedia).wantStatus(http.StatusOK)
	if kind := x.header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(kind), "application/token-introspection+jwt") {
		p.notOffered("the answer is not signed but %s", kind)
	}
	h, b := p.verified(strings.TrimSpace(string(x.body)))
	return h, b
}

// RFC 9701: signed answers of introspection.
var signedIntrospectionCases = []Case{
	{
		ID: "signed-introspection", Spec: "RFC 9701", Section: "5", Level: Must,
		Request: "introspection of a good token with Accept: application/token-introspection+jwt",
		Want:    "a JWT of typ token-introspection+jwt with iss, aud and iat, and the answer in token_introspection",
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			t := c.own()
			head, body := c.signedIntrospection(t.access)
			inner, _ := body["token_introspection"].(map[string]any)
			if typ, _ := head["typ"].(string); !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "token-introspection+jwt") {
				p.errorf("typ is %v", head["typ"])
			}
			switch {
			case body["iss"] != p.run.target.Issuer:
				p.errorf("iss is %v", body["iss"])
			case !slices.Contains(audiences(body["aud"]), c.ID):
				p.errorf("aud is not the client that has asked")
			case body.moment("iat").Before(p.now().Add(-time.Minute)):
				p.errorf("iat is %v", body["iat"])
			case inner["active"] != true || inner["client_id"] != c.ID:
				p.errorf("token_introspection is %v", inner)
			}
			plain := c.introspect(t.access).wantJSON()
			if plain.member["active"] != true {
				p.errorf("without the header there is no plain answer")
			}
		},
	},
	{
		ID: "signed-introspection-no-token", Spec: "RFC 9701", Section: "5", Level: Should,
		Request: "introspection of a good token with Accept: application/token-introspection+jwt",
		Want:    "neither sub nor exp beside token_introspection, so that nobody takes the answer for an access token (§8.1)",
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			_, body := c.signedIntrospection(c.own().access)
			for _, name := range []string{"sub", "exp"} {
				if _, there := body[name]; there {
					p.errorf("there is %s", name)
				}
			}
		},
	},
	{
		ID: "signed-introspection-inactive", Spec: "RFC 9701", Section: "5", Level: Must,
		Request: "signed introspection of what is no token, and of another client's token",
		Want:    "token_introspection with active false, and nothing else in it",
		Attacks: []string{"G6"},
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			_, body := c.signedIntrospection(c.own().access)
			if inner, _ := body["token_introspection"].(map[string]any); inner["active"] != true {
				p.failf("the client's own token is not active")
			}
			_, body = c.signedIntrospection(p.secret("token"))
			if inner, _ := body["token_introspection"].(map[string]any); inner["active"] != false || len(inner) != 1 {
				p.errorf("token_introspection is %v", inner)
			}
		},
	},
	{
		ID: "signed-introspection-algorithm", Spec: "RFC 9701", Section: "6", Level: Must,
		Request: "clients with each introspection_signed_response_alg that the server lists",
		Want:    "answers signed with that algorithm, and none is not listed",
		Attacks: []string{"O1"},
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			for _, algorithm := range p.run.md.list("introspection_signing_alg_values_supported") {
				if algorithm == "none" {
					p.errorf("none is listed")
					continue
				}
				c := p.client(servicing(), with("introspection_signed_response_alg", algorithm))
				if head, _ := c.signedIntrospection(c.own().access); head["alg"] != algorithm {
					p.errorf("alg is %v, want %s", head["alg"], algorithm)
				}
			}
		},
	},
	{
		ID: "signed-introspection-unauthenticated", Spec: "RFC 9701", Section: "5", Level: Must,
		Request: "signed introspection without credentials, and with wrong ones",
		Want:    "an error, and no answer",
		Attacks: []string{"G1"},
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			t := c.own()
			c.signedIntrospection(t.access)
			p.post(p.endpoint("introspection_endpoint"), formOf("token", t.access), introspectionMedia).wantStatus(400, 401)
			p.post(p.endpoint("introspection_endpoint"), formOf("token", t.access), introspectionMedia, c.basic(c.ID, random(16))).wantStatus(400, 401)
		},
	},
	{
		ID: "signed-introspection-as-token", Spec: "RFC 9701", Section: "8.1", Level: Must,
		Request: "a signed answer comes as an access token, at a resource and at introspection",
		Want:    "it is none",
		needs:   []feature{introspecting, has("introspection_signing_alg_values_supported"), ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			t := c.own()
			x := c.post("introspection_endpoint", formOf("token", t.access), introspectionMedia).wantStatus(http.StatusOK)
			answer := strings.TrimSpace(string(x.body))
			if strings.Count(answer, ".") != 2 {
				p.notOffered("the answer is not signed")
			}
			c.introspect(answer).wantNotActive("it")
			if r := p.run.target.Resource; r != "" {
				t.present(http.MethodGet, r).wantStatus(http.StatusOK)
				other := *t
				other.access = answer
				other.present(http.MethodGet, r).wantClosed("an introspection answer")
			}
		},
	},
}

// formOf is a form of one parameter.
func formOf(name, value string) url.Values { return url.Values{name: {value}} }
