package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// edit changes the parameters of a request.
type edit func(url.Values)

// set gives a parameter these values; none takes it away.
func set(name string, values ...string) edit {
	return func(v url.Values) {
		if len(values) == 0 {
			delete(v, name)
			return
		}
		v[name] = values
	}
}

// del takes parameters away.
func del(names ...string) edit {
	return func(v url.Values) {
		for _, name := range names {
			delete(v, name)
		}
	}
}

// challengeOf is the S256 challenge of a verifier (RFC 7636 §4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorization is an authorization request of a client.
type authorization struct {
	c        *client
	params   url.Values
	verifier string
	arrived  func(*url.URL) bool // instead of the redirect URI in params, if it is set
	sent     url.Values          // instead of params, if it is set: such as a request object that has them
}

// request is a good authorization request, changed by edits.
func (c *client) request(edits ...edit) *authorization {
	a := &authorization{c: c, verifier: c.p.secret("code_verifier")}
	a.params = url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.redirectURI()}, "state": {c.p.secret("state")},
		"code_challenge": {challengeOf(a.verifier)}, "code_challenge_method": {"S256"},
	}
	if scope := c.p.scope(); scope != "" {
		a.params.Set("scope", scope)
	}
	if openID(c.p.run) == "" && a.params.Get("scope") == "openid" {
		a.params.Set("nonce", c.p.secret("nonce"))
	}
	if !c.p.run.md.lists("response_modes_supported", "query") && c.p.run.md.lists("response_modes_supported", "jwt") {
		a.params.Set("response_mode", "jwt")
	}
	for _, e := range edits {
		e(a.params)
	}
	return a
}

// url is the request in the front channel, as it stands.
func (a *authorization) url() string { return a.c.p.authorizeURL(a.params) }

// authorizeURL is the authorization endpoint with these parameters.
func (p *probe) authorizeURL(params url.Values) string {
	endpoint := p.endpoint("authorization_endpoint")
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + params.Encode()
}

// outcome is what came of an authorization request, in whichever way the server answered.
type outcome struct {
	a *authorization

	// params are what the client gets back; nil if it gets nothing.
	params url.Values
	signed string // the JWT that they came in (JARM), empty if it was none
	sentTo *url.URL
	last   *exchange // the last page or redirect, nil in a real browser
	page   *Page     // where a real browser stopped

	// pushed is the answer to a pushed request that was refused; there is nothing else then.
	pushed *exchange
}

// begin opens the request in a browser: pushed or signed before, if the server or the client
// has it so. It returns the first answer, or what refused the pushed request.
func (a *authorization) begin(b *browser) (first *exchange, refused *exchange) {
	address, refused := a.address()
	if refused != nil {
		return nil, refused
	}
	return b.open(address), nil
}

// address is the URL that starts the request, in the way that the server demands.
func (a *authorization) address() (address string, refused *exchange) {
	p, params := a.c.p, a.params
	if a.sent != nil {
		params = a.sent
	} else if p.run.md.is("require_signed_request_object") || a.c.Metadata["require_signed_request_object"] == true {
		params = url.Values{"client_id": {a.c.ID}, "request": {a.c.requestObject(a.params, nil)}}
	}
	if p.run.md.is("require_pushed_authorization_requests") || a.c.Metadata["require_pushed_authorization_requests"] == true {
		x := a.c.push(params)
		if x.status != http.StatusCreated {
			return "", x
		}
		params = url.Values{"client_id": {a.c.ID}, "request_uri": {x.text("request_uri")}}
	}
	return p.authorizeURL(params), nil
}

// push sends a pushed authorization request (RFC 9126 §2.1).
func (c *client) push(params url.Values, changes ...sending) *exchange {
	params = maps.Clone(params)
	if c.dpop != nil {
		return c.proving("pushed_authorization_request_endpoint", params, c.dpop, changes...)
	}
	return c.post("pushed_authorization_request_endpoint", params, changes...)
}

// in takes a user through the request in a browser.
func (a *authorization) in(b *browser, decision Decision) *outcome {
	if b.real == nil {
		first, refused := a.begin(b)
		if refused != nil {
			return &outcome{a: a, pushed: refused}
		}
		return a.from(b, first, decision)
	}
	o := &outcome{a: a}
	address, refused := a.address()
	if o.pushed = refused; refused != nil {
		return o
	}
	var err error
	o.sentTo, o.page, err = b.real.Visit(a.c.p.ctx, b.rewritten(address), a.there(), decision)
	if err != nil {
		a.c.p.failf("the browser: %v", err)
	}
	o.read()
	return o
}

// from goes on from an answer of the server, in the suite's own browser.
func (a *authorization) from(b *browser, x *exchange, decision Decision) *outcome {
	o := &outcome{a: a}
	o.sentTo, o.last = b.walk(x, a.there(), decision)
	o.read()
	return o
}

// there tells whether a URL is where the client gets its answer.
func (a *authorization) there() func(*url.URL) bool {
	if a.arrived != nil {
		return a.arrived
	}
	to := a.params.Get("redirect_uri")
	if to == "" {
		to = a.c.redirectURI()
	}
	return callback(to)
}

// read reads what the client gets from where the browser is sent.
func (o *outcome) read() {
	if o.sentTo == nil {
		return
	}
	o.params = answerIn(o.sentTo)
	if o.signed = o.params.Get("response"); o.signed != "" && !o.params.Has("code") && !o.params.Has("error") && strings.Count(o.signed, ".") == 2 {
		o.params = o.a.c.p.signedAnswer(o.signed, o.a.c.ID)
	}
}

