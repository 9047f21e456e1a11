package authz

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Sessions of the host: which clients a user has signed in to from one browser, and what is
// done when that session ends (OpenID Connect Back-Channel Logout §2.3, §2.7).

// maxSessionID bounds User.SessionID, in bytes.
const maxSessionID = 512

// sidFor is what a client calls a session: the sid claim. It is a digest, so that no client
// learns the host's own name of it, and another for each client. The sid of a client with
// pairwise subjects depends on a key and on its sector alone: were it the same for all, or
// could the host's name be found by guessing, clients could tell by it what pairwise subjects
// keep from them. It is empty if the host names no session.
func (s *Server) sidFor(c *Client, subject, session string) (string, *Error) {
	if session == "" {
		return "", nil
	}
	// Neither a client's ID, nor a host, nor a subject holds a NUL.
	const use = "grantor session\x00"
	if !pairwise(c) {
		sum := sha256.Sum256([]byte(use + c.ID + "\x00" + subject + "\x00" + session))
		return base64.RawURLEncoding.EncodeToString(sum[:]), nil
	}
	sector, refused := s.sectorFor(c)
	if refused != nil {
		return "", refused
	}
	hash := hmac.New(sha256.New, s.config.PairwiseKey)
	hash.Write([]byte(use + sector + "\x00" + subject + "\x00" + session))
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)), nil
}

// sessionMark stands for a session in Write.Unended and Write.Revoke, as if it were a user: no
// user's name holds a NUL. So whoever is just signing in to a client does not slip through
// when the session ends.
func sessionMark(subject, session string) string { return "session\x00" + subject + "\x00" + session }

// unended is the condition that neither the user's authorizations nor the session were ended.
func (a *authorization) unended(user *User) []storage.Unended {
	conditions := []storage.Unended{{Subject: user.Subject, ClientID: a.client.ID, Since: a.unendedSince}}
	if a.asksOpenID() && user.SessionID != "" {
		conditions = append(conditions, storage.Unended{Subject: sessionMark(user.Subject, user.SessionID), Since: a.at})
	}
	return conditions
}

// rememberSession is until when a client is remembered that the user signs in to: for as long
// as the session may last, if the client wants to be told when it ends.
func (a *authorization) rememberSession(user *User, expiresAt time.Time) time.Time {
	if until := a.at.Add(a.config.Lifetimes.Session); a.joinsSession(user) && until.After(expiresAt) {
		return until
	}
	return expiresAt
}

// joinsSession reports whether the client is to be told when the session ends.
func (a *authorization) joinsSession(user *User) bool {
	return a.asksOpenID() && user.SessionID != "" && (a.client.BackchannelLogoutURI != "" || a.client.FrontchannelLogoutURI != "")
}

// RevokeSession ends what a user has signed in to from one browser session, by the name that
// User.SessionID had: for a host on whose own pages the user signs out, or a lost device. Where
// a client signs the user out (Config.Logout), the server does it itself. The clients are told
// that have a BackchannelLogoutURI, soon after it returns; see [Server.DeliverLogouts]. What they
// hold is revoked, unless it has the scope offline_access, which is for when the user is not
// there (OpenID Connect Back-Channel Logout §2.7). Authorizations without the scope openid
// belong to no session and stay.
func (s *Server) RevokeSession(ctx context.Context, subject, sessionID string) error {
	ctx, release := s.bounded(ctx)
	defer release()
	if subject == "" || sessionID == "" {
		return errors.New("authz: RevokeSession without a subject or a session ID; use RevokeUser to end all that a user has authorized")
	}
	_, err := s.endSession(ctx, subject, sessionID)
	return err
}

// signedInTo are the grants of one client in a session that ends.
type signedInTo struct {
	client *Client // nil if it is gone, or its metadata document would have to be fetched
	gone   bool
	id     string
	grants []storage.Grant
}

