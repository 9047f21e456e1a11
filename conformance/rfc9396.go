package conformance

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
)

// richRequests are authorization details (RFC 9396 §10).
var richRequests = has("authorization_details_types_supported")

// RFC 9396: rich authorization requests.
var richRequestCases = []Case{
	{
		ID: "rar-granted", Spec: "RFC 9396", Section: "7", Level: Must,
		Request: "an authorization request with authorization_details that the user allows",
		Want:    "authorization_details in the token response, as granted",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, other := p.twoDetails()
			p.richClient().tokens(details(one)).wantDetails(one)
			p.richClient().tokens(details(one, other)).wantDetails(one, other)
		},
	},
	{
		ID: "rar-unknown-type-refused", Spec: "RFC 9396", Section: "5", Level: Must,
		Request: "authorization_details of a type that is not supported, alone and beside one that is",
		Want:    "invalid_authorization_details",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, _ := p.twoDetails()
			c := p.richClient()
			c.authorize(details(one))
			c.try(details(`{"type":"nobody-knows-this"}`)).wantError("invalid_authorization_details")
			c.try(details(one, `{"type":"nobody-knows-this"}`)).wantError("invalid_authorization_details")
		},
	},
	{
		ID: "rar-malformed-refused", Spec: "RFC 9396", Section: "5", Level: Must,
		Request: "authorization_details are no JSON, an object instead of an array, or objects without a type or with one that is no string",
		Want:    "invalid_authorization_details",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, _ := p.twoDetails()
			c := p.richClient()
			c.authorize(details(one))
			for _, value := range []string{one, "[" + one, "no JSON", `["text"]`, `[{"amount":"1"}]`, `[{"type":7}]`, `[null]`, "[[" + one + "]]"} {
				c.try(set("authorization_details", value)).wantError("invalid_authorization_details", "invalid_request")
			}
		},
	},
	{
		ID: "rar-repeated-member-refused", Spec: "RFC 9396", Section: "5", Level: Should,
		Request: "an object of authorization_details has its type twice, the second time another one",
		Want:    "a refusal: two readers could take it for two things",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, _ := p.twoDetails()
			c := p.richClient()
			c.authorize(details(one))
			twice := strings.TrimSuffix(one, "}") + `,"type":"nobody-knows-this"}`
			c.try(details(twice)).wantError("invalid_authorization_details", "invalid_request")
		},
	},
	{
		ID: "rar-token-request-not-widened", Spec: "RFC 9396", Section: "6", Level: Must,
		Request: "a token request has authorization_details other than those of the authorization request",
		Want:    "a refusal, or what was granted: never the others",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, other := p.twoDetails()
			c := p.richClient()
			for _, ask := range [][]string{{other}, {one, other}} {
				x := c.authorize(details(one)).redeem(details(ask...))
				if x.status == http.StatusOK {
					c.got(x).wantDetails(one)
					continue
				}
				x.wantError(400, "invalid_authorization_details", "invalid_grant", "invalid_request")
			}
			x := c.authorize().redeem(details(one))
			if x.status == http.StatusOK {
				c.got(x).wantDetails()
				return
			}
			x.wantError(400, "invalid_authorization_details", "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "rar-token-request-narrowed", Spec: "RFC 9396", Section: "6", Level: Must,
		Request: "two objects are granted, and the token request has one of them",
		Want:    "a token for that one alone",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, other := p.twoDetails()
			p.richClient().authorize(details(one, other)).tokens(details(other)).wantDetails(other)
		},
	},
	{
		ID: "rar-refresh-not-widened", Spec: "RFC 9396", Section: "6", Level: Must,
		Request: "refresh requests have none, the same, and other authorization_details than were granted",
		Want:    "what was granted, twice, and then nothing more than that",
		needs:   []feature{codeFlow, richRequests, refreshing},
		run: func(p *probe) {
			one, other := p.twoDetails()
			c := p.richClient()
			t := c.lastingTokens(details(one))
			t = c.got(c.refreshed(t.refresh)).wantDetails(one).succeeding(t)
			t = c.got(c.refreshed(t.refresh, details(one))).wantDetails(one).succeeding(t)
			x := c.refreshed(t.refresh, details(other))
			if x.status == http.StatusOK {
				c.got(x).wantDetails(one)
				return
			}
			x.wantError(400, "invalid_authorization_details", "invalid_grant", "invalid_request")
		},
	},
	{
		ID: "rar-introspection", Spec: "RFC 9396", Section: "9", Level: Must,
		Request: "a token with authorization_details is introspected",
		Want:    "authorization_details in the answer, or in the JWT itself",
		needs:   []feature{codeFlow, richRequests},
		run: func(p *probe) {
			one, _ := p.twoDetails()
			t := p.richClient().tokens(details(one))
			said := t.contents()
			if !sameDetails(said["authorization_details"], one) {
				p.failf("authorization_details are %v, want %s", said["authorization_details"], one)
			}
		},
	},
}

// twoDetails are two objects that clients may ask for.
func (p *probe) twoDetails() (string, string) {
	all := p.run.target.AuthorizationDetails
	if len(all) < 2 {
		p.notTested("it takes two objects that clients may ask for: see Target.AuthorizationDetails")
	}
	return all[0], all[1]
}

// richClient is a client that may ask for them (RFC 9396 §10).
func (p *probe) richClient() *client {
	c := p.client(with("authorization_details_types", p.run.md.list("authorization_details_types_supported")))
	if c.Metadata["authorization_details_types"] == nil {
		p.notTested("the server does not register authorization_details_types: see Target.Clients and Controls.NewClient")
	}
	return c
}

// details asks for these objects.
func details(objects ...string) edit {
	return set("authorization_details", "["+strings.Join(objects, ",")+"]")
}

// sameDetails tells whether a JSON array is these objects. The server may have added members to
// them (RFC 9396 §7.1).
func sameDetails(got any, objects ...string) bool {
	all, _ := got.([]any)
	if len(all) != len(objects) {
		return false
	}
	for i, object := range objects {
		var want map[string]any
		_ = json.Unmarshal([]byte(object), &want) // of the target's, and sent as it is
		have, _ := all[i].(map[string]any)
		for name, value := range want {
			if !reflect.DeepEqual(have[name], value) {
				return false
			}
		}
	}
	return true
}

// wantDetails fails the case unless the token response grants these objects and no others.
func (t *tokens) wantDetails(objects ...string) *tokens {
	if !sameDetails(t.member["authorization_details"], objects...) {
		t.c.p.failf("%s: authorization_details are %v, want [%s]", t.what(), t.member["authorization_details"], strings.Join(objects, ","))
	}
	return t
}
