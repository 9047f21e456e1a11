package bolt

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// txn is a view of all records at one moment, which knows how they are kept: those of a
// bbolt transaction, and above them what the log holds, and what has not been written yet.
type txn struct {
	tx   *bbolt.Tx
	base *base // that tx belongs to; nil if it is this view's own

	// recent lies above tx, pending above that. Changes go into pending or, if that is
	// nil, into tx.
	recent
	pending *batch

	// dirty is set by the first change. What fails before it can be passed over;
	// what fails after it takes the whole group with it.
	dirty bool

	opened []opened
}

// opened is a bucket in use, with a cursor that has room for a path.
type opened struct {
	name   bucket
	bucket *bbolt.Bucket
	cursor *bbolt.Cursor
}

func (t *txn) open(b bucket) *opened {
	for i := range t.opened {
		if t.opened[i].name == b {
			return &t.opened[i]
		}
	}
	var found *bbolt.Bucket
	if t.base != nil {
		found = t.base.buckets[b]
	} else {
		found = b.in(t.tx)
	}
	if found == nil {
		panic(fmt.Sprintf("bucket %s is missing", b)) // guard makes it an ErrCorrupt
	}
	if t.tx.Writable() {
		found.FillPercent = fill(b)
	}
	t.opened = append(t.opened, opened{b, found, found.Cursor()})
	return &t.opened[len(t.opened)-1]
}

// end gives back what begin took. Nothing that was read is touched after it.
func (t *txn) end() {
	b := t.base
	if b == nil {
		_ = t.tx.Rollback()
		return
	}
	t.recent, t.pending, t.dirty = recent{}, nil, false
	b.spare.Put(t)
	b.leave()
}

func (t *txn) bucket(b bucket) *bbolt.Bucket { return t.open(b).bucket }

// fill is how full a page is made that has to be split. What is filed by time is added
// at the right edge, where half-empty pages would stay half empty.
func fill(b bucket) float64 {
	switch b {
	case codes, tokens, grants, notices:
		return 0.95
	}
	return bbolt.DefaultFillPercent
}

// find returns the value filed under key, nil if there is none.
//
// "There is none" is an answer with consequences: a code may be added, a token was
// not revoked. Damage to a key, or to an inner page that leads to it, makes a record
// unfindable without a checksum failing anywhere near it. So before find says none,
// it looks at the two records between which the key would be: they must be in order
// and sound.
func (t *txn) find(b bucket, key []byte) ([]byte, error) {
	if value, known := t.above(b, key); known {
		return value, nil
	}
	c := t.open(b).cursor
	k, v := c.Seek(key)
	if bytes.Equal(k, key) {
		if v == nil {
			return nil, fmt.Errorf("%w: a record of %s is a bucket", ErrCorrupt, b)
		}
		return v, nil
	}
	return nil, t.sound(b, c, key, k, v)
}

// above returns what lies above the file under key: a value, or nil if the record was
// removed. known is false if nothing does.
func (t *txn) above(b bucket, key []byte) (value []byte, known bool) {
	if t.pending != nil {
		if value, known = t.pending.find(b, key); known {
			return value, true
		}
	}
	return t.recent.find(b, key)
}

// allAbove is the same for all keys that begin with prefix and are not less than from, in
// order.
func (t *txn) allAbove(b bucket, prefix, from string) []change {
	found := make(map[string][]byte)
	for _, l := range slices.Backward(t.layers) {
		l.collect(b, prefix, from, t.seq, found)
	}
	if t.pending != nil {
		for _, c := range t.pending.changes {
			if c.bucket == b && c.key >= from && strings.HasPrefix(c.key, prefix) {
				found[c.key] = c.value
			}
		}
	}
	all := make([]change, 0, len(found))
	for key, value := range found {
		all = append(all, change{b, key, value})
	}
	slices.SortFunc(all, func(x, y change) int { return strings.Compare(x.key, y.key) })
	return all
}

