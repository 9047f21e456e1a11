package bolt

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// Keys returns the stored ring; before the first SwapKeys, a zero one.
func (db *DB) Keys(ctx context.Context) (*storage.KeyRing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ring := new(storage.KeyRing)
	err := db.read(func(t *txn) error { return loadRing(t, ring) })
	if err != nil {
		return nil, err
	}
	return ring, nil
}

// SwapKeys stores ring if the stored ring's Revision is still ring.Revision-1, and
// returns storage.ErrConflict if it is not.
func (db *DB) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	value, err := seal(keyring, ringKey, &ring)
	if err != nil {
		return err
	}
	return db.write(ctx, &job{apply: func(t *txn) error {
		var stored storage.KeyRing
		if err := loadRing(t, &stored); err != nil {
			return err
		}
		if stored.Revision != ring.Revision-1 {
			return storage.ErrConflict
		}
		return t.put(sealed{place{keyring, ringKey}, value})
	}})
}

func loadRing(t *txn, ring *storage.KeyRing) error {
	value, err := t.find(keyring, ringKey)
	if value == nil || err != nil {
		return err
	}
	return unseal(keyring, ringKey, value, ring)
}
