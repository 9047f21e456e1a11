package engine

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/grantor-oauth/grantor/storage"
)

// credentials makes codes and tokens for fosite, and notes their records. Lifetimes have
// been checked by the unit of work, by the server's clock, before fosite asks.
type credentials struct{ *Engine }

var _ oauth2.CoreStrategy = credentials{}

// noted is the signature of every credential. fosite files a credential under its
// signature; the unit of work goes by its digest, so fosite only learns that there is one.
const noted = "noted"

func (credentials) AuthorizeCodeSignature(context.Context, string) string { return noted }
func (credentials) AccessTokenSignature(context.Context, string) string   { return noted }
func (credentials) RefreshTokenSignature(context.Context, string) string  { return noted }

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
		Confirmation:       a.Confirmation,
		Nonce:              a.Nonce,
	})
	return code, noted, nil
}

func (c credentials) GenerateAccessToken(ctx context.Context, r fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	u.scopes = u.token.Policy.Scopes(u.resources, r.GetGrantedScopes())
	m := Mint{
		Client:    u.client.Client,
		Grant:     u.grant,
		Scopes:    u.scopes,
		Resources: u.resources,
		ExpiresAt: u.token.Policy.AccessTokenExpiresAt(u.grant, u.resources),

		Confirmation: u.token.Confirmation,

		AuthorizationDetails: u.details,
	}
	u.write.Tokens = make([]storage.Token, 0, 2) // with room for a refresh token
	token, err := c.config.MintAccessToken(ctx, m, &u.write)
	if err != nil {
		u.fail(err)
		return "", "", err
	}
	u.accessToken, u.expiresAt = token, m.ExpiresAt
	return token, noted, nil
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
	u.write.Tokens = append(u.write.Tokens, storage.Token{
		Digest:    digest,
		Kind:      storage.RefreshToken,
		ClientID:  u.client.ID,
		GrantID:   u.grant.ID,
		Scopes:    scopes,
		Resources: resources,
		IssuedAt:  u.at,
		ExpiresAt: expiresAt,

		Confirmation: u.token.RefreshConfirmation,
	})
	u.refreshToken = token
	return token, noted, nil
}
