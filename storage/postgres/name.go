package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// longName is the length beyond which a name is cut and hashed: an entry of a B-tree
// has to fit into a third of a page, and two names share one.
const longName = 512

// name is an ID or a subject as a key. Keys sort as the names do, except among those
// that share their first longName bytes. No short name is as long as a hashed one, so
// no two names have one key.
func name(s string) []byte {
	if len(s) <= longName {
		return []byte(s)
	}
	sum := sha256.Sum256([]byte(s))
	return append([]byte(s[:longName]), sum[:]...)
}

// head is how much of a key sorts as the name does.
func head(key []byte) []byte { return key[:min(len(key), longName)] }

// micros is an instant as columns have it.
func micros(t time.Time) int64 { return t.UnixMicro() }

// microsOrNull is null for the zero time.
func microsOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	m := micros(t)
	return &m
}

func instant(m *int64) time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.UnixMicro(*m).UTC()
}

// stamp is what the digests of all that may be dropped before t sort before.
func stamp(t time.Time) []byte {
	d := storage.NewDigest(t, "")
	return d[:6]
}

// grantStamp is the same for the IDs of grants.
func grantStamp(t time.Time) []byte { return []byte(hex.EncodeToString(stamp(t))) }
