package authz

import (
	"fmt"
	"slices"
	"strings"
)

// offlineAccess is the scope by which a public client asks for a refresh token.
const offlineAccess = "offline_access"

// maxScopes bounds what one request may ask for.
const maxScopes = 100

// resolveScope turns the scope parameter into the scopes asked for (RFC 6749 §3.3):
// the client's defaults where it is absent; an error where it is malformed, or asks
// for a scope that the server does not have or the client may not ask for.
func (s *Server) resolveScope(client *Client, param string) ([]string, *Error) {
	if param == "" {
		defaults := client.DefaultScopes
		if len(defaults) == 0 {
			defaults = client.Scopes
		}
		return slices.DeleteFunc(slices.Clone(defaults), func(scope string) bool {
			// A stored client may be older than the list, or was never checked.
			_, known := s.config.Scopes[scope]
			return !known || !slices.Contains(client.Scopes, scope)
		}), nil
	}
	scopes, err := splitScope(param)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		if _, known := s.config.Scopes[scope]; !known || !slices.Contains(client.Scopes, scope) {
			return nil, failed(invalidScope, "scope_not_allowed", "A requested scope is unknown, or this client may not request it.").
				because(fmt.Errorf("%.100q is not in Config.Scopes or not in the client's Scopes", scope))
		}
	}
	return scopes, nil
}

// splitScope splits a scope parameter: one space between tokens (RFC 6749 §3.3). A
// token given twice counts once.
func splitScope(param string) ([]string, *Error) {
	var scopes []string
	for i, scope := range strings.SplitN(param, " ", maxScopes+1) {
		if i == maxScopes || !scopeToken(scope) {
			return nil, failed(invalidScope, "scope_malformed", "The scope parameter is malformed.")
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// scopeToken reports whether s is a scope-token: 1*( %x21 / %x23-5B / %x5D-7E )
// (RFC 6749 §3.3).
func scopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x21 || r > 0x7e || r == '"' || r == '\\'
	})
}

// sameSet reports whether a and b have the same elements.
func sameSet(a, b []string) bool {
	return len(without(a, b)) == 0 && len(without(b, a)) == 0
}

// within is the part of a that is also in b, in a's order.
func within(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// without is the part of a that is not in b, in a's order.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
