package conformance

import (
	"net/url"
	"slices"
)

// keyed is a client that authenticates with private_key_jwt, and has tokens of its own where
// there are any.
func (p *probe) keyed(wanted ...wanting) *client {
	all := []wanting{method("private_key_jwt")}
	if ownTokens(p.run) == "" {
		all = append(all, servicing())
	}
	return p.client(append(all, wanted...)...)
}

// identified sends a request that takes client authentication and little else: for tokens of
// the client's own, or for a code that nobody has where there are none of these.
func (c *client) identified(changes ...sending) *exchange {
	if ownTokens(c.p.run) == "" && slices.Contains(texts(c.Metadata["grant_types"]), "client_credentials") {
		form := url.Values{"grant_type": {"client_credentials"}}
		if scope := c.p.scope(); scope != "" && scope != "openid" {
			form.Set("scope", scope)
		}
		return c.token(form, changes...)
	}
	return c.token(url.Values{"grant_type": {"authorization_code"}, "code": {c.p.secret("code")}, "redirect_uri": {c.redirectURI()}, "code_verifier": {c.p.secret("code_verifier")}}, changes...)
}

// known tells whether a request of identified got past client authentication.
func (x *exchange) known() bool {
	return x.status == 200 && x.text("access_token") != "" || x.status == 400 && x.text("error") == "invalid_grant"
}

// wantKnown fails the case unless the client was authenticated.
func (x *exchange) wantKnown(with string) *exchange {
	if !x.known() {
		x.p.failBasic("assertion-private-key", "with %s the client is not authenticated: status %d, error %q: %s", with, x.status, x.text("error"), x.text("error_description"))
	}
	return x
}

// wantUnknown notes a problem unless client authentication failed (RFC 7521 §4.2.1). What cannot
// even be read may be called an invalid request.
func (x *exchange) wantUnknown(with string) *exchange {
	switch said := x.text("error"); {
	case x.status == 200 || x.text("access_token") != "" || said == "invalid_grant":
		x.p.errorf("with %s the client is authenticated: status %d, error %q", with, x.status, said)
	case x.status < 400 || x.status > 499:
		x.p.errorf("with %s the answer has status %d, want a refusal", with, x.status)
	case said != "invalid_client" && said != "invalid_request":
		x.p.errorf("with %s the error is %q, want invalid_client", with, said)
	}
	return x
}

// trying sends a request with an assertion.
func (c *client) trying(assertion func() string) *exchange {
	c.says = assertion
	defer func() { c.says = nil }()
	return c.identified()
}

// refuses checks that assertions with these changes are refused, and a good one before and
// after them is not.
func (c *client) refuses(changes map[string]claims) {
	c.identified().wantKnown("a good assertion")
	for what, change := range ordered(changes) {
		c.trying(func() string { return c.assertion(change) }).wantUnknown(what)
	}
	c.identified().wantKnown("a good assertion afterwards")
}

var byKey = lists("token_endpoint_auth_methods_supported", "private_key_jwt")
