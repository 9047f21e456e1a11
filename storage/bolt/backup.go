package bolt

import (
	"context"
	"fmt"
	"io"
	"sync"

	"go.etcd.io/bbolt"
)

// Backup writes a copy of the database to w, as it is at one moment, while reads and
// writes go on, and returns how many bytes that were. It has no log and needs none. The copy is a database like any
// other: put it in the file's place to restore it, and keep it as secret as the file
// (mode 0600), for it holds the same. It is not checked on the way: [Check] does that.
//
// Pages that are replaced meanwhile are kept until it is done, so the file grows while w
// is slow. When ctx ends, Backup stops with its error. Nobody waits for it, except where
// memory maps cannot be made in advance (Windows, 32-bit machines, a limit on the address
// space) or the file grows beyond 16 GiB and twice the size it was opened with: there, a
// write that needs a larger map waits until the backup is done, and all that come after it
// do. Write such a backup to a local file, and send it on from there.
func (db *DB) Backup(ctx context.Context, w io.Writer) (n int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	tx, err := db.whole(ctx)
	if err == nil {
		err = db.explain(guard(func() (err error) {
			defer tx.Rollback()
			n, err = tx.WriteTo(&cancellable{ctx, w})
			return err
		}))
	}
	if err != nil {
		return n, fmt.Errorf("bolt: the backup of %s is not complete: %w", db.path, err)
	}
	return n, nil
}

// cancellable is w until ctx ends.
type cancellable struct {
	ctx context.Context
	w   io.Writer
}

func (c *cancellable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// whole begins a transaction that sees bbolt's file when it holds everything, and can do
// without its log. For that, writes wait a few milliseconds.
func (db *DB) whole(ctx context.Context) (*bbolt.Tx, error) {
	var mu sync.Mutex
	var tx *bbolt.Tx
	gone := false
	err := db.write(ctx, &job{alone: func() error {
		if err := db.mergeAll(false); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if gone {
			return nil
		}
		var err error
		tx, err = db.bolt.Begin(false)
		return err
	}})
	mu.Lock()
	defer mu.Unlock()
	if gone = err != nil; gone && tx != nil { // it began just as ctx ended
		_ = tx.Rollback()
	}
	return tx, err
}
