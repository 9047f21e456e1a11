package authz

import (
	"maps"
	"slices"
	"time"
)

// ProfileMCP is a Config for an app whose clients are MCP hosts, as MCP's authorization
// specification of 2026-07-28 has it: the host adds Issuer, Storage and Login, and may change
// anything. It differs from a Config of the same Scopes in that
//
//   - clients that nobody knows may introduce themselves, by a metadata document or, as older
//     ones do, by registration, and ask users for all of scopes: the consent page says that
//     they are strangers,
//   - pages of any origin may call the token endpoint, because some clients are pages,
//   - clients that may use refresh tokens get them, rotated: MCP hosts run for weeks, and most
//     do not ask for offline_access. If it is among scopes, it is asked for and decides.
//
// The rest of what MCP demands holds of every server: PKCE with S256 alone, iss in each
// answer, the resource parameter, metadata of server and resource, and loopback redirect URIs
// with any port.
//
// Name the MCP server in Resource and guard it with handlers.Protect.
func ProfileMCP(scopes Scopes) Config {
	all := slices.Sorted(maps.Keys(scopes))
	c := Config{
		Scopes:           maps.Clone(scopes),
		ClientIDMetadata: &ClientIDMetadata{Scopes: all},
		Registration:     &Registration{Open: true, Scopes: slices.Clone(all)},
		AllowedOrigins:   []string{"*"},
	}
	if _, there := scopes[offlineAccess]; !there {
		c.IssueRefreshToken = func(*Client, []string) bool { return true }
	}
	return c
}

// ProfileStrict is a Config with what RFC 9700 recommends on top of what it demands, which holds
// of every server: the host adds Issuer, Storage, Login and Scopes, and may change anything. In
// it
//
//   - authorization requests are pushed, so that nobody reads or changes them on their way
//     through the browser (RFC 9126 §1),
//   - clients authenticate with keys, by private_key_jwt or, where the host turns MutualTLS on,
//     by certificate, and never by a secret that a server has to be told (§2.5); add none to
//     TokenEndpointAuthMethods for public clients,
//   - access tokens are bound to a key, and of no use to who steals them (§2.2.1),
//   - assertions are for the issuer alone, and access tokens short-lived.
func ProfileStrict() Config {
	return Config{
		RequirePushedAuthorizationRequests: true,
		TokenEndpointAuthMethods:           []string{authPrivateKeyJWT, authTLS, authSelfSignedTLS},
		StrictAssertionAudience:            true,
		DPoP:                               true,
		RequireBoundAccessTokens:           true,
		Lifetimes:                          Lifetimes{AccessToken: 10 * time.Minute},
	}
}

// ProfileFAPI2 is a Config of the FAPI 2.0 Security Profile: the host adds Issuer, Storage, Login
// and Scopes, and may change what does not contradict the profile, which New says. It is
// ProfileStrict with what [Config.FAPI2] holds the server to. Tokens are bound by DPoP, and by
// certificate where the host turns MutualTLS on; leave DPoP out for that alone.
func ProfileFAPI2() Config {
	c := ProfileStrict()
	c.FAPI2 = true
	return c
}

// ProfileFAPI2MessageSigning is ProfileFAPI2 with what FAPI 2.0 Message Signing adds to it:
// requests are signed (§5.3), and so are responses (§5.4). Resource servers ask for signed
// introspection (§5.5) themselves; there is nothing to turn on.
func ProfileFAPI2MessageSigning() Config {
	c := ProfileFAPI2()
	c.RequireSignedRequestObjects, c.RequireSignedResponses = true, true
	return c
}
