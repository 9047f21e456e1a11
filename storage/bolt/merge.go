package bolt

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// mergeFrom is how long a generation of the log gets before it is merged: the fewer
	// merges, the fewer pages are written twice; but what is not merged is held in memory.
	mergeFrom = 1 << 20

	// mergeAfter is after how long it is merged if it stays shorter. By then records in it
	// may have expired, and those are swept in bbolt's file only.
	mergeAfter = time.Minute

	// logMost is how long it gets while the one before is still being merged. Then writes
	// wait for that.
	logMost = 8 << 20

	// releaseEvery is after how many merges the pages that were looked at meanwhile are given
	// back. Under load that is every few seconds, and costs a millisecond.
	releaseEvery = 16
)

// merge is one that is under way, or has failed.
type merge struct {
	done chan struct{}
	err  error // may be read when done is closed
}

// settled tells how the last merge went: false if it is still under way.
func (m *merge) settled() (bool, error) {
	if m == nil {
		return true, nil
	}
	select {
	case <-m.done:
		return true, m.err
	default:
		return false, nil
	}
}

func (m *merge) wait() error {
	if m == nil {
		return nil
	}
	<-m.done
	return m.err
}

// startMerge lets the next changes go into a new generation, and merges the present one
// meanwhile. Only DB.run calls it, and only when no other is under way.
func (db *DB) startMerge() {
	if now := db.recent.Load(); len(now.layers) == 1 {
		db.change(func(r *recent) { r.layers = []*layer{r.layers[0].after(), r.layers[0]} })
		db.log.next(false)
		db.since = time.Time{}
	}
	m := &merge{done: make(chan struct{})}
	db.merging = m
	go func() {
		defer close(m.done)
		m.err = db.mergeOldest()
	}()
}

// mergeOldest merges the layer that takes no more changes.
func (db *DB) mergeOldest() error {
	l := db.recent.Load().oldest()
	if err := db.mergeLayers(logState{ID: db.log.id, Merged: l.generation, Logged: true}, l); err != nil {
		return err
	}
	db.change(func(r *recent) { r.layers = []*layer{r.layers[0]} }) // and nothing of the other
	return nil
}

// mergeAll merges all that there is. Unless the log stays in use, bbolt's file can then do
// without it. The caller is the one that commits, or the last.
func (db *DB) mergeAll(stayInUse bool) error {
	_ = db.merging.wait() // what it could not do is tried again
	db.merging = nil
	if !db.marked {
		return nil // nothing has been written since the last time
	}
	layers := slices.Clone(db.recent.Load().layers)
	newest := layers[0].generation
	slices.Reverse(layers)
	state := logState{ID: db.log.id, Merged: newest, Logged: stayInUse}
	if err := db.mergeLayers(state, layers...); err != nil {
		return err
	}
	db.change(func(r *recent) { r.layers = []*layer{{generation: newest + 1}} })
	db.log.next(true)
	db.since = time.Time{}
	db.logged, db.marked = stayInUse, stayInUse
	return nil
}

// mergeLayers puts layers, the oldest first, into bbolt's file.
func (db *DB) mergeLayers(state logState, layers ...*layer) error {
	err := db.update(func(t *txn) error {
		if db.hasRoom(t.tx.Size(), layers) {
			db.newBase() // for the time that this takes
		}
		if db.merges.Load()%releaseEvery == releaseEvery-1 {
			db.release(t.tx.Size())
		}
		for _, l := range layers {
			if err := l.into(t); err != nil {
				return err
			}
		}
		return t.writeLogState(state)
	})
	if errors.Is(err, ErrCorrupt) {
		db.halt(err) // it would never go through
	}
	if err == nil {
		db.merges.Add(1)
	}
	return err
}

// hasRoom reports whether to merge layers into a file of that size takes no larger map, for
// which bbolt would wait until nobody reads. At the very most, all that the file holds is
// written again, to pages that are half full, and the changes with as much around them.
func (db *DB) hasRoom(size int64, layers []*layer) bool {
	const amply = 8
	most := 3 * size
	for _, l := range layers {
		most += amply * (l.bytes + l.changes*int64(db.bolt.Info().PageSize))
	}
	return most <= db.mapped
}

// change replaces what readers see. Those who have begun keep what they have.
func (db *DB) change(fn func(r *recent)) {
	db.recentMu.Lock()
	defer db.recentMu.Unlock()
	now := *db.recent.Load()
	fn(&now)
	db.recent.Store(&now)
}

// update changes bbolt's file in one transaction. It does not panic.
func (db *DB) update(fn func(t *txn) error) error {
	db.dropBase()
	defer db.newBase()
	return guard(func() (err error) {
		if halted := db.halted.Load(); halted != nil {
			return *halted
		}
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
			return err
		}
		db.bolt.AllocSize = growth(tx.Size())
		if err := fn(&txn{tx: tx}); err != nil {
			return err
		}
		committing = true
		if err := tx.Commit(); err != nil {
			if lostSync(err) {
				db.halt(err)
			}
			return fmt.Errorf("bolt: writing %s: %w", db.path, err)
		}
		return nil
	})
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
