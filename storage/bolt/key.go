package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
)

// bucket is a bbolt bucket. Its number stands for it in the log and must not change.
type bucket uint8

const (
	headers  bucket = iota // headerKey → header, logKey → logState
	clients                // name(client ID) → Client
	codes                  // Digest → Code
	tokens                 // Digest → Token
	grants                 // name(grant ID) → Grant
	bySubj                 // owner(subject) name(grant ID) → nothing
	consents               // owner(subject) name(client ID) → Consent
	ended                  // owner(subject) name(client ID or nothing) → ending
	keyring                // ringKey → KeyRing
	notices                // name(notice ID) → Notice

	bucketCount
)

var buckets = []bucket{headers, clients, codes, tokens, grants, bySubj, consents, ended, keyring, notices}

var bucketNames = [bucketCount]string{
	"grantor", "clients", "codes", "tokens", "grants", "subjects", "consents", "ended", "keys", "notices",
}

// String is the bucket's name in the file.
func (b bucket) String() string { return bucketNames[b] }

func (b bucket) in(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(b.String())) }

var (
	headerKey = []byte("header")
	logKey    = []byte("log")
	ringKey   = []byte("ring")
)

// longName is the length from which a name is cut and hashed: bbolt's keys end at 32
// KiB, and long before that they make its inner pages large.
const longName = 4096

// name is the key for an ID. Keys sort as the IDs do, except among IDs that share
// their first longName bytes, which sort by hash. The leading byte is there because
// bbolt has no empty keys.
func name(id string) []byte {
	if len(id) <= longName {
		return append([]byte{'='}, id...)
	}
	sum := sha256.Sum256([]byte(id))
	return append(append([]byte{'='}, id[:longName]...), sum[:]...)
}

// owner is the prefix of all keys that belong to a subject. It begins with the
// subject's length, so that no subject's prefix is a prefix of another's.
func owner(subject string) []byte {
	key := binary.BigEndian.AppendUint32(nil, uint32(min(len(subject), longName+1)))
	if len(subject) <= longName {
		return append(key, subject...)
	}
	sum := sha256.Sum256([]byte(subject))
	return append(key, sum[:]...)
}

// subjectKey is where the index files g.
func subjectKey(g *storage.Grant) []byte { return append(owner(g.Subject), name(g.ID)...) }

func consentKey(subject, clientID string) []byte { return append(owner(subject), name(clientID)...) }

// digestStamp is the time a code's or token's key begins with.
func digestStamp(key []byte) (time.Time, bool) {
	if len(key) != storage.DigestSize {
		return time.Time{}, false
	}
	return storage.Digest(key).ExpiresAt(), true
}

// grantStamp is the time a grant's key begins with, unless the host made up an ID of
// its own.
func grantStamp(key []byte) (time.Time, bool) {
	var d storage.Digest
	if len(key) < 13 {
		return time.Time{}, false
	}
	if _, err := hex.Decode(d[:6], key[1:13]); err != nil {
		return time.Time{}, false
	}
	return d.ExpiresAt(), true
}
