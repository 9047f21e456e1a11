package resource

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Token is an access token that has been verified: its claims, under the names of
// RFC 9068 §2.2.
type Token struct {
	Issuer   string   // iss
	Subject  string   // sub: the user, or the client itself where no user is involved
	ClientID string   // client_id
	ID       string   // jti
	Audience []string // aud
	Scopes   []string // scope, split

	IssuedAt  time.Time // iat
	ExpiresAt time.Time // exp

	// How the user had signed in (RFC 9068 §2.2.1); zero where the server does not
	// say or no user is involved.
	AuthTime time.Time // auth_time
	ACR      string    // acr
	AMR      []string  // amr

	// Claims are all claims as they stand in the token or in the introspection
	// answer, those above and the host's own. Do not change the map, nor the slices
	// above: others may hold them too.
	Claims map[string]any
}

// HasScope reports whether the token carries this scope (RFC 6749 §3.3), whole and in
// the same case.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }

// Verifier tells whether an access token is good (RFC 6750 §3.1). authz.Server is one, for a
// resource server in the same process; [JWKS] and [Introspection] make one for a
// resource server elsewhere.
type Verifier interface {
	// VerifyAccessToken returns the token's claims, or an error that wraps
	// ErrInvalidToken if the token is malformed, forged, expired, revoked or from
	// somewhere else. Any other error means that it could not find out. No error
	// contains the token.
	//
	// It does not look at the scopes, nor at the audience unless the verifier was
	// made for one: that is for the caller, who knows which resource is being asked
	// for.
	VerifyAccessToken(ctx context.Context, token string) (*Token, error)
}

// ErrInvalidToken is the invalid_token of RFC 6750 §3.1.
var ErrInvalidToken = errors.New("resource: invalid access token")
