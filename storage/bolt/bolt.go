// Package bolt keeps everything an authorization server must remember in one file,
// with no other process to run. It is the default [storage.Store].
//
//	db, err := bolt.Open("authz.db")
//	if err != nil { … }
//	defer db.Close()
//
// One process at a time can have the file open. Put it on a local disk: file locks
// and memory maps do not work well over a network. Give a container its folder, not the
// file alone.
//
// # What is promised
//
// A write is acknowledged after it has reached the disk, so it survives a crash of
// the process and of the machine. Writes that arrive while the disk is busy share
// the next trip to it; a lone writer waits for nobody.
//
// Every record carries a checksum over itself and its key, and before this package
// says that there is no such record, it makes sure that those around the gap are
// sound and in order. Damage gives an error that wraps [ErrCorrupt], not a wrong
// answer and not a crash. Open checks how the file hangs together: all of it up to
// 256 MiB, the inner pages alone beyond that, so that it takes a fraction of a second
// either way. What is left: bbolt keeps no checksum of its pages, so damage to the
// head of a page, or to the first key in it, done while the file is open or in a
// larger one, can hide records of that page.
//
// Expired codes, tokens and grants are removed a few at a time beside other writes.
// The file keeps the space and uses it again.
//
// # The log
//
// While it is open, the database is three files: beside authz.db there are
// authz.db-log0 and authz.db-log1, a few MB at the most, which hold the latest writes. From
// them these come into authz.db, in the background and when [DB.Close] is called, which then
// removes both. After a crash they stay, and the next Open reads them. So do not part them
// from the file then: Open refuses it without its log, and a log that is another's, with
// [ErrLog]. Open refuses a damaged log too. Only the very last group of writes cannot be told,
// if it is damaged after a crash, from one that the crash has cut off.
//
// # Backups
//
// [DB.Backup] writes a consistent copy of the open database, while it is in use; [Check]
// looks at every page and every record of a file that is not. A copy made by other means
// while the file is open is worth nothing. To restore, stop the process and put the copy
// in the file's place.
//
// # Secrets
//
// The file holds digests of codes and tokens, hashes of client secrets, and the
// signing keys, which are in clear unless the host gives the server a key to seal
// them with. It is created readable by its owner only (mode 0600); keep backups the
// same way.
//
// # Versions
//
// The file says which schema it was written in. Open brings a file of any earlier one
// up to date, in one transaction. A newer schema is refused with [ErrNewer] rather than
// guessed at.
package bolt

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// DB is a [storage.Store] in one file. Use [Open] to make one.
type DB struct {
	bolt   *bbolt.DB
	path   string
	mapped int64 // how large the file can become before bbolt makes another map
	group  group
	base   atomic.Pointer[base] // nil when closed, and when the file is being changed and may outgrow its map

	// recent is what lies above bbolt's file.
	recent   atomic.Pointer[recent]
	recentMu sync.Mutex // held by who changes it

	// halted, once set, is returned for every further write: after a failed fsync
	// nobody knows what the disk holds, and a tree that made bbolt panic must not
	// be built upon.
	halted atomic.Pointer[error]

	// stuck tells that bbolt's write lock could not be given back.
	stuck atomic.Bool

	merges atomic.Uint64 // how many were done

	// The rest belongs to whoever runs DB.run, and to Close after that.
	log     redoLog
	logged  bool   // bbolt's file says that the log is in use
	marked  bool   // it may say so
	pending batch  // what the present group changes
	merging *merge // the last one that was started
	sweeper sweeper

	at, since time.Time // the present of the last Write, and of the first of this generation

	close func() error
}

var (
	_ storage.Store  = (*DB)(nil)
	_ storage.Epochs = (*DB)(nil)
)

// lockWait is how long Open waits for whoever holds the file: long enough for a
// predecessor that is just closing it.
const lockWait = time.Second

// Open opens the file at path, and creates it if there is nothing there. It refuses
// a file that it cannot trust with one of this package's errors, and then leaves it
// untouched. An empty file is refused as damaged too: Open never leaves one behind,
// so an empty file once held something.
func Open(path string) (*DB, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if err = noLog(path); err == nil {
			err = create(path)
		} else if _, late := os.Stat(path); late == nil {
			err = nil // somebody else has made both meanwhile
		}
	}
	if err != nil {
		return nil, openError(path, err)
	}
	if err := check(path); err != nil {
		return nil, openError(path, err)
	}
	file, mapped, err := openMapped(path)
	if err != nil {
		return nil, openError(path, err)
	}
	db := newDB(path, file)
	db.mapped = mapped
	if err := db.recover(); err != nil {
		db.log.closeFiles()
		db.dropBase()
		return nil, openError(path, errors.Join(err, db.bolt.Close()))
	}
	if db.base.Load() == nil {
		db.newBase()
	}
	return db, nil
}

func newDB(path string, mapped *bbolt.DB) *DB {
	db := &DB{bolt: mapped, path: path}
	db.recent.Store(&recent{layers: []*layer{{}}})
	db.group.idle.L = &db.group.mu
	db.close = sync.OnceValue(db.closeOnce)
	return db
}

// Close waits for what is under way and releases the file. Further calls do
// nothing.
func (db *DB) Close() error { return db.close() }

func (db *DB) closeOnce() error {
	db.group.shut()
	_ = db.merging.wait()
	if db.stuck.Load() {
		db.log.closeFiles()
		return fmt.Errorf("%w: %s cannot be released before the process ends", ErrCorrupt, db.path)
	}
	var unmerged error
	if halted := db.halted.Load(); halted == nil {
		unmerged = db.mergeAll(false)
	} else if db.marked {
		unmerged = *halted
	}
	if unmerged != nil {
		db.log.closeFiles()
	} else {
		db.log.remove() // as long as nobody else can have the file, and make its own
	}
	db.recent.Store(&recent{layers: []*layer{{}}, closed: true}) // nobody reads any more
	db.dropBase()
	if err := db.bolt.Close(); err != nil {
		return fmt.Errorf("bolt: closing %s: %w", db.path, err)
	}
	if unmerged != nil {
		return fmt.Errorf("bolt: the last writes to %s are only in its log, %s and %s, which the next Open merges: keep them together: %w",
			db.path, logName(db.path, 0), logName(db.path, 1), unmerged)
	}
	return nil
}
