package conformance

import (
	"net/http"
	"net/url"
	"slices"
)

// answersWithIssuer is what the cases about RFC 9207 need.
var answersWithIssuer = []feature{codeFlow, is("authorization_response_iss_parameter_supported")}

// RFC 9207: the issuer in authorization responses, against mix-up (RFC 9700 §4.4).
var issuerCases = []Case{
	{
		ID: "iss-in-response", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "an authorization request that succeeds",
		Want:    "iss in the response, the issuer of the metadata to the letter",
		Attacks: []string{"O3"},
		needs:   answersWithIssuer,
		run:     func(p *probe) { p.client().authorize().wantIssuer() },
	},
	{
		ID: "iss-in-error", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "authorization requests that are refused: for the response type, the challenge, the scope, or because nobody is signed in and nobody may be asked",
		Want:    "iss in each response",
		Attacks: []string{"O3"},
		needs:   answersWithIssuer,
		run: func(p *probe) {
			c, told := p.client(), 0
			for _, e := range []edit{set("response_type", "kode"), set("code_challenge", "short"), set("scope", p.name("unknown")), set("prompt", "none")} {
				if o := c.try(e); o.sentTo != nil && o.params.Has("error") {
					told++
					o.wantIssuer()
				}
			}
			if told == 0 {
				p.notTested("the client is told of none of them by the browser")
			}
		},
	},
	{
		ID: "iss-in-denial", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "an authorization request that the user denies",
		Want:    "iss in the response, beside access_denied",
		Attacks: []string{"U10"},
		needs:   answersWithIssuer,
		run: func(p *probe) {
			o := p.client().request().in(p.browser(), Deny)
			o.canDeny()
			o.wantError("access_denied").wantIssuer()
		},
	},
	{
		ID: "iss-in-form-post", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "authorization requests with the response mode form_post, one that succeeds and one that is refused",
		Want:    "iss in the form",
		needs:   append(answersWithIssuer[:len(answersWithIssuer):len(answersWithIssuer)], lists("response_modes_supported", "form_post")),
		run: func(p *probe) {
			c := p.client()
			c.postedTo(p, Allow).wantCode().wantIssuer()
			if o := c.postedError(p); o.pushed == nil {
				o.wantIssuer()
			}
		},
	},
	{
		ID: "iss-in-fragment", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "a request for a response type with tokens",
		Want:    "iss beside them, or, as §4 leaves it, in the ID token",
		needs:   append(answersWithIssuer[:len(answersWithIssuer):len(answersWithIssuer)], openID),
		run: func(p *probe) {
			p.eachTokenResponse(func(c *client, ask []edit) {
				o := c.try(ask...)
				switch {
				case o.sentTo == nil:
					o.wantCode()
				case o.params.Has("iss") || !o.params.Has("id_token"):
					o.wantIssuer()
				default:
					if _, said := p.verified(o.params.Get("id_token")); said["iss"] != p.run.target.Issuer {
						p.errorf("the ID token has iss %v", said["iss"])
					}
				}
			})
		},
	},
	{
		ID: "iss-said-in-metadata", Spec: "RFC 9207", Section: "2.3", Level: Must,
		Request: "an authorization request that succeeds, at a server with metadata",
		Want:    "where there is an iss in the response, the metadata says so",
		needs:   []feature{codeFlow, published},
		run: func(p *probe) {
			o := p.client().authorize()
			if o.params.Has("iss") && o.signed == "" && !p.run.md.is("authorization_response_iss_parameter_supported") {
				p.failf("there is an iss, and authorization_response_iss_parameter_supported is not true")
			}
		},
	},
	{
		ID: "iss-offered", Spec: "RFC 9700", Section: "2.1", Level: Should,
		Request: "an authorization request that succeeds",
		Want:    "an iss in the response, or in an ID token or a signed response beside the code, by which a client of several servers knows which one has answered",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			o := p.client().authorize()
			if !o.params.Has("iss") && !o.params.Has("id_token") && o.signed == "" {
				p.failf("nothing in the response says whose it is")
			}
		},
	},
	{
		ID: "iss-once", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "an authorization request that brings an iss of its own",
		Want:    "the server's iss in the response, once, and not that one",
		needs:   append(answersWithIssuer[:len(answersWithIssuer):len(answersWithIssuer)], frontRequests),
		run: func(p *probe) {
			o := p.client().authorize(func(v url.Values) { v.Set("iss", "https://"+foreign) })
			if all := o.params["iss"]; len(all) != 1 {
				p.failf("iss is there %d times", len(all))
			}
			o.wantIssuer()
		},
	},
}

// wantIssuer notes a problem unless the answer has the server's issuer.
func (o *outcome) wantIssuer() {
	if got, want := o.params.Get("iss"), o.a.c.p.run.target.Issuer; got != want {
		o.a.c.p.errorf("beside %s: iss %q, want %q", words(without(o.params, "iss", "state")), got, want)
	}
}

// without are the names of parameters but for some, in order.
func without(v url.Values, names ...string) []string {
	return slices.DeleteFunc(slices.Sorted(keys(v)), func(name string) bool { return slices.Contains(names, name) })
}

// canDeny ends the case if the server's pages have no way to say no.
func (o *outcome) canDeny() {
	if o.pushed == nil && o.params == nil && o.last != nil && o.last.status == http.StatusOK {
		o.a.c.p.notTested("the page that asks has no button that says no")
	}
	if o.code() != "" {
		o.a.c.p.notOffered("the user is not asked about this client")
	}
}
