package postgres_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// benchClients is how many work at once, here and in pgbench.
const benchClients = 16

// exchange is a code exchange as the server writes it.
type exchange struct {
	code  storage.Code
	grant storage.Grant
	write storage.Write
}

func newExchange(now time.Time, n int) exchange {
	digest := func(life time.Duration, what string) storage.Digest {
		return storage.NewDigest(now.Add(life), fmt.Sprint(what, n, now.UnixNano()))
	}
	g := storage.Grant{
		ID: storage.NewGrantID(now.Add(30 * 24 * time.Hour)), ClientID: "bench", Subject: fmt.Sprint("user", n%1000),
		Scopes: []string{"read", "write"}, AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour),
	}
	c := storage.Code{
		Digest: digest(time.Hour, "code"), Kind: storage.AuthorizationCode, ClientID: "bench", GrantID: g.ID,
		RedirectURI:   "https://app.example/callback",
		CodeChallenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	token := func(kind storage.TokenKind, life time.Duration) storage.Token {
		return storage.Token{
			Digest: digest(life, string(kind)), Kind: kind, ClientID: "bench", GrantID: g.ID,
			Scopes: []string{"read", "write"}, IssuedAt: now, ExpiresAt: now.Add(life),
		}
	}
	return exchange{code: c, grant: g, write: storage.Write{
		At: now, ConsumeCodes: []storage.Digest{c.Digest}, Live: []string{g.ID},
		Tokens: []storage.Token{token(storage.AccessToken, time.Hour), token(storage.RefreshToken, 24*time.Hour)},
	}}
}

// exchanges stores n codes with their grants and returns what uses them.
func exchanges(t testing.TB, db *postgres.DB, n int) []exchange {
	t.Helper()
	now := time.Now()
	all := make([]exchange, n)
	for from := 0; from < n; from += 500 {
		w := storage.Write{At: now}
		for i := from; i < min(n, from+500); i++ {
			all[i] = newExchange(now, i)
			w.Codes, w.Grants = append(w.Codes, all[i].code), append(w.Grants, all[i].grant)
		}
		if err := db.Commit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// BenchmarkExchange compares code exchanges with pgbench, which in each transaction
// updates one row, locks one and inserts two, all of the same size as ours, pipelined and
// prepared, on the same server. It judges nothing.
func BenchmarkExchange(b *testing.B) {
	pgbench := findPgbench(b)
	cluster := postgrestest.New(b)
	db := open(b, cluster.URL())
	all := exchanges(b, db, b.N)

	b.ResetTimer()
	start := time.Now()
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	for range benchClients {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if err := db.Commit(context.Background(), all[i].write); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	workers.Wait()
	ours := float64(b.N) / time.Since(start).Seconds()
	b.StopTimer()
	if failed.Load() > 0 {
		b.Fatalf("%d of %d commits failed", failed.Load(), b.N)
	}
	b.ReportMetric(ours, "commits/s")
	if b.N < 2000 {
		return // too few for pgbench to get going
	}
	theirs := runPgbench(b, pgbench, cluster.URL(), b.N)
	b.ReportMetric(theirs, "pgbench/s")
	b.ReportMetric(ours/theirs, "×pgbench")
}

func findPgbench(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench"); len(found) > 0 {
		return found[len(found)-1]
	}
	if os.Getenv("GRANTOR_REQUIRE_ALL") == "1" {
		t.Fatal("pgbench is not installed, and GRANTOR_REQUIRE_ALL is set")
	}
	t.Skip("pgbench is not installed")
	return ""
}

// runPgbench makes n transactions and returns how many there were each second.
func runPgbench(t testing.TB, pgbench, url string, n int) float64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	each := n / benchClients
	for _, sql := range []string{
		"CREATE TABLE bench_codes (LIKE grantor_codes INCLUDING ALL)",
		"CREATE TABLE bench_tokens (LIKE grantor_tokens INCLUDING ALL)",
		"CREATE TABLE bench_grants (LIKE grantor_grants INCLUDING ALL)",
		// Digests of 38 bytes, records of the size that ours have.
		fmt.Sprintf(`INSERT INTO bench_codes SELECT int8send(c * 1000000 + n) || decode(repeat('ab', 30), 'hex'), 1, NULL, decode(repeat('cd', 170), 'hex')
			FROM generate_series(0, %d) c, generate_series(1, %d) n`, benchClients-1, each),
		"INSERT INTO bench_grants SELECT digest, 'user', 'bench', 1, NULL, NULL, record FROM bench_codes",
		"VACUUM ANALYZE bench_codes, bench_grants",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(t.TempDir(), "exchange.sql")
	insert := `INSERT INTO bench_tokens (digest, expires_at, record) VALUES (int8send(:id) || decode(repeat('%s', 30), 'hex'), 1, decode(repeat('cd', 120), 'hex'));`
	err = os.WriteFile(script, []byte(strings.Join([]string{
		`\set n :n + 1`,
		`\set id :client_id * 1000000 + :n`,
		`\startpipeline`,
		`BEGIN;`,
		`UPDATE bench_codes SET consumed_at = 1 WHERE digest = int8send(:id) || decode(repeat('ab', 30), 'hex');`,
		`SELECT 1 FROM bench_grants WHERE id = int8send(:id) || decode(repeat('ab', 30), 'hex') FOR SHARE;`,
		fmt.Sprintf(insert, "ab"),
		fmt.Sprintf(insert, "cd"),
		`COMMIT;`,
		`\endpipeline`,
		``,
	}, "\n")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(pgbench, "-n", "-M", "prepared", "-c", strconv.Itoa(benchClients), "-j", "2", "-D", "n=0",
		"-t", strconv.Itoa(each), "-f", script, url).CombinedOutput()
	if err != nil {
		t.Fatalf("pgbench: %v: %s", err, out)
	}
	tps := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if tps == nil {
		t.Fatalf("pgbench said no rate: %s", out)
	}
	rate, err := strconv.ParseFloat(string(tps[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return rate
}
