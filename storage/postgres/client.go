package postgres

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// PutClient creates or replaces the client with this ID, unless that has become another since
// it was read: then it returns storage.ErrConflict.
func (db *DB) PutClient(ctx context.Context, client storage.Client) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	defer db.end()
	was := client.Revision
	client.Revision = storage.NewRevision()
	data, err := record.Encode(&client)
	if err != nil {
		return err
	}
	put := statement{
		`INSERT INTO grantor_clients (id, record, revision) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET record = excluded.record, revision = excluded.revision`,
		[]any{name(client.ID), data, int64(client.Revision)},
	}
	if was != 0 {
		// A second try may find what the first one left.
		put = statement{
			"UPDATE grantor_clients SET record = $2, revision = $3 WHERE id = $1 AND revision IN ($3, $4)",
			[]any{name(client.ID), data, int64(client.Revision), int64(was)},
		}
	}
	rows, err := db.transact(ctx, "storing a client", []statement{put})
	if err == nil && rows[0] == 0 {
		return storage.ErrConflict
	}
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
