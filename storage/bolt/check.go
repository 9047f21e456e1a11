package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"

	"github.com/grantor-oauth/grantor/storage"
)

// Contents is how many records a database holds.
type Contents struct {
	Clients, Codes, Tokens, Grants, Consents, Notices int
}

// maxFaults is how many faults Check lists: somebody is going to read them.
const maxFaults = 100

// Check looks at every page and every record of the file at path, which nobody may have
// open, and does not change it. The error wraps [ErrCorrupt] and has a line for each
// fault; nil means that all of it is sound. It reads files of every schema that there
// was, with their log if a crash has left one, and takes some seconds for each GB.
func Check(ctx context.Context, path string) (Contents, error) {
	var found Contents
	f, err := os.Open(path)
	if err != nil {
		return found, openError(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return found, openError(path, errors.Join(err, fmt.Errorf("%w: it is empty", ErrCorrupt)))
	}
	var db *bbolt.DB
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true, Timeout: lockWait, PreLoadFreelist: true})
		return err
	})
	switch {
	case errors.Is(err, bberrors.ErrTimeout):
		return found, openError(path, err)
	case errors.Is(err, bberrors.ErrVersionMismatch):
		return found, openError(path, fmt.Errorf("%w: it is in a format of bbolt that this version does not know", ErrNewer))
	case err != nil:
		return found, openError(path, corrupt(err))
	}
	defer db.Close()
	// What the records say means nothing while the skeleton is broken.
	if err := checkSkeleton(f, true); err != nil {
		return found, openError(path, err)
	}
	c := &checker{ctx: ctx, found: &found}
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			t := &txn{tx: tx}
			if err := checkHeader(t); err != nil {
				return err
			}
			left, err := readLog(path, t)
			if err != nil {
				return err
			}
			t.recent = recent{layers: []*layer{left}, seq: 1}
			return c.all(t)
		})
	})
	if err := errors.Join(errors.Join(c.faults...), err); err != nil {
		return found, openError(path, err)
	}
	return found, nil
}

// checker goes through the records.
type checker struct {
	ctx    context.Context
	found  *Contents
	faults []error
}

// errEnough ends a check that has found more than anybody wants to read.
var errEnough = fmt.Errorf("%w: there are more faults than the %d above", ErrCorrupt, maxFaults)

func (c *checker) fault(format string, args ...any) error {
	c.faults = append(c.faults, fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...)))
	if len(c.faults) >= maxFaults {
		return errEnough
	}
	return nil
}

func (c *checker) all(t *txn) error {
	for _, step := range []func(*txn) error{
		func(t *txn) error {
			return eachRecord(c, t, clients, &c.found.Clients, func(key []byte, r *storage.Client) string {
				return c.filed(key, name(r.ID))
			})
		},
		func(t *txn) error {
			return eachRecord(c, t, codes, &c.found.Codes, func([]byte, *storage.Code) string { return "" })
		},
		func(t *txn) error {
			return eachRecord(c, t, tokens, &c.found.Tokens, func([]byte, *storage.Token) string { return "" })
		},
		func(t *txn) error {
			return eachRecord(c, t, grants, &c.found.Grants, func(key []byte, r *storage.Grant) string {
				if index, _ := t.find(bySubj, subjectKey(r)); index == nil {
					return "it is not in the index of its subject"
				}
				return c.filed(key, name(r.ID))
			})
		},
		func(t *txn) error {
			return eachRecord(c, t, consents, &c.found.Consents, func(key []byte, r *storage.Consent) string {
				return c.filed(key, consentKey(r.Subject, r.ClientID))
			})
		},
		c.index,
		func(t *txn) error {
			var n int
			if ended.in(t.tx) == nil {
				return nil // schema 1
			}
			return eachRecord(c, t, ended, &n, func([]byte, *ending) string { return "" })
		},
		func(t *txn) error {
			var n int
			return eachRecord(c, t, keyring, &n, func([]byte, *storage.KeyRing) string { return "" })
		},
		func(t *txn) error {
			if notices.in(t.tx) == nil {
				return nil // before schema 4
			}
			return eachRecord(c, t, notices, &c.found.Notices, func(key []byte, r *storage.Notice) string {
				return c.filed(key, name(r.ID))
			})
		},
		c.pages,
	} {
		if err := step(t); err != nil {
			return err
		}
	}
	return nil
}

// filed says what is wrong if a record is filed elsewhere than it belongs.
func (c *checker) filed(key, want []byte) string {
	if !bytes.Equal(key, want) {
		return "it is filed under another name than its own"
	}
	return ""
}

// eachRecord reads every record of a bucket, in order. wrong says what is wrong with
// one; "" for nothing.
func eachRecord[T any](c *checker, t *txn, b bucket, n *int, wrong func(key []byte, r *T) string) error {
	var last []byte
	return t.walk(b, nil, nil, func(k, v []byte) (bool, error) {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		*n++
		r := new(T)
		what := ""
		switch {
		case last != nil && bytes.Compare(k, last) <= 0:
			what = "it is out of order"
		case unseal(b, k, v, r) != nil:
			what = "it fails its checksum, or cannot be read"
		default:
			what = wrong(k, r)
		}
		if what != "" {
			if err := c.fault("record %d of %s: %s", *n, b, what); err != nil {
				return false, err
			}
		}
		last = k
		return true, nil
	})
}

// index makes sure that every entry of the index has its grant.
func (c *checker) index(t *txn) error {
	n := 0
	return t.walk(bySubj, nil, nil, func(k, v []byte) (bool, error) {
		n++
		what := ""
		if verify(bySubj, k, v) != nil {
			what = "it fails its checksum"
		} else if !c.hasGrant(t, k) {
			what = "there is no such grant"
		}
		if what != "" {
			if err := c.fault("entry %d of the index of subjects: %s", n, what); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// hasGrant reports whether the grant that an index entry names is there, and is its
// subject's. The entry does not say where the subject ends when that is hashed, so each
// place is tried where a name can begin.
func (c *checker) hasGrant(t *txn, entry []byte) bool {
	for i := 4; i < len(entry); i++ {
		if entry[i] != '=' {
			continue
		}
		value, err := t.find(grants, entry[i:])
		if value == nil || err != nil {
			continue
		}
		var g storage.Grant
		if unseal(grants, entry[i:], value, &g) == nil && bytes.Equal(subjectKey(&g), entry) {
			return true
		}
	}
	return false
}

// pages has bbolt see whether every page is either reachable or free. It does so in a
// goroutine, which ends when all that it has to say has been heard.
func (c *checker) pages(t *txn) error {
	said := t.tx.Check()
	defer func() {
		for range said {
		}
	}()
	for err := range said {
		if err := c.fault("%v", err); err != nil {
			return err
		}
	}
	return nil
}
