package postgres_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// bury fills the table of tokens with n that expired an hour before now.
func bury(t testing.TB, url string, now time.Time, n int) {
	t.Helper()
	expired := now.Add(-time.Hour)
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(expired.UnixMilli()))
	do(t, url, `INSERT INTO grantor_tokens (digest, expires_at, record)
		SELECT $1::bytea || sha256(int8send(n)), $2, decode(repeat('cd', 120), 'hex') FROM generate_series(1, $3::bigint) n`,
		stamp[2:], expired.UnixMicro(), n)
	do(t, url, "ANALYZE grantor_tokens")
}

func tokens(t testing.TB, url string) int {
	t.Helper()
	return do(t, url, "SELECT count(*) FROM grantor_tokens")
}

// Commits bury the dead beside them, without being held up by how many there are.
func TestTheDeadGoBesideCommits(t *testing.T) {
	n := rounds(100_000, 1_000_000)
	url := postgrestest.New(t).URL()
	db := open(t, url)
	now := time.Now()
	bury(t, url, now, n)
	living := storage.Token{Digest: storage.NewDigest(now.Add(time.Hour), "living"), ExpiresAt: now.Add(time.Hour)}
	if err := db.Commit(t.Context(), storage.Write{At: now.Add(-2 * time.Hour), Tokens: []storage.Token{living}}); err != nil {
		t.Fatal(err)
	}
	// The stamp has passed, the token has not.
	outliving := storage.Token{Digest: storage.NewDigest(now.Add(-2*time.Hour), "outliving"), ExpiresAt: now.Add(time.Hour)}
	if err := db.Commit(t.Context(), storage.Write{At: now.Add(-2 * time.Hour), Tokens: []storage.Token{outliving}}); err != nil {
		t.Fatal(err)
	}

	var took []time.Duration
	start := time.Now()
	const between = 500 // counting takes time as well
	for commits := 0; tokens(t, url) > 2; commits += between {
		if time.Since(start) > 2*time.Minute {
			t.Fatalf("after %d commits %d of %d dead are still there", commits, tokens(t, url), n)
		}
		for i := range between {
			began := time.Now()
			err := db.Commit(t.Context(), storage.Write{At: now, Codes: []storage.Code{{
				Digest: storage.NewDigest(now.Add(time.Hour), "filler"+strconv.Itoa(commits+i)), ExpiresAt: now.Add(time.Hour),
			}}})
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
	}
	all := time.Since(start)
	slices.Sort(took)
	t.Logf("%d dead went in %s beside %d commits, which took %s at the median, %s at the 99th percentile, %s at most",
		n, all.Round(time.Millisecond), len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	if p99 := took[len(took)*99/100]; p99 > 500*time.Millisecond {
		t.Errorf("commits were held up: %s at the 99th percentile", p99)
	}
	for _, token := range []storage.Token{living, outliving} {
		if _, err := db.Token(t.Context(), token.Digest); err != nil {
			t.Errorf("a living token: %v", err)
		}
	}
}

// The dead of every table go, those of replicas that sweep at once as well.
func TestReplicasSweepEverything(t *testing.T) {
	url := newSchema(t, shared(t))
	replicas := openMany(t, 3, url)
	now := time.Now()
	soon := now.Add(time.Hour)
	const n = 2000
	var w storage.Write
	for i := range n {
		name := strconv.Itoa(i)
		w.Codes = append(w.Codes, storage.Code{Digest: storage.NewDigest(soon, name), ExpiresAt: soon})
		w.Tokens = append(w.Tokens, storage.Token{Digest: storage.NewDigest(soon, name), ExpiresAt: soon})
		w.Grants = append(w.Grants, storage.Grant{ID: storage.NewGrantID(soon), Subject: name, ExpiresAt: soon})
		w.Consents = append(w.Consents, storage.Consent{Subject: name, ExpiresAt: soon}, storage.Consent{Subject: "for ever", ClientID: name})
		w.Revoke = append(w.Revoke, storage.Revocation{Subject: "ended " + name})
	}
	w.At = now
	if err := replicas[0].Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		return do(t, url, `SELECT (SELECT count(*) FROM grantor_codes) + (SELECT count(*) FROM grantor_tokens)
			+ (SELECT count(*) FROM grantor_grants) + (SELECT count(*) FROM grantor_consents) + (SELECT count(*) FROM grantor_endings)`)
	}
	if got := count(); got != 6*n {
		t.Fatalf("there are %d rows, want %d", got, 6*n)
	}
	later := now.Add(storage.RememberEnded + 2*time.Minute)
	for end := time.Now().Add(20 * time.Second); count() > n; {
		if time.Now().After(end) {
			t.Fatalf("%d rows are left, want the %d consents that have no end", count(), n)
		}
		for i, err := range crowd(3, func(i int) error {
			return replicas[i].Commit(t.Context(), storage.Write{At: later, Consents: []storage.Consent{{Subject: "for ever", ClientID: "0"}}})
		}) {
			if err != nil {
				t.Fatalf("replica %d: %v", i, err)
			}
		}
	}
	if got := count(); got != n {
		t.Errorf("%d rows are left, want the %d consents that have no end", got, n)
	}
}

// A table that somebody has locked is swept later, and the others all the same.
func TestOneTableDoesNotHoldUpTheSweepOfOthers(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{LockTimeout: 50 * time.Millisecond})
	now := time.Now()
	expired := now.Add(-time.Hour)
	w := storage.Write{At: now.Add(-2 * time.Hour)}
	for i := range 10 {
		w.Codes = append(w.Codes, storage.Code{Digest: storage.NewDigest(expired, strconv.Itoa(i)), ExpiresAt: expired})
	}
	if err := db.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE grantor_tokens IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	for end, at := time.Now().Add(5*time.Second), now; do(t, url, "SELECT count(*) FROM grantor_codes") > 0; at = at.Add(time.Second) {
		if time.Now().After(end) {
			t.Fatal("the dead codes are still there")
		}
		if err := db.Commit(t.Context(), storage.Write{At: at, Consents: []storage.Consent{{Subject: "alice"}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// lockedBuffer is a buffer that others write to meanwhile.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A role that may not delete can do everything but sweep, and the log says so, once.
func TestASweepThatFailsIsLogged(t *testing.T) {
	url := newSchema(t, shared(t))
	open(t, url)
	role := "no_delete_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	_, schema, _ := strings.Cut(url, "search_path=")
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN",
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role,
		"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA " + schema + " TO " + role,
	} {
		do(t, url, sql)
	}
	log := new(lockedBuffer)
	db := open(t, strings.Replace(url, "postgres@", role+"@", 1), postgres.Options{SkipMigrations: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
	now := time.Now()
	bury(t, url, now, 10)
	for at, end := now, time.Now().Add(10*time.Second); !strings.Contains(log.String(), "expired records are not removed"); at = at.Add(time.Second) {
		if time.Now().After(end) {
			t.Fatalf("the log says %q", log.String())
		}
		if err := db.Commit(t.Context(), storage.Write{At: at, Consents: []storage.Consent{{Subject: "alice"}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "GRANT SELECT, INSERT, UPDATE, DELETE") {
		t.Errorf("the log says %q, want one line with the cure", said)
	}
}

// Close waits for the sweep, and afterwards there is none.
func TestCloseEndsTheSweep(t *testing.T) {
	url := newSchema(t, shared(t))
	now := time.Now()
	for range 10 {
		db, err := postgres.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		bury(t, url, now, 10_000)
		if err := db.Commit(t.Context(), storage.Write{At: now, Consents: []storage.Consent{{Subject: "alice"}}}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if n := do(t, url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'grantor' AND state <> 'idle' AND query LIKE 'DELETE%'"); n > 0 {
			t.Error("a sweep goes on after Close")
		}
		do(t, url, "TRUNCATE grantor_tokens")
	}
}
