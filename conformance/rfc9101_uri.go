package conformance

import (
	"net/http"
	"net/url"
)

// referring is a client that has a request object at a URL, where what h serves is.
func (p *probe) referring(h http.Handler) (*client, *publication) {
	at := p.publish(h)
	return p.signer(with("request_uris", []string{at.url})), at
}

// at is the request by reference.
func (a *authorization) at(address string) *outcome {
	a.sent = url.Values{"client_id": {a.c.ID}, "request_uri": {address}}
	a.repeat()
	return a.in(a.c.p.browser(), Allow)
}

const requestObjectMedia = "application/oauth-authz-req+jwt"

var referenced = []feature{codeFlow, frontRequests, is("request_uri_parameter_supported")}

// RFC 9101 §5.2: request objects by reference.
var requestURICases = []Case{
	{
		ID: "request-uri-good", Spec: "RFC 9101", Section: "5.2", Level: Must,
		Request: "a request that refers to a request object which the client publishes at a URL that it has registered",
		Want:    "a code",
		needs:   referenced,
		run: func(p *probe) {
			c, at := p.referring(http.NotFoundHandler())
			a := c.request()
			a.identify()
			at.change(document(requestObjectMedia, c.requestObject(a.params, nil)))
			a.at(at.url).wantCode().tokens()
		},
	},
	{
		ID: "request-uri-not-registered", Spec: "OpenID Connect Discovery", Section: "3", Level: Must,
		Request: "a good request object at a URL that the client has not registered, and at one that begins like one that it has",
		Want:    "a refusal, and nobody fetches it",
		Attacks: []string{"E18"},
		needs:   append([]feature{is("require_request_uri_registration")}, referenced...),
		run: func(p *probe) {
			c, at := p.referring(http.NotFoundHandler())
			a := c.request()
			a.identify()
			good := document(requestObjectMedia, c.requestObject(a.params, nil))
			at.change(good)
			a.at(at.url).wantCode()
			elsewhere := p.publish(good)
			a.at(elsewhere.url).wantRefused("invalid_request_uri", "invalid_request")
			before := at.times()
			for _, address := range []string{at.url + "/", at.url + "?x=1", at.url + "/../x"} {
				a.at(address).wantRefused("invalid_request_uri", "invalid_request")
			}
			if n := elsewhere.times() + at.times() - before; n > 0 {
				p.failf("%d URLs were fetched that nobody has registered", n)
			}
		},
	},
	{
		ID: "request-uri-of-another", Spec: "RFC 9101", Section: "6.3", Level: Must,
		Request: "at the client's URL is the request object of another client, one with a wrong signature, none, and a page",
		Want:    "a refusal each time",
		needs:   referenced,
		run: func(p *probe) {
			c, at := p.referring(http.NotFoundHandler())
			other := p.signer()
			a := c.request()
			a.identify()
			for what, h := range ordered(map[string]http.Handler{
				"another client's object": document(requestObjectMedia, other.requestObject(other.request().params, nil)),
				"an unsigned object":      document(requestObjectMedia, p.unsigned(map[string]any{"alg": "none"}, c.objectClaims(a.params), nil)),
				"nothing":                 http.NotFoundHandler(),
				"a page":                  document("text/html", "<!doctype html><title>x</title>"),
			}) {
				c, at := p.referring(h)
				a := c.request()
				a.identify()
				if o := a.at(at.url); o.params.Has("code") {
					p.errorf("%s leads to a code", what)
				} else {
					o.wantRefused()
				}
			}
			at.change(document(requestObjectMedia, c.requestObject(a.params, nil)))
			a.at(at.url).wantCode()
		},
	},
	{
		ID: "request-uri-bounded", Spec: "RFC 9101", Section: "10.4.1", Level: Should,
		Request: "request_uris that redirect to a good one, that send without end, and that do not answer",
		Want:    "an answer within fifteen seconds each time, without a code, and not more than a megabyte taken",
		Attacks: []string{"E18"},
		needs:   referenced,
		run: func(p *probe) {
			c, at := p.referring(http.NotFoundHandler())
			a := c.request()
			a.identify()
			at.change(document(requestObjectMedia, c.requestObject(a.params, nil)))
			a.at(at.url).wantCode()
			p.boundedFetches(at, func(address string) *exchange {
				a := p.signer(with("request_uris", []string{address})).request()
				a.identify()
				o := a.at(address)
				if o.params.Has("code") {
					p.errorf("there is a code")
				}
				if o.last == nil {
					p.notTested("it takes the suite's own browser")
				}
				return o.last
			})
		},
	},
}
