package bolt

import (
	"errors"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// base is a view of bbolt's file that all readers share, because to begin a transaction and
// to find a bucket takes as long as to find a record. It lasts from one change of the file to
// the next; when it is replaced, the last reader ends it.
type base struct {
	tx      *bbolt.Tx
	buckets [bucketCount]*bbolt.Bucket

	users atomic.Int64 // those who read, and one more until it is dropped
	spare sync.Pool    // of *txn that nobody uses, for their cursors
}

// enter reports whether b could be taken for reading: nobody enters what has ended.
func (b *base) enter() bool {
	for {
		users := b.users.Load()
		if users == 0 {
			return false
		}
		if b.users.CompareAndSwap(users, users+1) {
			return true
		}
	}
}

func (b *base) leave() {
	if b.users.Add(-1) == 0 {
		_ = b.tx.Rollback()
	}
}

// view is a txn on b, which its user has entered.
func (b *base) view() *txn {
	if t, ok := b.spare.Get().(*txn); ok {
		return t
	}
	return &txn{tx: b.tx, base: b}
}

// dropBase lets nobody enter the base any more. A change of the file may begin then: when the
// last reader has left, bbolt can use again the pages that the last change has replaced, and
// make a new map.
func (db *DB) dropBase() {
	if old := db.base.Swap(nil); old != nil {
		old.leave()
	}
}

// newBase makes what the file holds now the base. If that cannot be read, there is none, and
// each reader finds out why by itself. It is called before readers are let go of a layer that
// the file holds, so that who misses the layer does not have the base from before.
func (db *DB) newBase() {
	if db.stuck.Load() {
		return
	}
	b := new(base)
	err := guard(func() (err error) {
		if b.tx, err = db.bolt.Begin(false); err != nil {
			return err
		}
		for _, name := range buckets {
			b.buckets[name] = name.in(b.tx)
		}
		return nil
	})
	db.dropBase()
	if err == nil {
		b.users.Store(1)
		db.base.Store(b)
	} else if b.tx != nil {
		_ = guard(b.tx.Rollback)
	} else if errors.As(err, new(panicError)) {
		db.stuck.Store(true) // bbolt panicked with its locks held
		db.halt(err)
	}
}
