package authz

import (
	"context"
	"errors"

	"github.com/grantor-oauth/grantor/storage"
)

// RevokeGrant ends one authorization with everything that follows from it: codes,
// refresh tokens, access tokens. Signed access tokens are refused at once in this
// process and wherever they are introspected; a resource server that only checks
// signatures accepts them until they expire. No client is told: the user has not signed out.
func (s *Server) RevokeGrant(ctx context.Context, grantID string) error {
	return s.end(ctx, storage.Revocation{GrantID: grantID, Reason: "revoked_by_host"})
}

// RevokeUser ends every authorization that a user has given, and forgets what they
// agreed to: for a password change, a closed account, a lost device. Clients that the user has
// signed in to are told that all of the user's sessions have ended, if they have a
// BackchannelLogoutURI.
func (s *Server) RevokeUser(ctx context.Context, subject string) error {
	if subject == "" {
		return errors.New("authz: nothing to revoke: the subject is empty")
	}
	ctx, release := s.bounded(ctx)
	defer release()
	return s.endUser(ctx, storage.Revocation{Subject: subject, Reason: "revoked_by_host"})
}

// Disconnect ends every authorization that a user has given to one client, and
// forgets what they agreed to: the button beside an entry of [Server.Consents]. The client is
// not told: the user has not signed out.
func (s *Server) Disconnect(ctx context.Context, subject, clientID string) error {
	if clientID == "" {
		return errors.New("authz: Disconnect without a client ID; use RevokeUser to end all of a user's authorizations")
	}
	return s.end(ctx, storage.Revocation{Subject: subject, ClientID: clientID, Reason: "disconnected_by_user"})
}

func (s *Server) end(ctx context.Context, r storage.Revocation) error {
	ctx, release := s.bounded(ctx)
	defer release()
	if r.GrantID == "" && r.Subject == "" {
		return errors.New("authz: nothing to revoke: the grant ID or subject is empty")
	}
	if err := s.config.Storage.Commit(ctx, storage.Write{At: s.now(), Revoke: []storage.Revocation{r}}); err != nil {
		return err
	}
	s.emit(ctx, Event{Type: GrantRevoked, ClientID: r.ClientID, Subject: r.Subject, GrantID: r.GrantID, Reason: r.Reason})
	return nil
}

// Consents lists what a user has agreed to, client by client, for a page on which
// they can take it back. It returns up to limit entries whose ClientID sorts after
// the given one.
func (s *Server) Consents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	return s.config.Storage.ListConsents(ctx, subject, after, limit)
}
