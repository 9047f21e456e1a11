package storage

import "time"

// KeyRing is all of the server's keys. It is read and swapped as one value.
type KeyRing struct {
	// Revision counts the swaps; the zero ring has revision 0.
	Revision uint64 `cbor:"1,keyasint"`

	Keys []Key `cbor:"2,keyasint,omitempty"`

	// Issuer is the server that the whole store belongs to: two that shared one would
	// take each other's codes and consents for their own.
	Issuer string `cbor:"3,keyasint,omitempty"`
}

// Key is one key of the ring with its life: published from CreatedAt, signing from
// ActiveAt, no longer signing from RetiredAt, and gone from ExpiresAt.
type Key struct {
	// ID is the kid (RFC 7517 §4.5).
	ID string `cbor:"1,keyasint"`

	// Algorithm is a JWS algorithm (RFC 7518 §3.1) for a signing key, ECDH-ES or RSA-OAEP
	// for a key that others encrypt to, or "secret" for 32 random bytes that seal what the
	// server hands out and takes back.
	Algorithm string `cbor:"2,keyasint"`

	// Material is the private key in PKCS #8, or the secret's bytes; sealed if the
	// host gave the server a key for that, which Sealed tells.
	Material []byte `cbor:"3,keyasint"`
	Sealed   bool   `cbor:"4,keyasint,omitempty"`

	CreatedAt time.Time `cbor:"5,keyasint"`
	ActiveAt  time.Time `cbor:"6,keyasint"`
	RetiredAt time.Time `cbor:"7,keyasint,omitempty"` // zero: not planned yet
	ExpiresAt time.Time `cbor:"8,keyasint,omitempty"` // zero: not planned yet
}
