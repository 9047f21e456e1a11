package authz

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Resource is a resource server that access tokens can be for (RFC 8707, RFC 9728 §2).
type Resource struct {
	// Identifier is the absolute URI by which clients name it, without a fragment (RFC
	// 8707 §2), and its aud claim. It is compared byte for byte, so that
	// https://app.example.com/mcp and https://app.example.com/mcp/ are two. There is one
	// exception: where it has no path at all, the same with a slash is accepted too,
	// because the two are one URI (RFC 3986 §6.2.3), and clients that take it through a
	// URL parser cannot send the former.
	Identifier string

	// Name is told to people and clients.
	Name string

	// Scopes are those that mean something there; tokens for it carry no others but
	// offline_access. Empty means all of Config.Scopes.
	Scopes []string

	// AccessTokenFormat is "jwt" or "opaque", whatever the client's is; empty for the
	// client's or the server's.
	AccessTokenFormat string

	// AccessTokenLifetime bounds that of tokens for it, along with the client's and the
	// server's; zero for no further bound.
	AccessTokenLifetime time.Duration
}

// maxResources bounds what one request may name.
const maxResources = 20

// Resources are the resource servers that this server issues tokens for, the default one
// first.
func (s *Server) Resources() []Resource {
	all := slices.Clone(s.resources)
	for i := range all {
		all[i].Scopes = slices.Clone(all[i].Scopes)
	}
	return all
}

// completeResources fills in the default one, and puts it first.
func (c *Config) completeResources(fault func(field, format string, args ...any)) {
	if c.Resource == "" {
		c.Resource = c.Issuer
	}
	resources := make([]Resource, 0, len(c.Resources)+1)
	for _, r := range c.Resources {
		r.Scopes = slices.Clone(r.Scopes)
		if err := checkResourceIdentifier(r.Identifier); err != nil {
			fault("Resources", "%q: %v", r.Identifier, err)
		}
		if slices.ContainsFunc(resources, func(other Resource) bool { return other.names(r.Identifier) || r.names(other.Identifier) }) {
			fault("Resources", "%q is there twice", r.Identifier)
		}
		for _, scope := range r.Scopes {
			if _, known := c.Scopes[scope]; !known {
				fault("Resources", "%q: the scope %q is not in Config.Scopes; add it there", r.Identifier, scope)
			}
		}
		switch r.AccessTokenFormat {
		case "", "jwt", "opaque":
		default:
			fault("Resources", "%q: AccessTokenFormat is %q; use jwt or opaque", r.Identifier, r.AccessTokenFormat)
		}
		checkLifetime(func(field, format string, args ...any) {
			fault("Resources", "%q: %s %s", r.Identifier, field, fmt.Sprintf(format, args...))
		}, "AccessTokenLifetime", r.AccessTokenLifetime, maxAccessToken)
		resources = append(resources, r)
	}
	at := slices.IndexFunc(resources, func(r Resource) bool { return r.Identifier == c.Resource })
	if at < 0 {
		if err := checkResourceIdentifier(c.Resource); err != nil {
			fault("Resource", "%q: %v", c.Resource, err)
		}
		at, resources = len(resources), append(resources, Resource{Identifier: c.Resource})
	}
	c.Resources = slices.Concat(resources[at:at+1], resources[:at], resources[at+1:])
}

// checkResourceIdentifier: RFC 8707 §2.
func checkResourceIdentifier(identifier string) error {
	u, err := url.Parse(identifier)
	if err != nil || !u.IsAbs() || strings.Contains(identifier, "#") || !text(identifier) || strings.Contains(identifier, " ") {
		return errors.New("must be an absolute URI without a fragment (RFC 8707 §2)")
	}
	return nil
}

// names reports whether this is how a client may call the resource.
func (r *Resource) names(requested string) bool {
	if requested == r.Identifier {
		return true
	}
	if len(requested) != len(r.Identifier)+1 || requested[len(requested)-1] != '/' || requested[:len(r.Identifier)] != r.Identifier {
		return false
	}
	_, authority, found := strings.Cut(r.Identifier, "://")
	return found && authority != "" && !strings.ContainsAny(authority, "/?")
}

// resourcesFor are the identifiers of the resources that a request names (RFC 8707 §2), of
// those that the client may ask for; nil if it names none.
func (s *Server) resourcesFor(client *Client, params url.Values) ([]string, *Error) {
	requested := params["resource"]
	if len(requested) > maxResources {
		return nil, failed(invalidTarget, "too_many_resources", "The request names too many resources.")
	}
	var named []string
	for _, name := range requested {
		if name == "" {
			continue
		}
		identifier, known := s.identify(name)
		if !known || len(client.Resources) > 0 && !slices.Contains(client.Resources, identifier) {
			return nil, failed(invalidTarget, "resource_unknown", "The requested resource is not one that this server issues tokens for, or this client may not ask for it.").
				because(fmt.Errorf("it is not, byte for byte, one of %q in Config.Resources, or not among the client's, %q", s.Metadata().ProtectedResources, client.Resources))
		}
		if !slices.Contains(named, identifier) {
			named = append(named, identifier)
		}
	}
	return named, nil
}

