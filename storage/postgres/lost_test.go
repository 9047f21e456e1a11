package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// isFact tells what a backend may only say when it knows.
func isFact(err error) bool {
	for _, fact := range []error{storage.ErrNotFound, storage.ErrExists, storage.ErrConsumed, storage.ErrRevoked, storage.ErrConflict, storage.ErrReadOnly} {
		if errors.Is(err, fact) {
			return true
		}
	}
	return false
}

// cut ends all connections of the store's, as a failing network or an operator does.
func cut(t *testing.T, url string) int {
	t.Helper()
	return do(t, url, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'grantor'")
}

func TestReadsSurviveLostConnections(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{MinConns: 8})
	e := exchanges(t, db, 1)[0]
	for range 20 {
		if cut(t, url) == 0 {
			t.Fatal("there was nothing to cut")
		}
		for range 5 {
			if _, err := db.Code(t.Context(), e.code.Digest); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ListGrants(t.Context(), e.grant.Subject, "", 10); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A commit whose connection was cut says so, unless it was certain that nothing had
// happened, and is whole or not there at all. The next one works.
func TestCommitsAreWholeWhenConnectionsAreLost(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url)
	all := exchanges(t, db, 4000)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
				cut(t, url)
			}
		}
	}()
	outcomes := make([]error, len(all))
	const workers = 8
	for _, err := range crowd(workers, func(n int) error {
		for i := n; i < len(all); i += workers {
			outcomes[i] = db.Commit(t.Context(), all[i].write)
		}
		return nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-stopped

	lost := 0
	for i, e := range all {
		if isFact(outcomes[i]) {
			t.Fatalf("exchange %d: got %v for a lost connection", i, outcomes[i])
		}
		if outcomes[i] != nil {
			lost++
		}
		code, err := db.Code(t.Context(), e.code.Digest)
		if err != nil {
			t.Fatal(err)
		}
		used := !code.ConsumedAt.IsZero()
		if outcomes[i] == nil && !used {
			t.Fatalf("exchange %d was acknowledged and is not there", i)
		}
		for _, token := range e.write.Tokens {
			_, err := db.Token(t.Context(), token.Digest)
			if (err == nil) != used {
				t.Fatalf("exchange %d: the code is used: %v, but its token: %v", i, used, err)
			}
		}
	}
	t.Logf("%d of %d exchanges failed", lost, len(all))
	if lost == 0 {
		t.Error("no commit was hit; the test shows nothing")
	}
}

func TestTheServerCrashesAndComesBack(t *testing.T) {
	cluster := postgrestest.New(t)
	db := open(t, cluster.URL())
	all := exchanges(t, db, 10)
	for i, e := range all[:3] {
		if err := db.Commit(t.Context(), e.write); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Kill(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err := db.Code(t.Context(), e.code.Digest)
		if err == nil || isFact(err) {
			t.Fatalf("reading from a dead server: got %v", err)
		}
		err = db.Commit(t.Context(), all[i+5].write)
		if err == nil || isFact(err) {
			t.Fatalf("commit to a dead server: got %v", err)
		}
		if !strings.Contains(err.Error(), "start the server") && i > 0 {
			t.Errorf("the error does not say what to do: %v", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("it took %s to notice", d)
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		code, err := db.Code(t.Context(), e.code.Digest)
		if err != nil || code.ConsumedAt.IsZero() {
			t.Fatalf("after the crash: %+v, %v", code, err)
		}
		if err := db.Commit(t.Context(), e.write); !errors.Is(err, storage.ErrConsumed) {
			t.Fatalf("the same exchange after the crash: %v", err)
		}
	}
}

// Whatever the server is set to, what is acknowledged is on the disk.
func TestDurableOnAForgetfulServer(t *testing.T) {
	cluster := postgrestest.New(t, postgrestest.Options{Settings: map[string]string{
		"synchronous_commit": "off", "wal_writer_delay": "10s", "bgwriter_delay": "10s",
	}})
	db := open(t, cluster.URL())
	do(t, cluster.URL(), "CREATE TABLE forgotten (n integer)")
	do(t, cluster.URL(), "CHECKPOINT")
	for i, e := range exchanges(t, db, 5) {
		if err := db.Commit(t.Context(), e.write); err != nil {
			t.Fatal(err)
		}
		do(t, cluster.URL(), "INSERT INTO forgotten VALUES (1)") // as the server would do it
		if err := cluster.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Code(t.Context(), e.code.Digest); err != nil { // finds the connections dead
			t.Fatal(err)
		}
		if err := db.Commit(t.Context(), e.write); !errors.Is(err, storage.ErrConsumed) {
			t.Fatalf("after crash %d, an acknowledged exchange again: got %v, want ErrConsumed", i, err)
		}
	}
	if n := do(t, cluster.URL(), "SELECT count(*) FROM forgotten"); n == 5 {
		t.Log("the server forgot nothing by itself, so this run shows little")
	}
}

// What a synchronous standby has not confirmed is not acknowledged, whatever ends the
// wait.
func TestNothingIsAcknowledgedWithoutTheStandby(t *testing.T) {
	primary := postgrestest.New(t)
	hasty := open(t, primary.URL(), postgres.Options{StatementTimeout: 300 * time.Millisecond})
	patient := open(t, primary.URL())
	all := exchanges(t, patient, 3)
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	if err := hasty.Commit(t.Context(), all[0].write); err != nil {
		t.Fatal(err)
	}
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if err := hasty.Commit(ctx, all[1].write); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a statement_timeout, without the standby: got %v, want the end of the context", err)
	}
	outcome := make(chan error)
	go func() { outcome <- patient.Commit(t.Context(), all[2].write) }()
	time.Sleep(300 * time.Millisecond)
	do(t, primary.URL(), "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE application_name = 'grantor' AND wait_event = 'SyncRep'")
	if err := <-outcome; err == nil || isFact(err) {
		t.Errorf("with the wait cancelled by an operator: got %v", err)
	}
}

// A setting that does without the standby is not ours to follow.
func TestTheStandbyCountsWhateverIsSet(t *testing.T) {
	primary := postgrestest.New(t)
	db := open(t, primary.URL()+"&synchronous_commit=local")
	e := exchanges(t, db, 1)[0]
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := db.Commit(ctx, e.write); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without the standby: got %v, want the end of the context", err)
	}
}

func TestAStandbyTakesOver(t *testing.T) {
	primary := postgrestest.New(t)
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	url := bothHosts(t, standby.URL(), primary.URL())
	db := open(t, url, postgres.Options{MinConns: 4})
	all := exchanges(t, db, 3)
	if err := db.Commit(t.Context(), all[0].write); err != nil {
		t.Fatal(err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Code(t.Context(), all[0].code.Digest); err != nil {
		t.Fatalf("reading after the failover: %v", err)
	}
	if err := db.Commit(t.Context(), all[0].write); !errors.Is(err, storage.ErrConsumed) {
		t.Fatalf("an acknowledged exchange again after the failover: got %v, want ErrConsumed", err)
	}
	if err := db.Commit(t.Context(), all[1].write); err != nil {
		t.Fatalf("another after the failover: %v", err)
	}
}

// bothHosts names two servers in one URL.
func bothHosts(t *testing.T, a, b string) string {
	t.Helper()
	_, hostB, _ := strings.Cut(b, "@")
	hostB, _, _ = strings.Cut(hostB, "/")
	before, after, found := strings.Cut(a, "/grantor?")
	if !found {
		t.Fatalf("unexpected URL %s", a)
	}
	return before + "," + hostB + "/grantor?" + after
}
