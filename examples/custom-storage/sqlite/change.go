package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/grantor-oauth/grantor/storage"
)

// change is one transaction at work. Its first error ends it: what comes after does
// nothing, and all is rolled back. So the steps can be read one below the other.
type change struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

// transact runs apply in a transaction that holds the write lock from its beginning
// (BEGIN IMMEDIATE): what apply reads is still true when it commits.
func (s *Store) transact(ctx context.Context, apply func(c *change)) error {
	return s.do(ctx, func() error {
		tx, err := s.writes.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing once committed
		c := &change{ctx: ctx, tx: tx}
		if apply(c); c.err != nil {
			return c.err
		}
		return tx.Commit()
	})
}

// exec runs a statement and counts the rows it changed.
func (c *change) exec(text string, args ...any) (rows int64) {
	if c.err != nil {
		return 0
	}
	result, err := c.tx.ExecContext(c.ctx, text, args...)
	if err == nil {
		rows, err = result.RowsAffected()
	}
	c.err = err
	return rows
}

// must runs a statement that changes a row, or else the change fails with this fact.
func (c *change) must(otherwise error, text string, args ...any) {
	if rows := c.exec(text, args...); rows == 0 && c.err == nil {
		c.err = otherwise
	}
}

// judge asks for the row that a condition is about: whether it is revoked, and whether
// it is consumed.
func (c *change) judge(text string, args ...any) {
	if c.err != nil {
		return
	}
	var revoked, consumed bool
	c.err = c.tx.QueryRowContext(c.ctx, text, args...).Scan(&revoked, &consumed)
	switch {
	case errors.Is(c.err, sql.ErrNoRows):
		c.err = storage.ErrNotFound
	case revoked:
		c.err = storage.ErrRevoked
	case consumed:
		c.err = storage.ErrConsumed
	}
}

// unchanged makes sure that a client is still what it was when it was read.
func (c *change) unchanged(client storage.Client) {
	var stored storage.Client
	err := c.tx.QueryRowContext(c.ctx, `SELECT record FROM clients WHERE id = ?`, client.ID).Scan(blob{&stored})
	if errors.Is(err, sql.ErrNoRows) || err == nil && stored.Revision != client.Revision {
		err = storage.ErrConflict
	}
	c.err = err
}
