package bolt

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// group lets writes that arrive together share one frame of the log, and so one trip
// to the disk. There is no timer: a write that finds nobody committing wakes a goroutine
// that commits whatever is queued, again and again until nothing is. It is not the callers
// who commit, because a disk may hang, and a caller whose context ends must be able to go.
// The goroutine begins with the first write and ends with shut: one for each lone write
// would spend as much on growing its stack as on the write.
type group struct {
	mu      sync.Mutex
	idle    sync.Cond // signalled when nobody commits any more
	queue   []*job
	spare   []*job        // an earlier queue, to be used again
	running bool          // somebody commits
	wake    chan struct{} // tells run that there is a queue; nil before the first write

	// company tells that the last commit was of several writes. Only run has it.
	company bool

	// slow fires while somebody commits, and finds out whether that takes long. It is not
	// set and stopped for each commit, because most are over long before.
	slow    *time.Timer
	ticking bool      // slow will fire
	since   time.Time // when the present commit began
	now     []*job    // what it commits
	closed  bool
}

// job is one caller's write.
type job struct {
	// at is the Write's present; zero for writes that have none.
	at time.Time

	// added is how many records the write adds, which sets the pace of the sweep.
	added int

	// takesBack tells that the write ends the epoch.
	takesBack bool

	// apply judges, then changes. It may be run again from the start, in another
	// transaction.
	apply func(t *txn) error

	// alone is run in place of apply, while nothing else is being written.
	alone func() error

	err   error
	taken bool      // it is being committed; guarded by group.mu
	told  bool      // that it takes long; guarded by group.mu
	done  chan bool // true: err is set; false: it takes long
}

// longWait is after how long those who wait for a commit begin to watch their contexts.
// Commits take a small part of that.
const longWait = 20 * time.Millisecond

// shut refuses new writes and waits for those under way.
func (g *group) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.closed
	g.closed = true
	for g.running {
		g.idle.Wait()
	}
	if first && g.wake != nil {
		close(g.wake)
	}
}

// write gets j committed and returns its outcome. If ctx ends while j is still in the
// queue, j is taken out and does not happen; if it ends later, nobody can say.
func (db *DB) write(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan bool, 2)
	g := &db.group
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return storage.ErrClosed
	}
	g.queue = append(g.queue, j)
	if !g.running {
		g.running = true
		if g.wake == nil {
			g.wake = make(chan struct{}, 1)
			go db.run()
		}
		g.wake <- struct{}{} // there is room: the last one has been taken
	}
	g.mu.Unlock()

	// To watch a context costs more than most commits take per write, so that begins
	// when this one turns out to be slow.
	if <-j.done {
		return j.err
	}
	select {
	case <-j.done: // not false again
		return j.err
	case <-ctx.Done():
	}
	if !g.withdraw(j) {
		select {
		case <-j.done: // in the same moment
			return j.err
		default:
		}
	}
	return ctx.Err()
}

// hurry tells those who wait that it takes long, if it does, each of them once.
func (g *group) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.now) == 0 {
		g.ticking = false
		return
	}
	if left := longWait - time.Since(g.since); left > 0 {
		g.slow.Reset(left)
		return
	}
	for _, jobs := range [][]*job{g.now, g.queue} {
		for _, j := range jobs {
			if !j.told {
				j.told = true
				j.done <- false
			}
		}
	}
	g.slow.Reset(longWait)
}

// withdraw takes j out of the queue, if it is still there.
func (g *group) withdraw(j *job) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.taken {
		return false
	}
	if i := slices.Index(g.queue, j); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	return true
}

// run commits what is queued, whenever something is.
func (db *DB) run() {
	for range db.group.wake {
		db.commitQueue()
	}
}

// commitQueue commits what is queued until nothing is.
func (db *DB) commitQueue() {
	g := &db.group
	for {
		// Whoever can run now, and is about to queue a write, goes first; but where writes
		// come one at a time, to let others go first only wakes another processor.
		if g.company {
			runtime.Gosched()
		}
		g.mu.Lock()
		jobs := g.queue
		if len(jobs) == 0 {
			g.running = false
			g.idle.Broadcast()
			g.mu.Unlock()
			return
		}
		g.queue, g.spare, g.now = g.spare[:0], nil, jobs
		g.company = len(jobs) > 1
		for _, j := range jobs {
			j.taken = true
		}
		g.since = time.Now()
		switch {
		case g.slow == nil:
			g.slow = time.AfterFunc(longWait, g.hurry)
		case !g.ticking:
			g.slow.Reset(longWait)
		}
		g.ticking = true
		g.mu.Unlock()

		db.commit(jobs)

		g.mu.Lock()
		g.now = nil
		g.mu.Unlock()
		for _, j := range jobs {
			j.done <- true
		}
		clear(jobs)
		g.spare = jobs // nobody else touches it while running
	}
}
