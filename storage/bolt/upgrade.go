package bolt

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// The schemas that files were ever written in:
//
//	1  records in format 1
//	2  the bucket "ended"; new records in format 2, old ones are read as they are

// bucketsOf are the buckets that a file of that schema has.
func bucketsOf(schema uint64) []bucket {
	if schema < 2 {
		return slices.DeleteFunc(slices.Clone(buckets), func(b bucket) bool { return b == ended })
	}
	return buckets
}

// upgrade brings an older file to the present schema, in one transaction: it happens
// whole, or the next Open does it.
func (db *DB) upgrade() error {
	var found header
	err := db.read(func(t *txn) error {
		h, err := load[header](t, headers, headerKey)
		if err == nil {
			found = *h
		}
		return err
	})
	if err != nil || found.Schema == schema {
		return err
	}
	err = guard(func() error {
		return db.bolt.Update(func(tx *bbolt.Tx) error {
			for _, b := range buckets {
				if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
					return err
				}
			}
			return (&txn{tx: tx}).writeHeader(header{Magic: magic, Schema: schema})
		})
	})
	if err != nil {
		return fmt.Errorf("upgrade from schema %d to %d, which is tried again at the next start: %w", found.Schema, schema, err)
	}
	return nil
}
