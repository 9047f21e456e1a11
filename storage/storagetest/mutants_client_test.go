package storagetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func init() {
	mutants = append(mutants, []mutant{
		{name: "replaces_whatever_client_is_there", caughtBy: "clients/put_back_as_read", open: putting(
			func(ctx context.Context, sound storage.Store, c storage.Client) error {
				c.Revision = 0
				return sound.PutClient(ctx, c)
			})},
		{name: "compares_a_client_and_writes_later", caughtBy: "races/one_puts_a_client_back", open: putting(
			func(ctx context.Context, sound storage.Store, c storage.Client) error {
				if c.Revision != 0 {
					stored, err := sound.Client(ctx, c.ID)
					switch {
					case errors.Is(err, storage.ErrNotFound), err == nil && stored.Revision != c.Revision:
						return storage.ErrConflict
					case err != nil:
						return err
					}
				}
				time.Sleep(disk)
				c.Revision = 0
				return sound.PutClient(ctx, c)
			})},
		{name: "brings_a_deleted_client_back", caughtBy: "clients/put_back_after_it_went", open: putting(
			func(ctx context.Context, sound storage.Store, c storage.Client) error {
				if _, err := sound.Client(ctx, c.ID); errors.Is(err, storage.ErrNotFound) {
					c.Revision = 0
				}
				return sound.PutClient(ctx, c)
			})},
		{name: "counts_the_states_of_a_client", caughtBy: "clients/put_back_after_it_went", open: func() storage.Store {
			return &recounting{Store: memory.New(), count: map[string]uint64{}}
		}},
	}...)
}

// put is a sound store whose PutClient goes through a function.
type put struct {
	storage.Store
	put func(ctx context.Context, sound storage.Store, c storage.Client) error
}

func (s put) PutClient(ctx context.Context, c storage.Client) error { return s.put(ctx, s.Store, c) }

func putting(f func(ctx context.Context, sound storage.Store, c storage.Client) error) func() storage.Store {
	return func() storage.Store { return put{memory.New(), f} }
}

// recounting has revisions that begin with 1 again for a client that was deleted.
type recounting struct {
	storage.Store

	mu    sync.Mutex
	count map[string]uint64
}

func (s *recounting) PutClient(ctx context.Context, c storage.Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Revision != 0 && c.Revision != s.count[c.ID] {
		return storage.ErrConflict
	}
	c.Revision = 0
	if err := s.Store.PutClient(ctx, c); err != nil {
		return err
	}
	s.count[c.ID]++
	return nil
}

func (s *recounting) DeleteClient(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.count, id)
	return s.Store.DeleteClient(ctx, id)
}

func (s *recounting) Client(ctx context.Context, id string) (*storage.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.Store.Client(ctx, id)
	if err == nil {
		c.Revision = s.count[id]
	}
	return c, err
}

func (s *recounting) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.Store.ListClients(ctx, after, limit)
	for i := range list {
		list[i].Revision = s.count[list[i].ID]
	}
	return list, err
}
