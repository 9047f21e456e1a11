package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// There is no migration library here. All we need is files in order, one transaction
// each, under a lock that every PostgreSQL-like engine has. The libraries bring more:
// golang-migrate leaves a "dirty" mark that a person must clear when a process dies in
// the middle, goose has no unique versions and wants advisory locks, and through what
// they require both would raise the OpenTelemetry modules of everyone who embeds the
// server by many versions.

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema.
type migration struct {
	version int64
	sql     string
}

// migrations are in order, numbered from 1 without gaps.
var migrations = readMigrations(migrationFiles)

func readMigrations(files fs.FS) []migration {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	slices.Sort(names)
	var all []migration
	for i, name := range names {
		sql, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is part of the program
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(i+1) {
			panic("postgres: " + name + " is out of order")
		}
		all = append(all, migration{version, string(sql)})
	}
	return all
}

func newest() int64 { return int64(len(migrations)) }

// Migrate makes or updates the tables, for hosts whose server runs under a role that may
// not: call it with the URL of one that may, and open the store with SkipMigrations.
// The server's role then needs SELECT, INSERT, UPDATE and DELETE on the tables. Doing it
// again changes nothing, and several processes may do it at once.
func Migrate(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url) // which knows the settings of pools as well
	if err != nil {
		return errURL
	}
	// The timeouts count here as well: a migration that is cut off must not keep its lock.
	Options{}.configure(config, settingsIn(url))
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return explain(ctx, "connecting", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return migrate(ctx, conn)
}

// checkVersion changes nothing.
func checkVersion(ctx context.Context, conn *pgx.Conn) error {
	version, err := versionOf(ctx, conn)
	if err != nil {
		return err
	}
	if version < newest() {
		return fmt.Errorf("%w: they are at version %d, this program needs %d; call postgres.Migrate with a role that may create tables, or open without SkipMigrations", ErrNotMigrated, version, newest())
	}
	return refuseNewer(version)
}

func refuseNewer(version int64) error {
	if version > newest() {
		return fmt.Errorf("%w: they are at version %d, this program knows %d; run the newer version of the program", ErrNewer, version, newest())
	}
	return nil
}

// versionOf is 0 for a database without our tables.
func versionOf(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var version int64
	err := conn.QueryRow(ctx, "SELECT COALESCE(max(version), 0) FROM grantor_migrations").Scan(&version)
	if code(err) == undefinedTable {
		return 0, nil
	}
	return version, explain(ctx, "reading the version of the tables", err)
}

// migrate takes one step at a time. Where several processes start at once they take
// turns; the makers of the first table cannot, so the losers try again.
func migrate(ctx context.Context, conn *pgx.Conn) error {
	version, err := versionOf(ctx, conn)
	if err != nil {
		return err
	}
	if version == 0 {
		if err := repeat(ctx, concurrent, func() error { return makeLock(ctx, conn) }); err != nil {
			return explain(ctx, "making the first table", err)
		}
	}
	for version < newest() {
		err := repeat(ctx, worthRepeating, func() (err error) {
			version, err = step(ctx, conn)
			return err
		})
		if err != nil {
			return explain(ctx, fmt.Sprintf("bringing the tables to version %d", version+1), err)
		}
	}
	return refuseNewer(version)
}

func repeat(ctx context.Context, worth func(error) bool, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := do()
		if err == nil || attempt+1 >= maxAttempts || ctx.Err() != nil || !worth(err) {
			return err
		}
		pause(ctx, attempt)
	}
}

// concurrent are the ways in which two makers of one table get into each other's way.
func concurrent(err error) bool {
	switch code(err) {
	case "23505", "42P07", "42710", "XX000", serialization, deadlock:
		return true
	}
	return false
}

// makeLock makes the table of versions. The row of version 0 is the lock, which goes
// with the transaction that holds it, whatever becomes of us.
func makeLock(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS grantor_migrations (version bigint PRIMARY KEY, applied_at bigint NOT NULL)"); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "INSERT INTO grantor_migrations (version, applied_at) VALUES (0, 0) ON CONFLICT (version) DO NOTHING")
	return err
}

// step takes the next migration, if nobody else has taken it meanwhile, and returns the
// version that the tables have then.
func step(ctx context.Context, conn *pgx.Conn) (version int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"SET LOCAL statement_timeout = 0", // a step may take longer than statements usually do
			"SET LOCAL lock_timeout = 0",
			"SELECT 1 FROM grantor_migrations WHERE version = 0 FOR UPDATE",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		if err := tx.QueryRow(ctx, "SELECT max(version) FROM grantor_migrations").Scan(&version); err != nil {
			return err
		}
		if version >= newest() {
			return nil
		}
		m := migrations[version]
		// Many statements at once, which only the simple protocol takes.
		if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO grantor_migrations (version, applied_at) VALUES ($1, $2)", m.version, micros(time.Now())); err != nil {
			return err
		}
		version = m.version
		return nil
	})
	return version, err
}
