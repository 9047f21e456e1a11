package engine

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// client shows a storage.Client to fosite. The client has been authenticated and
// its redirect URI matched before fosite sees it: fosite's own matching of loopback
// URIs lets userinfo, fragments and another scheme through.
type client struct {
	*storage.Client
	public      bool
	grantTypes  []string
	redirectURI string // the one URI that this request may use
}

var _ fosite.Client = (*client)(nil)

func (c *client) GetID() string                   { return c.ID }
func (c *client) GetHashedSecret() []byte         { return nil }
func (c *client) GetGrantTypes() fosite.Arguments { return c.grantTypes }
func (c *client) GetScopes() fosite.Arguments     { return c.Scopes }
func (c *client) IsPublic() bool                  { return c.public }

func (c *client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }

// GetAudience is empty because resource indicators (RFC 8707) are resolved by the
// server, under their own parameter name.
func (c *client) GetAudience() fosite.Arguments { return nil }

func (c *client) GetRedirectURIs() []string {
	if c.redirectURI == "" {
		return nil
	}
	return []string{c.redirectURI}
}

// authenticated gives fosite the client that the server has authenticated before
// anything else was looked at.
func authenticated(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
	return &unitFrom(ctx).client, nil
}
