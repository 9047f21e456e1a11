package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	bberrors "go.etcd.io/bbolt/errors"

	"github.com/grantor-oauth/grantor/storage"
)

// guard runs fn, which uses bbolt, and makes an error of what a damaged file can do
// to it: bbolt panics on pages that make no sense, and since the file is mapped into
// memory, a page that is not there is a memory fault.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = panicError{fmt.Sprint(p)}
		}
	}()
	return fn()
}

// panicError is a panic that guard caught. It is an ErrCorrupt.
type panicError struct{ reason string }

func (e panicError) Error() string { return ErrCorrupt.Error() + ": " + e.reason }
func (e panicError) Unwrap() error { return ErrCorrupt }

// corrupt makes an ErrCorrupt of what stopped bbolt from opening a file.
func corrupt(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return err // guard has said so
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// read runs fn on all that has been committed.
func (db *DB) read(fn func(t *txn) error) error {
	return db.explain(guard(func() error {
		t, err := db.begin()
		if err != nil {
			return err
		}
		defer t.end()
		return fn(t)
	}))
}

// begin is a view of this moment, which must be ended.
func (db *DB) begin() (*txn, error) {
	for {
		before := db.recent.Load()
		t, err := db.beginBelow()
		if err != nil {
			return nil, err
		}
		// If a layer was dropped meanwhile, this may be from before it was merged; or from
		// after the next was, which holds more than belongs to this moment.
		now := db.recent.Load()
		if now.oldest() == before.oldest() && !now.closed {
			t.recent = *now
			return t, nil
		}
		t.end()
		if now.closed {
			return nil, storage.ErrClosed // the file may lack what is only in the log
		}
	}
}

// beginBelow is a view of bbolt's file alone.
func (db *DB) beginBelow() (*txn, error) {
	if b := db.base.Load(); b != nil && b.enter() {
		return b.view(), nil
	}
	tx, err := db.bolt.Begin(false)
	if err != nil {
		return nil, err
	}
	return &txn{tx: tx}, nil
}

// explain adds the path, and where there is one the cure, to an error from inside.
// Facts stay as they are.
func (db *DB) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bberrors.ErrDatabaseNotOpen):
		return storage.ErrClosed
	case errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%w (%s): restore it from a backup", err, db.path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: make room on the disk", err)
	}
	return err
}

// openError says what stopped Open, in terms of path and what to do about it.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, bberrors.ErrTimeout):
		return fmt.Errorf("%w: %s: stop the other process that uses it, close it in this one, or choose another path", ErrLocked, path)
	case errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%w (%s): restore it from a backup, or move it away to start with an empty one", err, path)
	case errors.Is(err, ErrForeign):
		return fmt.Errorf("%w: %s: choose another path", err, path)
	case errors.Is(err, ErrNewer), errors.Is(err, ErrLog):
		return fmt.Errorf("%w (%s)", err, path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("bolt: %s and its folder must be readable and writable: correct the permissions, or choose another path: %w", path, err)
	}
	return fmt.Errorf("bolt: opening %s: %w", path, err)
}

// lostSync reports whether err, from a commit, may be a failed fsync. After one the
// kernel may have dropped the pages it could not write, and a later fsync can
// succeed without them.
func lostSync(err error) bool {
	var op *fs.PathError
	if errors.As(err, &op) {
		return op.Op == "sync"
	}
	var errno syscall.Errno
	return errors.As(err, &errno) || strings.Contains(err.Error(), "file sync error")
}

// lacksRoom reports whether err says that a file cannot grow.
func lacksRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.Is(err, syscall.EFBIG) || errors.Is(err, errNoRoom)
}
