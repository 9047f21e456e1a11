package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Fault is what happens to a call of a [Store].
type Fault int

// The faults.
const (
	None    Fault = iota
	Fail          // it fails with [ErrDown]
	Timeout       // it fails with context.DeadlineExceeded, as if the backend had a limit of its own
	Panic         // it panics
	Hang          // it hangs until its context ends or the store is mended
	Lose          // it has its effect, and then fails with ErrDown: the answer got lost
)

// String is the fault in a word.
func (f Fault) String() string {
	return [...]string{"none", "fails", "times out", "panics", "hangs", "loses its answer"}[f]
}

// ErrDown is what a store says that cannot tell.
var ErrDown = errors.New("faults: the store is down")

// Plan says what happens to a call: n counts from 0, since the plan was made.
type Plan func(n int, method string) Fault

// Once is the plan in which one call goes wrong.
func Once(at int, f Fault) Plan {
	return func(n int, _ string) Fault {
		if n == at {
			return f
		}
		return None
	}
}

// From is the plan in which a call and all later ones go wrong.
func From(at int, f Fault) Plan {
	return func(n int, _ string) Fault {
		if n >= at {
			return f
		}
		return None
	}
}

// Of is the plan in which every call of one method goes wrong.
func Of(method string, f Fault) Plan {
	return func(_ int, m string) Fault {
		if m == method {
			return f
		}
		return None
	}
}

// Store is another store whose calls can be counted, slowed down and made to go wrong.
type Store struct {
	inner storage.Store

	mu      sync.Mutex
	latency time.Duration
	plan    Plan
	mended  chan struct{} // closed when the plan changes
	calls   []string
	commits int
}

var _ storage.Store = (*Store)(nil)

// NewStore is a store that does what inner does, until it is told otherwise.
func NewStore(inner storage.Store) *Store {
	return &Store{inner: inner, mended: make(chan struct{})}
}

// Slow makes every call take that much longer.
func (s *Store) Slow(latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = latency
}

// Break puts a plan in force, or none if it is nil, lets go of the calls that hang, and
// begins to count anew.
func (s *Store) Break(plan Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.mended)
	s.plan, s.mended, s.calls, s.commits = plan, make(chan struct{}), nil, 0
}

// Mend ends what Break began.
func (s *Store) Mend() { s.Break(nil) }

// Seen is which calls came since the last Break, and how many commits were applied.
func (s *Store) Seen() (calls []string, commits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls), s.commits
}

// Inner is the store behind.
func (s *Store) Inner() storage.Store { return s.inner }

// enter lets a call go wrong before it had its effect, and says whether it has to
// afterwards.
func (s *Store) enter(ctx context.Context, method string) (lose bool, err error) {
	s.mu.Lock()
	latency, mended, fault := s.latency, s.mended, None
	if s.plan != nil {
		fault = s.plan(len(s.calls), method)
	}
	s.calls = append(s.calls, method)
	s.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	switch fault {
	case Fail:
		return false, fmt.Errorf("%s: %w", method, ErrDown)
	case Timeout:
		return false, fmt.Errorf("%s: %w", method, context.DeadlineExceeded)
	case Panic:
		panic("faults: " + method + " panics")
	case Hang:
		select {
		case <-mended:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return fault == Lose, nil
}

// do is one call.
func do[V any](ctx context.Context, s *Store, method string, call func() (V, error)) (V, error) {
	var none V
	lose, err := s.enter(ctx, method)
	if err != nil {
		return none, err
	}
	v, err := call()
	if err == nil && method == "Commit" {
		s.mu.Lock()
		s.commits++
		s.mu.Unlock()
	}
	if lose {
		return none, fmt.Errorf("%s, after it was done: %w", method, ErrDown)
	}
	return v, err
}

// doing is one call that returns nothing but an error.
func doing(ctx context.Context, s *Store, method string, call func() error) error {
	_, err := do(ctx, s, method, func() (struct{}, error) { return struct{}{}, call() })
	return err
}
