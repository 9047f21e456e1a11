package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// Client returns the client with this exact ID, or storage.ErrNotFound.
func (db *DB) Client(ctx context.Context, clientID string) (*storage.Client, error) {
	var c storage.Client
	return one(ctx, db, &c, "SELECT record FROM grantor_clients WHERE id = $1", []any{name(clientID)}, nil)
}

// Code returns the record filed under d, or storage.ErrNotFound.
func (db *DB) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	var c storage.Code
	var consumed *int64
	return one(ctx, db, &c, "SELECT record, consumed_at FROM grantor_codes WHERE digest = $1", []any{d[:]}, func() {
		c.Digest, c.ConsumedAt = d, instant(consumed)
	}, &consumed)
}

// Token returns the record filed under d, or storage.ErrNotFound.
func (db *DB) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	var t storage.Token
	var consumed, revoked *int64
	var answer []byte
	return one(ctx, db, &t, "SELECT record, consumed_at, revoked_at, answer FROM grantor_tokens WHERE digest = $1", []any{d[:]}, func() {
		t.Digest, t.ConsumedAt, t.RevokedAt, t.Answer = d, instant(consumed), instant(revoked), answer
	}, &consumed, &revoked, &answer)
}

// Grant returns the grant with this ID, or storage.ErrNotFound.
func (db *DB) Grant(ctx context.Context, grantID string) (*storage.Grant, error) {
	var g storage.Grant
	var revoked *int64
	var reason []byte
	return one(ctx, db, &g, "SELECT record, revoked_at, revoked_reason FROM grantor_grants WHERE id = $1", []any{name(grantID)}, func() {
		setRevoked(&g, revoked, reason)
	}, &revoked, &reason)
}

// setRevoked keeps what a grant was made with unless it has been revoked since.
func setRevoked(g *storage.Grant, at *int64, reason []byte) {
	g.RevokedAt, g.RevokedReason = instant(at), string(reason)
}

// Consent returns what the subject has agreed to for this client, or
// storage.ErrNotFound.
func (db *DB) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	var c storage.Consent
	return one(ctx, db, &c, "SELECT record FROM grantor_consents WHERE subject = $1 AND client_id = $2", []any{name(subject), name(clientID)}, nil)
}

// Keys returns the stored ring; before the first SwapKeys, a zero one.
func (db *DB) Keys(ctx context.Context) (*storage.KeyRing, error) {
	var r storage.KeyRing
	found, err := one(ctx, db, &r, "SELECT record FROM grantor_keys WHERE id = 1", nil, nil)
	if errors.Is(err, storage.ErrNotFound) {
		return &storage.KeyRing{}, nil
	}
	return found, err
}

// one reads a row that begins with a record into v, and what follows into columns.
func one[T any](ctx context.Context, db *DB, v *T, sql string, args []any, fill func(), columns ...any) (*T, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	defer db.end()
	var data []byte
	err := db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sql, args...).Scan(append([]any{&data}, columns...)...)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, explain(ctx, "reading", err)
	}
	if err := record.Decode(data, v); err != nil {
		return nil, explain(ctx, "a record is not what was written", err)
	}
	if fill != nil {
		fill()
	}
	return v, nil
}

// read asks again, once, if the connection turns out to be lost, and a few times if the
// server says that the same question may be answered next time.
func (db *DB) read(ctx context.Context, query func(context.Context, *pgx.Conn) error) error {
	fresh := false
	for attempt := 0; ; attempt++ {
		conn, err := db.acquire(ctx, fresh)
		if err != nil {
			return err
		}
		answered, cancel := db.patience(ctx)
		err = query(answered, conn.Conn())
		cancel()
		lost := conn.Conn().IsClosed()
		conn.Release()
		if lost && err != nil {
			db.suspect(ctx)
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case lost && !fresh:
			fresh = true
		case worthRepeating(err) && attempt+1 < maxAttempts:
			pause(ctx, attempt)
		default:
			return err
		}
	}
}
