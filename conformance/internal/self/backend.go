package self

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// Backends are the names of the stores that the suite is run on.
func Backends() []string { return []string{"memory", "bolt", "postgres"} }

// open opens a new, empty store. Where the machine has no PostgreSQL, the error is
// postgrestest.ErrNotInstalled.
func (s *Site) open(ctx context.Context, backend string) (storage.Store, error) {
	var store storage.Store
	switch backend {
	case "memory":
		return memory.New(), nil
	case "bolt":
		folder, err := os.MkdirTemp("", "conformance")
		if err != nil {
			return nil, fmt.Errorf("self: %w", err)
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(folder) })
		db, err := bolt.Open(filepath.Join(folder, "authz.db"))
		if err != nil {
			return nil, err
		}
		store = db
	case "postgres":
		cluster, err := postgrestest.Start(postgrestest.Options{NoSync: true})
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, cluster.Close)
		if err := postgres.Migrate(ctx, cluster.URL()); err != nil {
			return nil, err
		}
		db, err := postgres.Open(ctx, cluster.URL())
		if err != nil {
			return nil, err
		}
		store = db
	default:
		return nil, fmt.Errorf("self: there is no backend %q; there are %v", backend, Backends())
	}
	s.closers = append(s.closers, store.Close)
	return store, nil
}
