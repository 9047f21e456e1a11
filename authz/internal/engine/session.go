package engine

import (
	"time"

	"github.com/ory/fosite"
)

// session carries the unit's grant through fosite. The times that fosite sets in it come
// from the machine's clock and its own idea of lifetimes, so nobody keeps them.
type session struct{ unit *unit }

func (s session) SetExpiresAt(fosite.TokenType, time.Time)    {}
func (s session) GetExpiresAt(fosite.TokenType) (_ time.Time) { return }
func (s session) GetUsername() string                         { return "" }
func (s session) Clone() fosite.Session                       { return s }

func (s session) GetSubject() string {
	if s.unit.grant == nil { // not known yet
		return ""
	}
	return s.unit.grant.Subject
}
