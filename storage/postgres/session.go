package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The names under which a connection keeps what we know of it.
const (
	forgetful = "grantor.forgetful"
	warned    = "grantor.warning"
)

// forgets tells whether a connection acknowledges commits before they are on the disk, or
// before they are on that of a synchronous standby: an acknowledged revocation would come
// back after a crash, or a failover. That can come from the URL, the role, the database or the
// server, so the connection itself is asked, once. What is stronger than "on" stays.
func forgets(ctx context.Context, conn *pgx.Conn) (bool, error) {
	custom := conn.PgConn().CustomData()
	if known, ok := custom[forgetful].(bool); ok {
		return known, nil
	}
	var synchronous *string // null where there is no such setting
	err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit', true)").Scan(&synchronous)
	if err != nil {
		return false, unsent{err}
	}
	less := synchronous != nil && slices.Contains([]string{"off", "local", "remote_write"}, *synchronous)
	custom[forgetful] = less
	return less, nil
}

// noteWarning remembers what a commit must not overlook: when the wait for a synchronous
// standby is cut short, by an operator say, the server warns and reports success.
func noteWarning(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[warned] = n.Message
	}
}

// unsent is an error from before a transaction was sent.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// SafeToRetry is what pgconn.SafeToRetry asks.
func (u unsent) SafeToRetry() bool { return true }
