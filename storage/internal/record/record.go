// Package record writes the storage package's records as bytes, for backends that
// keep them as values. They are CBOR (RFC 8949) with small integer keys, so that a
// field can be added without a new format, and instants are whole microseconds.
//
// The Digest that a code or token is filed under is not repeated in it: the caller
// knows it, and sets it again after reading.
package record

import (
	"bytes"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/grantor-oauth/grantor/storage"
)

// Max bounds an encoded record, in bytes, well inside what Decode accepts: nothing is
// written that cannot be read.
const Max = 4 << 20

// Text that is not UTF-8 is stored as it is, for what the host calls a user or a
// client is the host's business.
var (
	encMode = must(cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC}.UserBufferEncMode())

	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		UTF8:              cbor.UTF8DecodeInvalid,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   8,
		MaxMapPairs:       256,
		MaxArrayElements:  Max,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err)
	}
	return mode
}

// AppendTo writes v, one of the records as a pointer, behind what buf holds.
func AppendTo(buf *bytes.Buffer, v any) error {
	before := buf.Len()
	var err error
	switch r := v.(type) {
	case *storage.Code:
		w := codeOf(r)
		buf.Write(w.appendTo(buf.AvailableBuffer()))
	case *storage.Token:
		w := tokenOf(r)
		buf.Write(w.appendTo(buf.AvailableBuffer()))
	case *storage.Grant:
		w := grantOf(r)
		buf.Write(w.appendTo(buf.AvailableBuffer()))
	default:
		err = encMode.MarshalToBuffer(v, buf)
	}
	if err != nil {
		return fmt.Errorf("record: %T cannot be stored: %w", v, err)
	}
	if n := buf.Len() - before; n > Max {
		return fmt.Errorf("record: %T takes %d bytes; the most is %d", v, n, Max)
	}
	return nil
}

// Encode is v, one of the records as a pointer, as bytes.
func Encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	err := AppendTo(&buf, v)
	return buf.Bytes(), err
}

// Decode reads what AppendTo wrote into v, a pointer to a zero record of the same type.
func Decode(data []byte, v any) error {
	switch r := v.(type) {
	case *storage.Code:
		var w code
		if w.read(data) {
			*r = w.record()
			return nil
		}
	case *storage.Token:
		var w token
		if w.read(data) {
			*r = w.record()
			return nil
		}
	case *storage.Grant:
		var w grant
		if w.read(data) {
			*r = w.record()
			return nil
		}
	}
	return decode(data, v)
}

// decode is Decode by the library alone.
func decode(data []byte, v any) error {
	var err error
	switch r := v.(type) {
	case *storage.Code:
		var w code
		if err = decMode.Unmarshal(data, &w); err == nil {
			*r = w.record()
		}
	case *storage.Token:
		var w token
		if err = decMode.Unmarshal(data, &w); err == nil {
			*r = w.record()
		}
	case *storage.Grant:
		var w grant
		if err = decMode.Unmarshal(data, &w); err == nil {
			*r = w.record()
		}
	default:
		err = DecodeFormat1(data, v)
	}
	return err
}

// DecodeFormat1 reads what was written when every Digest was repeated and instants were
// text.
func DecodeFormat1(data []byte, v any) error {
	err := decMode.Unmarshal(data, v)
	if c, ok := v.(*storage.Client); ok && c.Revision == 0 {
		c.Revision = firstRevision
	}
	return err
}

// firstRevision is that of clients that were stored before there were any.
const firstRevision = 1

// instant is a time in microseconds since the year 1, whose beginning is the zero
// time.Time. Less than a microsecond is cut off.
type instant int64

const secondsToUnix = -62135596800 // of the year 1

func at(t time.Time) instant {
	return instant((t.Unix()-secondsToUnix)*1e6 + int64(t.Nanosecond()/1e3))
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(int64(i)/1e6+secondsToUnix, int64(i)%1e6*1e3).UTC()
}
