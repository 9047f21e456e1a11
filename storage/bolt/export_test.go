package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// Commits is how many transactions have been written.
func (db *DB) Commits() uint64 {
	var n int
	_ = db.bolt.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return uint64(n)
}

// LimitSize lets every commit fail that needs a larger file.
func (db *DB) LimitSize(bytes int) { db.bolt.MaxSize = bytes }

// Queued is how many writes wait for their turn.
func (db *DB) Queued() int {
	db.group.mu.Lock()
	defer db.group.mu.Unlock()
	return len(db.group.queue)
}

// Pending is how many writes have no outcome yet.
func (db *DB) Pending() int {
	db.group.mu.Lock()
	defer db.group.mu.Unlock()
	return len(db.group.queue) + len(db.group.now)
}

// Hold keeps the disk busy until the returned function is called.
func (db *DB) Hold() (release func()) {
	tx, err := db.bolt.Begin(true)
	if err != nil {
		panic(err)
	}
	return func() { _ = tx.Rollback() }
}

// Raw changes the file behind the package's back.
func (db *DB) Raw(fn func(tx *bbolt.Tx) error) error { return db.bolt.Update(fn) }

// WriteSchema makes the file say that it has another schema.
func (db *DB) WriteSchema(n uint64) error {
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		return (&txn{tx: tx}).writeHeader(header{Magic: magic, Schema: n})
	})
}

// Schema is what the file says of itself.
func (db *DB) Schema() (schema uint64) {
	_ = db.read(func(t *txn) error {
		h, err := load[header](t, headers, headerKey)
		if err == nil {
			schema = h.Schema
		}
		return err
	})
	return schema
}

// SchemaOf is what a file that nobody has open says of itself, 0 if it does not.
func SchemaOf(path string) uint64 {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return 0
	}
	defer db.Close()
	return (&DB{bolt: db}).Schema()
}

// Count is how many codes, tokens, grants and index entries the file holds.
func (db *DB) Count() (counts [4]int) {
	_ = db.bolt.View(func(tx *bbolt.Tx) error {
		for i, b := range []bucket{codes, tokens, grants, bySubj} {
			counts[i] = tx.Bucket([]byte(b)).Stats().KeyN
		}
		return nil
	})
	return counts
}

// PanicInWrite commits something that panics before, or after, its first change.
func (db *DB) PanicInWrite(dirty bool) error {
	return db.write(context.Background(), &job{apply: func(t *txn) error {
		if dirty {
			if err := t.store(clients, name("half"), &storage.Client{ID: "half"}); err != nil {
				return err
			}
		}
		panic("a test")
	}})
}
