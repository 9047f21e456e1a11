package sqlite

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// query returns the records that a SELECT finds, whose columns go where columns says.
func query[T any](ctx context.Context, s *Store, columns func(*T) []any, text string, args ...any) ([]T, error) {
	var found []T
	err := s.do(ctx, func() error {
		rows, err := s.reads.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var record T
			if err := rows.Scan(columns(&record)...); err != nil {
				return err
			}
			found = append(found, record)
		}
		return rows.Err()
	})
	return found, err
}

// one is the single record that a query found.
func one[T any](found []T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, storage.ErrNotFound
	}
	return &found[0], nil
}

// Client implements storage.Clients.
func (s *Store) Client(ctx context.Context, clientID string) (*storage.Client, error) {
	return one(query(ctx, s, clientColumns, `SELECT record FROM clients WHERE id = ?`, clientID))
}

// ListClients implements storage.Clients. To SQLite, a negative limit would be none.
func (s *Store) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return query(ctx, s, clientColumns,
		`SELECT record FROM clients WHERE id > ? ORDER BY id LIMIT ?`, after, max(limit, 0))
}

// Code implements storage.Codes.
func (s *Store) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return one(query(ctx, s, codeColumns, `SELECT record, consumed_at FROM codes WHERE digest = ?`, d[:]))
}

// Token implements storage.Tokens.
func (s *Store) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return one(query(ctx, s, tokenColumns,
		`SELECT record, consumed_at, answer, revoked_at FROM tokens WHERE digest = ?`, d[:]))
}

// Grant implements storage.Tokens.
func (s *Store) Grant(ctx context.Context, grantID string) (*storage.Grant, error) {
	return one(query(ctx, s, grantColumns,
		`SELECT record, revoked_at, revoked_reason FROM grants WHERE id = ?`, grantID))
}

// ListGrants implements storage.Tokens.
func (s *Store) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return query(ctx, s, grantColumns, `SELECT record, revoked_at, revoked_reason FROM grants
		WHERE subject = ? AND id > ? ORDER BY id LIMIT ?`, subject, after, max(limit, 0))
}

// Consent implements storage.Tokens.
func (s *Store) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return one(query(ctx, s, consentColumns,
		`SELECT record FROM consents WHERE subject = ? AND client_id = ?`, subject, clientID))
}

// ListConsents implements storage.Tokens.
func (s *Store) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return query(ctx, s, consentColumns, `SELECT record FROM consents
		WHERE subject = ? AND client_id > ? ORDER BY client_id LIMIT ?`, subject, after, max(limit, 0))
}

// ListNotices implements storage.Tokens.
func (s *Store) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	return query(ctx, s, noticeColumns,
		`SELECT record FROM notices WHERE id < ? ORDER BY id LIMIT ?`, before, max(limit, 0))
}

// Keys implements storage.Keys. The ring is one row; before there is one, it is zero.
func (s *Store) Keys(ctx context.Context) (*storage.KeyRing, error) {
	rings, err := query(ctx, s, ringColumns, `SELECT record FROM key_ring`)
	return one(append(rings, storage.KeyRing{}), err)
}
