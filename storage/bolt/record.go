package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/fxamacker/cbor/v2"
)

// A stored value is the format's number, a CRC-32C in big-endian, and the record in
// CBOR (RFC 8949) with the integer keys that the storage package's field tags give.
// The checksum covers the bucket's name and the key as well: a record in the wrong
// place is as wrong as a damaged one.
const (
	format1    = 1
	sealHeader = 5

	// maxRecord keeps a record well inside what the decoder accepts, so that
	// nothing is written that cannot be read.
	maxRecord = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Times are kept to the nanosecond: a record's life ends exactly when it was told
// to. Text that is not UTF-8 is stored as it is, for what the host calls a user or a
// client is the host's business.
var (
	encMode = must(cbor.EncOptions{
		Sort: cbor.SortCoreDeterministic,
		Time: cbor.TimeRFC3339NanoUTC,
	}.UserBufferEncMode())

	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		UTF8:              cbor.UTF8DecodeInvalid,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   8,
		MaxMapPairs:       64,
		MaxArrayElements:  maxRecord,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err)
	}
	return mode
}

// seal encodes record for its place in the file.
func seal(b bucket, key []byte, record any) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(256)
	buf.Write([]byte{format1, 0, 0, 0, 0})
	if record != nil {
		if err := encMode.MarshalToBuffer(record, &buf); err != nil {
			return nil, fmt.Errorf("bolt: record for %s cannot be stored: %w", b, err)
		}
	}
	if buf.Len() > maxRecord {
		return nil, fmt.Errorf("bolt: record for %s has %d bytes; the most is %d", b, buf.Len(), maxRecord)
	}
	value := buf.Bytes()
	binary.BigEndian.PutUint32(value[1:], checksum(b, key, value))
	return value, nil
}

// verify reports whether value is what seal made for this place.
func verify(b bucket, key, value []byte) error {
	switch {
	case len(value) < sealHeader,
		binary.BigEndian.Uint32(value[1:]) != checksum(b, key, value):
		return fmt.Errorf("%w: a record of %s fails its checksum", ErrCorrupt, b)
	case value[0] != format1:
		return fmt.Errorf("%w: a record of %s has format %d, this version knows %d", ErrNewer, b, value[0], format1)
	}
	return nil
}

// unseal checks value and decodes it into record.
func unseal(b bucket, key, value []byte, record any) error {
	if err := verify(b, key, value); err != nil {
		return err
	}
	if err := decMode.Unmarshal(value[sealHeader:], record); err != nil {
		// The decoder's own words may quote the record.
		return fmt.Errorf("%w: a record of %s is not what this version writes", ErrCorrupt, b)
	}
	return nil
}

func checksum(b bucket, key, value []byte) uint32 {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(key)))
	sum := crc32.Update(0, castagnoli, []byte(b))
	sum = crc32.Update(sum, castagnoli, size[:])
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[sealHeader:])
}