// answerIn is an authorization response in a URL.
func answerIn(u *url.URL) url.Values {
	params := u.Query()
	inFragment, err := url.ParseQuery(u.EscapedFragment())
	if err == nil {
		maps.Copy(params, inFragment)
	}
	return params
}

// try sends a request of the client in a new browser, whose user allows it.
func (c *client) try(edits ...edit) *outcome { return c.request(edits...).in(c.p.browser(), Allow) }

// authorize is a request that must succeed: the outcome has a code.
func (c *client) authorize(edits ...edit) *outcome { return c.try(edits...).wantCode() }

// code is the authorization code.
func (o *outcome) code() string { return o.params.Get("code") }

// said is the error that the client is told, by whichever way.
func (o *outcome) said() string {
	if o.pushed != nil {
		return o.pushed.text("error")
	}
	return o.params.Get("error")
}

// wantCode fails the case unless the client gets a code.
func (o *outcome) wantCode() *outcome {
	p := o.a.c.p
	switch {
	case o.pushed != nil:
		p.failBasic(o.basic(), "the pushed request is refused: status %d, %q: %s", o.pushed.status, o.pushed.text("error"), o.pushed.text("error_description"))
	case o.params == nil:
		p.failBasic(o.basic(), "the client gets no answer: the browser stays at %s", o.stays())
	}
	if o.code() == "" {
		p.failBasic(o.basic(), "the client gets no code but %q: %s", o.params.Get("error"), o.params.Get("error_description"))
	}
	p.hide("code", o.code())
	return o
}

func (o *outcome) stays() string {
	if o.last != nil {
		return o.last.what() + ", status " + numbers([]int{o.last.status})
	}
	if o.page != nil {
		return o.page.URL.Path
	}
	return "nowhere"
}

// wantError fails the case unless the client is told one of these errors, and gets no code: by a
// redirect with the state, or in the answer to a pushed request.
func (o *outcome) wantError(codes ...string) *outcome {
	p := o.a.c.p
	if o.pushed != nil {
		o.pushed.wantError(0, codes...)
		return o
	}
	if o.params == nil {
		p.failf("the client is told nothing, want %s: the browser stays at %s", words(codes), o.stays())
	}
	switch {
	case o.params.Has("code") || o.params.Has("access_token") || o.params.Has("id_token"):
		p.failf("the client gets a code or a token, want %s", words(codes))
	case !slices.Contains(codes, o.params.Get("error")):
		p.failf("error %q, want %s", o.params.Get("error"), words(codes))
	case o.params.Get("state") != o.a.params.Get("state"):
		p.errorf("state %q comes back as %q", o.a.params.Get("state"), o.params.Get("state"))
	}
	return o
}

// wantNoAnswer fails the case unless the browser is sent nowhere and gets an error, or the pushed
// request is refused.
func (o *outcome) wantNoAnswer() *outcome {
	switch {
	case o.pushed != nil:
		o.pushed.wantRefused()
	case o.sentTo != nil:
		o.a.c.p.failf("the browser is sent to %s", o.sentTo.Redacted())
	case o.last != nil:
		o.last.wantStays()
	case o.page != nil:
		o.wantErrorPage()
	}
	return o
}

// wantErrorPage fails the case unless a real browser stopped at a page that is an error.
func (o *outcome) wantErrorPage() {
	if o.page.Status < 400 || o.page.Status > 499 {
		o.a.c.p.failf("%s: status %d, want an error page", o.page.URL.Path, o.page.Status)
	}
}

// wantRefused fails the case unless the request comes to nothing: by an error that the client
// is told, or one of these codes if there are any, or by an error page.
func (o *outcome) wantRefused(codes ...string) *outcome {
	switch {
	case o.pushed != nil:
		o.pushed.wantRefused()
	case o.params == nil && o.last != nil:
		o.last.wantStays()
	case o.params == nil && o.page != nil:
		o.wantErrorPage()
	case o.params.Has("code") || o.params.Has("access_token") || o.params.Get("error") == "" && !o.params.Has("response"):
		o.a.c.p.failf("the client gets %s", words(slices.Sorted(maps.Keys(o.params))))
	}
	if said := o.said(); said != "" && len(codes) > 0 && !slices.Contains(codes, said) {
		o.a.c.p.failf("error %q, want %s", said, words(codes))
	}
	return o
}

// allScopes are all that clients of the suite may ask for.
func (p *probe) allScopes() []string {
	all := p.plainScopes()
	for _, extra := range []string{"openid", "offline_access", "profile", "email"} {
		if p.run.md.lists("scopes_supported", extra) && !slices.Contains(all, extra) {
			all = append(all, extra)
		}
	}
	return all
}

// plainScopes are those that mean nothing to the protocol.
func (p *probe) plainScopes() []string {
	if len(p.run.target.Scopes) > 0 {
		return slices.Clone(p.run.target.Scopes)
	}
	special := []string{"openid", "offline_access", "profile", "email", "address", "phone"}
	return slices.DeleteFunc(slices.Clone(p.run.md.list("scopes_supported")), func(s string) bool { return slices.Contains(special, s) })
}

// scope is one that a request can do with.
func (p *probe) scope() string {
	if all := p.plainScopes(); len(all) > 0 {
		return all[0]
	}
	if openID(p.run) == "" {
		return "openid"
	}
	return ""
}

// twoScopes are two different ones.
func (p *probe) twoScopes() (string, string) {
	all := p.plainScopes()
	if len(all) < 2 {
		// offline_access is no such scope: lastingTokens asks for it beside any.
		all = slices.DeleteFunc(p.allScopes(), func(s string) bool { return s == "offline_access" })
	}
	if len(all) < 2 {
		p.notTested("it takes two scopes: see Target.Scopes")
	}
	return all[0], all[1]
}
