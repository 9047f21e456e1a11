package keyring_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage"
)

// stuck is a store whose Keys hangs while on. entered is closed when the first does.
type stuck struct {
	storage.Store
	on      atomic.Bool
	once    sync.Once
	entered chan struct{}
	release chan struct{}
}

func (s *stuck) Keys(ctx context.Context) (*storage.KeyRing, error) {
	if s.on.Load() {
		s.once.Do(func() { close(s.entered) })
		<-s.release
	}
	return s.Store.Keys(context.WithoutCancel(ctx))
}

// kid is the key that signed.
func kid(t *testing.T, token string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}
