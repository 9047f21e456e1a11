package conformance

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RFC 6749 §3.1, §3.3, §4.1.1, §4.1.2.1: what the authorization endpoint takes, and how it
// refuses.
var authorizeCases = []Case{
	{
		ID: "authorize-unknown-client", Spec: "RFC 6749", Section: "4.1.2.1", Level: Must,
		Request: "an authorization request of a client that there is not",
		Want:    "an error page, and no redirect",
		Attacks: []string{"A1"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			c.request(set("client_id", p.name("nobody"))).anywhere().in(p.browser(), Allow).wantNoAnswer()
		},
	},
	{
		ID: "authorize-no-challenge", Spec: "OAuth 2.1 (draft)", Section: "4.1.2.1", Level: Should,
		Request: "an authorization request of a client that there is not",
		Want:    "no challenge, by which a browser would ask the person for credentials",
		Attacks: []string{"A1"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			o := p.client().request(set("client_id", p.name("nobody"))).anywhere().in(p.browser(), Allow).wantNoAnswer()
			if o.last != nil && o.last.header.Get("WWW-Authenticate") != "" {
				p.failf("status %d with WWW-Authenticate %q", o.last.status, o.last.header.Get("WWW-Authenticate"))
			}
		},
	},
	{
		ID: "authorize-client-id-missing", Spec: "RFC 6749", Section: "4.1.2.1", Level: Must,
		Request: "an authorization request without client_id, or with an empty one",
		Want:    "an error page, and no redirect",
		Attacks: []string{"A2"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			c.request(del("client_id")).anywhere().in(p.browser(), Allow).wantNoAnswer()
			c.request(set("client_id", "")).anywhere().in(p.browser(), Allow).wantNoAnswer()
		},
	},
	{
		ID: "authorize-response-type-missing", Spec: "RFC 6749", Section: "3.1.1", Level: Must,
		Request: "response_type is left out, or empty",
		Want:    "the client is told invalid_request, or unsupported_response_type",
		Attacks: []string{"B1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, without := range []edit{del("response_type"), set("response_type", "")} {
				c.try(without).wantError("invalid_request", "unsupported_response_type")
			}
		},
	},
	{
		ID: "authorize-response-type-unknown", Spec: "RFC 6749", Section: "3.1.1", Level: Must,
		Request: "response_type is one that nobody has defined, or code in capitals",
		Want:    "the client is told an error",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, unknown := range []string{"kode", "CODE", "code kode"} {
				c.try(set("response_type", unknown)).wantError("unsupported_response_type", "invalid_request", "unauthorized_client")
			}
		},
	},
	{
		ID: "authorize-parameter-repeated", Spec: "RFC 6749", Section: "3.1", Level: Must,
		Request: "a parameter stands twice in the request: state, scope, response_type, code_challenge",
		Want:    "the request is refused",
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, name := range []string{"state", "scope", "response_type", "code_challenge"} {
				twice := func(v url.Values) {
					if value := v.Get(name); value != "" {
						v[name] = []string{value, value + "x"}
					}
				}
				if o := c.request(twice).anywhere().in(p.browser(), Allow); o.code() != "" {
					p.errorf("%s stands there twice, and there is a code", name)
				} else {
					o.wantRefused()
				}
			}
		},
	},
	{
		ID: "authorize-empty-parameter", Spec: "RFC 6749", Section: "3.1", Level: Must,
		Request: "parameters that may be left out are there without a value",
		Want:    "a code, as if they had been left out",
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			p.client().authorize(set("login_hint", ""), set("prompt", ""), set("display", ""), set("ui_locales", ""))
		},
	},
	{
		ID: "authorize-parameter-unknown", Spec: "RFC 6749", Section: "3.1", Level: Must,
		Request: "the request has parameters that nobody has defined",
		Want:    "a code, and tokens for it: they are ignored",
		Attacks: []string{"B21"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.client().tokens(set("conformance_unknown", p.secret("unknown")), set("x.y-z", "1"))
		},
	},
	{
		ID: "authorize-scope-unknown", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "scope names one that there is not, beside one that there is",
		Want:    "invalid_scope, or tokens whose scope says that the other one was not granted",
		Attacks: []string{"B12"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			unknown := p.name("unknown")
			good := p.scope()
			c := p.client()
			c.authorize()
			granted(c.try(set("scope", joined(good, unknown))), unknown)
		},
	},
	{
		ID: "authorize-scope-malformed", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "scope has NUL, tab, quotes, backslashes or letters beyond ASCII in it, or ten thousand words",
		Want:    "within moments, a refusal, or tokens whose scope has nothing of it",
		Attacks: []string{"B13"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			good := p.scope()
			for _, bad := range []string{"a\x00b", "a\tb", `a"b`, `a\b`, "é", "a\r\nb"} {
				granted(c.try(set("scope", joined(good, bad))), bad)
			}
			o := c.try(set("scope", joined(good, strings.Repeat("x1 ", 10000))))
			granted(o, "x1")
			if o.last != nil && o.last.took > 5*time.Second {
				p.errorf("ten thousand scopes keep the server for %v", o.last.took)
			}
		},
	},
	{
		ID: "authorize-not-text", Spec: "RFC 6749", Section: "10.14", Level: Must,
		Request: "parameters are not UTF-8, are encoded too long, or have surrogates, a byte order mark or NUL in them",
		Want:    "no failure of the server, and nothing of it comes back as it was",
		Attacks: []string{"A24"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, bad := range []string{"\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "a\x00b"} {
				for _, name := range []string{"client_id", "redirect_uri", "response_type", "state", "scope", "code_challenge", "response_mode"} {
					o := c.request(set(name, "x"+bad+"x")).anywhere().in(p.browser(), Allow)
					if o.last == nil {
						continue
					}
					if o.last.status >= 500 {
						p.errorf("%s %q: status %d", name, bad, o.last.status)
					}
					if bytes.Contains(o.last.body, []byte(bad)) || strings.Contains(o.last.header.Get("Location"), bad) {
						p.errorf("%s %q comes back as it was", name, bad)
					}
					if o.code() != "" && slices.Contains([]string{"client_id", "redirect_uri", "response_type"}, name) {
						p.errorf("%s %q: there is a code", name, bad)
					}
				}
			}
		},
	},
	{
		ID: "authorize-by-post", Spec: "OpenID Connect Core", Section: "3.1.2.1", Level: Must,
		Request: "the authorization request comes by POST, its parameters in the body",
		Want:    "a code, as by GET",
		Attacks: []string{"A21"},
		needs:   []feature{codeFlow, frontRequests, openID},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			a := c.request()
			a.from(b, b.postRequest(a), Allow).wantCode().tokens()
		},
	},
	{
		ID: "authorize-multipart", Spec: "RFC 6749", Section: "4.1.1", Level: Should,
		Request: "the authorization request comes by POST, as multipart/form-data",
		Want:    "nothing comes of it: only one encoding is defined",
		Attacks: []string{"A23"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			a := c.request()
			if a.from(b, b.postRequest(a), Allow).code() == "" {
				p.notOffered("there are no authorization requests by POST")
			}
			var body bytes.Buffer
			parts := multipart.NewWriter(&body)
			a = c.request()
			for _, name := range slices.Sorted(keys(a.params)) {
				_ = parts.WriteField(name, a.params.Get(name)) // to memory
			}
			_ = parts.Close()
			x := p.sendWith(b.http, http.MethodPost, p.endpoint("authorization_endpoint"), &body,
				header("Content-Type", parts.FormDataContentType()), header("Accept", "text/html")).answered()
			a.anywhere().from(b, x, Allow).wantRefused()
		},
	},
	{
		ID: "authorize-methods", Spec: "RFC 6749", Section: "3.1", Level: Must,
		Request: "a good authorization request comes by PUT, PATCH or DELETE, from a browser whose user has allowed the same before",
		Want:    "no code; a 405 tells what is allowed (RFC 9110 §15.5.6)",
		Attacks: []string{"A21"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			c.request().in(b, Allow).wantCode()
			for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
				a := c.request().anywhere()
				x := p.sendWith(b.http, method, a.url(), nil).answered()
				if x.status == http.StatusMethodNotAllowed && x.header.Get("Allow") == "" {
					p.errorf("%s: status 405 without Allow", method)
				}
				if o := a.from(b, x, Allow); o.code() != "" {
					p.errorf("%s: there is a code", method)
				}
			}
		},
	},
	{
		ID: "authorize-no-cors", Spec: "RFC 9700", Section: "2.6", Level: Must,
		Request: "a page of another origin asks for an authorization response by script, after a preflight",
		Want:    "no Access-Control-Allow-Origin",
		Attacks: []string{"D17"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			c.request().in(b, Allow).wantCode()
			for _, origin := range []string{"https://client.example", "https://app.example", "null"} {
				preflight := p.send(http.MethodOptions, c.request().url(), nil, header("Origin", origin), header("Access-Control-Request-Method", "GET")).answered()
				for _, x := range []*exchange{preflight, b.open(c.request().url(), header("Origin", origin), header("Sec-Fetch-Mode", "cors"))} {
					if allowed := x.header.Get("Access-Control-Allow-Origin"); allowed != "" {
						p.errorf("%s with Origin %s: Access-Control-Allow-Origin %s", x.what(), origin, allowed)
					}
				}
			}
		},
	},
	{
		ID: "authorize-request-uri-unsupported", Spec: "OpenID Connect Core", Section: "6.2", Level: Must,
		Request: "a request has a request_uri, and the server says that it takes none",
		Want:    "the request is refused, and nothing is fetched",
		Attacks: []string{"B21"},
		needs:   []feature{codeFlow, openID, frontRequests, lacks(is("request_uri_parameter_supported"), "requests by reference are offered"), has("request_uri_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			elsewhere := p.publish(document("application/oauth-authz-req+jwt", "none"))
			c.request(set("request_uri", elsewhere.url)).anywhere().in(p.browser(), Allow).
				wantRefused("request_uri_not_supported", "invalid_request_uri", "invalid_request")
			if n := elsewhere.times(); n > 0 {
				p.errorf("the server has fetched it %d times", n)
			}
		},
	},
	{
		ID: "authorize-request-unsupported", Spec: "OpenID Connect Core", Section: "6.1", Level: Must,
		Request: "a request has a request object, and the server says that it takes none",
		Want:    "the request is refused: what the client meant is in there",
		Attacks: []string{"B21"},
		needs:   []feature{codeFlow, openID, frontRequests, lacks(is("request_parameter_supported"), "request objects are offered")},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			jwt := p.unsigned(map[string]any{"alg": "none"}, claims{"iss": c.ID, "aud": p.run.target.Issuer, "client_id": c.ID}, nil)
			c.request(set("request", jwt)).anywhere().in(p.browser(), Allow).wantRefused("request_not_supported", "invalid_request", "invalid_request_object")
		},
	},
	{
		ID: "authorize-store-down", Spec: "RFC 6749", Section: "4.1.2.1", Level: Should,
		Request: "an authorization request comes while the server's store is down, and again when it is back",
		Want:    "server_error or temporarily_unavailable, or a page with a status from 500; then a code",
		needs:   []feature{codeFlow, frontRequests},
		alone:   true,
		run: func(p *probe) {
			down := p.controls().StoreDown
			if down == nil {
				p.notTested("it takes Controls.StoreDown")
			}
			c, b := p.client(), p.pages(0)
			p.after(func() { down(false) })
			down(true)
			o := c.request().anywhere().in(b, Allow)
			down(false)
			switch {
			case o.sentTo == nil && o.last.status < 500:
				p.errorf("the answer is a page with status %d: the client's fault, as it says", o.last.status)
			case o.sentTo != nil && !slices.Contains([]string{"server_error", "temporarily_unavailable"}, o.said()):
				p.errorf("the client is told %q", o.said())
			}
			c.request().in(b, Allow).wantCode().tokens()
		},
	},
}

// granted notes a problem unless a request for a scope that cannot be granted was refused, or its
// tokens say that it was not.
func granted(o *outcome, not string) {
	p := o.a.c.p
	if o.code() == "" {
		if o.last != nil && o.last.status >= 500 {
			p.errorf("a scope with %.20q: status %d", not, o.last.status)
		}
		o.wantRefused()
		return
	}
	t := o.tokens()
	if _, said := t.member["scope"]; !said {
		p.errorf("the request had the scope %.20q: the token response does not say what was granted", not)
	}
	if slices.Contains(strings.Fields(t.scope), not) {
		p.errorf("the scope %.20q is granted", not)
	}
}

// postRequest sends the browser to the authorization endpoint by a form of the client's page.
func (b *browser) postRequest(a *authorization) *exchange {
	return b.p.postWith(b.http, b.p.endpoint("authorization_endpoint"), a.params,
		header("Accept", "text/html"), header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Origin", "https://client.example"))
}
