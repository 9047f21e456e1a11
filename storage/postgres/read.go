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
	return find(ctx, db, clientTable, name(clientID), func(*storage.Client, *row) {})
}

// Code returns the record filed under d, or storage.ErrNotFound.
func (db *DB) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return find(ctx, db, codeTable, d[:], func(c *storage.Code, r *row) {
		c.Digest, c.ConsumedAt = d, instant(r.consumed)
	})
}

// Token returns the record filed under d, or storage.ErrNotFound.
func (db *DB) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return find(ctx, db, tokenTable, d[:], func(t *storage.Token, r *row) {
		t.Digest, t.ConsumedAt, t.RevokedAt, t.Answer = d, instant(r.consumed), instant(r.revoked), r.more
	})
}

// Grant returns the grant with this ID, or storage.ErrNotFound.
func (db *DB) Grant(ctx context.Context, grantID string) (*storage.Grant, error) {
	return find(ctx, db, grantTable, name(grantID), func(g *storage.Grant, r *row) {
		setRevoked(g, r.revoked, r.more)
	})
}

// setRevoked keeps what a grant was made with unless it has been revoked since.
func setRevoked(g *storage.Grant, at *int64, reason []byte) {
	g.RevokedAt, g.RevokedReason = instant(at), string(reason)
}

// Consent returns what the subject has agreed to for this client, or
// storage.ErrNotFound.
func (db *DB) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return one[storage.Consent](ctx, db, func() (r row, err error) {
		err = db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT record FROM grantor_consents WHERE subject = $1 AND client_id = $2", name(subject), name(clientID)).Scan(&r.record)
		})
		return r, err
	}, nil)
}

// Keys returns the stored ring; before the first SwapKeys, a zero one.
func (db *DB) Keys(ctx context.Context) (*storage.KeyRing, error) {
	found, err := one[storage.KeyRing](ctx, db, func() (r row, err error) {
		err = db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT record FROM grantor_keys WHERE id = 1").Scan(&r.record)
		})
		return r, err
	}, nil)
	if errors.Is(err, storage.ErrNotFound) {
		return &storage.KeyRing{}, nil
	}
	return found, err
}

// find looks a record up by key.
func find[T any](ctx context.Context, db *DB, t *table, key []byte, fill func(*T, *row)) (*T, error) {
	return one(ctx, db, func() (row, error) { return db.lookUp(ctx, t, key) }, fill)
}

// one decodes the record of one row, and fills in what is beside it.
func one[T any](ctx context.Context, db *DB, read func() (row, error), fill func(*T, *row)) (*T, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	defer db.end()
	r, err := read()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, explain(ctx, "reading", err)
	}
	v := new(T)
	if err := record.Decode(r.record, v); err != nil {
		return nil, explain(ctx, "a record is not what was written", err)
	}
	if fill != nil {
		fill(v, &r)
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
