package postgrestest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// do runs a statement, and returns the number in its answer, if it has one.
func do(t *testing.T, url, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestWhatIsAcknowledgedSurvives(t *testing.T) {
	c := postgrestest.New(t)
	do(t, c.URL(), "CREATE TABLE t (n integer)")
	for i, end := range []func() error{c.Kill, c.Stop, c.Kill} {
		do(t, c.URL(), "INSERT INTO t VALUES (1)")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if conn, err := pgx.Connect(t.Context(), c.URL()); err == nil {
			conn.Close(t.Context())
			t.Fatal("the server takes connections after its end")
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		if n := do(t, c.URL(), "SELECT count(*) FROM t"); n != i+1 {
			t.Fatalf("after end %d there are %d rows, want %d", i+1, n, i+1)
		}
	}
}

func TestDatabasesAreApart(t *testing.T) {
	c := postgrestest.New(t, postgrestest.Options{NoSync: true, Settings: map[string]string{"max_connections": "7"}})
	do(t, c.URL(), "CREATE TABLE t (n integer)")
	url, err := c.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(t, url, "CREATE TABLE t (n integer)")
	for setting, want := range map[string]int{"max_connections": 7} {
		if n := do(t, url, "SELECT current_setting('"+setting+"')::integer"); n != want {
			t.Errorf("%s is %d, want %d", setting, n, want)
		}
	}
	if n := do(t, url, "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'off'"); n != 1 {
		t.Error("fsync is on in spite of NoSync")
	}
}

func TestStandbyTakesOver(t *testing.T) {
	primary := postgrestest.New(t)
	do(t, primary.URL(), "CREATE TABLE t (n integer)")
	for i := range 2 {
		standby, err := primary.Standby()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { standby.Close() })
		do(t, primary.URL(), fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		if err := primary.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := standby.Promote(); err != nil {
			t.Fatal(err)
		}
		do(t, standby.URL(), "INSERT INTO t VALUES (100)")
		if n := do(t, standby.URL(), "SELECT count(*) FROM t"); n != 2*(i+1) {
			t.Fatalf("after failover %d there are %d rows, want %d", i+1, n, 2*(i+1))
		}
		primary = standby
	}
	if err := primary.Promote(); err == nil {
		t.Error("a primary was promoted")
	}
}

func TestClosingAStandbyEndsTheWaitForIt(t *testing.T) {
	primary := postgrestest.New(t)
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	if err := standby.Close(); err != nil {
		t.Fatal(err)
	}
	do(t, primary.URL(), "CREATE TABLE t (n integer)") // or it hangs
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openFolder(t))
	c := postgrestest.New(t)
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("Close left %v, %v", left, err)
	}
	if err := c.Restart(); err == nil {
		t.Error("a closed cluster was started again")
	}
}

// openFolder is a temporary folder that other accounts can enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}
