package postgres

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// Commit applies w whole or not at all, in one transaction and one round trip.
func (db *DB) Commit(ctx context.Context, w storage.Write) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	defer db.end()
	var err error
	if common(&w) {
		err = db.commits.do(ctx, func() (*part, error) { return partOf(&w) }, func() error { return db.commitAlone(ctx, &w) })
	} else {
		err = db.commitAlone(ctx, &w)
	}
	if err != nil {
		return err
	}
	db.sweepBeside(ctx, w.At)
	return nil
}

// commitAlone is one transaction for one Write.
func (db *DB) commitAlone(ctx context.Context, w *storage.Write) error {
	p := plan{at: micros(w.At)}
	p.lock(w)
	p.judge(w)
	if err := p.add(w); err != nil {
		return err // nothing has been sent
	}
	p.revoke(w)
	if len(p.statements) == 0 {
		return nil
	}
	_, err := db.transact(ctx, "commit", p.statements)
	return err
}

// plan is a Write as statements. They are executed in the order in which the contract
// judges, so the first that fails gives the answer, and each sees what was committed
// before it began: a row that was waited for is judged as it is after the wait.
//
// Two plans that touch the same rows do so in the same order, so that neither waits for
// the other: subjects, codes, tokens, grants, then what is added. The server finds the
// few that do not, and one of them is repeated.
type plan struct {
	at         int64
	statements []statement
	stopped    bool // nothing after this can be reached
}

func (p *plan) do(sql string, args ...any) {
	if !p.stopped {
		p.statements = append(p.statements, statement{sql, args})
	}
}

// fail is for what can be judged before anything is sent, but has to wait for its turn.
func (p *plan) fail(word string) {
	p.do("SELECT CAST($1::text AS bigint)", word)
	p.stopped = true
}
