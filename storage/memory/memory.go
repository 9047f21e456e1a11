// Package memory is a [storage.Store] that forgets everything when the process ends.
//
// It is for tests and demonstrations. Do not run a service on it: each restart signs
// every user out, forgets every client and invents new signing keys, and it grows
// with what it holds. storage/bolt needs one line as well.
package memory

import (
	"context"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Store keeps everything in maps. Use [New] to make one.
type Store struct {
	mu       sync.RWMutex
	closed   bool
	clients  map[string]storage.Client
	codes    map[storage.Digest]storage.Code
	tokens   map[storage.Digest]storage.Token
	grants   map[string]storage.Grant
	consents map[pair]storage.Consent
	ended    map[pair]time.Time // with no client: for all of them
	notices  map[string]storage.Notice
	ring     storage.KeyRing
	due      due
	epoch    uint64
}

// pair is a subject and a client.
type pair struct{ subject, clientID string }

var (
	_ storage.Store  = (*Store)(nil)
	_ storage.Epochs = (*Store)(nil)
)

// New returns an empty store.
func New() *Store {
	return &Store{
		clients:  make(map[string]storage.Client),
		codes:    make(map[storage.Digest]storage.Code),
		tokens:   make(map[storage.Digest]storage.Token),
		grants:   make(map[string]storage.Grant),
		consents: make(map[pair]storage.Consent),
		ended:    make(map[pair]time.Time),
		notices:  make(map[string]storage.Notice),
	}
}

// Close makes every further call return storage.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// begin says whether a call may go on; the caller holds mu.
func (s *Store) begin(ctx context.Context) error {
	if s.closed {
		return storage.ErrClosed
	}
	return ctx.Err()
}

// live reports whether something that ends at expiresAt still is at the given time.
func live(at, expiresAt time.Time) bool { return expiresAt.After(at) }
