package conformance

import (
	"slices"
	"strings"
	"time"
)

var jarmOffered = lists("response_modes_supported", "jwt")

// signedOnly checks a response that came signed: its claims, and that nothing stands beside it.
func (o *outcome) signedOnly() claims {
	p := o.a.c.p
	if o.signed == "" {
		p.failf("the response is not signed: %s", words(slices.Sorted(keys(o.params))))
	}
	if beside := answerIn(o.sentTo); len(beside) > 1 {
		p.errorf("beside the signed response stand %s", words(slices.Sorted(keys(beside))))
	}
	head, said := p.verified(o.signed)
	if alg, _ := head["alg"].(string); alg == "" || strings.EqualFold(alg, "none") || strings.HasPrefix(alg, "HS") {
		p.errorf("alg is %v", head["alg"])
	}
	exp, _ := said["exp"].(float64)
	left := time.Unix(int64(exp), 0).Sub(p.now())
	switch {
	case said["iss"] != p.run.target.Issuer:
		p.errorf("iss is %v", said["iss"])
	case said["aud"] != o.a.c.ID:
		p.errorf("aud is not the client")
	case exp == 0 || left <= 0:
		p.errorf("exp is %v, which is not to come", said["exp"])
	case said["state"] != o.a.params.Get("state"):
		p.errorf("state is %v", said["state"])
	}
	return said
}

// JARM: authorization responses that are signed.
var signedResponseCases = []Case{
	{
		ID: "signed-response", Spec: "JARM", Section: "2.1", Level: Must,
		Request: "a request with response_mode jwt that succeeds",
		Want:    "one parameter, response: a JWT of the server for the client, with code, state, and an exp that is to come",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			o := p.client().authorize(set("response_mode", "jwt"))
			if said := o.signedOnly(); said["code"] != o.code() {
				p.errorf("the code is not in it")
			}
			if len(o.sentTo.Fragment) > 0 {
				p.errorf("the response to a request for a code is in the fragment, not in the query (§2.3.4)")
			}
			o.tokens()
		},
	},
	{
		ID: "signed-response-life", Spec: "JARM", Section: "2.1", Level: Should,
		Request: "a request with response_mode jwt",
		Want:    "a response that may be believed for ten minutes at most",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			said := p.client().authorize(set("response_mode", "jwt")).signedOnly()
			if left := said.moment("exp").Sub(p.now()); left > 10*time.Minute+5*time.Second {
				p.failf("it may be believed for %v", left.Round(time.Second))
			}
		},
	},
	{
		ID: "signed-response-error", Spec: "JARM", Section: "2.1", Level: Must,
		Request: "requests with response_mode jwt whose user refuses, or that ask for a scope that there is not",
		Want:    "the error comes signed as well",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			c := p.client()
			o := c.request(set("response_mode", "jwt")).in(p.browser(), Deny).wantError("access_denied")
			if said := o.signedOnly(); said["error"] != "access_denied" {
				p.errorf("error is %v", said["error"])
			}
			if frontRequests(p.run) == "" {
				// A server may ignore the scope, or tell the user alone.
				if o := c.try(set("response_mode", "jwt"), set("scope", "no-such-scope")); o.said() != "" || o.params.Has("response") {
					o.signedOnly()
				}
			}
		},
	},
	{
		ID: "signed-response-modes", Spec: "JARM", Section: "2.3", Level: Must,
		Request: "requests with each signed response mode that the server lists",
		Want:    "the response where the mode says: in the query, in the fragment, or in a form",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			c := p.client()
			for _, mode := range []string{"query.jwt", "fragment.jwt", "form_post.jwt"} {
				if !p.run.md.lists("response_modes_supported", mode) {
					continue
				}
				o := c.authorize(set("response_mode", mode))
				o.signedOnly()
				where := "query.jwt"
				switch {
				case o.sentTo.Fragment != "":
					where = "fragment.jwt"
				case o.last != nil && o.last.location() == nil:
					where = "form_post.jwt"
				}
				if where != mode && o.last != nil {
					p.errorf("the response to %s comes as for %s", mode, where)
				}
			}
		},
	},
	{
		ID: "signed-response-algorithm", Spec: "JARM", Section: "3", Level: Must,
		Request: "clients with each authorization_signed_response_alg that the server lists, other than by a shared secret",
		Want:    "responses signed with that algorithm",
		Attacks: []string{"O1", "O5"},
		needs:   []feature{codeFlow, jarmOffered, has("authorization_signing_alg_values_supported")},
		run: func(p *probe) {
			for _, algorithm := range p.run.md.list("authorization_signing_alg_values_supported") {
				if algorithm == "none" {
					p.errorf("none is listed, which must not be used")
					continue
				}
				if strings.HasPrefix(algorithm, "HS") {
					continue
				}
				o := p.client(with("authorization_signed_response_alg", algorithm)).authorize(set("response_mode", "jwt"))
				o.signedOnly()
				if head, _ := decoded(o.signed); head["alg"] != algorithm {
					p.errorf("alg is %v, want %s", head["alg"], algorithm)
				}
			}
		},
	},
	{
		ID: "signed-response-of-another", Spec: "JARM", Section: "2.1", Level: Must,
		Request: "two clients ask, each for a signed response",
		Want:    "each gets one whose aud is itself and no other, signed by a key at jwks_uri",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			a, b := p.client(), p.client()
			for _, c := range []*client{a, b} {
				if said := c.authorize(set("response_mode", "jwt")).signedOnly(); said["aud"] != c.ID {
					p.errorf("aud is not the client that asked")
				}
			}
		},
	},
	{
		ID: "signed-response-required-mode", Spec: openIDCore, Section: "3.1.2.6", Level: Should,
		Request: "a request with a signed response mode that there is not",
		Want:    "an error, and no code",
		needs:   []feature{codeFlow, jarmOffered},
		run: func(p *probe) {
			c := p.client()
			c.authorize(set("response_mode", "jwt"))
			c.request(set("response_mode", "header.jwt")).in(p.browser(), Allow).wantRefused("invalid_request", "unsupported_response_mode")
		},
	},
}
