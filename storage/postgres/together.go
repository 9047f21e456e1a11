package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// enough of those who wait for a trip go at once.
	enough = 16

	// longTrip is when a trip no longer keeps others waiting: it waits for a lock, say.
	longTrip = 10 * time.Millisecond
)

// errAlone sends everybody on a trip of their own: nothing has come of the common one.
var errAlone = errors.New("nothing has come of the common trip")

// together lets calls that come faster than the server answers share trips to it. What a
// trip costs both sides, by the message, the transaction and the flush of the log, is far
// more than what one call adds to it. A call goes at once, and by itself, unless one is
// under way. Those that come meanwhile go together when that is back, or when there are
// enough of them.
type together[T any] struct {
	doing string // for errors

	// travel makes one trip for several calls, until ctx tells that all callers have left.
	// Its answer is for all of them.
	travel func(ctx context.Context, all []T) error

	mu    sync.Mutex
	trips int // under way, without those that take long
	queue []*caller[T]
	done  sync.WaitGroup // common trips, which may outlast their callers
}

type caller[T any] struct {
	call T
	turn chan turn
	trip *trip // by which the call travels; guarded by together.mu
}

// turn is what a caller waits for: an answer, or leave to go by itself, with a trip that
// is counted already or without.
type turn struct {
	alone, counted bool
	err            error
}

type trip struct {
	callers atomic.Int32 // those who still wait
	cancel  context.CancelFunc
}

// do makes a call: by itself with alone, or with others as what pack makes of it. That
// must not share memory with the caller, who may leave early.
func (t *together[T]) do(ctx context.Context, pack func() (T, error), alone func() error) error {
	if t.begin(nil) {
		return t.byItself(alone)
	}
	call, err := pack()
	if err != nil {
		return err
	}
	c := &caller[T]{call: call, turn: make(chan turn, 1)}
	if t.begin(c) {
		return t.byItself(alone)
	}
	select {
	case turn := <-c.turn:
		switch {
		case turn.counted:
			return t.byItself(alone)
		case turn.alone:
			return alone()
		}
		return turn.err
	case <-ctx.Done():
		t.leave(c)
		return explain(ctx, t.doing, ctx.Err())
	}
}

// begin counts a trip, or puts the caller into the queue if one is under way.
func (t *together[T]) begin(c *caller[T]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trips == 0 {
		t.trips++
		return true
	}
	if c != nil {
		t.queue = append(t.queue, c)
		if len(t.queue) >= enough {
			t.depart()
		}
	}
	return false
}

func (t *together[T]) byItself(alone func() error) error {
	defer t.counted()()
	return alone()
}

// counted returns what ends a trip that was counted, unless it has taken long.
func (t *together[T]) counted() func() {
	timer := time.AfterFunc(longTrip, t.next)
	return func() {
		if timer.Stop() {
			t.next()
		}
	}
}

// next is when a trip no longer counts.
func (t *together[T]) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trips--
	if t.trips == 0 && len(t.queue) > 0 {
		t.depart()
	}
}

// depart begins a trip for those who wait.
func (t *together[T]) depart() {
	t.trips++
	all := t.queue
	t.queue = nil
	if len(all) == 1 {
		all[0].turn <- turn{alone: true, counted: true}
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	trip := &trip{cancel: cancel}
	trip.callers.Store(int32(len(all)))
	for _, c := range all {
		c.trip = trip
	}
	t.done.Add(1)
	go t.inCompany(ctx, trip, all)
}

func (t *together[T]) inCompany(ctx context.Context, trip *trip, all []*caller[T]) {
	defer t.done.Done()
	defer trip.cancel()
	calls := make([]T, len(all))
	for i, c := range all {
		calls[i] = c.call
	}
	ended := t.counted()
	err := t.travel(ctx, calls)
	ended()
	for _, c := range all {
		c.turn <- turn{alone: errors.Is(err, errAlone), err: err}
	}
}

// leave is for a caller who no longer waits.
func (t *together[T]) leave(c *caller[T]) {
	t.mu.Lock()
	i := slices.Index(t.queue, c)
	if i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
	trip := c.trip
	t.mu.Unlock()
	switch {
	case i >= 0:
	case trip == nil: // it may go by itself, and does not
		t.next()
	case trip.callers.Add(-1) == 0:
		trip.cancel()
	}
}
