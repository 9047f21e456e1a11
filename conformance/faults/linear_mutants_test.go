package faults_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// mutant is a store with one fault of the kind that backends have had.
type mutant struct {
	storage.Store
	commit func(ctx context.Context, inner storage.Store, w storage.Write) error
	stale  bool // reads of tokens come from a replica that is behind

	mu   sync.Mutex
	seen map[storage.Digest]*storage.Token
}

func (m *mutant) Commit(ctx context.Context, w storage.Write) error {
	if m.commit == nil {
		return m.Store.Commit(ctx, w)
	}
	return m.commit(ctx, m.Store, w)
}

// Token tells what it was at the look before.
func (m *mutant) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	now, err := m.Store.Token(ctx, d)
	if !m.stale || err != nil {
		return now, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, looked := m.seen[d]
	if m.seen[d] = now; looked {
		return before, nil
	}
	return now, nil
}

// consumesLate reads, looks and marks in three steps.
func consumesLate(ctx context.Context, inner storage.Store, w storage.Write) error {
	for _, c := range w.ConsumeTokens {
		t, err := inner.Token(ctx, c.Digest)
		switch {
		case err != nil:
			return err
		case !t.RevokedAt.IsZero():
			return storage.ErrRevoked
		case !t.ConsumedAt.IsZero():
			return storage.ErrConsumed
		}
		time.Sleep(50 * time.Microsecond)
	}
	err := inner.Commit(ctx, w)
	if len(w.ConsumeTokens) > 0 && errors.Is(err, storage.ErrConsumed) {
		return nil // it had looked
	}
	return err
}

// A checker that finds nothing proves nothing: here is what it has to find.
func TestLinearizable_bites(t *testing.T) {
	for name, m := range map[string]*mutant{
		"consumes in three steps": {commit: consumesLate},
		"forgets Live": {commit: func(ctx context.Context, inner storage.Store, w storage.Write) error {
			w.Live = nil
			return inner.Commit(ctx, w)
		}},
		"forgets Unended": {commit: func(ctx context.Context, inner storage.Store, w storage.Write) error {
			w.Unended = nil
			return inner.Commit(ctx, w)
		}},
		"acknowledges early": {commit: func(ctx context.Context, inner storage.Store, w storage.Write) error {
			if len(w.Revoke) == 0 {
				return inner.Commit(ctx, w)
			}
			time.AfterFunc(300*time.Microsecond, func() { inner.Commit(context.Background(), w) })
			return nil
		}},
		"loses a write": {commit: func(ctx context.Context, inner storage.Store, w storage.Write) error {
			if len(w.ConsumeCodes) > 0 {
				return inner.Commit(ctx, storage.Write{At: w.At, ConsumeCodes: w.ConsumeCodes, Live: w.Live})
			}
			return inner.Commit(ctx, w)
		}},
		"reads a stale replica": {stale: true, seen: map[storage.Digest]*storage.Token{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.Store = memory.New()
			ticks := &atomic.Int64{}
			ticks.Store(10)
			for round := range 50 {
				h := newWorkload(m, time.Now().UTC().Truncate(time.Second), ticks, fmt.Sprint(round)).record()
				if check(t, storeModel, h) == porcupine.Illegal {
					return
				}
			}
			t.Error("50 histories of a broken store, and the checker is content with each")
		})
	}
}

// And a single operation out of place in an otherwise good history.
func TestLinearizable_bites_on_one_operation(t *testing.T) {
	h := &History{}
	step := func(a action, answer any) {
		answered, _ := h.Invoke(1, a)
		answered(answer)
	}
	step(action{kind: "authorize"}, done)
	step(action{kind: "redeem"}, done)
	step(action{kind: "refresh"}, done)
	if check(t, storeModel, h) != porcupine.Ok {
		t.Error("a good history is refused")
	}
	step(action{kind: "refresh"}, done)
	if check(t, storeModel, h) != porcupine.Illegal {
		t.Error("a token that was used twice passes")
	}
}
