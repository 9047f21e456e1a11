package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

func TestContract(t *testing.T) {
	paths := make(map[storage.Store]string)
	open := func(t testing.TB, path string) storage.Store {
		t.Helper()
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		paths[db] = path
		return db
	}
	// killed is what another process finds if this one is killed now.
	killed := func(t testing.TB, s storage.Store) storage.Store {
		path := filepath.Join(t.TempDir(), "test.db")
		stateOf(t, paths[s]).put(t, path)
		return open(t, path)
	}
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Store {
			return open(t, filepath.Join(t.TempDir(), "test.db"))
		},
		Reopen: func(t testing.TB, s storage.Store) storage.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[s])
		},
		Crash: killed,
	})
}
