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
	"sync/atomic"
	"testing"
	"time"

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
// prepared, on the same server. It judges nothing. They take turns, so that whatever else
// the machine does hits both.
func BenchmarkExchange(b *testing.B) {
	program := findPgbench(b)
	cluster := postgrestest.New(b)
	db := open(b, cluster.URL())
	const turns = 8
	each := b.N / turns / benchClients * benchClients
	if each == 0 {
		exchangeAll(b, db, exchanges(b, db, b.N))
		return // too few to compare
	}
	theirs := newPgbench(b, program, cluster.URL(), turns*each)
	all := exchanges(b, db, turns*each)
	exchangeAll(b, db, exchanges(b, db, 1000)) // the connections are made
	var ours, pgbench time.Duration
	for turn := range turns {
		ours += exchangeAll(b, db, all[turn*each:(turn+1)*each])
		pgbench += theirs.run(b, turn, each)
	}
	rate := func(d time.Duration) float64 { return float64(turns*each) / d.Seconds() }
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric(rate(ours), "commits/s")
	b.ReportMetric(rate(pgbench), "pgbench/s")
	b.ReportMetric(rate(ours)/rate(pgbench), "×pgbench")
}

// exchangeAll returns how long it took.
func exchangeAll(t testing.TB, db *postgres.DB, all []exchange) time.Duration {
	t.Helper()
	start := time.Now()
	var next atomic.Int64
	for _, err := range crowd(benchClients, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(all) {
				return nil
			}
			if err := db.Commit(context.Background(), all[i].write); err != nil {
				return err
			}
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
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

// pgbench has tables like ours, with n rows to update.
type pgbench struct{ program, script, url string }

func newPgbench(t testing.TB, program, url string, n int) pgbench {
	t.Helper()
	for _, sql := range []string{
		"CREATE TABLE bench_codes (LIKE grantor_codes INCLUDING ALL)",
		"CREATE TABLE bench_tokens (LIKE grantor_tokens INCLUDING ALL)",
		"CREATE TABLE bench_grants (LIKE grantor_grants INCLUDING ALL)",
		// Digests of 38 bytes, records of the size that ours have.
		fmt.Sprintf(`INSERT INTO bench_codes SELECT int8send(c * 1000000 + n) || decode(repeat('ab', 30), 'hex'), 1, NULL, decode(repeat('cd', 170), 'hex')
			FROM generate_series(0, %d) c, generate_series(1, %d) n`, benchClients-1, n/benchClients),
		"INSERT INTO bench_grants SELECT digest, 'user', 'bench', 1, NULL, NULL, record FROM bench_codes",
		"VACUUM ANALYZE bench_codes", "VACUUM ANALYZE bench_grants",
	} {
		do(t, url, sql)
	}
	const (
		key    = `int8send(:id) || decode(repeat('%s', 30), 'hex')`
		insert = `INSERT INTO bench_tokens (digest, expires_at, record) VALUES (` + key + `, 1, decode(repeat('cd', 120), 'hex'));`
	)
	script := filepath.Join(t.TempDir(), "exchange.sql")
	err := os.WriteFile(script, []byte(strings.Join([]string{
		`\set n :n + 1`,
		`\set id :client_id * 1000000 + :n`,
		`\startpipeline`,
		`BEGIN;`,
		fmt.Sprintf(`UPDATE bench_codes SET consumed_at = 1 WHERE digest = `+key+`;`, "ab"),
		fmt.Sprintf(`SELECT 1 FROM bench_grants WHERE id = `+key+` FOR SHARE;`, "ab"),
		fmt.Sprintf(insert, "ab"),
		fmt.Sprintf(insert, "cd"),
		`COMMIT;`,
		`\endpipeline`,
		``,
	}, "\n")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return pgbench{program, script, url}
}

// run makes n transactions and returns how long they took, without connecting.
func (p pgbench) run(t testing.TB, turn, n int) time.Duration {
	t.Helper()
	each := n / benchClients
	out, err := exec.Command(p.program, "-n", "-M", "prepared", "-c", strconv.Itoa(benchClients), "-j", "2",
		"-D", "n="+strconv.Itoa(turn*each), "-t", strconv.Itoa(each), "-f", p.script, p.url).CombinedOutput()
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
	return time.Duration(float64(n) / rate * float64(time.Second))
}
