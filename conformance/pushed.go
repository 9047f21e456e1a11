package conformance

import (
	"net/http"
	"net/url"
	"strings"
)

// pushable are the parameters of a request as the server wants them pushed: signed, if it does.
func (a *authorization) pushable() url.Values {
	if a.c.p.run.md.is("require_signed_request_object") {
		return url.Values{"client_id": {a.c.ID}, "request": {a.c.requestObject(a.params, nil)}}
	}
	return a.params
}

// pushed pushes a good request, changed by edits.
func (c *client) pushed(edits ...edit) (a *authorization, requestURI string) {
	a = c.request(edits...)
	x := c.push(a.pushable())
	if x.status != http.StatusCreated {
		c.p.failBasic("par-good", "the pushed request is refused: status %d, %q: %s", x.status, x.text("error"), x.text("error_description"))
	}
	if requestURI = x.text("request_uri"); requestURI == "" {
		c.p.failf("the answer has no request_uri")
	}
	return a, requestURI
}

// referred takes a user through a request that was pushed, changed by edits of what stands in the URL.
func (a *authorization) referred(b *browser, requestURI string, outside ...edit) *outcome {
	a.sent = nil
	params := url.Values{"client_id": {a.c.ID}, "request_uri": {requestURI}}
	for _, e := range outside {
		e(params)
	}
	o := &outcome{a: a}
	o.sentTo, o.last = b.walk(b.open(a.c.p.authorizeURL(params)), callback(a.params.Get("redirect_uri")), Allow)
	return o.readSent()
}

// readSent takes the response out of the URL that the browser was sent to.
func (o *outcome) readSent() *outcome {
	if o.sentTo == nil {
		return o
	}
	o.params = answerIn(o.sentTo)
	if o.signed = o.params.Get("response"); o.signed != "" && !o.params.Has("code") && strings.Count(o.signed, ".") == 2 {
		o.params = o.a.c.p.signedAnswer(o.signed, o.a.c.ID)
	}
	return o
}

// reference is a request that has been pushed, at the authorization endpoint.
func (c *client) reference(requestURI string) string {
	return c.p.authorizeURL(url.Values{"client_id": {c.ID}, "request_uri": {requestURI}})
}

// clone is the same request, for another browser.
func (a *authorization) clone() *authorization {
	b := *a
	return &b
}

// sentInURL sends a browser with the parameters in the URL, whatever the server wants.
func (a *authorization) sentInURL() *outcome {
	o := &outcome{a: a}
	b := a.c.p.browser()
	o.sentTo, o.last = b.walk(b.open(a.url()), callback(a.c.redirectURI()), Allow)
	return o.readSent()
}
