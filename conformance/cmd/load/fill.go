package main

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
)

// fill stores n tokens: live ones, or such as have long expired.
func fill(store storage.Store, n int, expired bool) error {
	at := time.Now()
	first := at.Add(24 * time.Hour)
	if expired {
		at = at.AddDate(0, 0, -10)
		first = at.Add(time.Hour)
	}
	for i := 0; i < n; {
		w := storage.Write{At: at}
		for ; i < n && len(w.Tokens) < 10_000; i++ {
			expires := first.Add(time.Duration(i) * time.Millisecond)
			w.Tokens = append(w.Tokens, storage.Token{
				Digest: storage.NewDigest(expires, rand.Text()), Kind: storage.AccessToken, ClientID: opaqueClient,
				Scopes: []string{"read"}, Resources: []string{issuer}, IssuedAt: at, ExpiresAt: expires,
			})
		}
		if err := store.Commit(context.Background(), w); err != nil {
			return err
		}
	}
	return nil
}

// filled is a bolt file with n records in it, in dir.
func filled(dir string, n int, expired bool) (string, error) {
	path := filepath.Join(dir, "authz.db")
	store, err := openStore(context.Background(), "bolt", path)
	if err != nil {
		return "", err
	}
	if err := fill(store, n, expired); err != nil {
		return "", err
	}
	return path, store.Close()
}

// boltSyncs is how many trips to the disk a server's bolt file has made since it was opened.
func boltSyncs(p *process) int {
	s, err := p.self()
	if err != nil {
		return 0
	}
	return s.Fsyncs
}

// walSyncs is how many PostgreSQL has made for its write-ahead log. What its sessions have
// made is counted when they have ended, so it waits for that, for a moment.
func walSyncs(url string) int {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0
	}
	defer conn.Close(ctx)
	const others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
	for range 20 {
		var n int
		if conn.QueryRow(ctx, others).Scan(&n) != nil || n == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var n int
	if conn.QueryRow(ctx, "SELECT wal_sync FROM pg_stat_wal").Scan(&n) != nil {
		return 0
	}
	return n
}
