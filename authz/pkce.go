package authz

import (
	"context"
	"slices"
	"strings"
)

// PKCE (RFC 7636), for every client (RFC 9700 §2.1.1).

// checkCodeChallenge: RFC 7636 §4.2 to §4.4.1. An S256 challenge is the base64url form of 32
// bytes and nothing else.
func (a *authorization) checkCodeChallenge(context.Context) *Error {
	if !a.asksFor(responseCode) { // nothing would be exchanged
		return nil
	}
	challenge, method := once(a.params, "code_challenge"), once(a.params, "code_challenge_method")
	switch {
	case challenge == "" && method == "" && a.mayOmitChallenge():
		return nil
	case challenge == "":
		return failed(invalidRequest, "code_challenge_missing", "The code_challenge parameter is missing. PKCE is required.")
	case method != "S256":
		return failed(invalidRequest, "code_challenge_method_not_s256", "The code_challenge_method must be S256.")
	}
	if b, err := strictBase64.DecodeString(challenge); err != nil || len(b) != 32 {
		return failed(invalidRequest, "code_challenge_malformed", "The code_challenge is not the base64url form of a SHA-256 hash.")
	}
	return nil
}

// mayOmitChallenge reports whether this request may do without. What the client sends decides,
// and no default: whoever leaves it out says openid aloud.
func (a *authorization) mayOmitChallenge() bool {
	return a.config.OptionalPKCE && a.config.openID() && !impersonable(a.client, a.redirectURI) && !public(a.client) &&
		slices.Contains(strings.Fields(once(a.params, "scope")), openID)
}
