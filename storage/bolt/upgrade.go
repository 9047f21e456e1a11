package bolt

import "slices"

// The schemas that files were ever written in:
//
//	1  records in format 1
//	2  the bucket "ended"; new records in format 2, old ones are read as they are
//	3  the log, and the record that tells how far it has been merged
//	4  the bucket "notices"

// bucketsOf are the buckets that a file of that schema has.
func bucketsOf(schema uint64) []bucket {
	return slices.DeleteFunc(slices.Clone(buckets), func(b bucket) bool {
		return schema < 2 && b == ended || schema < 4 && b == notices
	})
}

// upgrade makes a file of an earlier schema one of the present.
func (t *txn) upgrade() error {
	for _, b := range buckets {
		if _, err := t.tx.CreateBucketIfNotExists([]byte(b.String())); err != nil {
			return err
		}
	}
	return t.writeHeader()
}
