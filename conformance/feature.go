package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// feature is something that a server may or may not offer. It says what is missing, in words,
// or nothing.
type feature func(r *running) (missing string)

// has is a feature that is there if the metadata has a member, such as the URL of an endpoint.
func has(member string) feature {
	return func(r *running) string {
		if _, there := r.md[member]; !there {
			return "the metadata has no " + member
		}
		return ""
	}
}

// is is a feature that is there if a member of the metadata is true.
func is(member string) feature {
	return func(r *running) string {
		if !r.md.is(member) {
			return member + " is not true"
		}
		return ""
	}
}

// lists is a feature that is there if an array of the metadata has a value.
func lists(member, value string) feature {
	return func(r *running) string {
		if !r.md.lists(member, value) {
			return fmt.Sprintf("%s does not list %s", member, value)
		}
		return ""
	}
}

// anyOf is there if one of the features is.
func anyOf(features ...feature) feature {
	return func(r *running) string {
		var missing []string
		for _, f := range features {
			why := f(r)
			if why == "" {
				return ""
			}
			missing = append(missing, why)
		}
		return strings.Join(missing, ", and ")
	}
}

// lacks is there if a feature is not: for what must be refused by servers without it.
func lacks(f feature, why string) feature {
	return func(r *running) string {
		if f(r) == "" {
			return why
		}
		return ""
	}
}

var (
	published feature = func(r *running) string {
		if there, _ := r.md["."].(bool); !there {
			return "the server publishes no metadata"
		}
		return ""
	}

	codeFlow         = anyOf(lists("response_types_supported", "code"), lists("response_types_supported", "code id_token"))
	openID   feature = func(r *running) string {
		if !r.md.lists("scopes_supported", "openid") || r.md.text("jwks_uri") == "" {
			return "there is no OpenID Connect: scopes_supported does not list openid"
		}
		return ""
	}
	refreshing    = lists("grant_types_supported", "refresh_token")
	ownTokens     = lists("grant_types_supported", "client_credentials")
	introspecting = has("introspection_endpoint")
	revoking      = has("revocation_endpoint")
	pushing       = has("pushed_authorization_request_endpoint")
	registering   = has("registration_endpoint")
	proving       = has("dpop_signing_alg_values_supported")

	// publicClients are there unless the server authenticates all of them.
	publicClients feature = func(r *running) string {
		methods, there := r.md["token_endpoint_auth_methods_supported"]
		if there && !slices.Contains(texts(methods), "none") {
			return "token_endpoint_auth_methods_supported does not list none"
		}
		return ""
	}

	// frontRequests are authorization requests whose parameters stand in the URL.
	frontRequests feature = func(r *running) string {
		if r.md.is("require_pushed_authorization_requests") {
			return "all authorization requests are pushed"
		}
		if r.md.is("require_signed_request_object") {
			return "all authorization requests are signed"
		}
		return ""
	}
)
