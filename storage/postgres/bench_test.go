package postgres_test

import (
	"context"
	"fmt"
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

// BenchmarkExchange compares code exchanges with pgbench's, on the same server. They take
// turns, so that whatever else the machine does hits both.
func BenchmarkExchange(b *testing.B) {
	cluster := postgrestest.New(b)
	db := open(b, cluster.URL())
	const turns = 8
	each := b.N / turns / benchClients * benchClients
	if each == 0 {
		exchangeAll(b, db, exchanges(b, db, b.N))
		return // too few to compare
	}
	theirs, err := postgrestest.NewPgbench(b.Context(), cluster.URL(), benchClients, turns*each)
	if err != nil {
		b.Fatal(err)
	}
	all := exchanges(b, db, turns*each)
	exchangeAll(b, db, exchanges(b, db, 1000)) // the connections are made
	var ours, pgbench time.Duration
	for turn := range turns {
		ours += exchangeAll(b, db, all[turn*each:(turn+1)*each])
		took, err := theirs.Run(b.Context(), each)
		if err != nil {
			b.Fatal(err)
		}
		pgbench += took
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
