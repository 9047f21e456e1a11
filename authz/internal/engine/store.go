package engine

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"github.com/grantor-oauth/grantor/storage"
)

// unitStore is the storage that fosite sees: the request's unit of work. Its
// transactions are therefore no-ops, left out altogether. The signatures that fosite passes in mean nothing: what was presented and
// what was made are in the unit, under digests of whole credentials. fosite by itself
// would file a token under its second half, and a forged first half would do.
type unitStore struct{}

var (
	_ fosite.ClientManager          = unitStore{}
	_ oauth2.CoreStorage            = unitStore{}
	_ oauth2.TokenRevocationStorage = unitStore{}
	_ pkce.PKCERequestStorage       = unitStore{}
)

func (unitStore) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	return &unitFrom(ctx).client, nil // found and checked before fosite was asked
}

func (unitStore) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrNotFound }
func (unitStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrNotFound
}

// Authorization codes (RFC 6749 §4.1.2).

func (unitStore) CreateAuthorizeCodeSession(ctx context.Context, _ string, _ fosite.Requester) error {
	return nil // GenerateAuthorizeCode noted the record
}

func (unitStore) GetAuthorizeCodeSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	return unitFrom(ctx).origin, nil // found before fosite was asked
}

// findCode reads and judges the presented code. A code of another client, or
// bound to another key, is as unknown as a random one: a stranger can neither use it, nor burn it, nor end its
// grant by replaying it.
func (u *unit) findCode(ctx context.Context) error {
	store := u.token.store
	code, err := store.Code(ctx, u.token.digest)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return u.refuse("code_unknown")
	case err != nil:
		return u.fail(err)
	case code.Kind != storage.AuthorizationCode:
		return u.refuse("code_unknown")
	case code.ClientID != u.client.ID:
		return u.refuse("code_of_another_client")
	case !u.token.Policy.Confirms(code.Confirmation): // RFC 9449 §10; a stranger to its key as well
		return u.refuse("code_bound_to_another_key")
	case !code.ConsumedAt.IsZero():
		// RFC 6749 §4.1.2: a code used twice takes down what it yielded. fosite is not
		// told: its way of doing it is two calls that may fail apart.
		u.write.Revoke = append(u.write.Revoke, storage.Revocation{GrantID: code.GrantID, Reason: ReasonCodeReplayed})
		return u.refuse(ReasonCodeReplayed)
	case !u.at.Before(code.ExpiresAt):
		return u.refuse("code_expired")
	case !u.token.Policy.RedirectURIRegistered(code.RedirectURI):
		return u.refuse("redirect_uri_gone")
	case code.CodeChallenge == "" && u.token.Parameters.Get("code_verifier") != "":
		// A code without a challenge is one without PKCE. To whoever has had the challenge
		// stripped from the request, that has to show (RFC 9700 §4.8.2).
		return u.refuse("code_verifier_unexpected")
	}
	if err := u.liveGrant(ctx, store, code.GrantID); err != nil {
		return err
	}
	form := url.Values{"code_challenge": {code.CodeChallenge}, "code_challenge_method": {"S256"}}
	if !code.RedirectURIOmitted {
		form["redirect_uri"] = []string{code.RedirectURI}
	}
	u.code, u.origin = code, u.requester(u.grant.Scopes, form)
	return nil
}

func (unitStore) InvalidateAuthorizeCodeSession(ctx context.Context, _ string) error {
	u := unitFrom(ctx)
	u.write.ConsumeCodes = append(u.write.ConsumeCodes, u.code.Digest)
	u.write.Live = append(u.write.Live, u.code.GrantID)
	return nil
}

// PKCE (RFC 7636): the challenge is part of the code's record, so that the two are
// used up together, and a failed verifier uses up neither.

func (unitStore) CreatePKCERequestSession(ctx context.Context, _ string, r fosite.Requester) error {
	u := unitFrom(ctx)
	u.write.Codes[0].CodeChallenge = r.GetRequestForm().Get("code_challenge")
	return nil
}

func (s unitStore) GetPKCERequestSession(ctx context.Context, signature string, session fosite.Session) (fosite.Requester, error) {
	r, err := s.GetAuthorizeCodeSession(ctx, signature, session)
	if err == nil && r.GetRequestForm().Get("code_challenge") == "" {
		return nil, fosite.ErrNotFound
	}
	return r, err
}

func (unitStore) DeletePKCERequestSession(context.Context, string) error { return nil }

// Access tokens. Those without a record are signed and stand for themselves.

func (unitStore) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return nil // GenerateAccessToken noted the record
}

func (unitStore) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound // fosite's introspection is not used
}

func (unitStore) DeleteAccessTokenSession(context.Context, string) error { return fosite.ErrNotFound }

// Refresh tokens (RFC 6749 §6).

func (unitStore) CreateRefreshTokenSession(context.Context, string, string, fosite.Requester) error {
	return nil // GenerateRefreshToken noted the record
}

func (unitStore) GetRefreshTokenSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	return unitFrom(ctx).origin, nil // found before fosite was asked
}

// findRefresh reads the grant of the presented refresh token, which the server, knowing the
// grace window, has read and judged.
func (u *unit) findRefresh(ctx context.Context) error {
	token := u.token.Refresh
	if err := u.liveGrant(ctx, u.token.store, token.GrantID); err != nil {
		return err
	}
	u.refresh, u.origin = token, u.requester(token.Scopes, nil)
	return nil
}

func (unitStore) DeleteRefreshTokenSession(context.Context, string) error { return fosite.ErrNotFound }

func (unitStore) RotateRefreshToken(ctx context.Context, _, _ string) error {
	u := unitFrom(ctx)
	u.write.ConsumeTokens = append(u.write.ConsumeTokens, storage.Consumption{Digest: u.refresh.Digest})
	u.write.Live = append(u.write.Live, u.refresh.GrantID)
	return nil
}

// Revocation is the server's own (RFC 7009); fosite reaches these two only for
// replays, which are judged above.

func (unitStore) RevokeRefreshToken(context.Context, string) error { return fosite.ErrNotFound }
func (unitStore) RevokeAccessToken(context.Context, string) error  { return fosite.ErrNotFound }
