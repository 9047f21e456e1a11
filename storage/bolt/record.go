package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// A stored value is the format's number, a CRC-32C in big-endian, and the record as
// package record writes it. The checksum covers the bucket's name and the key as well:
// a record in the wrong place is as wrong as a damaged one.
const (
	format1 = 1 // record.DecodeFormat1
	format2 = 2 // record.Decode

	sealHeader = 5
)

// What checksum would otherwise work out, and allocate, anew each time.
var (
	bucketSums = func() (sums [bucketCount]uint32) {
		for _, b := range buckets {
			sums[b] = crc32.Update(0, castagnoli, []byte(b.String()))
		}
		return sums
	}()
	sizes = func() (all [256][4]byte) {
		for n := range all {
			binary.BigEndian.PutUint32(all[n][:], uint32(n))
		}
		return all
	}()
)

func sizeOf(key []byte) []byte {
	if len(key) < len(sizes) {
		return sizes[len(key)][:]
	}
	return binary.BigEndian.AppendUint32(nil, uint32(len(key)))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal encodes v for its place in the file.
func seal(b bucket, key []byte, v any) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(256)
	buf.Write([]byte{format2, 0, 0, 0, 0})
	if v != nil {
		if err := record.AppendTo(&buf, v); err != nil {
			return nil, fmt.Errorf("bolt: for %s: %w", b, err)
		}
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
	case value[0] != format1 && value[0] != format2:
		return fmt.Errorf("%w: a record of %s has format %d, this version knows up to %d", ErrNewer, b, value[0], format2)
	}
	return nil
}

// unseal checks value and decodes it into v.
func unseal(b bucket, key, value []byte, v any) error {
	if err := verify(b, key, value); err != nil {
		return err
	}
	decode := record.Decode
	if value[0] == format1 {
		decode = record.DecodeFormat1
	}
	if err := decode(value[sealHeader:], v); err != nil {
		// The decoder's own words may quote the record.
		return fmt.Errorf("%w: a record of %s is not what this version writes", ErrCorrupt, b)
	}
	switch r := v.(type) {
	case *storage.Code:
		copy(r.Digest[:], key)
	case *storage.Token:
		copy(r.Digest[:], key)
	}
	return nil
}

// checksum covers, in this order: the bucket's name, the key's length in four bytes, the
// key, the format, the record.
func checksum(b bucket, key, value []byte) uint32 {
	sum := crc32.Update(bucketSums[b], castagnoli, sizeOf(key))
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[sealHeader:])
}
