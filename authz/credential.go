package authz

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// A credential (authorization code, refresh token, opaque access token) is 38
// bytes in base64url: 6 that say until when its record is kept, which is what it is
// filed by, and 32 random ones.
const credentialLength = 51

var strictBase64 = base64.RawURLEncoding.Strict()

// newCredential makes a credential whose record is kept until the given time, which
// is no earlier than it expires.
func newCredential(expiresAt, keepUntil time.Time) (string, storage.Digest) {
	if keepUntil.Before(expiresAt) {
		keepUntil = expiresAt
	}
	stamp := storage.NewDigest(keepUntil, "")
	var b [38]byte
	copy(b[:6], stamp[:6])
	rand.Read(b[6:])
	var encoded [credentialLength]byte
	strictBase64.Encode(encoded[:], b[:])
	credential := string(encoded[:])
	return credential, storage.NewDigest(keepUntil, credential)
}

// digestOf is what a presented credential is filed under. For something that we
// never made it is the zero Digest, under which nothing is filed.
func digestOf(credential string) storage.Digest {
	if len(credential) != credentialLength {
		return storage.Digest{}
	}
	var room [credentialLength]byte
	b, err := strictBase64.AppendDecode(room[:0], []byte(credential))
	if err != nil {
		return storage.Digest{}
	}
	var stamp storage.Digest
	copy(stamp[:6], b[:6])
	return storage.NewDigest(stamp.ExpiresAt(), credential)
}
