package authz

import (
	"sync"
	"time"
)

// epoch is the store's (storage.Epochs), as it was read before anything was looked up.
type epoch struct {
	number uint64
	known  bool // false if the store cannot tell
}

func (s *Server) epoch() (now epoch) {
	if s.epochs != nil {
		now.number, now.known = s.epochs.Epoch(s.config.Storage)
	}
	return now
}

// living are the clients that were found alive in one epoch: many tokens have the same
// client, and each would look for it.
type living struct {
	mu    sync.RWMutex
	epoch uint64
	until map[string]time.Time // by client_id; the zero time is for ever
}

// maxLiving is how many clients are remembered.
const maxLiving = 1024

// find returns until when a client lives, if that is known and now is before it.
func (l *living) find(in epoch, clientID string, now time.Time) (until time.Time, found bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !in.known || in.number != l.epoch {
		return time.Time{}, false
	}
	until, found = l.until[clientID]
	return until, found && (until.IsZero() || now.Before(until))
}

func (l *living) add(in epoch, clientID string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !in.known || in.number < l.epoch {
		return // it was looked for before something was taken back
	}
	if in.number > l.epoch || l.until == nil || len(l.until) >= maxLiving {
		l.epoch, l.until = in.number, make(map[string]time.Time)
	}
	l.until[clientID] = until
}
