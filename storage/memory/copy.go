package memory

import (
	"slices"

	"github.com/grantor-oauth/grantor/storage"
)

// Records are copied on their way in and out, down to the last slice: what a caller
// does to its own must not reach the store.

func copyClient(c storage.Client) storage.Client {
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	c.ResponseTypes = slices.Clone(c.ResponseTypes)
	c.RequestURIs = slices.Clone(c.RequestURIs)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	c.Scopes = slices.Clone(c.Scopes)
	c.DefaultScopes = slices.Clone(c.DefaultScopes)
	c.Secrets = slices.Clone(c.Secrets)
	c.AllowedOrigins = slices.Clone(c.AllowedOrigins)
	c.PostLogoutRedirectURIs = slices.Clone(c.PostLogoutRedirectURIs)
	c.Resources = slices.Clone(c.Resources)
	c.AuthorizationDetailsTypes = slices.Clone(c.AuthorizationDetailsTypes)
	c.ResourceServerFor = slices.Clone(c.ResourceServerFor)
	return c
}

func copyCode(c storage.Code) storage.Code {
	c.Answer = slices.Clone(c.Answer)
	c.Request = slices.Clone(c.Request)
	c.Confirmation = slices.Clone(c.Confirmation)
	return c
}

func copyToken(t storage.Token) storage.Token {
	t.Scopes = slices.Clone(t.Scopes)
	t.Resources = slices.Clone(t.Resources)
	t.Claims = slices.Clone(t.Claims)
	t.Answer = slices.Clone(t.Answer)
	t.Confirmation = slices.Clone(t.Confirmation)
	t.AuthorizationDetails = slices.Clone(t.AuthorizationDetails)
	t.Actor = slices.Clone(t.Actor)
	return t
}

func copyGrant(g storage.Grant) storage.Grant {
	g.Scopes = slices.Clone(g.Scopes)
	g.Resources = slices.Clone(g.Resources)
	g.AMR = slices.Clone(g.AMR)
	g.AuthorizationDetails = slices.Clone(g.AuthorizationDetails)
	g.Claims = slices.Clone(g.Claims)
	return g
}

func copyConsent(c storage.Consent) storage.Consent {
	c.Scopes = slices.Clone(c.Scopes)
	c.Resources = slices.Clone(c.Resources)
	return c
}

func copyRing(r storage.KeyRing) storage.KeyRing {
	r.Keys = slices.Clone(r.Keys)
	for i := range r.Keys {
		r.Keys[i].Material = slices.Clone(r.Keys[i].Material)
	}
	return r
}
