package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// DigestSize is the length of a [Digest] in bytes.
const DigestSize = 6 + sha256.Size

// Digest names a credential without holding it: the time after which its record
// may be dropped (Unix milliseconds in 6 bytes, big-endian), then the SHA-256 of the
// whole credential. Digests therefore sort by expiry, and one cannot be turned
// back into the credential: those we issue carry more than 200 random bits.
type Digest [DigestSize]byte

// NewDigest names credential, which expires at the given time. Times before 1970
// count as 1970, and precision below a millisecond is cut off.
func NewDigest(expiresAt time.Time, credential string) Digest {
	var d Digest
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(max(expiresAt.UnixMilli(), 0)))
	copy(d[:6], stamp[2:])
	var room [64]byte // for a credential of ours, so that it is not copied to the heap
	sum := sha256.Sum256(append(room[:0], credential...))
	copy(d[6:], sum[:])
	return d
}

// ExpiresAt is the time that d begins with.
func (d Digest) ExpiresAt() time.Time {
	var stamp [8]byte
	copy(stamp[2:], d[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(stamp[:])))
}

// String is d in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }
