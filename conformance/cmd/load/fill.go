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

// fsyncs is how many trips to the disk a server's store has made so far, where it tells.
func fsyncs(p *process, backend, place string) int {
	switch backend {
	case "bolt":
		s, err := p.self()
		if err != nil {
			return 0
		}
		return s.Fsyncs
	case "postgres":
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, place)
		if err != nil {
			return 0
		}
		defer conn.Close(ctx)
		var n int
		if conn.QueryRow(ctx, "SELECT wal_sync FROM pg_stat_wal").Scan(&n) != nil {
			return 0
		}
		return n
	}
	return 0
}
