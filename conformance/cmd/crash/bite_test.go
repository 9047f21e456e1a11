package main_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// Stores that do not keep their promises, to see that the driver notices. Each is sound
// bolt behind something that is not.
var broken = map[string]crash.Opener{
	"ahead":     breaking(func(s *bolt.DB) storage.Store { return &ahead{DB: s} }),
	"forgetful": breaking(func(s *bolt.DB) storage.Store { return &forgetful{DB: s} }),
	"halves":    breaking(func(s *bolt.DB) storage.Store { return &halves{s} }),
	"generous":  breaking(func(s *bolt.DB) storage.Store { return &generous{s} }),
	"keyless":   breaking(func(s *bolt.DB) storage.Store { return &keyless{DB: s} }),
	"nameless":  breaking(func(s *bolt.DB) storage.Store { return &nameless{DB: s} }),
	"mute":      breaking(func(s *bolt.DB) storage.Store { return &mute{s} }),
	"lazy":      breaking(newLazy),
}

func breaking(wrap func(*bolt.DB) storage.Store) crash.Opener {
	return func(_ context.Context, path string) (storage.Store, error) {
		db, err := bolt.Open(path)
		if err != nil {
			return nil, err
		}
		return wrap(db), nil
	}
}

// ahead acknowledges before the commit.
type ahead struct {
	*bolt.DB
	mu sync.Mutex
}

func (s *ahead) Commit(ctx context.Context, w storage.Write) error {
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		time.Sleep(time.Millisecond)
		_ = s.DB.Commit(context.WithoutCancel(ctx), w)
	}()
	return nil
}

// forgetful acknowledges every third revocation without making it.
type forgetful struct {
	*bolt.DB
	n atomic.Int64
}

func (s *forgetful) Commit(ctx context.Context, w storage.Write) error {
	if len(w.Revoke) > 0 && s.n.Add(1)%3 == 0 {
		w.Revoke = nil
	}
	return s.DB.Commit(ctx, w)
}

// halves uses credentials up in one commit, and stores what they yield in another.
type halves struct{ *bolt.DB }

func (s *halves) Commit(ctx context.Context, w storage.Write) error {
	if len(w.ConsumeCodes)+len(w.ConsumeTokens) > 0 {
		if err := s.DB.Commit(ctx, storage.Write{At: w.At, ConsumeCodes: w.ConsumeCodes, ConsumeTokens: w.ConsumeTokens}); err != nil {
			return err
		}
		w.ConsumeCodes, w.ConsumeTokens = nil, nil
	}
	return s.DB.Commit(ctx, w)
}

// generous does not use codes up.
type generous struct{ *bolt.DB }

func (s *generous) Commit(ctx context.Context, w storage.Write) error {
	w.ConsumeCodes = nil
	return s.DB.Commit(ctx, w)
}

// keyless keeps the key ring where a crash takes it along.
type keyless struct {
	*bolt.DB
	mu   sync.Mutex
	ring storage.KeyRing
}

func (s *keyless) Keys(context.Context) (*storage.KeyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.ring
	return &ring, nil
}

func (s *keyless) SwapKeys(_ context.Context, ring storage.KeyRing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ring.Revision != s.ring.Revision+1 {
		return storage.ErrConflict
	}
	s.ring = ring
	return nil
}

// nameless does the same to clients.
type nameless struct {
	*bolt.DB
	clients sync.Map
}

func (s *nameless) PutClient(_ context.Context, c storage.Client) error {
	s.clients.Store(c.ID, c)
	return nil
}

func (s *nameless) Client(ctx context.Context, id string) (*storage.Client, error) {
	if c, ok := s.clients.Load(id); ok {
		client := c.(storage.Client)
		return &client, nil
	}
	return s.DB.Client(ctx, id)
}

// mute does not tell what a refresh had yielded, when the same one comes again.
type mute struct{ *bolt.DB }

func (s *mute) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	token, err := s.DB.Token(ctx, d)
	if err == nil {
		token.Answer = nil
	}
	return token, err
}

// The driver finds what it is there to find.
func TestBites(t *testing.T) {
	for _, test := range []struct {
		store string
		wants func(crash.Counts) int
	}{
		{"ahead", func(c crash.Counts) int { return c.Lost }},
		{"forgetful", func(c crash.Counts) int { return c.Resurrected }},
		{"halves", func(c crash.Counts) int { return c.Orphaned }},
		{"generous", func(c crash.Counts) int { return c.Doubled }},
		{"keyless", func(c crash.Counts) int { return min(c.Lost, c.Doubled) }},
		{"nameless", func(c crash.Counts) int { return c.Lost }},
		{"mute", func(c crash.Counts) int { return c.Lost }},
		{"lazy", func(c crash.Counts) int { return c.Lost + c.Resurrected }},
	} {
		t.Run(test.store, func(t *testing.T) {
			// Whether a kill falls between two commits is chance, the less of it the slower
			// the machine.
			var counts crash.Counts
			for seed := range uint64(5) {
				if counts = kill(t, crash.Options{Backend: "bolt", Store: test.store, Kills: 4, Seed: 2 + seed}); test.wants(counts) > 0 {
					return
				}
			}
			t.Errorf("nothing was noticed: %s", counts)
		})
	}
}
