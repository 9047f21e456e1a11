package authz

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// How an authorization response gets to the client: RFC 6749 §4.1.2, by one of the response modes.

// responseModes are those that a request may name.
func (c *Config) responseModes() []string {
	modes := []string{"query", "form_post", "jwt", "query.jwt", "form_post.jwt"}
	if len(c.ResponseTypes) > 0 {
		modes = []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}
	}
	if c.RequireSignedResponses {
		modes = modes[slices.Index(modes, "jwt"):]
	}
	return modes
}

// checkResponseMode: OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2, JARM
// §2.3. The error goes by the default mode, never by the one refused. An ID token goes in the
// fragment and never in the query, where servers and logs would see it (Multiple Response Types
// §3, JARM §2.3.1). No browser posts a form to a private-use scheme.
func (a *authorization) checkResponseMode(context.Context) *Error {
	secret := a.asksFor(responseIDToken) && len(a.config.ResponseTypes) > 0
	a.fragment = secret
	mode, signed := strings.CutSuffix(once(a.params, "response_mode"), ".jwt")
	switch mode {
	case "jwt": // the default of the response type, signed (§2.3.4)
		if signed {
			break
		}
		a.jarm = true
		return nil
	case "query":
		if !secret {
			a.jarm = signed
			return nil
		}
	case "fragment":
		if len(a.config.ResponseTypes) > 0 {
			a.fragment, a.jarm = true, signed
			return nil
		}
	case "":
		if !signed {
			return nil
		}
	case "form_post":
		if strings.HasPrefix(a.redirectURI, "https://") || strings.HasPrefix(a.redirectURI, "http://") {
			a.formPost, a.jarm = true, signed
			return nil
		}
	}
	return failed(invalidRequest, "response_mode_not_supported", "The response_mode is not supported, or not with this response_type. See response_modes_supported.")
}

// checkSignsResponse: FAPI 2.0 Message Signing §5.4.1.
func (a *authorization) checkSignsResponse(context.Context) *Error {
	if a.config.RequireSignedResponses && !a.jarm {
		return failed(invalidRequest, "signed_response_required", "Authorization responses have to be signed. Use the response_mode jwt.")
	}
	return nil
}

// refuse sends the browser back to the client with an error (RFC 6749 §4.1.2.1). A server that
// cannot sign an error, or encrypt it, says that in clear, and not what the error was: there is
// nothing in it which is worth forging, or hiding.
func (a *authorization) refuse(ctx context.Context, e *Error, subject string) *AuthorizationResponse {
	a.report(ctx, e, a.client.ID, subject)
	response, failure := a.redirect(ctx, url.Values{"error": {e.Code}, "error_description": {e.Description}})
	if failure != nil {
		a.report(ctx, failure, a.client.ID, subject)
		a.jarm = false
		response, _ = a.redirect(ctx, url.Values{"error": {failure.Code}, "error_description": {failure.Description}})
	}
	return response
}

// redirect sends the browser back to the client. state goes back as it came, and iss
// tells the client which server answered (RFC 9207 §2). Only signing and encrypting can fail.
func (a *authorization) redirect(ctx context.Context, params url.Values) (*AuthorizationResponse, *Error) {
	if state, sent := a.params["state"]; sent && len(state) == 1 {
		params.Set("state", state[0])
	}
	if a.jarm {
		signed, err := a.signResponse(ctx, params)
		if err != nil {
			return nil, err
		}
		params = url.Values{"response": {signed}} // with iss in it (RFC 9207 §2.4)
	} else {
		params.Set("iss", a.config.Issuer)
	}
	if a.formPost {
		return &AuthorizationResponse{Form: &FormPost{Action: a.redirectURI, Parameters: params}}, nil
	}
	if a.fragment { // a registered redirect URI has none
		return &AuthorizationResponse{Redirect: a.redirectURI + "#" + params.Encode()}, nil
	}
	return &AuthorizationResponse{Redirect: withQuery(a.redirectURI, params)}, nil
}
