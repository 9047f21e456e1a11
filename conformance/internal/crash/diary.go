package crash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/grantor-oauth/grantor/storage"
)

// A server keeps a diary of what it asks of its store: an entry before each change, and
// another when the store has answered. It is written straight to a file, so that it is
// there when the server is gone, and tells what must be found in the store whole: what
// the store had acknowledged; and what must be found whole or not at all: the rest.

// entry is a line of the diary.
type entry struct {
	N int64 `cbor:"1,keyasint"` // which change

	// What is asked for: one of the three. None in the second entry of a change.
	Write  *storage.Write   `cbor:"2,keyasint,omitempty"`
	Ring   *storage.KeyRing `cbor:"3,keyasint,omitempty"`
	Client *storage.Client  `cbor:"4,keyasint,omitempty"`

	Outcome outcome `cbor:"5,keyasint,omitempty"`

	// Asked is when, by the machine's clock, in nanoseconds: the diaries of several servers
	// have no other order.
	Asked int64 `cbor:"6,keyasint,omitempty"`
}

// outcome is what the store said.
type outcome int

const (
	unknown outcome = iota // nothing, or that it could not find out
	done
	refused // a condition did not hold, so nothing happened
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrExists), errors.Is(err, storage.ErrConsumed),
		errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrConflict):
		return refused
	}
	return unknown
}

var encoding = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()

// diary is the writing side.
type diary struct {
	file *os.File
	n    atomic.Int64
}

func openDiary(path string) (*diary, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &diary{file: f}, err
}

func (d *diary) begin(e entry) int64 {
	e.N, e.Asked = d.n.Add(1), time.Now().UnixNano()
	d.put(e)
	return e.N
}

func (d *diary) end(n int64, err error) { d.put(entry{N: n, Outcome: outcomeOf(err)}) }

// put writes an entry in one piece: several goroutines do so at once.
func (d *diary) put(e entry) {
	b, err := encoding.Marshal(e)
	if err == nil {
		_, err = d.file.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	if err != nil {
		panic(fmt.Sprint("the diary cannot be written: ", err))
	}
}

// diaryReader is the reading side. It goes on where it stopped.
type diaryReader struct {
	path   string
	offset int64
}

// read returns what was written since the last time. An entry that breaks off is none:
// what it would have told of had not begun.
func (r *diaryReader) read() ([]entry, error) {
	f, err := os.Open(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // killed before it began
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size()-r.offset)
	if _, err := f.ReadAt(b, r.offset); err != nil {
		return nil, err
	}
	var entries []entry
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint32(b))
		if len(b) < 4+n {
			break
		}
		var e entry
		if err := cbor.Unmarshal(b[4:4+n], &e); err != nil {
			return nil, fmt.Errorf("the diary %s: %w", r.path, err)
		}
		entries = append(entries, e)
		b = b[4+n:]
		r.offset += int64(4 + n)
	}
	return entries, nil
}
