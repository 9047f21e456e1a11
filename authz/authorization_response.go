package authz

import (
	"context"
	"net/url"
	"strings"
)

// How an authorization response gets to the client: RFC 6749 §4.1.2, by one of the response modes.

// checkResponseMode: OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2, JARM
// §2.3. The error goes by the default mode, never by the one refused. No browser posts a form to
// a private-use scheme.
func (a *authorization) checkResponseMode(context.Context) *Error {
	mode, signed := strings.CutSuffix(once(a.params, "response_mode"), ".jwt")
	switch mode {
	case "jwt": // the default of response_type=code, signed (§2.3.4)
		if signed {
			break
		}
		a.jarm = true
		return nil
	case "query":
		a.jarm = signed
		return nil
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
	return failed(invalidRequest, "response_mode_not_supported", "The response_mode is not supported. Use query or form_post, or one of these with .jwt.")
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
	return &AuthorizationResponse{Redirect: withQuery(a.redirectURI, params)}, nil
}
