package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

func TestReplicasStartAtOnce(t *testing.T) {
	cluster := shared(t)
	for range rounds(6, 200) {
		url := newSchema(t, cluster)
		for i, err := range crowd(3, func(int) error {
			db, err := postgres.Open(t.Context(), url, postgres.Options{MaxConns: 2})
			if err != nil {
				return err
			}
			defer db.Close()
			return db.PutClient(t.Context(), storage.Client{ID: "app"})
		}) {
			if err != nil {
				t.Fatalf("replica %d: %v", i, err)
			}
		}
		if n := do(t, url, "SELECT count(*) FROM grantor_migrations WHERE version_id > 0"); n != postgres.Newest() {
			t.Fatalf("%d migrations were noted, want %d", n, postgres.Newest())
		}
	}
}

func TestMigratingAgainChangesNothing(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url)
	e := exchanges(t, db, 1)[0]
	const applied = "SELECT max(id) * 1000 + count(*) FROM grantor_migrations"
	before := do(t, url, applied)
	for range 3 {
		if err := postgres.Migrate(t.Context(), url+"&pool_max_conns=5"); err != nil {
			t.Fatal(err)
		}
	}
	if after := do(t, url, applied); after != before {
		t.Error("something was migrated again")
	}
	if err := db.Commit(t.Context(), e.write); err != nil {
		t.Errorf("beside it: %v", err)
	}
}

// A step that fails leaves nothing, and works once the cause is gone.
func TestAMigrationIsWholeOrNot(t *testing.T) {
	url := newSchema(t, shared(t))
	do(t, url, "CREATE TABLE grantor_keys (theirs integer)")
	if _, err := postgres.Open(t.Context(), url); err == nil {
		t.Fatal("opened beside a table of somebody else's")
	}
	if n := do(t, url, "SELECT count(to_regclass('grantor_clients'))"); n != 0 {
		t.Error("half of the migration is there")
	}
	do(t, url, "DROP TABLE grantor_keys")
	open(t, url)
}

func TestNewerTablesAreRefused(t *testing.T) {
	url := newSchema(t, shared(t))
	open(t, url)
	do(t, url, "INSERT INTO grantor_migrations (version_id, is_applied) VALUES (1000, true)")
	for _, skip := range []bool{false, true} {
		if _, err := postgres.Open(t.Context(), url, postgres.Options{SkipMigrations: skip}); !errors.Is(err, postgres.ErrNewer) {
			t.Errorf("SkipMigrations %v: got %v, want ErrNewer", skip, err)
		}
	}
	if err := postgres.Migrate(t.Context(), url); !errors.Is(err, postgres.ErrNewer) {
		t.Errorf("Migrate: got %v, want ErrNewer", err)
	}
}

func TestAPoolOfTheHosts(t *testing.T) {
	url := newSchema(t, shared(t))
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := postgres.OpenPool(t.Context(), pool, postgres.Options{SkipMigrations: true}); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("without tables: got %v, want ErrNotMigrated", err)
	}
	db, err := postgres.OpenPool(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	e := exchanges(t, db, 1)[0]
	if err := db.Commit(t.Context(), e.write); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("Close closed the host's pool: %v", err)
	}
	if _, err := db.Code(t.Context(), e.code.Digest); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
	for end := time.Now().Add(5 * time.Second); pool.Stat().AcquiredConns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("connections were not given back")
		}
	}
}

// The tables are made where the host's pool will look for them.
func TestAPoolThatChoosesTheSchemaItself(t *testing.T) {
	config, err := pgxpool.ParseConfig(newSchema(t, shared(t)))
	if err != nil {
		t.Fatal(err)
	}
	schema := config.ConnConfig.RuntimeParams["search_path"]
	delete(config.ConnConfig.RuntimeParams, "search_path")
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET search_path = "+schema)
		return err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	db, err := postgres.OpenPool(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PutClient(t.Context(), storage.Client{ID: "app"}); err != nil {
		t.Error(err)
	}
	if n := do(t, cluster.URL(), "SELECT count(to_regclass('public.grantor_clients'))"); n != 0 {
		t.Error("there are tables in another schema")
	}
}

// A process that dies while it holds the lock keeps the others waiting for a lease, and
// no longer.
func TestAMigrationThatDied(t *testing.T) {
	url := newSchema(t, shared(t))
	open(t, url)
	do(t, url, `INSERT INTO grantor_migrations_lock (lock_id, locked, locked_by, lease_expires_at)
		SELECT lock_id + 1, true, 'somebody', now() FROM grantor_migrations_lock`) // the table is as we think
	do(t, url, "DROP TABLE grantor_migrations, grantor_clients, grantor_codes, grantor_tokens, grantor_grants, grantor_consents, grantor_endings, grantor_keys, grantor_notices")
	do(t, url, "UPDATE grantor_migrations_lock SET locked = true, locked_by = 'the dead', lease_expires_at = now() + interval '1 second'")
	start := time.Now()
	open(t, url)
	if took := time.Since(start); took < 900*time.Millisecond || took > 10*time.Second {
		t.Errorf("came up after %v", took)
	}
}

// Whoever waits for the lock heeds its context.
func TestTheWaitForAMigrationEnds(t *testing.T) {
	url := newSchema(t, shared(t))
	open(t, url)
	do(t, url, "UPDATE grantor_migrations SET version_id = 0")
	do(t, url, "UPDATE grantor_migrations_lock SET locked = true, locked_by = 'the slow', lease_expires_at = now() + interval '1 hour'")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := postgres.Migrate(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
}
