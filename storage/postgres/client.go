package postgres

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// PutClient creates or replaces the client with this ID.
func (db *DB) PutClient(ctx context.Context, client storage.Client) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	defer db.end()
	data, err := record.Encode(&client)
	if err != nil {
		return err
	}
	_, err = db.transact(ctx, "storing a client", []statement{{
		"INSERT INTO grantor_clients (id, record) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
		[]any{name(client.ID), data},
	}})
	return err
}

// DeleteClient removes the client, or returns storage.ErrNotFound.
func (db *DB) DeleteClient(ctx context.Context, clientID string) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	defer db.end()
	rows, err := db.transact(ctx, "removing a client", []statement{{
		"DELETE FROM grantor_clients WHERE id = $1", []any{name(clientID)},
	}})
	if err == nil && rows[0] == 0 {
		return storage.ErrNotFound
	}
	return err
}
