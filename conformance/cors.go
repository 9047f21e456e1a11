package conformance

import (
	"net/http"
	"strings"
)

// strange is an origin that no server has heard of.
const strange = "https://stranger.example"

// preflight is what a browser asks before a page of an origin may send a form.
func (p *probe) preflight(address, origin string) *exchange {
	return p.send(http.MethodOptions, address, nil, header("Origin", origin), header("Access-Control-Request-Method", http.MethodPost),
		header("Access-Control-Request-Headers", "authorization")).answered()
}

// opens tells for which origin the answer may be read (Fetch §3.2), empty for none.
func (x *exchange) opens() string { return x.header.Get("Access-Control-Allow-Origin") }

// withCookies tells whether the answer may be read of a request with cookies.
func (x *exchange) withCookies() bool {
	return strings.EqualFold(x.header.Get("Access-Control-Allow-Credentials"), "true")
}

// What pages of other origins may read (Fetch, RFC 9700 §2.6).
var corsCases = []Case{
	{
		ID: "cors-authorization-endpoint-closed", Spec: "RFC 9700", Section: "2.6", Level: Must,
		Request: "a page of another origin asks for the authorization endpoint, and what it may send there",
		Want:    "no Access-Control-Allow-Origin",
		Attacks: []string{"D17"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			address, _ := p.client().request().address()
			if address == "" {
				p.failf("the request is refused")
			}
			for _, origin := range []string{"https://client.example", strange, "null"} {
				for _, x := range []*exchange{p.get(address, header("Origin", origin)), p.preflight(p.endpoint("authorization_endpoint"), origin)} {
					if x.opens() != "" {
						p.errorf("%s from %s: Access-Control-Allow-Origin is %q", x.what(), origin, x.opens())
					}
				}
			}
		},
	},
	{
		ID: "cors-no-cookies-for-strangers", Spec: "RFC 9700", Section: "2.6", Level: Should,
		Request: "a page of another origin, and one of none, asks what it may send to the endpoints that clients call, and sends it",
		Want:    "nowhere an answer that may be read with the user's cookies",
		Attacks: []string{"D17"},
		run: func(p *probe) {
			asked := 0
			for _, name := range []string{"token_endpoint", "revocation_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint", "userinfo_endpoint", "registration_endpoint", "jwks_uri"} {
				address := p.run.md.text(name)
				if address == "" {
					continue
				}
				asked++
				for _, origin := range []string{strange, "null"} {
					for _, x := range []*exchange{p.preflight(address, origin), p.post(address, nil, header("Origin", origin)), p.get(address, header("Origin", origin))} {
						if x.opens() != "" && x.withCookies() {
							p.errorf("%s from %s: Access-Control-Allow-Origin is %q, with credentials", x.what(), origin, x.opens())
						}
					}
				}
			}
			if asked == 0 {
				p.notOffered("the metadata names no endpoint that clients call")
			}
		},
	},
	{
		ID: "cors-origin-in-vary", Spec: "Fetch", Section: "CORS protocol and HTTP caches", Level: Should,
		Request: "pages of several origins ask what they may send to the token endpoint, and send it",
		Want:    "where Access-Control-Allow-Origin names one of them, Vary names Origin, for caches",
		Attacks: []string{"D17"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			named := 0
			for _, origin := range []string{strange, "https://client.example"} {
				for _, x := range []*exchange{p.preflight(p.endpoint("token_endpoint"), origin), p.post(p.endpoint("token_endpoint"), nil, header("Origin", origin))} {
					if x.opens() != origin {
						continue
					}
					if named++; !strings.Contains(strings.ToLower(strings.Join(x.header.Values("Vary"), ",")), "origin") {
						p.errorf("%s: Vary is %q", x.what(), x.header.Values("Vary"))
					}
				}
			}
			if named == 0 {
				p.notOffered("the token endpoint is open to pages of no origin that the suite knows, or to all alike")
			}
		},
	},
	{
		ID: "cors-documents", Spec: "RFC 9700", Section: "2.6", Level: Should,
		Request: "pages of two origins read the metadata and the keys",
		Want:    "where one may, all may: Access-Control-Allow-Origin is *, or Vary names Origin",
		Attacks: []string{"L9"},
		needs:   []feature{published},
		run: func(p *probe) {
			for _, address := range append(p.documentAddresses(), p.run.md.text("jwks_uri")) {
				if address == "" {
					continue
				}
				one, two := p.get(address, header("Origin", strange)), p.get(address, header("Origin", "https://client.example"))
				switch {
				case one.opens() == "*" && two.opens() == "*":
				case (one.opens() == "") != (two.opens() == ""):
					p.errorf("%s: Access-Control-Allow-Origin is %q for one origin and %q for another", one.what(), one.opens(), two.opens())
				case one.opens() != "" && !strings.Contains(strings.ToLower(strings.Join(one.header.Values("Vary"), ",")), "origin"):
					p.errorf("%s: Access-Control-Allow-Origin is %q without Origin in Vary", one.what(), one.opens())
				}
			}
		},
	},
}
