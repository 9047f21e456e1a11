package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// backend is where the data are, as the driver sees it.
type backend interface {
	address() string

	// replicas is how many servers there are on it at once.
	replicas() int

	// open opens the store for an audit. Nobody else writes; whatever servers that were
	// killed have left on the way has arrived.
	open(ctx context.Context) (storage.Store, error)

	// check has the backend look at itself.
	check(ctx context.Context) error

	// size says how much there is.
	size() string

	close() error
}

// boltBackend is a file.
type boltBackend struct{ path string }

func newBoltBackend(folder string) *boltBackend {
	return &boltBackend{filepath.Join(folder, "crash.db")}
}

func (b *boltBackend) address() string { return b.path }
func (b *boltBackend) replicas() int   { return 1 }
func (b *boltBackend) close() error    { return nil }

func (b *boltBackend) open(ctx context.Context) (storage.Store, error) {
	return openers["bolt"](ctx, b.path)
}

func (b *boltBackend) check(ctx context.Context) error {
	_, err := bolt.Check(ctx, b.path)
	return err
}

func (b *boltBackend) size() string {
	info, err := os.Stat(b.path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d MiB", info.Size()>>20)
}
