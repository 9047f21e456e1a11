package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// BenchmarkVerifyAccessToken verifies the token of a user in the process that holds the
// store, with a bare ES256 verification beside it. Run it with
//
//	go test ./authz -run '^$' -bench VerifyAccessToken
func BenchmarkVerifyAccessToken(b *testing.B) {
	b.Run("bare-es256", func(b *testing.B) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256([]byte("payload"))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
				b.Fatal("not verified")
			}
		}
	})
	for _, stored := range []int{0, 1_000_000} {
		for _, format := range []string{"opaque", "jwt"} {
			b.Run(fmt.Sprintf("%s/stored=%d", format, stored), func(b *testing.B) {
				db, err := bolt.Open(filepath.Join(b.TempDir(), "bench.db"))
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				fillStore(b, db, stored)
				s := authztest.New(b, func(c *authz.Config) {
					c.Storage, c.AccessTokenFormat, c.Clock = db, format, time.Now
				})
				s.SignIn("ana")
				token := s.AccessToken(b)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.VerifyAccessToken(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("jwt/first-time", func(b *testing.B) {
		db, err := bolt.Open(filepath.Join(b.TempDir(), "bench.db"))
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		s := authztest.New(b, func(c *authz.Config) { c.Storage, c.Clock = db, time.Now })
		s.SignIn("ana")
		// More than the server remembers, so that each is new to it when its turn comes again.
		tokens := make([]string, 10_000)
		together(64, func(i int) {
			for ; i < len(tokens); i += 64 {
				tokens[i] = s.AccessToken(b)
			}
		})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.VerifyAccessToken(b.Context(), tokens[i%len(tokens)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// fillStore adds n live tokens.
func fillStore(b *testing.B, db storage.Store, n int) {
	at := time.Now()
	for i := 0; i < n; {
		w := storage.Write{At: at}
		for ; i < n && len(w.Tokens) < 10_000; i++ {
			expiresAt := at.Add(time.Hour + time.Duration(i)*time.Millisecond)
			w.Tokens = append(w.Tokens, storage.Token{
				Digest: storage.NewDigest(expiresAt, rand.Text()), Kind: storage.AccessToken, ClientID: "client",
				GrantID: storage.NewGrantID(expiresAt), Scopes: []string{"read"}, Resources: []string{"https://api.example.com"},
				IssuedAt: at, ExpiresAt: expiresAt,
			})
		}
		if err := db.Commit(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
}
