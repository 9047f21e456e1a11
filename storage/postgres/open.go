package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage"
)

// DB is a [storage.Store] in a PostgreSQL database. Use [Open] or [OpenPool] to make one.
type DB struct {
	pool    *pgxpool.Pool
	ownPool bool

	// inUse is held for reading by whoever is at work, so that Close can wait.
	inUse  sync.RWMutex
	closed atomic.Bool

	answerTimeout time.Duration // 0: for ever

	// renewed is when the pool was emptied last, in nanoseconds.
	renewed atomic.Int64

	commits together[*part]
	looks   together[*look]

	sweeper sweeper
	log     *slog.Logger
}

var _ storage.Store = (*DB)(nil)

// Open connects to the database at a URL such as
// "postgres://user:password@host:5432/database", or a list of keywords and values as
// psql takes it, and makes or updates the tables.
//
// It fails at once if nobody answers: ctx bounds how long it tries. A server that takes
// no writes is passed over, because what a standby says is a little out of date; where the
// URL says target_session_attrs, that counts.
func Open(ctx context.Context, url string, options ...Options) (*DB, error) {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errURL // pgx's own error repeats the URL
	}
	o.configure(config, settingsIn(url))
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, explain(ctx, "opening the pool", err)
	}
	db, err := open(ctx, pool, o)
	if err != nil {
		pool.Close()
		return nil, err
	}
	db.ownPool = true
	return db, nil
}

// OpenPool uses connections of the host's. Close leaves the pool open, and of the
// options only SkipMigrations, AnswerTimeout and Logger count: limits and the other timeouts are
// the pool's own. Set statement_timeout, lock_timeout and
// idle_in_transaction_session_timeout there, or one stuck client of the database can hold
// up others without end, and target_session_attrs=read-write. With such a pool we do not
// see the warning of a server whose wait for a synchronous standby an operator has
// cancelled.
func OpenPool(ctx context.Context, pool *pgxpool.Pool, options ...Options) (*DB, error) {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	return open(ctx, pool, o)
}

func open(ctx context.Context, pool *pgxpool.Pool, o Options) (*DB, error) {
	db := &DB{pool: pool, answerTimeout: max(0, cmp.Or(o.AnswerTimeout, 30*time.Second))}
	if db.log = o.Logger; db.log == nil {
		db.log = slog.Default()
	}
	db.commits.doing, db.commits.travel = "commit", db.commitTogether
	db.looks.doing, db.looks.travel = "reading", db.lookTogether
	db.sweeper.init()
	ready, err := db.tablesReady(ctx)
	if err == nil && !ready {
		if o.SkipMigrations {
			return nil, fmt.Errorf("%w: call postgres.Migrate with a role that may create tables, or open without SkipMigrations", ErrNotMigrated)
		}
		if err = migrate(ctx, pool.Config()); err == nil {
			ready, err = db.tablesReady(ctx)
		}
	}
	if err == nil && !ready {
		err = fmt.Errorf("%w, although they have just been made: the pool's connections do not see them; set the schema and the role in the URL, or in the pool's ConnConfig or AfterConnect", ErrNotMigrated)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (db *DB) tablesReady(ctx context.Context) (bool, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, explain(ctx, "connecting", err)
	}
	defer conn.Release()
	return upToDate(ctx, conn.Conn())
}

// Close waits for writes in flight and closes the connections, unless they are the
// host's.
func (db *DB) Close() error {
	first := db.closed.CompareAndSwap(false, true) // from here on nobody begins
	db.inUse.Lock()
	defer db.inUse.Unlock()
	if !first {
		return nil
	}
	db.commits.done.Wait() // everybody has left, so it ends soon
	db.looks.done.Wait()
	db.sweeper.close()
	if db.ownPool {
		db.pool.Close()
	}
	return nil
}

// begin says whether a call may go on. The caller calls end when it is done, if so.
func (db *DB) begin(ctx context.Context) error {
	if db.closed.Load() {
		return storage.ErrClosed // without waiting for those whom Close waits for
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	db.inUse.RLock()
	if db.closed.Load() {
		db.inUse.RUnlock()
		return storage.ErrClosed
	}
	return nil
}

func (db *DB) end() { db.inUse.RUnlock() }

var errURL = errors.New(`postgres: the URL cannot be read; write it as "postgres://user:password@host:5432/database" (it is not repeated here because it may hold a password)`)

// settings tells what a URL sets where a parsed one no longer does.
type settings struct{ maxConns, connectTimeout, sessionAttrs bool }

func settingsIn(raw string) settings {
	has := func(name string) bool {
		if u, err := url.Parse(raw); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
			return u.Query().Has(name)
		}
		return strings.Contains(raw, name)
	}
	return settings{
		maxConns:       has("pool_max_conns"),
		connectTimeout: has("connect_timeout"),
		sessionAttrs:   has("target_session_attrs") || os.Getenv("PGTARGETSESSIONATTRS") != "",
	}
}
