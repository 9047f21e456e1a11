package bolt

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// PutClient creates or replaces the client with this ID.
func (db *DB) PutClient(ctx context.Context, client storage.Client) error {
	key := name(client.ID)
	value, err := seal(clients, key, &client)
	if err != nil {
		return err
	}
	return db.write(ctx, &job{takesBack: true, apply: func(t *txn) error {
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
