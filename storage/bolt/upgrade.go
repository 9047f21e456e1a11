package bolt

import (
	"fmt"
	"slices"
)

// The schemas that files were ever written in:
//
//	1  records in format 1
//	2  the bucket "ended"; new records in format 2, old ones are read as they are
//	3  the log, and the record that tells how far it has been merged

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
	var found *header
	err := db.read(func(t *txn) (err error) {
		found, err = t.header()
		return err
	})
	if err != nil || found.Schema == schema {
		return err
	}
	err = db.update(func(t *txn) error {
		for _, b := range buckets {
			if _, err := t.tx.CreateBucketIfNotExists([]byte(b.String())); err != nil {
				return err
			}
		}
		return t.writeHeader()
	})
	if err != nil {
		return fmt.Errorf("upgrade from schema %d to %d, which is tried again at the next start: %w", found.Schema, schema, err)
	}
	return nil
}
