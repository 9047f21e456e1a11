package keyring_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage"
)

// stuck is a store whose Keys hangs while on.
type stuck struct {
	storage.Store
	on      atomic.Bool
	waiting atomic.Int32
	release chan struct{}
}

func (s *stuck) Keys(ctx context.Context) (*storage.KeyRing, error) {
	if s.on.Load() {
		s.waiting.Add(1)
		<-s.release
	}
	return s.Store.Keys(context.WithoutCancel(ctx))
}

// entered is closed once somebody hangs in Keys.
func (s *stuck) entered() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.waiting.Load() == 0 {
		}
	}()
	return done
}

// kid is the key that signed.
func kid(t *testing.T, token string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}
