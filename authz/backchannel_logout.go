package authz

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// OpenID Connect Back-Channel Logout 1.0: clients are told over the network that a user's
// session has ended. What is to be told is filed in the store with what it tells of; how it gets
// to the client is in logout_delivery.go.

const (
	// logoutTokenType is the typ header of a logout token (§2.4), so that it is no ID token,
	// as a hint or otherwise (§4.1).
	logoutTokenType = "logout+jwt"

	// logoutTokenLifetime is what §2.4 allows at most: nobody has to make do with an old one,
	// for each attempt makes its own.
	logoutTokenLifetime = 2 * time.Minute

	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

func newLogoutNotice(at time.Time, clientID, subject, session string) storage.Notice {
	return storage.Notice{
		ID: storage.NewNoticeID(at), Kind: storage.LogoutNotice,
		ClientID: clientID, Subject: subject, SessionID: session, CreatedAt: at,
	}
}

// logoutNoticesOfUser tell clients that all sessions of a user have ended, given the grants:
// without a session, which means all of them (§2.4). A client that insists on being told which,
// or may do so, is told of each.
func (s *Server) logoutNoticesOfUser(ctx context.Context, at time.Time, subject string, grants []storage.Grant) ([]storage.Notice, error) {
	clients, err := s.byClient(ctx, grants)
	if err != nil {
		return nil, err
	}
	var notices []storage.Notice
	for _, c := range clients {
		if !c.wantsNotice() {
			continue
		}
		var sessions []string
		for _, g := range c.grants {
			each := c.client == nil || c.client.BackchannelLogoutSessionRequired && g.SessionID != ""
			if each && !slices.Contains(sessions, g.SessionID) {
				sessions = append(sessions, g.SessionID)
			}
		}
		if len(sessions) == 0 {
			sessions = []string{""}
		}
		for _, session := range sessions {
			notices = append(notices, newLogoutNotice(at, c.id, subject, session))
		}
	}
	return notices, nil
}

// clientToTell finds a client, nil if that cannot be found out now: its metadata document may
// be out of reach. lives is false if there is none, or none any more.
func (s *Server) clientToTell(ctx context.Context, id string) (client *Client, lives bool, err error) {
	client, document, err := s.findClient(ctx, id, netip.Addr{})
	switch {
	case err != nil && document != "":
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	return client, client != nil, nil
}

// clientAtHand is clientToTell without fetching anything.
func (s *Server) clientAtHand(ctx context.Context, id string) (client *Client, lives bool, err error) {
	c, known, err := s.registeredClient(ctx, id)
	switch {
	case known || err != nil || s.documents == nil || !s.documents.named(id):
		return c, c != nil, err
	case !s.documents.cache.Fresh(id):
		return nil, true, nil
	}
	return s.clientToTell(ctx, id)
}

// lookUp finds the clients that are not at hand, all at once. One that cannot be found now is
// left as it is.
func (s *Server) lookUp(ctx context.Context, clients []signedInTo) {
	var wait sync.WaitGroup
	for i := range clients {
		c := &clients[i]
		if c.client != nil || c.gone {
			continue
		}
		wait.Go(func() {
			defer func() {
				if p := recover(); p != nil { // of a hook; it would end the process
					s.log.ErrorContext(ctx, "a hook panicked", "client_id", c.id, "panic_type", fmt.Sprintf("%T", p))
				}
			}()
			if found, _, err := s.clientToTell(ctx, c.id); err == nil {
				c.client = found
			}
		})
	}
	wait.Wait()
}

// logoutToken is what a client is told (§2.4). It is made anew for each attempt and stored
// nowhere.
func (s *Server) logoutToken(ctx context.Context, c *Client, n *storage.Notice) (string, *Error) {
	subject, refused := s.subjectFor(c, n.Subject)
	if refused != nil {
		return "", refused
	}
	sid, refused := s.sidFor(c, n.Subject, n.SessionID)
	if refused != nil {
		return "", refused
	}
	at := s.clock.issuedAt(s.now())
	claims := map[string]any{
		"iss": s.config.Issuer, "aud": c.ID, "sub": subject, "jti": rand.Text(),
		"iat": at.Unix(), "exp": at.Add(logoutTokenLifetime).Unix(),
		"events": map[string]any{logoutEvent: struct{}{}},
	}
	if sid != "" {
		claims["sid"] = sid
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", broken("claims_unencodable", err)
	}
	algorithm := s.config.idTokenAlg(c) // §2.4: as ID tokens are
	if !slices.Contains(s.config.SigningAlgorithms, algorithm) {
		return "", idTokenAlgGone(c)
	}
	token, err := s.keys.Sign(ctx, algorithm, logoutTokenType, payload)
	if err != nil {
		return "", unavailable(err)
	}
	return s.encrypted(ctx, c, c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc, nestedJWT, token) // §2.6 step 1
}

// idTokenAlgGone: it was there when the client was registered.
func idTokenAlgGone(c *Client) *Error {
	return broken("id_token_alg_gone", fmt.Errorf("client %q has IDTokenSignedResponseAlg %q, which is not in Config.SigningAlgorithms; add it there, or change the client", c.ID, c.IDTokenSignedResponseAlg))
}

// endUser ends all that a user has authorized, and files who is to be told in the same commit.
func (s *Server) endUser(ctx context.Context, r storage.Revocation) error {
	at := s.now()
	w := storage.Write{At: at, Revoke: []storage.Revocation{r}}
	told := map[string]bool{} // grants
	if s.config.openID() {
		grants, err := s.grantsOf(ctx, r.Subject, func(g *storage.Grant) bool {
			return slices.Contains(g.Scopes, openID) && g.RevokedAt.IsZero() && at.Before(g.ExpiresAt)
		})
		if err != nil {
			return err
		}
		for _, g := range grants {
			told[g.ID] = true
		}
		if w.Notices, err = s.logoutNoticesOfUser(ctx, at, r.Subject, grants); err != nil {
			return err
		}
	}
	if err := s.config.Storage.Commit(ctx, w); err != nil {
		return err
	}
	s.emit(ctx, Event{Type: GrantRevoked, Subject: r.Subject, Reason: r.Reason})
	late := error(nil)
	if s.config.openID() {
		late = s.tellLate(ctx, at, r.Subject, told)
		s.deliverSoon()
	}
	return late
}

// tellLate files notices for grants that were given between the look at them and the commit,
// and so were ended without anybody being told.
func (s *Server) tellLate(ctx context.Context, at time.Time, subject string, told map[string]bool) error {
	late, err := s.grantsOf(ctx, subject, func(g *storage.Grant) bool {
		return slices.Contains(g.Scopes, openID) && g.RevokedAt.Equal(at) && !told[g.ID]
	})
	if err != nil || len(late) == 0 {
		return err
	}
	notices, err := s.logoutNoticesOfUser(ctx, at, subject, late)
	if err != nil || len(notices) == 0 {
		return err
	}
	return s.config.Storage.Commit(ctx, storage.Write{At: at, Notices: notices})
}

var errTokenRefused = errors.New("the client has refused the logout token")
