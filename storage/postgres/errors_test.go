package postgres_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// wantCure checks that an error is no fact, fits on one line, tells what to do, and does
// not tell the password.
func wantCure(t *testing.T, err error, cure string) {
	t.Helper()
	if err == nil || isFact(err) {
		t.Fatalf("got %v, want an error that is no fact", err)
	}
	text := err.Error()
	if !strings.Contains(text, cure) {
		t.Errorf("%q does not say %q", text, cure)
	}
	if strings.Contains(text, "\n") || !strings.HasPrefix(text, "postgres: ") {
		t.Errorf("%q is not one line of ours", text)
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("%q tells the password", text)
	}
}

func TestURLsThatLeadNowhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deaf := l.Addr().String()
	l.Close()
	for name, test := range map[string]struct{ url, cure string }{
		"refused":    {"postgres://user:hunter2@" + deaf + "/db", "start the server"},
		"two hosts":  {"postgres://user:hunter2@" + deaf + "," + deaf + "/db", "start the server"},
		"socket":     {"host=/nonexistent user=user password=hunter2", "start the server"},
		"no host":    {"postgres://user:hunter2@nowhere.invalid/db", "host in the URL"},
		"no URL":     {"postgres://user:hunter2@127.0.0.1:port/db", "write it as"},
		"not a URL":  {"hunter2", "write it as"},
		"bad option": {"postgres://user:hunter2@127.0.0.1/db?pool_max_conns=hunter2", "write it as"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			db, err := postgres.Open(ctx, test.url)
			if db != nil {
				t.Error("there is a DB beside the error")
			}
			wantCure(t, err, test.cure)
			if !strings.HasPrefix(test.cure, "write") {
				wantCure(t, postgres.Migrate(ctx, test.url), test.cure)
			}
		})
	}
}

// strictCluster asks everybody but the superuser for a password.
func strictCluster(t *testing.T) *postgrestest.Cluster {
	t.Helper()
	folder, err := os.MkdirTemp("", "") // that the server can read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	rules := filepath.Join(folder, "pg_hba.conf")
	const text = "host all postgres 127.0.0.1/32 trust\nhost all stranger 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := errors.Join(os.Chmod(folder, 0o755), os.WriteFile(rules, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	c := postgrestest.New(t, postgrestest.Options{Settings: map[string]string{"hba_file": rules}})
	do(t, c.URL(), "CREATE ROLE app LOGIN PASSWORD 'hunter2'")
	do(t, c.URL(), "CREATE ROLE owner LOGIN PASSWORD 'hunter2'")
	do(t, c.URL(), "GRANT CREATE ON SCHEMA public TO owner")
	return c
}

// as is the URL for another user.
func as(c *postgrestest.Cluster, user, password string) string {
	return strings.Replace(c.URL(), "postgres@", user+":"+password+"@", 1)
}

func TestRolesAndRights(t *testing.T) {
	c := strictCluster(t)
	ctx := t.Context()
	refused := func(url, cure string, options ...postgres.Options) {
		t.Helper()
		_, err := postgres.Open(ctx, url, options...)
		wantCure(t, err, cure)
	}
	app, owner := as(c, "app", "hunter2"), as(c, "owner", "hunter2")
	keep := postgres.Options{SkipMigrations: true}

	refused(as(c, "app", "wrong-hunter2"), "password")
	refused(as(c, "stranger", "hunter2"), "pg_hba.conf")
	refused(strings.Replace(app, "/grantor?", "/absent?", 1), "create the database")
	refused(app, "CREATE on the schema")
	refused(app, "postgres.Migrate", keep)
	if _, err := postgres.Open(ctx, app, keep); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("without tables: got %v, want ErrNotMigrated", err)
	}

	// The owner makes the tables; the server's role may only use them.
	if err := postgres.Migrate(ctx, owner); err != nil {
		t.Fatal(err)
	}
	refused(app, "GRANT SELECT", keep)
	do(t, c.URL(), "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app")
	db := open(t, app, keep)
	e := exchanges(t, db, 1)[0]
	if err := db.Commit(ctx, e.write); err != nil {
		t.Fatal(err)
	}
	open(t, app) // there is nothing to migrate

	do(t, c.URL(), "REVOKE UPDATE ON grantor_codes FROM app")
	wantCure(t, db.Commit(ctx, e.write), "GRANT SELECT")
	do(t, c.URL(), "DROP TABLE grantor_clients")
	_, err := db.Client(ctx, "app")
	wantCure(t, err, "postgres.Migrate")
}

func TestAReadOnlyServer(t *testing.T) {
	primary := postgrestest.New(t)
	if err := postgres.Migrate(t.Context(), primary.URL()); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	_, err = postgres.Open(t.Context(), standby.URL())
	wantCure(t, err, "target_session_attrs=read-write")
	wantCure(t, postgres.Migrate(t.Context(), standby.URL()), "target_session_attrs=read-write")

	db := open(t, standby.URL()+"&target_session_attrs=any")
	if _, err := db.Keys(t.Context()); err != nil {
		t.Errorf("reading from a standby: %v", err)
	}
	now := time.Now()
	wantCure(t, db.Commit(t.Context(), storage.Write{At: now, Tokens: []storage.Token{{ExpiresAt: now.Add(time.Hour)}}}), "target_session_attrs=read-write")
	wantCure(t, db.SwapKeys(t.Context(), storage.KeyRing{Revision: 1}), "target_session_attrs=read-write")
}

