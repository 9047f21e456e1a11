package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/examples/custom-storage/sqlite"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

// TestBackend is the contract. The paths are kept beside the stores, for a store does
// not tell where it lives.
func TestBackend(t *testing.T) {
	var paths sync.Map // storage.Store → string
	open := func(t testing.TB, path string) storage.Store {
		store, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		paths.Store(store, path)
		return store
	}
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Store {
			return open(t, filepath.Join(t.TempDir(), "a b?c#d%25.db"))
		},
		Reopen: func(t testing.TB, s storage.Store) storage.Store {
			path, _ := paths.Load(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, path.(string))
		},
		Crash: func(t testing.TB, s storage.Store) storage.Store {
			path, _ := paths.Load(s)
			left := filepath.Join(t.TempDir(), "left.db")
			for _, end := range []string{"", "-wal"} { // the file, and the log before it
				data, err := os.ReadFile(path.(string) + end)
				if err == nil {
					err = os.WriteFile(left+end, data, 0o600)
				}
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			return open(t, left)
		},
	})
}
