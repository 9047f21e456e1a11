package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// unit is the unit of work of one request. It belongs to one goroutine. It is the
// context in which fosite runs: fosite's handlers find it there.
type unit struct {
	context.Context

	client client
	at     time.Time
	known  func(scope string) bool
	grant  *storage.Grant // given at the authorization endpoint, found at the token endpoint

	// What was presented at the token endpoint, once it has been found good, and what
	// stands behind it.
	code    *storage.Code
	refresh *storage.Token
	origin  *fosite.Request

	// What may be issued, decided by the server.
	authorization *AuthorizationRequest
	token         *TokenRequest

	// What has been made but not stored, and what is to be stored.
	resources    []string // that the access token is for
	scopes       []string // of the access token
	details      []byte   // of the access token
	accessToken  string
	expiresAt    time.Time // of the access token
	refreshToken string    // empty if there is none
	write        storage.Write

	reason string // which check of ours failed
	fault  error  // the store or a hook failed: nothing is known
}

type unitKey struct{}

// Value is the unit itself for its own key.
func (u *unit) Value(key any) any {
	if key == (unitKey{}) {
		return u
	}
	return u.Context.Value(key)
}

func unitFrom(ctx context.Context) *unit { return ctx.Value(unitKey{}).(*unit) }

// refuse notes which check failed and returns fosite's "not found", which all its
// handlers answer with invalid_grant.
func (u *unit) refuse(reason string) error {
	u.reason = reason
	return fosite.ErrNotFound
}

// fail notes that the store could not tell. The server answers 503, whatever fosite
// makes of the error.
func (u *unit) fail(err error) error {
	u.fault = err
	return fosite.ErrServerError.WithWrap(err)
}

// requester shows what stands behind a code or token to fosite, which only reads it.
// Scopes that the client or the server has lost since are left out, so that nothing beyond
// the present registration is issued.
func (u *unit) requester(scopes []string, form url.Values) *fosite.Request {
	lost := func(scope string) bool { return !slices.Contains(u.client.Scopes, scope) || !u.known(scope) }
	if slices.ContainsFunc(scopes, lost) {
		scopes = slices.DeleteFunc(slices.Clone(scopes), lost)
	}
	return &fosite.Request{
		ID:             u.grant.ID,
		RequestedAt:    u.grant.CreatedAt,
		Client:         &u.client,
		RequestedScope: scopes,
		GrantedScope:   scopes,
		Form:           form,
		Session:        session{u},
	}
}

// liveGrant reads the grant that a presented code or token belongs to.
func (u *unit) liveGrant(ctx context.Context, store storage.Tokens, grantID string) error {
	grant, err := store.Grant(ctx, grantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return u.refuse("grant_unknown")
	case err != nil:
		return u.fail(err)
	case !grant.RevokedAt.IsZero():
		return u.refuse("grant_revoked")
	case !u.at.Before(grant.ExpiresAt):
		return u.refuse("grant_expired")
	}
	u.grant = grant
	return nil
}
