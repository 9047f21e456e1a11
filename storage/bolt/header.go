package bolt

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"

	"github.com/grantor-oauth/grantor/storage"
)

// magic and schema are written into every file at creation. The schema is raised
// when an older version of this package could no longer make sense of the file.
const (
	magic  = "grantor storage"
	schema = 4
)

// header says what a file is. Older programs read it too, so it gets no new fields.
type header struct {
	Magic  string `cbor:"1,keyasint"`
	Schema uint64 `cbor:"2,keyasint"`
}

func (t *txn) header() (*header, error) { return load[header](t, headers, headerKey) }

// writeHeader makes an empty file, or one of an earlier schema, one of this schema.
func (t *txn) writeHeader() error {
	return errors.Join(
		t.store(headers, headerKey, &header{Magic: magic, Schema: schema}),
		t.writeLogState(logState{ID: newLogID()}),
	)
}

// check finds out whether the file at path can be trusted, without writing to it.
// It looks at the skeleton first, by plain reads, for bbolt would follow a damaged
// one into places from which nobody returns.
func check(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("not a regular file: choose another path")
	case info.Size() == 0:
		return fmt.Errorf("%w: it is empty", ErrCorrupt)
	}

	// While this is open, nobody else writes.
	var db *bbolt.DB
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
		return err
	})
	switch {
	case err == nil:
		defer db.Close()
	case errors.Is(err, bberrors.ErrTimeout):
		return err
	case errors.Is(err, bberrors.ErrVersionMismatch):
		return fmt.Errorf("%w: it is in a format of bbolt that this version does not know", ErrNewer)
	default:
		return corrupt(err)
	}
	if err := checkSkeleton(f, false); err != nil {
		return err
	}
	return guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			t := &txn{tx: tx}
			if err := checkHeader(t); err != nil {
				return err
			}
			_, err := readLog(path, t)
			return err
		})
	})
}

func checkHeader(t *txn) error {
	if headers.in(t.tx) == nil {
		return ErrForeign
	}
	h, err := t.header()
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return ErrForeign
	case err != nil:
		return err
	case h.Magic != magic:
		return ErrForeign
	case h.Schema > schema:
		return fmt.Errorf("%w: its schema is %d, the newest that this version knows is %d: update the program",
			ErrNewer, h.Schema, schema)
	case h.Schema < 1:
		return fmt.Errorf("%w: there has never been a schema %d", ErrCorrupt, h.Schema)
	}
	for _, b := range bucketsOf(h.Schema) {
		if b.in(t.tx) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, b)
		}
	}
	return nil
}
