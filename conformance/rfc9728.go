package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// RFC 9728: protected resource metadata, of the API at Target.Resource.
var resourceMetadataCases = []Case{
	{
		ID: "resource-metadata-place", Spec: "RFC 9728", Section: "3.1", Level: Must,
		Request: "the metadata of the resource is asked for, at the well-known place before the path of its identifier",
		Want:    "a JSON object whose resource is the identifier, to the letter",
		run: func(p *probe) {
			one := p.servedResource()
			x := p.get(resourceWellKnown(one)).wantJSON()
			if got := x.text("resource"); got != one {
				p.failf("%s: resource %q, want %q", x.what(), got, one)
			}
		},
	},
	{
		ID: "resource-metadata-named-in-challenge", Spec: "RFC 9728", Section: "5.1", Level: Should,
		Request: "the resource is asked for without a token",
		Want:    "401, and resource_metadata in the challenge: the URL of a document whose resource is the URL that was asked for",
		run: func(p *probe) {
			x := p.unauthorized()
			address := p.metadataInChallenge(x)
			if address == "" {
				p.failf("%s: no resource_metadata in %q", x.what(), x.header.Values("WWW-Authenticate"))
			}
			document := p.get(address).wantJSON()
			if got := document.text("resource"); got != p.run.target.Resource && got != p.run.target.ResourceIdentifier {
				p.failf("%s: resource %q, want that of %s", document.what(), got, p.run.target.Resource)
			}
		},
	},
	{
		ID: "resource-metadata-names-server", Spec: "RFC 9728", Section: "2", Level: Should,
		Request: "the metadata of the resource is read",
		Want:    "the issuer in authorization_servers, members of the right types, and no empty arrays",
		run: func(p *probe) {
			x := p.get(resourceWellKnown(p.servedResource())).wantJSON()
			if !slices.Contains(texts(x.member["authorization_servers"]), p.run.target.Issuer) {
				p.errorf("authorization_servers is %v, without %s", x.member["authorization_servers"], p.run.target.Issuer)
			}
			for _, name := range []string{"authorization_servers", "scopes_supported", "bearer_methods_supported", "resource_signing_alg_values_supported",
				"authorization_details_types_supported", "dpop_signing_alg_values_supported"} {
				value, there := x.member[name]
				all, isArray := value.([]any)
				switch {
				case !there:
				case !isArray || len(texts(value)) != len(all):
					p.errorf("%s is no array of strings: %v", name, value)
				case len(all) == 0 && name != "bearer_methods_supported": // where it says that there are none
					p.errorf("%s is an empty array, and has to be left out (§3.2)", name)
				}
			}
			for _, how := range texts(x.member["bearer_methods_supported"]) {
				if how != "header" && how != "body" && how != "query" {
					p.errorf("bearer_methods_supported has %q", how)
				}
			}
			if slices.Contains(texts(x.member["resource_signing_alg_values_supported"]), "none") {
				p.errorf("resource_signing_alg_values_supported has none")
			}
		},
	},
	{
		ID: "resource-metadata-scopes-can-be-had", Spec: "RFC 9728", Section: "2", Level: Should,
		Request: "a client asks for the scopes that the metadata of the resource lists",
		Want:    "a token that opens the resource",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			one := p.servedResource()
			scopes := texts(p.get(resourceWellKnown(one)).wantJSON().member["scopes_supported"])
			if len(scopes) == 0 {
				p.notOffered("the metadata of the resource lists no scopes")
			}
			scopes = slices.DeleteFunc(scopes, func(s string) bool { return !slices.Contains(p.allScopes(), s) })
			t := p.client().tokens(set("scope", strings.Join(scopes, " ")), set("resource", one))
			t.present(http.MethodGet, p.run.target.Resource).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "mcp-discovery", Spec: "MCP Authorization 2026-07-28", Section: "Overview", Level: Must,
		Request: "a client that knows the resource alone asks for it, for its metadata, and for that of the server",
		Want:    "it finds the issuer, and S256 among code_challenge_methods_supported",
		needs:   []feature{published},
		run: func(p *probe) {
			one := p.resourceID()
			address := p.metadataInChallenge(p.unauthorized())
			if address == "" {
				address = resourceWellKnown(one)
			}
			servers := texts(p.get(address).wantJSON().member["authorization_servers"])
			if !slices.Contains(servers, p.run.target.Issuer) {
				p.failf("authorization_servers is %q, without %s", servers, p.run.target.Issuer)
			}
			found := false
			for _, at := range []string{wellKnown(servers[0], "oauth-authorization-server", true), wellKnown(servers[0], "openid-configuration", true), wellKnown(servers[0], "openid-configuration", false)} {
				x := p.get(at)
				if x.status != http.StatusOK {
					continue
				}
				found = true
				if x.text("issuer") != servers[0] {
					p.errorf("%s: issuer %q, want %q", x.what(), x.text("issuer"), servers[0])
				}
				if !slices.Contains(texts(x.member["code_challenge_methods_supported"]), "S256") {
					p.errorf("%s: code_challenge_methods_supported does not list S256", x.what())
				}
			}
			if !found {
				p.errorf("%s has no metadata at any of the places where clients look", servers[0])
			}
		},
	},
	{
		ID: "mcp-challenge-names-scopes", Spec: "MCP Authorization 2026-07-28", Section: "Scope Selection Strategy", Level: Should,
		Request: "the resource is asked for without a token",
		Want:    "scope in the challenge",
		run: func(p *probe) {
			p.resourceID()
			x := p.unauthorized()
			for _, scheme := range []string{"bearer", "dpop"} {
				if x.challenge(scheme)["scope"] != "" {
					return
				}
			}
			p.failf("%s: no scope in %q", x.what(), x.header.Values("WWW-Authenticate"))
		},
	},
	{
		ID: "mcp-insufficient-scope", Spec: "MCP Authorization 2026-07-28", Section: "Runtime Insufficient Scope Errors", Level: Should,
		Request: "the resource is asked for with a good token that lacks a scope",
		Want:    "403 with insufficient_scope, the scope that it takes and resource_metadata in the challenge",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.resourceID()
			p.unauthorized()
			one, other := p.twoScopes()
			c := p.client()
			for _, scope := range []string{one, other} {
				t := c.tokens(set("scope", scope))
				x := t.present(http.MethodGet, p.run.target.Resource)
				if x.status == http.StatusOK {
					continue
				}
				x.wantStatus(http.StatusForbidden)
				said := x.challenge(t.kind)
				if said["error"] != "insufficient_scope" || said["scope"] == "" || said["resource_metadata"] == "" {
					p.failf("%s: the challenge is %q", x.what(), x.header.Values("WWW-Authenticate"))
				}
				if slices.Contains(strings.Fields(said["scope"]), scope) && len(strings.Fields(said["scope"])) == 1 {
					p.errorf("the challenge asks for %q, which the token has", scope)
				}
				return
			}
			p.notTested("the resource takes tokens with either of the scopes %s and %s", one, other)
		},
	},
}

// resourceWellKnown is where the metadata of a resource is (RFC 9728 §3.1).
func resourceWellKnown(identifier string) string {
	u, err := url.Parse(identifier)
	if err != nil {
		return identifier
	}
	path := u.Path
	if path == "/" {
		path = ""
	}
	u.Path = "/.well-known/oauth-protected-resource" + path
	return u.String()
}

// servedResource is the identifier of a resource that is there, and not just named.
func (p *probe) servedResource() string {
	if p.run.target.Resource == "" {
		p.notTested("it takes a URL that access tokens open: see Target.Resource")
	}
	return p.resourceID()
}

// unauthorized asks for the resource without a token.
func (p *probe) unauthorized() *exchange {
	if p.run.target.Resource == "" {
		p.notTested("it takes a URL that access tokens open: see Target.Resource")
	}
	return p.get(p.run.target.Resource).wantStatus(http.StatusUnauthorized)
}

// metadataInChallenge is where a challenge says that the metadata of the resource is, empty if
// it does not.
func (p *probe) metadataInChallenge(x *exchange) string {
	for _, scheme := range []string{"bearer", "dpop"} {
		if address := x.challenge(scheme)["resource_metadata"]; address != "" {
			return address
		}
	}
	return ""
}
