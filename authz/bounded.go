package authz

import (
	"context"
	"sync"
	"time"
)

// bounded is ctx with the time that one request may wait for the store. release frees
// what that took.
func (s *Server) bounded(ctx context.Context) (_ context.Context, release func()) {
	now := time.Now()
	s.lookForLogouts(now)
	b := &boundedContext{Context: ctx, deadline: now.Add(s.config.StorageTimeout)}
	return b, b.release
}

// boundedContext is what context.WithDeadline returns, except that it takes no timer
// before somebody wants to wait for it. Most requests have their answer from the store
// before anybody does.
type boundedContext struct {
	context.Context
	deadline time.Time

	mu     sync.Mutex
	timed  context.Context // nil until Done is called
	cancel context.CancelFunc
}

func (b *boundedContext) Deadline() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, ok := b.Context.Deadline(); ok && at.Before(b.deadline) {
		return at, true
	}
	return b.deadline, true
}

// beside runs f, which waits for something else than the store, or works for long, in a context that does
// not end when the time for the store does, and does not count that time.
func beside(ctx context.Context, f func(context.Context)) {
	b, ok := ctx.(*boundedContext)
	if !ok {
		f(ctx)
		return
	}
	start := time.Now()
	f(b.Context)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.deadline = b.deadline.Add(time.Since(start))
	}
}

func (b *boundedContext) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.deadline)
	}
	return b.timed.Done()
}

func (b *boundedContext) Err() error {
	b.mu.Lock()
	timed, deadline := b.timed, b.deadline
	b.mu.Unlock()
	if timed != nil {
		return timed.Err()
	}
	if err := b.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(deadline) {
		return nil
	}
	return context.DeadlineExceeded
}

func (b *boundedContext) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}