func TestSomebodyHoldsTheRows(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{LockTimeout: 100 * time.Millisecond})
	e := exchanges(t, db, 1)[0]
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM grantor_codes FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	wantCure(t, db.Commit(t.Context(), e.write), "lock_timeout")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := db.Commit(ctx, e.write); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past the deadline: got %v", err)
	}
	// The server learns that nobody waits any more.
	for end := time.Now().Add(10 * time.Second); do(t, url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0; {
		if time.Now().After(end) {
			t.Fatal("the server still waits for the rows")
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), e.write); err != nil {
		t.Errorf("after the rows were let go: %v", err)
	}
}

func TestAStatementThatTakesTooLong(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{StatementTimeout: 100 * time.Millisecond, LockTimeout: -1})
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE grantor_clients"); err != nil {
		t.Fatal(err)
	}
	_, err = db.Client(t.Context(), "app")
	wantCure(t, err, "statement_timeout")
	wantCure(t, db.PutClient(t.Context(), storage.Client{ID: "app"}), "statement_timeout")
}

// Whoever hangs up in the middle of a commit loses that connection, and nobody else theirs.
func TestACallerThatLeavesCostsOneConnection(t *testing.T) {
	url := newSchema(t, shared(t))
	const name, size = "left", 6
	db := open(t, url, postgres.Options{MinConns: size, MaxConns: size, ApplicationName: name})
	e := exchanges(t, db, 1)[0]
	const ours = " FROM pg_stat_activity WHERE application_name = '" + name + "'"
	await := func(what, query string, n int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); do(t, url, query) != n; {
			if time.Now().After(end) {
				t.Fatalf("%s: got %d, want %d", what, do(t, url, query), n)
			}
		}
	}
	await("connections", "SELECT count(*)"+ours, size)
	do(t, url, "CREATE TABLE before AS SELECT pid"+ours)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM grantor_codes FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error)
	go func() { outcome <- db.Commit(ctx, e.write) }()
	await("waiting", "SELECT count(*)"+ours+" AND wait_event_type = 'Lock'", 1)
	cancel()
	if err := <-outcome; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
	const left = "SELECT count(*)" + ours + " AND pid IN (SELECT pid FROM before)"
	for end := time.Now().Add(10 * time.Second); do(t, url, left) == size; {
		if time.Now().After(end) {
			t.Fatal("the connection is still there")
		}
	}
	time.Sleep(200 * time.Millisecond)
	// The pool may end one for reasons of its own; all of them would be ours.
	if n := do(t, url, left); n < size-2 {
		t.Errorf("of %d connections %d are left", size, n)
	}
}

func TestThereAreNoMoreConnectionsThanAllowed(t *testing.T) {
	url := newSchema(t, shared(t))
	const name, size = "few", 3
	db := open(t, url, postgres.Options{MaxConns: size, MinConns: 10, ApplicationName: name})
	for _, err := range crowd(30, func(int) error { return db.PutClient(t.Context(), storage.Client{ID: "app"}) }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // one that was closed is listed a while longer
		if n = do(t, url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+name+"'"); n > 0 && n <= size {
			return
		}
	}
	t.Errorf("there are %d connections, want up to %d", n, size)
}

// Somebody takes the connection and never says a word.
func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	url := "postgres://user:hunter2@" + l.Addr().String() + "/db?sslmode=disable"
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, err := range crowd(2, func(i int) error {
		if i == 0 {
			return postgres.Migrate(ctx, url)
		}
		_, err := postgres.Open(ctx, url)
		return err
	}) {
		wantCure(t, err, "does not answer in time")
	}
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("it took %s", d)
	}
}

func TestSettingsOfConnections(t *testing.T) {
	url := newSchema(t, shared(t))
	for name, test := range map[string]struct {
		parameters string
		options    postgres.Options
		want       string
	}{
		"zero":        {"", postgres.Options{}, "name = 'grantor'"},
		"named":       {"", postgres.Options{ApplicationName: "sso"}, "name = 'sso'"},
		"in the URL":  {"&application_name=theirs", postgres.Options{}, "name = 'theirs'"},
		"in both":     {"&application_name=theirs", postgres.Options{ApplicationName: "ours"}, "name = 'ours'"},
		"environment": {"&lock_timeout=77", postgres.Options{ApplicationName: "x"}, "name = 'x'"},
	} {
		t.Run(name, func(t *testing.T) {
			open(t, url+test.parameters, test.options)
			if n := do(t, url, "SELECT count(*) FROM (SELECT application_name AS name FROM pg_stat_activity) AS a WHERE "+test.want); n == 0 {
				t.Errorf("no connection with %s", test.want)
			}
		})
	}
}
