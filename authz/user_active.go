package authz

import (
	"context"
	"errors"

	"github.com/grantor-oauth/grantor/storage"
)

// reasonUserInactive is why something ended whose user is not active any more.
const reasonUserInactive = "user_inactive"

// active asks the host whether the user behind a grant still is one, and otherwise ends the
// grant, so that its other tokens are dead too. If that cannot be stored the answer is 503, so
// that the next try ends it.
func (s *Server) active(ctx context.Context, grant *storage.Grant) (bool, *Error) {
	if s.config.UserActive == nil || grant == nil {
		return true, nil
	}
	yes, err := s.config.UserActive(ctx, grant.Subject)
	switch {
	case err != nil:
		return false, broken("user_active_hook_failed", err)
	case yes:
		return true, nil
	}
	end := storage.Revocation{GrantID: grant.ID, Reason: reasonUserInactive}
	if err := s.config.Storage.Commit(ctx, storage.Write{At: s.now(), Revoke: []storage.Revocation{end}}); err != nil {
		return false, unavailable(err)
	}
	s.emit(ctx, Event{Type: GrantRevoked, ClientID: grant.ClientID, Subject: grant.Subject, GrantID: grant.ID, Reason: reasonUserInactive})
	return false, nil
}

// activeAtRefresh refuses a refresh for a user who is not active any more.
func (s *Server) activeAtRefresh(ctx context.Context, grantID string) *Error {
	if s.config.UserActive == nil {
		return nil
	}
	grant, err := s.config.Storage.Grant(ctx, grantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return badGrant("grant_unknown")
	case err != nil:
		return unavailable(err)
	case !grant.RevokedAt.IsZero():
		return badGrant("grant_revoked")
	}
	if yes, refused := s.active(ctx, grant); refused != nil || yes {
		return refused
	}
	return badGrant(reasonUserInactive)
}
