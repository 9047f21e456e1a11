package bolt

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// group lets writes that arrive together share one bbolt transaction, and so one
// trip to the disk. There is no timer: a write that finds nobody committing starts a
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

	// apply judges, then changes. It may be run again from the start, in another
	// transaction.
	apply func(t *txn) error

	err   error
	taken bool      // it is being committed; guarded by group.mu
	told  bool      // that it takes long; guarded by group.mu
	done  chan bool // true: err is set; false: it takes long
}

// longWait is after how long those who wait for a commit begin to watch their contexts.
// Commits take a small part of that.
const longWait = 20 * time.Millisecond

// releaseEvery is after how many commits the pages that were looked at meanwhile are given
// back. Under load that is every few seconds, and costs a millisecond.
const releaseEvery = 2048

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

// commit applies jobs in one transaction and sets the outcome of each. It does not
// panic.
func (db *DB) commit(jobs []*job) {
	for len(jobs) > 0 {
		if halted := db.halted.Load(); halted != nil {
			fail(jobs, *halted)
			return
		}
		spoiler := -1
		err := guard(func() (err error) {
			spoiler, err = db.commitOnce(jobs)
			return err
		})
		if err == nil {
			return
		}
		if spoiler < 0 {
			fail(jobs, db.explain(err))
			return
		}
		// One write failed halfway. Nothing is on disk; the others start again
		// without it.
		jobs[spoiler].err = db.explain(err)
		jobs = append(jobs[:spoiler:spoiler], jobs[spoiler+1:]...)
	}
}

// fail gives all of jobs the error that undid them. It replaces the facts that some
// were told already: those may have been judged beside changes that did not happen.
func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.err = err
	}
}

// commitOnce tries jobs in one transaction. If one of them fails after it began to
// change things, the transaction is given up and spoiler is its index; otherwise
// spoiler is -1 and err is the whole transaction's.
func (db *DB) commitOnce(jobs []*job) (spoiler int, err error) {
	spoiler = -1
	var tx *bbolt.Tx
	committing := false
	defer func() {
		if p := recover(); p != nil {
			err = panicError{fmt.Sprint(p)}
			if committing || tx == nil {
				db.halt(err)
				db.stuck.CompareAndSwap(false, tx == nil)
			}
		}
		if err != nil && tx != nil {
			db.abandon(tx)
		}
	}()
	if tx, err = db.bolt.Begin(true); err != nil {
		return spoiler, err
	}
	db.bolt.AllocSize = growth(tx.Size())
	if db.commits++; db.commits%releaseEvery == 0 {
		db.release(tx.Size())
	}

	t := &txn{tx: tx}
	effects, added := false, 0
	var at time.Time
	for i, j := range jobs {
		t.dirty = false
		j.err = guard(func() error { return j.apply(t) })
		if j.err != nil {
			if t.dirty {
				return i, j.err
			}
			j.err = db.explain(j.err)
			continue
		}
		effects = effects || t.dirty
		added += j.added
		if at.IsZero() || !j.at.IsZero() && j.at.Before(at) {
			at = j.at
		}
	}
	if !effects {
		return spoiler, tx.Rollback()
	}
	if !at.IsZero() {
		if err := db.sweep(t, at, added); err != nil {
			return spoiler, err
		}
	}
	committing = true
	if err := tx.Commit(); err != nil {
		if lostSync(err) {
			db.halt(err)
		}
		return spoiler, fmt.Errorf("bolt: writing %s: %w", db.path, err)
	}
	return spoiler, nil
}

// abandon rolls tx back, if it is still open. When even that panics, bbolt's lock is
// lost with it.
func (db *DB) abandon(tx *bbolt.Tx) {
	err := guard(func() error {
		_ = tx.Rollback() // says ErrTxClosed when Commit has rolled back itself
		return nil
	})
	if err != nil {
		db.stuck.Store(true)
		db.halt(err)
	}
}

// halt refuses all further writes.
func (db *DB) halt(cause error) {
	err := fmt.Errorf("bolt: %s takes no more writes since one failed in a way that may have lost data: check the disk and the file, then start again: %w", db.path, cause)
	db.halted.CompareAndSwap(nil, &err)
}
