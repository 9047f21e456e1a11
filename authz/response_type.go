package authz

import (
	"context"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/storage"
)

// Response types (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types): code always, and those
// with an ID token where the host turns them on (OpenID Connect Core §3.2, §3.3). There are none
// with an access token: RFC 9700 §2.1.2 tells to stay away from what puts those into URLs.

const (
	responseCode        = "code"
	responseIDToken     = "id_token"
	responseCodeIDToken = "code id_token"
)

// grantImplicit is what a client with an ID token from the authorization endpoint registers
// (OpenID Connect Registration §2, grant_types). The token endpoint knows nothing of it.
const grantImplicit = "implicit"

// responseTypeOf is a response_type with its words in order, in which they do not matter (Multiple
// Response Types §3).
func responseTypeOf(said string) string {
	words := strings.Fields(said)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// responseTypes are those that the server supports.
func (c *Config) responseTypes() []string {
	return append([]string{responseCode}, c.ResponseTypes...)
}

// completeResponseTypes checks Config.ResponseTypes.
func (c *Config) completeResponseTypes(fault func(field, format string, args ...any)) {
	var types []string
	for _, said := range c.ResponseTypes {
		switch t := responseTypeOf(said); {
		case t == responseCode || slices.Contains(types, t):
		case t != responseIDToken && t != responseCodeIDToken:
			fault("ResponseTypes", "%q is not supported; use code, id_token or code id_token", said)
		case !c.openID():
			fault("ResponseTypes", "%q needs OpenID Connect; add the scope openid to Scopes", said)
		case c.FAPI2: // Security Profile §5.3.2.2, item 1
			fault("ResponseTypes", "%q is not allowed by Config.FAPI2; leave it out", said)
		default:
			types = append(types, t)
		}
	}
	c.ResponseTypes = types
}

// responseTypesOf are those that a client may use.
func responseTypesOf(c *Client) []string {
	if len(c.ResponseTypes) == 0 && slices.Contains(grantTypesOf(c), grantAuthorizationCode) {
		return []string{responseCode}
	}
	types := make([]string, len(c.ResponseTypes))
	for i, said := range c.ResponseTypes {
		types[i] = responseTypeOf(said)
	}
	return types
}

// grantTypesOfResponse are the grant types that a response type goes with (OpenID Connect
// Registration §2).
func grantTypesOfResponse(t string) []string {
	switch t {
	case responseCode:
		return []string{grantAuthorizationCode}
	case responseIDToken:
		return []string{grantImplicit}
	}
	return []string{grantAuthorizationCode, grantImplicit}
}

// checkResponseTypes finds the faults in a client's response types.
func (s *Server) checkResponseTypes(c *Client, fault func(field, format string, args ...any)) {
	for _, t := range c.ResponseTypes {
		if !slices.Contains(s.config.responseTypes(), responseTypeOf(t)) {
			fault("ResponseTypes", "%q is none of %q; add it to Config.ResponseTypes, or take it out here", t, s.config.responseTypes())
		} else if lacks := without(grantTypesOfResponse(responseTypeOf(t)), grantTypesOf(c)); len(lacks) > 0 {
			fault("ResponseTypes", "%q needs %s in GrantTypes", t, strings.Join(lacks, " and "))
		}
	}
}

// responseTypeMetadata fills in those of the response types asked for that this server and the
// client's grant types allow (RFC 7591 §2.1).
func (s *Server) responseTypeMetadata(m clientMetadata, c *Client) *Error {
	said, err := m.texts("response_types")
	if err != nil {
		return err
	}
	for _, t := range said {
		if t = responseTypeOf(t); slices.Contains(s.config.responseTypes(), t) && len(without(grantTypesOfResponse(t), c.GrantTypes)) == 0 && !slices.Contains(c.ResponseTypes, t) {
			c.ResponseTypes = append(c.ResponseTypes, t)
		}
	}
	usesCode := slices.Contains(c.GrantTypes, grantAuthorizationCode)
	switch {
	case usesCode && len(said) > 0 && !slices.ContainsFunc(c.ResponseTypes, func(t string) bool { return t != responseIDToken }):
		return badMetadata("response_types", "must hold code, or grant_types must not hold authorization_code")
	case !usesCode && slices.Contains(c.GrantTypes, grantImplicit) && len(c.ResponseTypes) == 0:
		return badMetadata("response_types", "must hold id_token, or grant_types must not hold implicit")
	}
	if slices.Equal(c.ResponseTypes, []string{responseCode}) {
		c.ResponseTypes = nil // the default
	}
	return nil
}

// asksFor reports whether a request wants this from the authorization endpoint: a code, or an ID
// token.
func (a *authorization) asksFor(what string) bool {
	return slices.Contains(strings.Fields(once(a.params, "response_type")), what)
}

// checkResponseType: RFC 6749 §3.1.1.
func (a *authorization) checkResponseType(context.Context) *Error {
	said := once(a.params, "response_type")
	switch t := responseTypeOf(said); {
	case said == "":
		return missing("response_type")
	case !slices.Contains(a.config.responseTypes(), t):
		return failed(unsupportedResponseType, "response_type_not_supported", "The response_type is not supported. Use code.")
	case len(without(grantTypesOfResponse(t), grantTypesOf(a.client))) > 0:
		return failed(unauthorizedClient, "grant_type_not_allowed", "This client may not use the grant types of this response_type.")
	case !slices.Contains(responseTypesOf(a.client), t):
		return failed(unauthorizedClient, "response_type_not_allowed", "This client may not use this response_type.")
	}
	return nil
}

// checkIDTokenResponse: OpenID Connect Core §3.2.2.1, §3.3.2.1.
func (a *authorization) checkIDTokenResponse(context.Context) *Error {
	switch {
	case !a.asksFor(responseIDToken):
		return nil
	case !a.asksOpenID():
		return failed(invalidRequest, "openid_missing", "An ID token needs openid among the scopes.")
	case a.nonce() == "":
		return missing("nonce")
	}
	return nil
}

// addIDToken adds the ID token that the authorization endpoint returns (OpenID Connect Core
// §3.2.2.5, §3.3.2.5) to the parameters of its answer. It vouches for the code beside it; alone,
// it has the claims of scopes, for which there is no access token to ask with (§5.4).
func (a *authorization) addIDToken(ctx context.Context, grant *storage.Grant, params map[string][]string) *Error {
	if !a.asksFor(responseIDToken) {
		return nil
	}
	code := ""
	if values := params["code"]; len(values) == 1 {
		code = values[0]
	}
	p := &tokenPolicy{Server: a.Server, client: a.client, params: a.params, at: a.at, code: code}
	issued := &engine.Issued{Grant: grant, Scopes: grant.Scopes, Nonce: a.nonce()}
	if err := p.addIDToken(ctx, issued); err != nil {
		return err
	}
	params["id_token"] = []string{issued.IDToken}
	return nil
}