// sound looks at both sides of a key that is not there. c is where the key would be,
// at the record k, v that follows it, nil at the end. The two next to it must be
// intact, and with one more on each side, in order: an entry that points to the wrong
// place shows an intact record where it does not belong.
func (t *txn) sound(b bucket, c *bbolt.Cursor, key, k, v []byte) error {
	back := c.Last
	if k != nil {
		if err := verify(b, k, v); err != nil {
			return err
		}
		if further, _ := c.Next(); bytes.Compare(k, key) < 0 || further != nil && bytes.Compare(further, k) <= 0 {
			return disorder(b)
		}
		c.Seek(key)
		back = c.Prev
	}
	p, pv := back()
	if p == nil {
		return nil
	}
	if err := verify(b, p, pv); err != nil {
		return err
	}
	if further, _ := c.Prev(); bytes.Compare(p, key) >= 0 || further != nil && bytes.Compare(further, p) >= 0 {
		return disorder(b)
	}
	return nil
}

func disorder(b bucket) error {
	return fmt.Errorf("%w: the records of %s are out of order", ErrCorrupt, b)
}

// scan calls fn for each record whose key begins with prefix and sorts after the
// given one, in ascending order, until fn returns false. Like find, it does not
// believe in a beginning or an end without having looked beyond it.
func (t *txn) scan(b bucket, prefix, after []byte, fn func(key, value []byte) (bool, error)) error {
	from := prefix
	if after != nil {
		from = append(after[:len(after):len(after)], 0) // the least key behind it
	}
	c := t.bucket(b).Cursor()
	k, v := c.Seek(from)
	if err := t.sound(b, c, from, k, v); err != nil {
		return err
	}
	last := from
	return t.walk(b, prefix, from, func(key, value []byte) (bool, error) {
		if err := verify(b, key, value); err != nil {
			return false, err
		}
		if bytes.Compare(key, last) < 0 {
			return false, disorder(b)
		}
		if !bytes.HasPrefix(key, prefix) {
			return false, nil
		}
		last = key
		return fn(key, value)
	})
}

// walk calls fn for each record from the given key on, in ascending order and however
// damaged, until fn returns false. Of what begins with another prefix it may leave out some.
func (t *txn) walk(b bucket, prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	above := t.allAbove(b, string(prefix), string(from))
	c := t.bucket(b).Cursor()
	k, v := c.Seek(from)
	for k != nil || len(above) > 0 {
		key, value := k, v
		if len(above) == 0 || k != nil && string(k) < above[0].key {
			k, v = c.Next()
		} else {
			if string(k) == above[0].key {
				k, v = c.Next()
			}
			key, value = []byte(above[0].key), above[0].value
			if above = above[1:]; value == nil {
				continue
			}
		}
		if more, err := fn(key, value); err != nil || !more {
			return err
		}
	}
	return nil
}

// load reads the record filed under key.
func load[T any](t *txn, b bucket, key []byte) (*T, error) {
	value, err := t.find(b, key)
	if err != nil {
		return nil, err
	}
	return decode[T](b, key, value)
}

// decode reads a record; nil is none.
func decode[T any](b bucket, key, value []byte) (*T, error) {
	if value == nil {
		return nil, storage.ErrNotFound
	}
	record := new(T)
	if err := unseal(b, key, value, record); err != nil {
		return nil, err
	}
	return record, nil
}

// place is where a record is filed.
type place struct {
	bucket bucket
	key    []byte
}

// sealed is a record ready to be put.
type sealed struct {
	place
	value []byte
}

func (t *txn) put(s sealed) error {
	t.dirty = true
	if t.pending != nil {
		t.pending.add(change{s.bucket, string(s.key), s.value})
		return nil
	}
	return t.bucket(s.bucket).Put(s.key, s.value)
}

// store seals record and puts it.
func (t *txn) store(b bucket, key []byte, record any) error {
	value, err := seal(b, key, record)
	if err != nil {
		return err
	}
	return t.put(sealed{place{b, key}, value})
}

func (t *txn) remove(p place) error {
	t.dirty = true
	if t.pending != nil {
		t.pending.add(change{p.bucket, string(p.key), nil})
		return nil
	}
	return t.bucket(p.bucket).Delete(p.key)
}
