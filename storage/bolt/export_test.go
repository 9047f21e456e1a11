package bolt

import (
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// LimitSize lets every commit fail that needs a larger file.
func (db *DB) LimitSize(bytes int) {
	db.alone(func() error {
		db.log.limit = int64(bytes)
		tx, err := db.bolt.Begin(true) // a merge may be under way
		if err != nil {
			return err
		}
		db.bolt.MaxSize = bytes
		return tx.Rollback()
	})
}

// OpenMapped opens a file of which only so much is mapped in advance.
func OpenMapped(path string, size int) (*DB, error) {
	db, err := Open(path)
	if err != nil {
		return nil, err
	}
	db.dropBase()
	if err := db.bolt.Close(); err != nil {
		return nil, err
	}
	db.mapped = int64(size)
	if db.bolt, err = openWith(path, size); err != nil {
		return nil, err
	}
	db.newBase()
	return db, nil
}

// alone does something while nothing is being written.
func (db *DB) alone(fn func() error) {
	if err := db.write(context.Background(), &job{alone: fn}); err != nil {
		panic(err)
	}
}

// Merge empties the log.
func (db *DB) Merge() { db.alone(func() error { return db.mergeAll(true) }) }

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
	// The next write finds that the log is not in use, and has to say so in the file.
	db.alone(func() error { return db.mergeAll(false) })
	tx, err := db.bolt.Begin(true)
	if err != nil {
		panic(err)
	}
	return func() { _ = tx.Rollback() }
}

// Raw changes the file behind the package's back.
func (db *DB) Raw(fn func(tx *bbolt.Tx) error) error {
	db.Merge()
	db.dropBase()
	defer db.newBase()
	return db.bolt.Update(fn)
}

// WriteSchema makes the file say that it has another schema.
func (db *DB) WriteSchema(n uint64) error {
	return db.Raw(func(tx *bbolt.Tx) error {
		return (&txn{tx: tx}).store(headers, headerKey, &header{Magic: magic, Schema: n})
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
	return newDB(path, db).Schema()
}

// Count is how many codes, tokens, grants and index entries the file holds.
func (db *DB) Count() (counts [4]int) {
	db.Merge()
	_ = db.bolt.View(func(tx *bbolt.Tx) error {
		for i, b := range []bucket{codes, tokens, grants, bySubj} {
			counts[i] = b.in(tx).Stats().KeyN
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

// LogEnd is where the log's next frame begins.
func (db *DB) LogEnd() (end int64) {
	db.alone(func() error {
		end = db.log.end
		return nil
	})
	return end
}

// Changes are what frames hold.
type Changes []change

// ReadFrames reads what may be the first generation of a log, without its first block.
func ReadFrames(data []byte) (Changes, error) {
	r := &logReader{name: "log", data: append(make([]byte, logStart), data...), generation: 1}
	err := r.read()
	return r.changes, err
}

// WriteFrame is a frame of these changes.
func WriteFrame(changes Changes) []byte {
	l := redoLog{generation: 1, end: logStart}
	return l.encode(changes)
}

// SealFrame makes a frame that passes for sound of what may be changes.
func SealFrame(data []byte) []byte {
	frame := append(make([]byte, frameHead), data...)
	binary.BigEndian.PutUint32(frame, frameMagic)
	binary.BigEndian.PutUint64(frame[8:], 1)
	binary.BigEndian.PutUint32(frame[24:], uint32(len(data)))
	frame = append(frame, make([]byte, frameAlign-len(frame)%frameAlign)...)
	if rest := (frameHead + len(data)) % frameAlign; rest == 0 {
		frame = frame[:frameHead+len(data)]
	}
	binary.BigEndian.PutUint32(frame[4:], frameSum(logID{}, logStart, frame))
	return frame
}

// LogSize is how long the two files of the log are.
func (db *DB) LogSize() (n int64) {
	db.alone(func() error {
		n = db.log.size[0] + db.log.size[1]
		return nil
	})
	return n
}
