package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

func open(t testing.TB, url string, options ...postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// openMany are replicas on one database.
func openMany(t testing.TB, n int, url string) []*postgres.DB {
	t.Helper()
	all := make([]*postgres.DB, n)
	for i := range all {
		all[i] = open(t, url, postgres.Options{MaxConns: 16})
	}
	return all
}

// shared is one cluster for all tests that do not break theirs. What they show does not
// depend on the disk.
func shared(t testing.TB) *postgrestest.Cluster {
	t.Helper()
	start.Do(func() { cluster, startErr = postgrestest.Start(postgrestest.Options{NoSync: true}) })
	if errors.Is(startErr, postgrestest.ErrNotInstalled) {
		return postgrestest.New(t) // skips
	}
	if startErr != nil {
		t.Fatal(startErr)
	}
	return cluster
}

var (
	start    sync.Once
	cluster  *postgrestest.Cluster
	startErr error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if cluster != nil {
		if err := cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var schemas atomic.Int64

// newSchema is a URL that leads to an empty place in the cluster's database. It costs
// less than a database.
func newSchema(t testing.TB, c *postgrestest.Cluster) string {
	t.Helper()
	name := fmt.Sprintf("place_%d", schemas.Add(1))
	do(t, c.URL(), "CREATE SCHEMA "+name)
	return c.URL() + "&search_path=" + name
}

// do runs a statement on a connection of its own, and returns the number in its answer,
// or 0.
func do(t testing.TB, url, sql string, args ...any) (n int) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	if rows.Next() && len(rows.FieldDescriptions()) > 0 {
		if err := rows.Scan(&n); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestContract(t *testing.T) { contract(t, "") }

// What is promised does not depend on how statements travel: poolers such as PgBouncer
// make some hosts choose another way.
func TestContractWithoutPreparedStatements(t *testing.T) {
	contract(t, "&default_query_exec_mode=simple_protocol")
}

// Engines that are stricter than they are asked to be refuse more, and what they refuse
// is repeated.
func TestContractInOtherCircumstances(t *testing.T) {
	if !long() {
		t.Skip("takes a minute; set GRANTOR_LONG=1")
	}
	t.Run("few connections", func(t *testing.T) { contract(t, "&pool_max_conns=2") })
	t.Run("extended protocol", func(t *testing.T) { contract(t, "&default_query_exec_mode=exec") })
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		t.Run(level, func(t *testing.T) {
			postgres.SetIsolation(t, level)
			contract(t, "")
		})
	}
}

func long() bool { return os.Getenv("GRANTOR_LONG") == "1" }

// rounds is how often something is repeated.
func rounds(short, thorough int) int {
	if long() {
		return thorough
	}
	return short
}

func contract(t *testing.T, parameters string) {
	cluster := shared(t)
	urls := make(map[storage.Store]string)
	openAt := func(t testing.TB, url string) storage.Store {
		db := open(t, url)
		urls[db] = url
		return db
	}
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Store { return openAt(t, newSchema(t, cluster)+parameters) },
		Reopen: func(t testing.TB, s storage.Store) storage.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, urls[s])
		},
		Crash: func(t testing.TB, s storage.Store) storage.Store { return openAt(t, urls[s]) },
	})
}
