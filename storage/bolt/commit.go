package bolt

import (
	"slices"
	"time"
)

// commit carries out jobs and sets the outcome of each. It does not panic.
func (db *DB) commit(jobs []*job) {
	begun := 0
	for i, j := range jobs {
		if j.alone == nil {
			continue
		}
		db.commitGroup(jobs[begun:i])
		if begun = i + 1; db.halted.Load() == nil {
			j.err = db.explain(guard(j.alone))
		} else {
			j.err = *db.halted.Load()
		}
	}
	db.commitGroup(jobs[begun:])
}

// commitGroup applies jobs, all in one frame of the log.
func (db *DB) commitGroup(jobs []*job) {
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

// commitOnce tries jobs together. If one of them fails after it began to change
// things, all is given up and spoiler is its index; otherwise spoiler is -1 and err is
// the whole group's.
func (db *DB) commitOnce(jobs []*job) (spoiler int, err error) {
	db.pending.reset()
	if spoiler, err = db.applyAll(jobs); err != nil {
		return spoiler, err
	}
	var ended uint64
	if slices.ContainsFunc(jobs, func(j *job) bool { return j.takesBack }) {
		ended = 1
	}
	if len(db.pending.changes) == 0 {
		if ended > 0 {
			db.change(func(r *recent) { r.epoch += ended })
		}
		return -1, nil
	}
	if err := db.logPending(); err != nil {
		return spoiler, err
	}
	// It is on disk. Now it is true for everybody.
	db.change(func(r *recent) {
		r.layers[0].add(db.pending.changes, r.seq+1)
		r.seq++
		r.epoch += ended // in the same moment, for r is replaced at once
	})
	db.pending.reset() // its records may be large, and the next group far
	if db.log.end >= mergeFrom || !db.since.IsZero() && db.at.Sub(db.since).Abs() >= mergeAfter {
		if settled, _ := db.merging.settled(); settled {
			db.startMerge()
		}
	}
	return spoiler, nil
}

// applyAll judges jobs one after the other and leaves what they change in db.pending.
func (db *DB) applyAll(jobs []*job) (spoiler int, err error) {
	t, err := db.begin()
	if err != nil {
		return -1, err
	}
	defer t.end()
	t.pending = &db.pending
	added := 0
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
		if t.dirty {
			added += j.added
		}
		if at.IsZero() || !j.at.IsZero() && j.at.Before(at) {
			at = j.at
		}
	}
	if len(db.pending.changes) == 0 || at.IsZero() {
		return -1, nil
	}
	if db.at = at; db.since.IsZero() {
		db.since = at
	}
	return -1, db.sweeper.sweep(t, at, added)
}

// logPending brings db.pending to the disk.
func (db *DB) logPending() error {
	if !db.logged {
		if err := db.takeLog(); err != nil {
			return err
		}
	}
	if db.log.end >= logMost {
		if err := db.merging.wait(); err == nil {
			db.startMerge()
		} else if err := db.mergeAll(true); err != nil {
			return err
		}
	}
	err := db.log.append(db.pending.changes)
	if lacksRoom(err) && !lostSync(err) && db.log.end > logStart {
		// There is room at the beginning of the files, and perhaps inside bbolt's.
		if err := db.mergeAll(true); err != nil {
			return err
		}
		err = db.log.append(db.pending.changes)
	}
	if err != nil && lostSync(err) {
		db.halt(err)
	}
	return err
}

// takeLog makes the log ready to be written, and bbolt's file say that it is.
func (db *DB) takeLog() error {
	if err := db.makeLog(db.log.generation-1, nil); err != nil {
		return err
	}
	db.marked = true // even if this fails in the end, it may be what the disk holds
	err := db.update(func(t *txn) error {
		return t.writeLogState(logState{ID: db.log.id, Merged: db.log.generation - 1, Logged: true})
	})
	if err == nil {
		db.logged, db.log.former = true, logID{}
	}
	return err
}

// makeLog makes an empty log, unless there is one. What lies in its place may be the log of
// what the disk holds, although what has been read, from the kernel's cache perhaps, says
// that it is not needed. So bbolt's file goes to the disk first, with the merges that are
// missing in it, the last generation that it then has, and another log's name: should only
// part of all this last, an older file and a newer log do not pass for a pair.
func (db *DB) makeLog(merged uint64, also func(t *txn) error) error {
	if db.log.files[0] != nil {
		return nil
	}
	state := logState{ID: db.log.id, Former: db.log.former, Merged: merged}
	if state.Former == (logID{}) {
		state.ID, state.Former = newLogID(), state.ID
	}
	err := db.update(func(t *txn) error {
		if also != nil {
			if err := also(t); err != nil {
				return err
			}
		}
		return t.writeLogState(state)
	})
	if err != nil {
		return err
	}
	db.log.id, db.log.former = state.ID, state.Former
	return db.log.make()
}
