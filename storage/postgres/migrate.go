package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	versionTable = "grantor_migrations"
	lockTable    = "grantor_migrations_lock"

	// Whoever migrates holds a row, and says every so often that it is still at it: a
	// process that dies holds up the others for one lease. Advisory locks, which go with
	// the connection, are not there on every engine, and not safe behind every pooler.
	lockLease     = 15 * time.Second
	lockHeartbeat = 3 * time.Second

	// How often the others look whether it is free, and how many times.
	lockEvery = 100 * time.Millisecond
	lockTries = 3000
)

// Migrate makes or updates the tables, for hosts whose server runs under a role that may
// not: call it with the URL of one that may, and open the store with SkipMigrations.
// The server's role then needs SELECT, INSERT, UPDATE and DELETE on the tables. Doing it
// again changes nothing, and several processes may do it at once: they take turns.
func Migrate(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url) // which knows the settings of pools as well
	if err != nil {
		return errURL
	}
	Options{}.configure(config, settingsIn(url))
	return migrate(ctx, config)
}

// migrate brings the tables up to date, over connections of its own, each step in one
// transaction.
func migrate(ctx context.Context, config *pgxpool.Config) error {
	conn := config.ConnConfig.Copy()
	for _, name := range []string{"statement_timeout", "lock_timeout"} {
		if _, ok := conn.RuntimeParams[name]; ok {
			conn.RuntimeParams[name] = "0" // a step may take longer than statements usually do
		}
	}
	// The host may choose the role or the schema there.
	var hooks []stdlib.OptionOpenDB
	if config.BeforeConnect != nil {
		hooks = append(hooks, stdlib.OptionBeforeConnect(config.BeforeConnect))
	}
	if config.AfterConnect != nil {
		hooks = append(hooks, stdlib.OptionAfterConnect(config.AfterConnect))
	}
	db := stdlib.OpenDB(*conn, hooks...)
	defer db.Close()
	if ready, err := readyIn(ctx, db); ready || err != nil {
		return err
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableName(lockTable), lock.WithTableLeaseDuration(lockLease), lock.WithTableHeartbeatInterval(lockHeartbeat),
		lock.WithTableLockTimeout(lockEvery, lockTries), lock.WithTableUnlockTimeout(lockEvery, 20),
		lock.WithTableRetryPolicy(heldByAnother), lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(database.DialectPostgres, db, files, goose.WithTableName(versionTable), goose.WithLocker(locker),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	return explain(ctx, "bringing the tables up to date", repeat(ctx, func() error {
		_, err := p.Up(ctx)
		return err
	}))
}

// heldByAnother tells whether there is sense in trying for the lock again. What the server
// or the network said against it will be said again.
func heldByAnother(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return code(err) == "" && !errors.As(err, &network) && !errors.As(err, &connect) || worthRepeating(err)
}

func repeat(ctx context.Context, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := do()
		if err == nil || attempt+1 >= maxAttempts || ctx.Err() != nil || !worthRepeating(err) {
			return err
		}
		pause(ctx, attempt)
	}
}

// newest is the version of the tables that this program makes: the number of the last
// file, which are numbered without gaps.
func newest() int64 {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	return int64(len(files))
}

// versionOf is 0 for a database without our tables.
func versionOf(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var version int64
	err := conn.QueryRow(ctx, "SELECT COALESCE(max(version_id), 0) FROM "+versionTable).Scan(&version)
	if code(err) == undefinedTable {
		return 0, nil
	}
	return version, explain(ctx, "reading the version of the tables", err)
}

// readyIn asks whether the tables are up to date over a connection of the library's.
func readyIn(ctx context.Context, db *sql.DB) (ready bool, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, explain(ctx, "connecting", err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		ready, err = upToDate(ctx, c.(*stdlib.Conn).Conn())
		return err
	})
	return ready, err
}

// upToDate tells whether the tables are those that this program needs. It changes
// nothing.
func upToDate(ctx context.Context, conn *pgx.Conn) (bool, error) {
	version, err := versionOf(ctx, conn)
	if err != nil {
		return false, err
	}
	if version > newest() {
		return false, fmt.Errorf("%w: they are at version %d, this program knows %d; run the newer version of the program", ErrNewer, version, newest())
	}
	return version == newest(), nil
}
