package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/grantor-oauth/grantor/storage"
)

// Client returns the client with this exact ID, or storage.ErrNotFound.
func (db *DB) Client(ctx context.Context, clientID string) (*storage.Client, error) {
	return one[storage.Client](ctx, db, clients, name(clientID))
}

// Code returns the record filed under d, used or not, or storage.ErrNotFound.
func (db *DB) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return one[storage.Code](ctx, db, codes, d[:])
}

// Token returns the record filed under d, or storage.ErrNotFound.
func (db *DB) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return one[storage.Token](ctx, db, tokens, d[:])
}

// Grant returns the grant with this ID, revoked or not, or storage.ErrNotFound.
func (db *DB) Grant(ctx context.Context, grantID string) (*storage.Grant, error) {
	return one[storage.Grant](ctx, db, grants, name(grantID))
}

// Consent returns what the subject has agreed to for this client, or
// storage.ErrNotFound.
func (db *DB) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return one[storage.Consent](ctx, db, consents, consentKey(subject, clientID))
}

// Epoch returns the number of the present epoch; see storage.Epochs. It grows in the very
// moment in which readers see what ended the one before.
func (db *DB) Epoch(of any) (epoch uint64, known bool) {
	now := db.recent.Load()
	return now.epoch, of == any(db) && !now.closed
}

// one reads one record, at one moment.
func one[T any](ctx context.Context, db *DB, b bucket, key []byte) (record *T, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := db.recent.Load()
	if value, known := now.find(b, key); known {
		record, err = decode[T](b, key, value)
		return record, db.explain(err)
	}
	err = db.read(func(t *txn) error {
		record, err = load[T](t, b, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// ListClients returns up to limit clients whose ID sorts after the given one. This list and
// the others come in the order of the IDs' bytes, except that IDs which share their first
// 4096 bytes are in an order of their own among themselves.
func (db *DB) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return list[storage.Client](ctx, db, clients, nil, after, limit)
}

// ListConsents returns up to limit consents of one subject whose ClientID sorts
// after the given one.
func (db *DB) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return list[storage.Consent](ctx, db, consents, owner(subject), after, limit)
}

// ListNotices returns up to limit notices whose ID sorts before the given one.
func (db *DB) ListNotices(ctx context.Context, before string, limit int) (found []storage.Notice, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	end := name(before)
	err = db.read(func(t *txn) error {
		return t.scan(notices, nil, nil, func(key, value []byte) (bool, error) {
			if bytes.Compare(key, end) >= 0 {
				return false, nil
			}
			var n storage.Notice
			if err := unseal(notices, key, value, &n); err != nil {
				return false, err
			}
			found = append(found, n)
			return len(found) < limit, ctx.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// ListGrants returns up to limit grants of one subject, revoked ones included, whose
// ID sorts after the given one.
func (db *DB) ListGrants(ctx context.Context, subject, after string, limit int) (found []storage.Grant, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	err = db.read(func(t *txn) error {
		all := func(*storage.Grant) bool { return true }
		found, err = grantsOf(t, subject, after, all, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func list[T any](ctx context.Context, db *DB, b bucket, prefix []byte, after string, limit int) (found []T, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	err = db.read(func(t *txn) error {
		return t.scan(b, prefix, afterKey(prefix, after), func(key, value []byte) (bool, error) {
			var record T
			if err := unseal(b, key, value, &record); err != nil {
				return false, err
			}
			found = append(found, record)
			return len(found) < limit, ctx.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// grantsOf returns up to limit grants of subject that want accepts, all of them if
// limit is 0, whose ID sorts after the given one.
func grantsOf(t *txn, subject, after string, want func(*storage.Grant) bool, limit int) ([]storage.Grant, error) {
	var found []storage.Grant
	prefix := owner(subject)
	err := t.scan(bySubj, prefix, afterKey(prefix, after), func(key, _ []byte) (bool, error) {
		value, err := t.find(grants, key[len(prefix):])
		if err != nil {
			return false, err
		}
		if value == nil {
			return false, fmt.Errorf("%w: a grant is in the index and nowhere else", ErrCorrupt)
		}
		var g storage.Grant
		if err := unseal(grants, key[len(prefix):], value, &g); err != nil {
			return false, err
		}
		if g.Subject != subject {
			return false, fmt.Errorf("%w: a grant is filed under another's subject", ErrCorrupt)
		}
		if want(&g) {
			found = append(found, g)
		}
		return limit == 0 || len(found) < limit, nil
	})
	return found, err
}

// afterKey is the key after which a list goes on.
func afterKey(prefix []byte, after string) []byte {
	if after == "" {
		return nil
	}
	return append(prefix[:len(prefix):len(prefix)], name(after)...)
}
