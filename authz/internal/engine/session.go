package engine

import (
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// session carries the grant through fosite. The times that fosite sets in it come
// from the machine's clock and its own idea of lifetimes, so nobody reads them.
type session struct {
	grant   *storage.Grant // nil for client_credentials; never changed
	expires map[fosite.TokenType]time.Time
}

func newSession(grant *storage.Grant) *session {
	return &session{grant: grant, expires: map[fosite.TokenType]time.Time{}}
}

func (s *session) SetExpiresAt(t fosite.TokenType, at time.Time) { s.expires[t] = at }
func (s *session) GetExpiresAt(t fosite.TokenType) time.Time     { return s.expires[t] }
func (s *session) GetUsername() string                           { return "" }
func (s *session) Clone() fosite.Session                         { return newSession(s.grant) }

func (s *session) GetSubject() string {
	if s.grant == nil {
		return ""
	}
	return s.grant.Subject
}
