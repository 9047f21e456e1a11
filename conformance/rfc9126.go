package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const pushEndpoint = "pushed_authorization_request_endpoint"

// RFC 9126: authorization requests that clients push.
var pushedCases = []Case{
	{
		ID: "par-good", Spec: "RFC 9126", Section: "2.2", Level: Must,
		Request: "a client pushes a request, and sends the browser with what it gets",
		Want:    "201 with request_uri and a positive expires_in, in JSON that nobody keeps; then a code",
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			a := c.request()
			x := c.push(a.pushable()).wantStatus(http.StatusCreated).wantNoStore()
			if x.member == nil {
				p.failf("no JSON object but %s", x.header.Get("Content-Type"))
			}
			if n, ok := x.member["expires_in"].(float64); !ok || n <= 0 || n != float64(int(n)) {
				p.errorf("expires_in is %v, want a positive whole number", x.member["expires_in"])
			}
			a.referred(p.browser(), x.text("request_uri")).wantCode().tokens()
		},
	},
	{
		ID: "par-lifetime", Spec: "RFC 9126", Section: "2.2", Level: Should,
		Request: "a client pushes a request",
		Want:    "expires_in from 5 to 600 seconds",
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			x := c.push(c.request().pushable()).wantStatus(http.StatusCreated)
			if n, _ := x.member["expires_in"].(float64); n < 5 || n > 600 {
				p.failf("expires_in is %v", x.member["expires_in"])
			}
		},
	},
	{
		ID: "par-reference-random", Spec: "RFC 9126", Section: "2.2", Level: Must,
		Request: "the same request is pushed eight times",
		Want:    "eight different request_uris, each with 128 random bits by its length and letters",
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			seen := map[string]bool{}
			for range 8 {
				_, uri := c.pushed()
				if seen[uri] {
					p.failf("a request_uri comes twice")
				}
				seen[uri] = true
				if random := uri[strings.LastIndexAny(uri, ":/")+1:]; len(random) < 22 {
					p.errorf("%d characters cannot hold 128 bits", len(random))
				}
			}
		},
	},
	{
		ID: "par-expires", Spec: "RFC 9126", Section: "4", Level: Must,
		Request: "a request_uri is used a second after its expires_in",
		Want:    "a refusal: invalid_request_uri or invalid_request, or an error page",
		needs:   []feature{codeFlow, pushing},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			a := c.request()
			x := c.push(a.pushable()).wantStatus(http.StatusCreated)
			n, _ := x.member["expires_in"].(float64)
			p.advance(time.Duration(n+1) * time.Second)
			a.referred(p.browser(), x.text("request_uri")).wantRefused("invalid_request_uri", "invalid_request")
			a, uri := c.pushed()
			a.referred(p.browser(), uri).wantCode()
		},
	},
	{
		ID: "par-client-authentication", Spec: "RFC 9126", Section: "2.1", Level: Must,
		Request: "a confidential client pushes without its credentials, and with wrong ones",
		Want:    "invalid_client, and no request_uri",
		Attacks: []string{"P1"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			if c.way() == "none" {
				p.notOffered("all clients are public")
			}
			c.pushed()
			form := c.request().pushable()
			p.post(c.at(pushEndpoint), form).wantError(0, "invalid_client")
			p.post(c.at(pushEndpoint), form, c.basic(c.ID, p.secret("client_secret"))).wantError(0, "invalid_client", "invalid_request")
			form = url.Values{"client_id": {c.ID}, "client_assertion_type": {assertionType}, "client_assertion": {"x.y.z"}}
			p.post(c.at(pushEndpoint), form).wantError(0, "invalid_client", "invalid_request")
		},
	},
	{
		ID: "par-post-only", Spec: "RFC 9126", Section: "2.3", Level: Must,
		Request: "GET, PUT and DELETE at the endpoint",
		Want:    "405",
		Attacks: []string{"P1"},
		needs:   []feature{pushing},
		run: func(p *probe) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				p.send(method, p.endpoint(pushEndpoint), nil).answered().wantStatus(http.StatusMethodNotAllowed)
			}
		},
	},
	{
		ID: "par-request-uri-inside", Spec: "RFC 9126", Section: "2.1", Level: Must,
		Request: "a pushed request that holds a request_uri, such as that of one that was pushed before",
		Want:    "an error",
		Attacks: []string{"P2"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			a, uri := c.pushed()
			inside := a.pushable()
			inside.Set("request_uri", uri)
			// Which error, no text says.
			c.push(inside).wantRefused()
			c.push(url.Values{"client_id": {c.ID}, "request_uri": {"https://client.example/request"}}).wantRefused()
		},
	},
	{
		ID: "par-once", Spec: "RFC 9126", Section: "4", Level: Should,
		Request: "a request_uri that has led to a code is used again, in the same browser and in another",
		Want:    "a refusal",
		Attacks: []string{"P3"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			a, uri := p.client().pushed()
			b := p.browser()
			a.referred(b, uri).wantCode()
			for _, again := range []*browser{b, p.browser()} {
				if o := a.referred(again, uri); o.params.Has("code") {
					p.errorf("it leads to a second code")
				} else {
					o.wantRefused("invalid_request_uri", "invalid_request")
				}
			}
		},
	},
	{
		ID: "par-once-at-once", Spec: "RFC 9126", Section: "4", Level: Should,
		Request: "eight browsers answer one pushed request at the same time",
		Want:    "one code",
		Attacks: []string{"P3"},
		needs:   []feature{codeFlow, pushing},
		varies:  true,
		run: func(p *probe) {
			a, uri := p.client().pushed()
			codes := 0
			for _, o := range together(p, 8, func(int) *outcome { return a.clone().referred(p.browser(), uri) }) {
				if o.params.Has("code") {
					codes++
				}
			}
			if codes != 1 {
				p.failf("it leads to %d codes", codes)
			}
		},
	},
	{
		ID: "par-reload", Spec: "FAPI 2.0 Security Profile", Section: "5.3.2.2", Level: Should,
		Request: "the browser opens the URL of a pushed request three times before the user has signed in",
		Want:    "the user can still answer it: looking at it uses nothing up",
		Attacks: []string{"P3"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			a, uri := c.pushed()
			b := p.browser()
			for range 3 {
				b.open(c.reference(uri))
			}
			a.referred(b, uri).wantCode().tokens()
		},
	},
	{
		ID: "par-of-another-client", Spec: "RFC 9126", Section: "2.2", Level: Must,
		Request: "another client_id stands beside the request_uri, or none",
		Want:    "no code for anybody",
		Attacks: []string{"P4"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c, other := p.client(), p.client()
			a, uri := c.pushed()
			a.referred(p.browser(), uri).wantCode().tokens()
			for _, wrong := range []edit{set("client_id", other.ID), set("client_id", p.name("client_id")), del("client_id")} {
				a, uri = c.pushed() // each anew, for one that was tried may be used up
				a.referred(p.browser(), uri, wrong).wantRefused()
			}
		},
	},
	{
		ID: "par-reference-unknown", Spec: "RFC 9126", Section: "4", Level: Must,
		Request: "request_uris that nobody has made: a changed one, an invented one, an empty one",
		Want:    "a refusal: an error page, or an error that the client is told",
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			a, uri := c.pushed()
			for _, bad := range []string{uri + "x", uri[:len(uri)-4], "urn:ietf:params:oauth:request_uri:" + random(24), "urn:ietf:params:oauth:request_uri:", strings.ToUpper(uri)} {
				a.clone().referred(p.browser(), bad).wantRefused() // by which error, no text says
			}
			a.referred(p.browser(), uri).wantCode()
		},
	},
	{
		ID: "par-nothing-beside", Spec: "RFC 9126", Section: "4", Level: Must,
		Request: "another redirect_uri, state, scope, challenge and response_mode stand beside the request_uri in the URL",
		Want:    "what was pushed counts",
		Attacks: []string{"P6"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			a, uri := c.pushed()
			a.referred(b, uri).wantCode()
			// By now the user is signed in, has agreed before, and may be asked nothing.
			for _, at := range []*browser{b, p.browser()} {
				a, uri = c.pushed()
				o := a.referred(at, uri, set("redirect_uri", "https://attacker.example/"), set("state", "another"), set("scope", "no-such-scope"),
					set("code_challenge", challengeOf(random(32))), set("response_type", "token"))
				if o.sentTo == nil && o.last != nil && o.last.status >= 400 && o.last.status < 500 {
					continue // to refuse it is as good
				}
				o.wantCode()
				if o.params.Get("state") != a.params.Get("state") {
					p.errorf("state %q comes back, want the one that was pushed", o.params.Get("state"))
				}
				o.tokens()
			}
		},
	},
	{
		ID: "par-judged-at-once", Spec: "RFC 9126", Section: "2.1", Level: Must,
		Request: "pushed requests with an unregistered redirect URI, a scope or a response type that there is not, and a challenge method that is not offered",
		Want:    "each is refused when it is pushed, in JSON, with the error of the authorization endpoint; a scope may be ignored",
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			c.pushed()
			for what, one := range ordered(map[string]struct {
				e     edit
				codes []string
			}{
				"a redirect URI of another": {set("redirect_uri", "https://attacker.example/"), []string{"invalid_request", "invalid_redirect_uri"}},
				"a scope":                   {set("scope", "no-such-scope"), []string{"invalid_scope"}},
				"a response type":           {set("response_type", "no-such-type"), []string{"unsupported_response_type", "invalid_request"}},
				"a challenge method":        {set("code_challenge_method", "S1"), []string{"invalid_request"}},
			}) {
				x := c.push(c.request(one.e).pushable())
				if x.status == http.StatusCreated {
					if what == "a scope" {
						continue // it may be ignored (RFC 6749 §3.3)
					}
					p.errorf("%s is taken when it is pushed", what)
					continue
				}
				x.wantError(400, one.codes...)
			}
		},
	},
	{
		ID: "par-credentials-in-query", Spec: "RFC 9126", Section: "2.1", Level: Must,
		Request: "a request is pushed with the client's credentials in the URL, and with all of its parameters there",
		Want:    "a refusal",
		Attacks: []string{"P8", "D9"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client()
			c.pushed()
			form := c.request().pushable()
			credentials := url.Values{"client_id": {c.ID}, "client_secret": {c.Secret}}
			if c.way() == "private_key_jwt" {
				credentials = url.Values{"client_assertion_type": {assertionType}, "client_assertion": {c.assertion(nil)}}
			}
			p.post(c.at(pushEndpoint)+"?"+credentials.Encode(), form).wantError(0, "invalid_client", "invalid_request")
			p.post(c.at(pushEndpoint)+"?"+form.Encode(), credentials).wantError(0, "invalid_client", "invalid_request", "unsupported_response_type", "invalid_request_object")
		},
	},
	{
		ID: "par-assertion-audience", Spec: "RFC 9126", Section: "2", Level: Must,
		Request: "requests are pushed with assertions whose aud is the issuer and, of servers that take it at the token endpoint, the URL of that, and of the endpoint itself",
		Want:    "all of them are taken: they all mean this server",
		needs:   []feature{codeFlow, pushing, byKey},
		run: func(p *probe) {
			c := p.client(method("private_key_jwt"))
			c.pushed()
			c.identified()
			c.says = func() string { return c.assertion(claims{"aud": p.endpoint("token_endpoint")}) }
			if !c.identified().known() {
				c.says = nil
				p.notOffered("the server takes its issuer identifier alone")
			}
			c.pushed()
			c.says = func() string { return c.assertion(claims{"aud": p.endpoint(pushEndpoint)}) }
			c.pushed()
		},
	},
	{
		ID: "par-required-of-client", Spec: "RFC 9126", Section: "6", Level: Must,
		Request: "a client with require_pushed_authorization_requests sends a browser with the parameters in the URL",
		Want:    "a refusal",
		Attacks: []string{"P9"},
		needs:   []feature{codeFlow, pushing, frontRequests},
		run: func(p *probe) {
			c := p.client(with("require_pushed_authorization_requests", true))
			a, uri := c.pushed()
			a.referred(p.browser(), uri).wantCode()
			a = c.request()
			a.sentInURL().wantRefused("invalid_request", "unauthorized_client", "access_denied")
		},
	},
	{
		ID: "par-required-of-all", Spec: "RFC 9126", Section: "5", Level: Must,
		Request: "where require_pushed_authorization_requests is true, a browser comes with the parameters in the URL, and with a signed request object there",
		Want:    "a refusal",
		Attacks: []string{"P9"},
		needs:   []feature{codeFlow, pushing, is("require_pushed_authorization_requests")},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			c.request().sentInURL().wantRefused("invalid_request", "unauthorized_client", "access_denied")
			if c.keys != nil {
				a := c.request()
				a.params = url.Values{"client_id": {c.ID}, "redirect_uri": {c.redirectURI()}, "request": {c.requestObject(a.params, nil)}}
				a.sentInURL().wantRefused()
			}
		},
	},
	{
		ID: "par-request-object", Spec: "RFC 9126", Section: "3", Level: Must,
		Request: "a signed request object is pushed by its client, and by another one",
		Want:    "the first leads to a code, the other is refused",
		needs:   []feature{codeFlow, pushing, byValue},
		run: func(p *probe) {
			c, other := p.signer(), p.signer()
			a := c.request()
			object := c.requestObject(a.params, nil)
			x := c.push(url.Values{"client_id": {c.ID}, "request": {object}}).wantStatus(http.StatusCreated)
			a.referred(p.browser(), x.text("request_uri")).wantCode().tokens()
			other.push(url.Values{"client_id": {other.ID}, "request": {object}}).wantError(400, objectErrors...)
			other.push(url.Values{"request": {object}}).wantError(400, objectErrors...)
		},
	},
}
