package conformance

import (
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// contents are the claims of an access token: its own if it is a JWT, or what introspection says
// of it. Where neither tells, the case ends.
func (t *tokens) contents() map[string]any {
	p := t.c.p
	if _, body := decoded(t.access); body != nil {
		return body
	}
	if p.run.md.text("introspection_endpoint") != "" && t.c.way() != "none" {
		if x := t.c.introspect(t.access).wantJSON(); x.member["active"] == true {
			return x.member
		}
	}
	p.notTested("nothing tells what is in an access token: it is no JWT, and there is no introspection that its client may use")
	return nil
}

// audience is whom an access token is for.
func (t *tokens) audience() []string {
	if one, ok := t.contents()["aud"].(string); ok {
		return []string{one}
	}
	return texts(t.contents()["aud"])
}

// wantAudience fails the case unless the token is for this resource and not for the other.
func (t *tokens) wantAudience(resource, other string) *tokens {
	all := t.audience()
	if !slices.Contains(all, resource) {
		t.c.p.failf("the access token is for %q, not for %s", all, resource)
	}
	if other != "" && slices.Contains(all, other) {
		t.c.p.failf("the access token is for %s as well", other)
	}
	return t
}

// resourceID is the identifier of the API that access tokens open (RFC 8707 §2). Nothing in the
// metadata says whether a server knows the parameter: whoever runs the suite does.
func (p *probe) resourceID() string {
	t := p.run.target
	if t.ResourceIdentifier == "" && t.OtherResource == "" {
		p.notTested("it takes the identifier of a resource: see Target.ResourceIdentifier")
	}
	if t.ResourceIdentifier == "" {
		if t.Resource == "" {
			p.notTested("it takes the identifier of a resource: see Target.ResourceIdentifier")
		}
		return t.Resource
	}
	return t.ResourceIdentifier
}

// twoResources are the identifiers of two.
func (p *probe) twoResources() (string, string) {
	one := p.resourceID()
	if p.run.target.OtherResource == "" {
		p.notTested("it takes the identifiers of two resources: see Target.OtherResource")
	}
	return one, p.run.target.OtherResource
}

// keySet is a key set of one key.
func keySet(key jose.JSONWebKey) *jose.JSONWebKeySet {
	return &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}
}

// revokesUser ends all that the first user has authorized. The case runs alone.
func (p *probe) revokesUser() {
	revoke := p.controls().RevokeUser
	if revoke == nil {
		p.notTested("the host has to end what a user has authorized: see Controls.RevokeUser")
	}
	if err := revoke(p.ctx, p.run.target.Users[0]); err != nil {
		p.failf("Controls.RevokeUser: %v", err)
	}
}