// identify finds a resource by what a client calls it.
func (s *Server) identify(requested string) (identifier string, known bool) {
	for i := range s.resources {
		if s.resources[i].names(requested) {
			return s.resources[i].Identifier, true
		}
	}
	return "", false
}

// resource is a registered one; nil if it has gone since a grant was given.
func (s *Server) resource(identifier string) *Resource {
	for i := range s.resources {
		if s.resources[i].Identifier == identifier {
			return &s.resources[i]
		}
	}
	return nil
}

// defaultResources are what a client that names no resource gets: the server's default,
// or the first of its own.
func (s *Server) defaultResources(client *Client) []string {
	if len(client.Resources) == 0 || slices.Contains(client.Resources, s.config.Resource) {
		return s.byDefault
	}
	return client.Resources[:1]
}

// checkResource: RFC 8707 §2.1. Scopes that none of the resources has are refused if they
// were asked for, and left out if they are only the client's default.
func (a *authorization) checkResource(context.Context) (err *Error) {
	if a.resources, err = a.resourcesFor(a.client, a.params); err != nil {
		return err
	}
	if a.resources == nil {
		a.resources = a.defaultResources(a.client)
	}
	scopes := a.scopesAt(a.resources, a.scopes)
	if len(scopes) < len(a.scopes) && once(a.params, "scope") != "" {
		return failed(invalidScope, "scope_of_another_resource", "A requested scope means nothing at the requested resource.")
	}
	a.scopes = scopes
	return nil
}

// scopesAt are those of the scopes that mean something at any of the resources. Those of
// OpenID Connect do at the UserInfo endpoint, which takes tokens for every resource.
func (s *Server) scopesAt(resources, scopes []string) []string {
	var there []string
	for _, identifier := range resources {
		r := s.resource(identifier)
		if r == nil {
			continue
		}
		if len(r.Scopes) == 0 {
			return scopes
		}
		there = append(there, r.Scopes...)
	}
	foreign := func(scope string) bool {
		return scope != offlineAccess && !s.config.identityScope(scope) && !slices.Contains(there, scope)
	}
	if !slices.ContainsFunc(scopes, foreign) {
		return scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), foreign)
}

// Resources picks the resources of one access token (RFC 8707 §2.2): those that the token
// request names, which the user has to have granted, or the first one that was granted.
func (p *tokenPolicy) Resources(granted []string) ([]string, error) {
	named, err := p.resourcesFor(p.client, p.params)
	if err != nil {
		return nil, err
	}
	if len(named) > 1 && !p.config.SeveralAudiences {
		return nil, failed(invalidTarget, "several_resources", "An access token is for one resource. Ask for one at a time.")
	}
	for _, identifier := range named {
		if !slices.Contains(granted, identifier) {
			return nil, failed(invalidTarget, "resource_not_granted", "The requested resource is not one that was authorized.")
		}
	}
	if named != nil {
		return named, nil
	}
	// What has gone from the configuration, or from the client's, since it was granted,
	// is not issued for any more.
	for _, identifier := range granted {
		if p.resource(identifier) != nil && (len(p.client.Resources) == 0 || slices.Contains(p.client.Resources, identifier)) {
			if len(granted) == 1 {
				return granted, nil
			}
			return []string{identifier}, nil
		}
	}
	return nil, failed(invalidTarget, "resource_gone", "The resource that was authorized does not exist any more.")
}

// Scopes are those of the granted ones that mean something at the resources.
func (p *tokenPolicy) Scopes(resources, granted []string) []string {
	return p.scopesAt(resources, granted)
}

// resourcesOfClient picks those of a token of the client's own (RFC 6749 §4.4).
func (p *tokenPolicy) resourcesOfClient() ([]string, *Error) {
	named, err := p.resourcesFor(p.client, p.params)
	switch {
	case err != nil:
		return nil, err
	case len(named) > 1 && !p.config.SeveralAudiences:
		return nil, failed(invalidTarget, "several_resources", "An access token is for one resource. Ask for one at a time.")
	case named == nil:
		return p.defaultResources(p.client), nil
	}
	return named, nil
}

// lifetimeAt bounds the life of a token by what its resources allow.
func (s *Server) lifetimeAt(resources []string, lifetime time.Duration) time.Duration {
	for _, identifier := range resources {
		if r := s.resource(identifier); r != nil && r.AccessTokenLifetime > 0 {
			lifetime = min(lifetime, r.AccessTokenLifetime)
		}
	}
	return lifetime
}

// formatAt is the format of a token: what its resource can read, or else what the client
// or the server has.
func (s *Server) formatAt(resources []string, client *Client) string {
	if pairwise(client) { // it could read a JWT, which has to say the host's own subject (RFC 9068 §6)
		return "opaque"
	}
	for _, identifier := range resources {
		if r := s.resource(identifier); r != nil && r.AccessTokenFormat != "" {
			return r.AccessTokenFormat
		}
	}
	if client.AccessTokenFormat != "" {
		return client.AccessTokenFormat
	}
	return s.config.AccessTokenFormat
}
