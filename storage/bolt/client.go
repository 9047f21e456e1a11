package bolt

import (
	"context"
	"errors"

	"github.com/grantor-oauth/grantor/storage"
)

// PutClient creates or replaces the client with this ID, unless that has become another since
// it was read: then it returns storage.ErrConflict.
func (db *DB) PutClient(ctx context.Context, client storage.Client) error {
	key, was := name(client.ID), client.Revision
	client.Revision = storage.NewRevision()
	value, err := seal(clients, key, &client)
	if err != nil {
		return err
	}
	return db.write(ctx, &job{takesBack: true, apply: func(t *txn) error {
		if was != 0 {
			stored, err := load[storage.Client](t, clients, key)
			switch {
			case errors.Is(err, storage.ErrNotFound):
				return storage.ErrConflict
			case err != nil:
				return err
			case stored.Revision != was:
				return storage.ErrConflict
			}
		}
		return t.put(sealed{place{clients, key}, value})
	}})
}

// DeleteClient removes the client, or returns storage.ErrNotFound when there is
// none. Its grants stay; without a client they are good for nothing.
func (db *DB) DeleteClient(ctx context.Context, clientID string) error {
	key := name(clientID)
	return db.write(ctx, &job{takesBack: true, apply: func(t *txn) error {
		value, err := t.find(clients, key)
		if err != nil {
			return err
		}
		if value == nil {
			return storage.ErrNotFound
		}
		return t.remove(place{clients, key})
	}})
}
