package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage"
)

// statement is one SQL statement with its arguments.
type statement struct {
	sql  string
	args []any
}

// A transaction travels to the server in one piece, COMMIT included, and costs one round
// trip. So nobody is there to look at a result in the middle: a condition that does not
// hold makes its statement fail, which ends the transaction. It fails by reading one of
// these words as a number; that is plain SQL, and the word comes back in the error.
const (
	wordNotFound = "grantor/not_found"
	wordConsumed = "grantor/consumed"
	wordRevoked  = "grantor/revoked"
	wordExists   = "grantor/exists"
)

var facts = map[string]error{
	wordNotFound: storage.ErrNotFound,
	wordConsumed: storage.ErrConsumed,
	wordRevoked:  storage.ErrRevoked,
	wordExists:   storage.ErrExists,
}

// factOf is the fact that a statement failed with, or nil. No input is ever read as a
// number, so nobody else can make the server say these words.
func factOf(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != invalidText {
		return nil
	}
	for word, fact := range facts {
		if strings.Contains(pgErr.Message, word) {
			return fact
		}
	}
	return nil
}

// errUnknown: the connection was lost when the transaction was on its way.
var errUnknown = errors.New("the connection was lost; the change may or may not have been made")

// errNotReplicated: the server gave up waiting for what makes a commit safe.
var errNotReplicated = errors.New("the server reports success with a warning; the change may not be safe")

// maxAttempts is how often a transaction is tried that only lost against others.
const maxAttempts = 20

// transact runs statements as one transaction, and returns how many rows each of them
// met. It is repeated where the server says that it lost against another transaction,
// and where nothing had been sent, and nowhere else.
func (db *DB) transact(ctx context.Context, doing string, statements []statement) ([]int64, error) {
	fresh := false
	for attempt := 0; ; attempt++ {
		rows, err := db.try(ctx, statements, fresh)
		if err == nil {
			return rows, nil
		}
		if fact := factOf(err); fact != nil {
			return nil, fact
		}
		again := worthRepeating(err)
		if pgconn.SafeToRetry(err) {
			again, fresh = true, true
		}
		if !again || attempt+1 >= maxAttempts || ctx.Err() != nil {
			return nil, explain(ctx, doing, err)
		}
		pause(ctx, attempt)
	}
}

// worthRepeating are refusals after which the transaction is certainly undone, and may
// well succeed next time. When a standby takes over or a pooler hands out another
// connection, prepared statements are gone.
func worthRepeating(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || fatal(pgErr) {
		return false
	}
	switch pgErr.Code {
	case serialization, deadlock, noStatement:
		return true
	case notSupported:
		return strings.Contains(pgErr.Message, "cached plan")
	}
	return false
}

// fatal tells that the server ended the connection, perhaps in the middle of the commit.
func fatal(err *pgconn.PgError) bool {
	return err.SeverityUnlocalized == "FATAL" || err.SeverityUnlocalized == "PANIC"
}

// try runs the transaction once.
func (db *DB) try(ctx context.Context, statements []statement, fresh bool) ([]int64, error) {
	conn, err := db.acquire(ctx, fresh)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	custom := conn.Conn().PgConn().CustomData()
	delete(custom, warned)
	answered, cancel := db.patience(ctx)
	defer cancel()
	rows, err := send(answered, conn.Conn(), statements)
	if err == nil {
		if warning, ok := custom[warned]; ok {
			return nil, fmt.Errorf("%w: %v", errNotReplicated, warning)
		}
		return rows, nil
	}
	switch {
	case conn.Conn().IsClosed():
		db.suspect(ctx)
		if !pgconn.SafeToRetry(err) {
			err = fmt.Errorf("%w: %w", errUnknown, err)
		}
	case conn.Conn().PgConn().TxStatus() != 'I':
		// It is undone already; this makes the connection fit for the next.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "ROLLBACK") // or the pool drops it
	}
	if code(err) == readOnly {
		db.renew() // the primary has become a standby: new connections find the new one
	}
	return nil, err
}

// isolation is enough because every row that a condition looks at is locked. Only tests
// change it.
var isolation = "READ COMMITTED"

// send makes one round trip.
func send(ctx context.Context, conn *pgx.Conn, statements []statement) ([]int64, error) {
	off, err := forgets(ctx, conn)
	if err != nil {
		return nil, err
	}
	var batch pgx.Batch
	first := 1
	batch.Queue("BEGIN ISOLATION LEVEL " + isolation)
	if off {
		batch.Queue("SET LOCAL synchronous_commit = on")
		first++
	}
	for _, s := range statements {
		batch.Queue(s.sql, s.args...)
	}
	batch.Queue("COMMIT")

	results := conn.SendBatch(ctx, &batch)
	rows := make([]int64, 0, len(statements))
	for i := range batch.Len() {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // says the same
			return nil, err
		}
		if i >= first && len(rows) < len(statements) {
			rows = append(rows, tag.RowsAffected())
		}
	}
	return rows, results.Close()
}

// acquire takes a connection from the pool; a fresh one has just been heard of.
func (db *DB) acquire(ctx context.Context, fresh bool) (*pgxpool.Conn, error) {
	// After a restart of the server all are dead, and are found out one by one; the pool
	// makes a new one at the latest when none is left. If that one is dead as well, so is
	// the server behind the pooler that we talk to.
	for left := db.pool.Stat().MaxConns(); ; left-- {
		conn, err := db.pool.Acquire(ctx)
		if err != nil || !fresh {
			return conn, err
		}
		if err = db.ping(ctx, conn); err == nil || ctx.Err() != nil {
			return conn, nil
		}
		_ = conn.Conn().Close(ctx) // the pool drops it
		conn.Release()
		if left <= 0 {
			return nil, err
		}
	}
}

func (db *DB) ping(ctx context.Context, conn *pgxpool.Conn) error {
	ctx, cancel := db.patience(ctx)
	defer cancel()
	return conn.Ping(ctx)
}

// patience bounds the wait for one answer. A server that has vanished from the network
// says nothing, and TCP notices after a quarter of an hour.
func (db *DB) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if db.answerTimeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, db.answerTimeout)
}

// suspect lets go of all connections because one was lost, unless it was our caller who
// left in the middle: clients that hang up must not cost the others their connections.
func (db *DB) suspect(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		db.renew()
	}
}

// renew lets go of all connections, for what happened to one has likely happened to all,
// and each that is found out costs a request. When many are lost at once, once is
// enough. A host's pool is left to the host.
func (db *DB) renew() {
	now, last := time.Now().UnixNano(), db.renewed.Load()
	if db.ownPool && now-last > int64(time.Second) && db.renewed.CompareAndSwap(last, now) {
		db.pool.Reset()
	}
}