// endSession does what RevokeSession says, and returns what the user was signed in to.
func (s *Server) endSession(ctx context.Context, subject, session string) ([]signedInTo, error) {
	// From then on nothing joins the session, so all that is in it is listed.
	mark := storage.Revocation{Subject: sessionMark(subject, session), Reason: reasonSessionEnded}
	if err := s.config.Storage.Commit(ctx, storage.Write{At: s.now(), Revoke: []storage.Revocation{mark}}); err != nil {
		return nil, err
	}
	at := s.now()
	grants, err := s.grantsOf(ctx, subject, func(g *storage.Grant) bool {
		return g.SessionID == session && g.RevokedAt.IsZero() && at.Before(g.ExpiresAt)
	})
	if err != nil || len(grants) == 0 {
		return nil, err
	}
	clients, err := s.byClient(ctx, grants)
	if err != nil {
		return nil, err
	}
	w := storage.Write{At: at}
	var ended []storage.Grant
	for _, c := range clients {
		for _, g := range c.grants {
			if !slices.Contains(g.Scopes, offlineAccess) {
				w.Revoke = append(w.Revoke, storage.Revocation{GrantID: g.ID, Reason: reasonSessionEnded})
				ended = append(ended, g)
			}
		}
		if c.wantsNotice() {
			w.Notices = append(w.Notices, newLogoutNotice(at, c.id, subject, session))
		}
	}
	if len(w.Revoke)+len(w.Notices) > 0 {
		if err := s.config.Storage.Commit(ctx, w); err != nil {
			return nil, err
		}
	}
	for _, g := range ended {
		s.emit(ctx, Event{Type: GrantRevoked, ClientID: g.ClientID, Subject: subject, GrantID: g.ID, Reason: reasonSessionEnded})
	}
	if len(w.Notices) > 0 {
		s.deliverSoon()
	}
	return clients, nil
}

// wantsNotice reports whether the client is to be told, as far as is known.
func (c *signedInTo) wantsNotice() bool {
	return !c.gone && (c.client == nil || c.client.BackchannelLogoutURI != "")
}

// reasonSessionEnded is why a grant ended that was given in a session.
const reasonSessionEnded = "session_ended"

// grantsOf are all grants of a user that are wanted.
func (s *Server) grantsOf(ctx context.Context, subject string, wanted func(*storage.Grant) bool) ([]storage.Grant, error) {
	const page = 200
	var all []storage.Grant
	for after := ""; ; {
		some, err := s.config.Storage.ListGrants(ctx, subject, after, page)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if wanted(&some[i]) {
				all = append(all, some[i])
			}
		}
		if len(some) < page {
			return all, nil
		}
		after = some[page-1].ID
	}
}

// byClient sorts grants by clients, in the order of the grants. It fetches nothing: whoever ends
// what a stolen session gave to clients must not have to wait for servers of the thief's.
func (s *Server) byClient(ctx context.Context, grants []storage.Grant) ([]signedInTo, error) {
	var all []signedInTo
	for _, g := range grants {
		i := slices.IndexFunc(all, func(c signedInTo) bool { return c.id == g.ClientID })
		if i < 0 {
			client, lives, err := s.clientAtHand(ctx, g.ClientID)
			if err != nil {
				return nil, err
			}
			i = len(all)
			all = append(all, signedInTo{client: client, gone: !lives, id: g.ClientID})
		}
		all[i].grants = append(all[i].grants, g)
	}
	return all, nil
}

// checkSessionID says what is wrong with what the Login hook calls a session.
func (c *Config) checkSessionID(id string) error {
	switch {
	case id == "" && c.Sessions:
		return errors.New("the Login hook returned a User without a SessionID, and Config.Sessions says that all have one; give it, or set Sessions to false")
	case len(id) > maxSessionID || !text(id):
		return fmt.Errorf("the Login hook returned a User whose SessionID is not text of up to %d bytes; give the session a short name", maxSessionID)
	}
	return nil
}
