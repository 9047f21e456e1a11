package faults_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// juror is a test whose failures are counted and not told.
type juror struct {
	testing.TB
	failed atomic.Bool
}

func (j *juror) Helper()               {}
func (j *juror) Errorf(string, ...any) { j.failed.Store(true) }
func (j *juror) Error(...any)          { j.failed.Store(true) }
func (j *juror) Failed() bool          { return j.failed.Load() }

func (j *juror) Fatalf(string, ...any) {
	j.failed.Store(true)
	runtime.Goexit()
}

// The races find what they look for: each is run on a store that has the fault.
func TestRaces_bite(t *testing.T) {
	witness := &witness{before: map[string]bool{}}
	for _, test := range []struct {
		name   string
		mutant func(ctx context.Context, inner storage.Store, w storage.Write) error
		race   func(a *arena, h *host, user string, round int)
		grace  func(*authz.Config)
	}{
		{"a code is consumed by whoever asks", func(ctx context.Context, inner storage.Store, w storage.Write) error {
			err := inner.Commit(ctx, w)
			if len(w.ConsumeCodes) > 0 && errors.Is(err, storage.ErrConsumed) {
				w.ConsumeCodes = nil
				return inner.Commit(ctx, w)
			}
			return err
		}, func(a *arena, _ *host, user string, round int) { raceForCode(a, user, round) }, withGrace},
		{"an end is acknowledged early", func(ctx context.Context, inner storage.Store, w storage.Write) error {
			if len(w.Revoke) == 0 {
				return inner.Commit(ctx, w)
			}
			time.AfterFunc(20*time.Millisecond, func() { inner.Commit(context.Background(), w) })
			return nil
		}, func(a *arena, _ *host, user string, round int) {
			end := func(a *arena, user string, _ pair) *Answer { return a.site(0).Browser(user).End() }
			raceRefreshAgainst(end)(a, user, round)
		}, withGrace},
		{"a replay ends the grant late", func(ctx context.Context, inner storage.Store, w storage.Write) error {
			if len(w.Revoke) == 0 {
				return inner.Commit(ctx, w)
			}
			time.AfterFunc(20*time.Millisecond, func() { inner.Commit(context.Background(), w) })
			return nil
		}, func(a *arena, _ *host, user string, round int) {
			old := tokensAt(a, a.site(0), user, Web)
			raceRefreshAgainstReuse(a, old, issued(a, a.site(0).Refresh(Web, old.refresh)), 1, round)
		}, noGrace},
		{"a user's end is forgotten", func(ctx context.Context, inner storage.Store, w storage.Write) error {
			w.Unended = nil
			return inner.Commit(ctx, w)
		}, func(a *arena, h *host, user string, round int) {
			raceForAuthorization(a.TB, h, witness, user, round, 3, true, (*Browser).End)
		}, withGrace},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, &mutant{Store: memory.New(), commit: test.mutant}, realClock, opaque, test.grace, func(c *authz.Config) { c.Login = witness.login })
			j := &juror{TB: t}
			for round := 0; round < 60 && !j.Failed(); round++ {
				done := make(chan struct{})
				go func() {
					defer close(done)
					test.race(&arena{j, []*Site{h.Site}, h.store}, h, userOf(round), round)
				}()
				<-done
			}
			if !j.Failed() {
				t.Error("60 rounds on a broken store, and the race notices nothing")
			}
		})
	}
}
