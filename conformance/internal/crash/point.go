package crash

import (
	"fmt"
	"os"
	"sync"

	"github.com/grantor-oauth/grantor/storage"
)

// The kinds of change that a server makes. Each is a place to be killed at.
const (
	kindAuthorize = "authorize" // a grant and its code, without a consent page
	kindConsent   = "consent"   // the same, and what the user agreed to
	kindExchange  = "exchange"
	kindRefresh   = "refresh"
	kindOwn       = "own" // a client's own token
	kindRevoke    = "revoke"
	kindEnd       = "end" // all of a user's, or of a user's with one client
	kindKeys      = "keys"
	kindClient    = "client"

	kindAny    = "any"    // whichever of them
	kindAnswer = "answer" // no change at all: in the middle of sending an answer
)

// kindOf tells what a Write is for.
func kindOf(w *storage.Write) string {
	switch {
	case len(w.Grants) > 0 && len(w.Consents) > 0:
		return kindConsent
	case len(w.Grants) > 0:
		return kindAuthorize
	case len(w.ConsumeCodes) > 0:
		return kindExchange
	case len(w.ConsumeTokens) > 0:
		return kindRefresh
	case len(w.Revoke) > 0 && w.Revoke[0].Subject != "":
		return kindEnd
	case len(w.Revoke) > 0:
		return kindRevoke
	}
	return kindOwn
}

// Point is a moment at which a server kills itself. The zero Point never comes.
type Point struct {
	After bool   // after the change was made, and before anybody hears of it
	Kind  string // of the change
	Nth   int    // how many of them there have to be
}

// String is the point in words.
func (p Point) String() string {
	when := "before"
	if p.After {
		when = "after"
	}
	switch {
	case p.Nth == 0:
		return "at random"
	case p.Kind == kindAnswer:
		return fmt.Sprintf("in the middle of answer %d", p.Nth)
	}
	return fmt.Sprintf("%s %s %d", when, p.Kind, p.Nth)
}

// trap kills this process when its point comes.
type trap struct {
	point Point

	mu    sync.Mutex
	armed bool
	seen  int
}

// newTrap makes a trap. What a server does while it starts counts only if it is armed
// already.
func newTrap(p Point, armed bool) *trap { return &trap{point: p, armed: armed} }

func (t *trap) arm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = true
}

// due counts one change, and tells whether it is the one.
func (t *trap) due(after bool, kind string) bool {
	if t.point.Nth == 0 || t.point.After != after || t.point.Kind != kind && (t.point.Kind != kindAny || kind == kindAnswer) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.armed {
		return false
	}
	t.seen++
	return t.seen == t.point.Nth
}

func (t *trap) spring(after bool, kind string) {
	if t.due(after, kind) {
		die()
	}
}

// die ends this process as SIGKILL does: nothing is flushed, closed or said.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	if err := self.Kill(); err != nil {
		panic(err)
	}
	select {} // the signal is on its way, and nothing more must happen
}
