package engine

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/grantor-oauth/grantor/storage"
)

// credentials makes and recognises codes and tokens for fosite. Lifetimes have been
// checked by the unit of work, by the server's clock, before fosite asks.
type credentials struct{ *Engine }

var _ oauth2.CoreStrategy = credentials{}

func (c credentials) signature(credential string) string {
	return c.config.DigestOf(credential).String()
}

func (c credentials) AuthorizeCodeSignature(_ context.Context, code string) string {
	return c.signature(code)
}

func (c credentials) AccessTokenSignature(_ context.Context, token string) string {
	return c.signature(token)
}

func (c credentials) RefreshTokenSignature(_ context.Context, token string) string {
	return c.signature(token)
}

func (c credentials) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error {
	return nil
}
func (c credentials) ValidateAccessToken(context.Context, fosite.Requester, string) error { return nil }
func (c credentials) ValidateRefreshToken(context.Context, fosite.Requester, string) error {
	return nil
}

func (c credentials) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	a := u.authorization
	code, digest := c.config.NewCredential(a.CodeExpiresAt, a.CodeKeptUntil)
	u.write.Codes = append(u.write.Codes, storage.Code{
		Digest:             digest,
		Kind:               storage.AuthorizationCode,
		ClientID:           u.client.ID,
		GrantID:            u.grant.ID,
		RedirectURI:        a.RedirectURI,
		RedirectURIOmitted: a.Parameters.Get("redirect_uri") == "",
		IssuedAt:           u.at,
		ExpiresAt:          a.CodeExpiresAt,
	})
	return code, digest.String(), nil
}

func (c credentials) GenerateAccessToken(ctx context.Context, r fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	m := Mint{
		Client:    u.client.Client,
		Grant:     u.grant,
		Scopes:    r.GetGrantedScopes(),
		Resources: u.token.Resources,
		ExpiresAt: u.token.Policy.AccessTokenExpiresAt(u.grant),
	}
	token, record, err := c.config.MintAccessToken(ctx, m)
	if err != nil {
		u.fail(err)
		return "", "", err
	}
	u.accessToken, u.expiresAt = record, m.ExpiresAt
	return token, "access", nil
}

func (c credentials) GenerateRefreshToken(ctx context.Context, r fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	// RFC 6749 §6: narrowing one access token does not narrow the authorization, so
	// the successor carries what its predecessor did.
	scopes, resources := u.grant.Scopes, u.grant.Resources
	if u.refresh != nil {
		scopes, resources = u.refresh.Scopes, u.refresh.Resources
	}
	if u.refresh == nil && !u.token.Policy.IssueRefreshToken(r.GetGrantedScopes()) {
		return "", "", nil // an empty signature tells fosite that there is none
	}
	expiresAt := u.token.Policy.RefreshTokenExpiresAt(u.grant)
	token, digest := c.config.NewCredential(expiresAt, expiresAt)
	u.refreshToken = &storage.Token{
		Digest:    digest,
		Kind:      storage.RefreshToken,
		ClientID:  u.client.ID,
		GrantID:   u.grant.ID,
		Scopes:    scopes,
		Resources: resources,
		IssuedAt:  u.at,
		ExpiresAt: expiresAt,
	}
	return token, digest.String(), nil
}
