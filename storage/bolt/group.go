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
// to the disk. There is no timer: a write that finds nobody committing starts a
// goroutine that commits whatever is queued, again and again until nothing is, and then
// ends. It is not the callers who commit, because a disk may hang, and a caller whose
// context ends must be able to go.
type group struct {
	mu      sync.Mutex
	idle    sync.Cond // signalled when nobody commits any more
	queue   []*job
	spare   []*job // an earlier queue, to be used again
	running bool   // somebody commits

	// slow fires again and again while one commit takes long.
	slow   *time.Timer
	now    []*job // what that commit commits; guarded by mu
	closed bool
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
	g.closed = true
	for g.running {
		g.idle.Wait()
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
		go db.run()
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

// hurry tells those who wait that it takes long, each of them once.
func (g *group) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, jobs := range [][]*job{g.now, g.queue} {
		for _, j := range jobs {
			if !j.told {
				j.told = true
				j.done <- false
			}
		}
	}
	if len(g.now) > 0 {
		g.slow.Reset(longWait)
	}
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

// run commits what is queued until nothing is.
func (db *DB) run() {
	g := &db.group
	for {
		// Whoever can run now, and is about to queue a write, goes first. On an idle
		// machine this returns at once.
		runtime.Gosched()
		g.mu.Lock()
		jobs := g.queue
		if len(jobs) == 0 {
			g.running = false
			g.idle.Broadcast()
			g.mu.Unlock()
			return
		}
		g.queue, g.spare, g.now = g.spare[:0], nil, jobs
		for _, j := range jobs {
			j.taken = true
		}
		if g.slow == nil {
			g.slow = time.AfterFunc(longWait, g.hurry)
		} else {
			g.slow.Reset(longWait)
		}
		g.mu.Unlock()

		db.commit(jobs)

		g.mu.Lock()
		g.slow.Stop()
		g.now = nil
		g.mu.Unlock()
		for _, j := range jobs {
			j.done <- true
		}
		clear(jobs)
		g.spare = jobs // nobody else touches it while running
	}
}
