package faults

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// Client is storage.Clients.
func (s *Store) Client(ctx context.Context, id string) (*storage.Client, error) {
	return do(ctx, s, "Client", func() (*storage.Client, error) { return s.inner.Client(ctx, id) })
}

// PutClient is storage.Clients.
func (s *Store) PutClient(ctx context.Context, c storage.Client) error {
	return doing(ctx, s, "PutClient", func() error { return s.inner.PutClient(ctx, c) })
}

// DeleteClient is storage.Clients.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	return doing(ctx, s, "DeleteClient", func() error { return s.inner.DeleteClient(ctx, id) })
}

// ListClients is storage.Clients.
func (s *Store) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return do(ctx, s, "ListClients", func() ([]storage.Client, error) { return s.inner.ListClients(ctx, after, limit) })
}

// Code is storage.Codes.
func (s *Store) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return do(ctx, s, "Code", func() (*storage.Code, error) { return s.inner.Code(ctx, d) })
}

// Commit is storage.Codes and storage.Tokens.
func (s *Store) Commit(ctx context.Context, w storage.Write) error {
	return doing(ctx, s, "Commit", func() error { return s.inner.Commit(ctx, w) })
}

// Token is storage.Tokens.
func (s *Store) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return do(ctx, s, "Token", func() (*storage.Token, error) { return s.inner.Token(ctx, d) })
}

// Grant is storage.Tokens.
func (s *Store) Grant(ctx context.Context, id string) (*storage.Grant, error) {
	return do(ctx, s, "Grant", func() (*storage.Grant, error) { return s.inner.Grant(ctx, id) })
}

// ListGrants is storage.Tokens.
func (s *Store) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return do(ctx, s, "ListGrants", func() ([]storage.Grant, error) { return s.inner.ListGrants(ctx, subject, after, limit) })
}

// Consent is storage.Tokens.
func (s *Store) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return do(ctx, s, "Consent", func() (*storage.Consent, error) { return s.inner.Consent(ctx, subject, clientID) })
}

// ListNotices is storage.Tokens.
func (s *Store) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	return do(ctx, s, "ListNotices", func() ([]storage.Notice, error) { return s.inner.ListNotices(ctx, before, limit) })
}

// ListConsents is storage.Tokens.
func (s *Store) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return do(ctx, s, "ListConsents", func() ([]storage.Consent, error) { return s.inner.ListConsents(ctx, subject, after, limit) })
}

// Keys is storage.Keys.
func (s *Store) Keys(ctx context.Context) (*storage.KeyRing, error) {
	return do(ctx, s, "Keys", func() (*storage.KeyRing, error) { return s.inner.Keys(ctx) })
}

// SwapKeys is storage.Keys.
func (s *Store) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	return doing(ctx, s, "SwapKeys", func() error { return s.inner.SwapKeys(ctx, ring) })
}

// Close closes the store behind.
func (s *Store) Close() error { return s.inner.Close() }
