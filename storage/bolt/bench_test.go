package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// BenchmarkCommit writes one access token after the other, each of them durable.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := openTest(b)
			ctx := context.Background()
			var n atomic.Int64
			b.ReportAllocs()
			run(b, writers, func() {
				now := time.Now()
				err := db.Commit(ctx, storage.Write{At: now, Tokens: []storage.Token{{
					Digest: storage.NewDigest(now.Add(time.Hour), fmt.Sprint(n.Add(1))), Kind: storage.AccessToken,
					ClientID: "client", Scopes: []string{"read"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
				}}})
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkRefresh is a whole rotation: one token consumed, two added, one grant
// judged.
func BenchmarkRefresh(b *testing.B) {
	for _, writers := range []int{1, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := openTest(b)
			ctx := context.Background()
			now := time.Now()
			expires := now.Add(24 * time.Hour)
			g := storage.Grant{ID: storage.NewGrantID(expires), ClientID: "client", Subject: "alice", Scopes: []string{"read"}, CreatedAt: now, ExpiresAt: expires}
			token := func(name string) storage.Token {
				return storage.Token{
					Digest: storage.NewDigest(expires, name), Kind: storage.RefreshToken, GrantID: g.ID,
					ClientID: "client", Scopes: []string{"read"}, IssuedAt: now, ExpiresAt: expires,
				}
			}
			if err := db.Commit(ctx, storage.Write{At: now, Grants: []storage.Grant{g}}); err != nil {
				b.Fatal(err)
			}
			answer := make([]byte, 160)
			var families atomic.Int64
			runEach(b, writers, func() func() {
				family, i := families.Add(1), 0
				name := func(i int) string { return fmt.Sprintf("%d/%d", family, i) }
				if err := db.Commit(ctx, storage.Write{At: now, Tokens: []storage.Token{token(name(0))}}); err != nil {
					b.Error(err)
				}
				return func() {
					old := token(name(i))
					i++
					err := db.Commit(ctx, storage.Write{
						At:            now,
						ConsumeTokens: []storage.Consumption{{Digest: old.Digest, Answer: answer}},
						Live:          []string{g.ID},
						Tokens:        []storage.Token{token(name(i)), token("access " + name(i))},
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkToken reads one token, as each request to a protected resource does.
func BenchmarkToken(b *testing.B) {
	db := openTest(b)
	ctx := context.Background()
	now := time.Now()
	var w storage.Write
	w.At = now
	for i := range 10_000 {
		w.Tokens = append(w.Tokens, storage.Token{
			Digest: storage.NewDigest(now.Add(time.Hour), fmt.Sprint(i)), Kind: storage.AccessToken,
			ClientID: "client", Scopes: []string{"read"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		})
	}
	if err := db.Commit(ctx, w); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := db.Token(ctx, w.Tokens[i%len(w.Tokens)].Digest); err != nil {
			b.Fatal(err)
		}
	}
}

// run shares b.N calls of fn among writers.
func run(b *testing.B, writers int, fn func()) {
	runEach(b, writers, func() func() { return fn })
}

func runEach(b *testing.B, writers int, writer func() func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	ready, start, done := make(chan bool), make(chan bool), make(chan bool)
	for range writers {
		go func() {
			fn := writer()
			ready <- true
			<-start
			for left.Add(-1) >= 0 {
				fn()
			}
			done <- true
		}()
	}
	for range writers {
		<-ready
	}
	b.ResetTimer()
	close(start)
	for range writers {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

func openTest(t testing.TB) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
