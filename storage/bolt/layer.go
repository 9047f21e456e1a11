package bolt

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// change is a record that was put or, where value is nil, removed. Neither key nor value
// is changed any more.
type change struct {
	bucket bucket
	key    string
	value  []byte
}

// batch is what a group of writes changes, in order, before it is on disk.
type batch struct {
	changes []change
	latest  [bucketCount]map[string]int // where in changes a key was last
}

func (b *batch) reset() {
	clear(b.changes)
	b.changes = b.changes[:0]
	for _, m := range b.latest {
		clear(m)
	}
}

func (b *batch) add(c change) {
	if b.latest[c.bucket] == nil {
		b.latest[c.bucket] = make(map[string]int)
	}
	b.latest[c.bucket][c.key] = len(b.changes)
	b.changes = append(b.changes, c)
}

// find returns the value filed under key, nil if it was removed. known is false if this
// group has not touched it.
func (b *batch) find(in bucket, key []byte) (value []byte, known bool) {
	i, known := b.latest[in][string(key)]
	if !known {
		return nil, false
	}
	return b.changes[i].value, true
}

// layer is what one generation of the log holds: changes that are on disk there, and not
// yet in bbolt's file. Readers who began earlier still see what was before them.
type layer struct {
	generation uint64

	mu      sync.RWMutex
	records [bucketCount]map[string]*version

	changes, bytes int64 // how many, and of what size
}

// version is a record as the group number seq has left it.
type version struct {
	seq   uint64
	value []byte // nil: removed
	older *version
}

// at is the newest version that a reader who began after group seq may see.
func (v *version) at(seq uint64) *version {
	for v != nil && v.seq > seq {
		v = v.older
	}
	return v
}

// after is an empty layer with room for as much as l has.
func (l *layer) after() *layer {
	next := &layer{generation: l.generation + 1}
	for b, m := range l.records {
		if len(m) > 0 {
			next.records[b] = make(map[string]*version, len(m))
		}
	}
	return next
}

// add files what group seq has changed.
func (l *layer) add(changes []change, seq uint64) {
	versions := make([]version, len(changes))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes += int64(len(changes))
	for i, c := range changes {
		l.bytes += int64(len(c.key) + len(c.value))
		if l.records[c.bucket] == nil {
			l.records[c.bucket] = make(map[string]*version)
		}
		versions[i] = version{seq, c.value, l.records[c.bucket][c.key]}
		l.records[c.bucket][c.key] = &versions[i]
	}
}

// find returns the value filed under key after group seq, nil if it was removed. known is
// false if nothing up to that group has touched it.
func (l *layer) find(b bucket, key []byte, seq uint64) (value []byte, known bool) {
	l.mu.RLock()
	v := l.records[b][string(key)]
	l.mu.RUnlock()
	// A version, once filed, stays as it is.
	if v = v.at(seq); v == nil {
		return nil, false
	}
	return v.value, true
}

// collect adds to found what find would say of each key that begins with prefix and is not
// less than from.
func (l *layer) collect(b bucket, prefix, from string, seq uint64, found map[string][]byte) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for key, v := range l.records[b] {
		if key >= from && strings.HasPrefix(key, prefix) {
			if v = v.at(seq); v != nil {
				found[key] = v.value
			}
		}
	}
}

// yieldEvery is after how many records a merge lets others go first. It has time, and a
// request that waits for a processor does not: without it, every merge under load shows as
// ten milliseconds more for those that come meanwhile.
const yieldEvery = 16

// into makes all of l's changes in t, in the order of their keys, as bbolt likes them.
func (l *layer) into(t *txn) error {
	for _, b := range buckets {
		records := l.records[b]
		for i, key := range slices.Sorted(maps.Keys(records)) {
			if i%yieldEvery == yieldEvery-1 {
				runtime.Gosched()
			}
			var err error
			if value := records[key].value; value != nil {
				err = t.put(sealed{place{b, []byte(key)}, value})
			} else {
				err = t.remove(place{b, []byte(key)})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// recent is all that is not in bbolt's file, or was not a moment ago: the layers, the newest
// first, up to group seq. The first takes the next changes; one behind it is being merged.
type recent struct {
	layers []*layer
	seq    uint64
	epoch  uint64 // see DB.Epoch
	closed bool
}

// find returns what is filed under key, nil if that was removed. known is false if nothing
// up to that group has touched it.
func (r *recent) find(b bucket, key []byte) (value []byte, known bool) {
	for _, l := range r.layers {
		if value, known = l.find(b, key, r.seq); known {
			return value, true
		}
	}
	return nil, false
}

func (r *recent) oldest() *layer { return r.layers[len(r.layers)-1] }
