package interop_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

var backend = flag.String("backend", "bolt", "the store of the servers: bolt, memory or postgres")

// cluster is the PostgreSQL of all tests, each of which gets a database of its own.
var cluster = sync.OnceValues(func() (*postgrestest.Cluster, error) {
	return postgrestest.Start(postgrestest.Options{NoSync: true})
})

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	if *backend == "postgres" {
		if c, err := cluster(); err == nil {
			if err := c.Close(); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(status)
}

// newStore is an empty store of the chosen backend, which ends with the test.
func newStore(t *testing.T) storage.Store {
	t.Helper()
	store, err := openStore(t)
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func openStore(t *testing.T) (storage.Store, error) {
	switch *backend {
	case "memory":
		return memory.New(), nil
	case "bolt":
		return bolt.Open(filepath.Join(t.TempDir(), "authz.db"))
	case "postgres":
		c, err := cluster()
		if err != nil {
			return nil, err
		}
		ctx := context.WithoutCancel(t.Context())
		url, err := c.NewDatabase(ctx)
		if err == nil {
			err = postgres.Migrate(ctx, url)
		}
		if err != nil {
			return nil, err
		}
		return postgres.Open(ctx, url)
	}
	return nil, errors.New("there is no backend " + *backend)
}
