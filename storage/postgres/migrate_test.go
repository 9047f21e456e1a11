package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

func TestReplicasStartAtOnce(t *testing.T) {
	cluster := postgrestest.New(t, postgrestest.Options{NoSync: true})
	for range rounds(20, 200) {
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
		if n := do(t, url, "SELECT count(*) FROM grantor_migrations WHERE version > 0"); n != postgres.Newest() {
			t.Fatalf("%d migrations were noted, want %d", n, postgres.Newest())
		}
	}
}

func TestMigratingAgainChangesNothing(t *testing.T) {
	cluster := postgrestest.New(t)
	db := open(t, cluster.URL())
	e := exchanges(t, db, 1)[0]
	const applied = "SELECT sum(applied_at)::bigint FROM grantor_migrations"
	before := do(t, cluster.URL(), applied)
	for range 3 {
		if err := postgres.Migrate(t.Context(), cluster.URL()+"&pool_max_conns=5"); err != nil {
			t.Fatal(err)
		}
	}
	if after := do(t, cluster.URL(), applied); after != before {
		t.Error("something was migrated again")
	}
	if err := db.Commit(t.Context(), e.write); err != nil {
		t.Errorf("beside it: %v", err)
	}
}

// A step that fails leaves nothing, and works once the cause is gone.
func TestAMigrationIsWholeOrNot(t *testing.T) {
	cluster := postgrestest.New(t)
	do(t, cluster.URL(), "CREATE TABLE grantor_keys (theirs integer)")
	if _, err := postgres.Open(t.Context(), cluster.URL()); err == nil {
		t.Fatal("opened beside a table of somebody else's")
	}
	if n := do(t, cluster.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'grantor_clients'"); n != 0 {
		t.Error("half of the migration is there")
	}
	do(t, cluster.URL(), "DROP TABLE grantor_keys")
	open(t, cluster.URL())
}

func TestNewerTablesAreRefused(t *testing.T) {
	cluster := postgrestest.New(t)
	open(t, cluster.URL())
	do(t, cluster.URL(), "INSERT INTO grantor_migrations (version, applied_at) VALUES (1000, 0)")
	for _, skip := range []bool{false, true} {
		if _, err := postgres.Open(t.Context(), cluster.URL(), postgres.Options{SkipMigrations: skip}); !errors.Is(err, postgres.ErrNewer) {
			t.Errorf("SkipMigrations %v: got %v, want ErrNewer", skip, err)
		}
	}
	if err := postgres.Migrate(t.Context(), cluster.URL()); !errors.Is(err, postgres.ErrNewer) {
		t.Errorf("Migrate: got %v, want ErrNewer", err)
	}
}

func TestAPoolOfTheHosts(t *testing.T) {
	cluster := postgrestest.New(t)
	pool, err := pgxpool.New(t.Context(), cluster.URL())
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
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
}
