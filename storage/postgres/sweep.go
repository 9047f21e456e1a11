package postgres

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Why rows are deleted, and no partitions dropped: partitions would have to be made ahead
// of time, by a role that may, and hold up every look-up while one is taken off. Range
// deletes need no more rights than inserts, and the dead are in one place on the disk:
// a million go in about ten seconds beside commits that do not notice. What makes it
// so is that a sweep goes on where the last one stopped: until the server's own vacuum
// has been there, the index still holds what was deleted, and each sweep that began at
// the edge would walk past all of it.

const (
	// sweepMargin is how long the dead are left alone, for whoever looks into what just
	// happened.
	sweepMargin = time.Minute

	// sweepEvery is how much time passes between two looks at tables in which nothing
	// was dead last time.
	sweepEvery = time.Second

	// sweepBatch is how many rows one statement removes; sweepBatches how many of those a
	// sweep makes of each table before it lets the next commit begin another.
	sweepBatch   = 500
	sweepBatches = 8

	// sweepAgain is when a sweep begins at the edge again, for rows that were locked when it
	// passed, or came later.
	sweepAgain = 10 * time.Minute

	// sweepLead is how many commits may be made while one sweep runs before one of them
	// waits for it: however fast commits come, the sweeps keep up.
	sweepLead = 64

	// sweepPatience ends a sweep that is stuck.
	sweepPatience = 10 * time.Second
)

// sweeper removes the dead beside the commits that it is reminded by. At most one sweep
// runs in each process; those of several pass over each other's rows.
type sweeper struct {
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running chan struct{} // closed at the end of the sweep that runs; nil if none does
	lead    int           // commits since it began, or since one waited
	more    bool          // the last sweep left something
	last    time.Time     // when it began, by the caller's clock
	edge    time.Time     // when one began at the edge
	passed  []any         // up to where each table has been swept; only the sweep touches it

	complained time.Time // when the log was told of a failure; only the sweep touches it
}

func (s *sweeper) init() {
	s.ctx, s.stop = context.WithCancel(context.Background())
}

// close waits for the sweep that is running. It ends after its present statement; one
// that hangs is cut off, which costs a connection.
func (s *sweeper) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	cut := time.AfterFunc(time.Second, s.stop)
	s.done.Wait()
	cut.Stop()
	s.stop()
}

func (s *sweeper) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// begin tells whether a sweep is due, and counts it as begun. A clock that was set back
// does not put it off. If one runs that the commits leave behind, begin returns it.
func (s *sweeper) begin(at time.Time) (due bool, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		if s.lead++; s.lead < sweepLead {
			return false, nil
		}
		s.lead = 0
		return false, s.running
	}
	if s.closed || !s.more && at.Sub(s.last).Abs() < sweepEvery {
		return false, nil
	}
	s.running, s.lead, s.last = make(chan struct{}), 0, at
	if s.passed == nil || at.Sub(s.edge).Abs() >= sweepAgain {
		s.edge = at
		s.passed = make([]any, len(edges))
		for i, e := range edges {
			s.passed[i] = e.first
		}
	}
	s.done.Add(1)
	return true, nil
}

func (s *sweeper) end(more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.running)
	s.running, s.more = nil, more
	s.done.Done()
}

// sweepBeside lets the commit that has just been made go on, but for one in many if the
// sweep does not keep up.
func (db *DB) sweepBeside(ctx context.Context, at time.Time) {
	due, wait := db.sweeper.begin(at)
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done(): // the commit has been made all the same
		}
		due, _ = db.sweeper.begin(at)
	}
	if !due {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(db.sweeper.ctx, sweepPatience)
		defer cancel()
		db.sweeper.end(db.sweep(ctx, at.Add(-sweepMargin)))
	}()
}

// edge is a table with its dead: those that ended before $1, the first $2 of them, from
// $3 on. Where names begin with an end, they are below $4. A row that another transaction
// has locked is left for next time, so a sweep waits for nobody and nobody waits long
// for it.
type edge struct {
	sql   string
	first any                           // the least $3
	below func(cutoff time.Time) []byte // nil: there is no $4
}

var edges = []edge{
	byName("grantor_tokens", "digest", stamp),
	byName("grantor_codes", "digest", stamp),
	byName("grantor_grants", "id", grantStamp),
	byEnd("grantor_consents", "expires_at"),
	byEnd("grantor_endings", "forget_at"),
}

func byName(table, key string, below func(time.Time) []byte) edge {
	return edge{first: []byte{}, below: below, sql: `DELETE FROM ` + table + ` WHERE ` + key + ` IN (
		SELECT ` + key + ` FROM ` + table + ` WHERE ` + key + ` >= $3 AND ` + key + ` < $4 AND expires_at < $1
		ORDER BY ` + key + ` LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING ` + key}
}

func byEnd(table, end string) edge {
	return edge{first: int64(math.MinInt64), sql: `DELETE FROM ` + table + ` WHERE (subject, client_id) IN (
		SELECT subject, client_id FROM ` + table + ` WHERE ` + end + ` >= $3 AND ` + end + ` < $1
		ORDER BY ` + end + ` LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING ` + end}
}

// sweep tells whether it left something. An error only means that it is done later: who
// has stored something has nothing to do with it.
func (db *DB) sweep(ctx context.Context, cutoff time.Time) (more bool) {
	again := false
	left := make([]int, len(edges))
	for i := range left {
		left[i] = i
	}
	for range sweepBatches {
		var full []int
		for _, i := range left {
			if db.sweeper.isClosed() {
				return false
			}
			n, err := db.sweepSome(ctx, edges[i], cutoff, &db.sweeper.passed[i])
			if err != nil { // a table that cannot be swept now does not keep the others full
				db.sweepFailed(ctx, err)
				again = again || worthRepeating(err)
				continue
			}
			if n == sweepBatch {
				full = append(full, i)
			}
		}
		if left = full; len(left) == 0 {
			return again
		}
	}
	return true
}

// sweepFailed tells the log, and not again for a while. It is for what does not pass by
// itself: a lost connection is everybody's trouble, and a locked table is swept later.
func (db *DB) sweepFailed(ctx context.Context, err error) {
	switch code(err) {
	case "", lockUnavailable, cancelled, starting, serialization, deadlock:
		return
	}
	if db.sweeper.isClosed() || time.Since(db.sweeper.complained) < sweepAgain {
		return
	}
	db.sweeper.complained = time.Now()
	db.log.LogAttrs(ctx, slog.LevelWarn, "expired records are not removed, and the tables grow", slog.String("cause", explain(ctx, "sweeping", err).Error()))
}

func (db *DB) sweepSome(ctx context.Context, e edge, cutoff time.Time, passed *any) (n int, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	args := []any{micros(cutoff), sweepBatch, *passed}
	if e.below != nil {
		args = append(args, e.below(cutoff))
	}
	var last any
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// What a crash brings back is removed again; there is nothing to wait for.
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, e.sql, args...)
		if err != nil {
			return err
		}
		if e.below != nil {
			n, last, err = greatest(rows, bytes.Compare)
		} else {
			n, last, err = greatest(rows, cmp.Compare[int64])
		}
		return err
	})
	if err == nil && n > 0 {
		*passed = last
	}
	return n, err
}

// greatest counts rows of one column and finds the last of them.
func greatest[T any](rows pgx.Rows, compare func(a, b T) int) (n int, last any, err error) {
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil || len(all) == 0 {
		return 0, nil, err
	}
	return len(all), slices.MaxFunc(all, compare), nil
}
