package engine

import (
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// session carries the grant through fosite. The times that fosite sets in it come
// from the machine's clock and its own idea of lifetimes, so nobody keeps them.
type session struct {
	grant *storage.Grant // nil until it is known; never changed
}

func newSession(grant *storage.Grant) *session { return &session{grant: grant} }

func (s *session) SetExpiresAt(fosite.TokenType, time.Time)    {}
func (s *session) GetExpiresAt(fosite.TokenType) (_ time.Time) { return }
func (s *session) GetUsername() string                         { return "" }
func (s *session) Clone() fosite.Session                       { return s }

func (s *session) GetSubject() string {
	if s.grant == nil {
		return ""
	}
	return s.grant.Subject
}
