package storage

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Grant is one authorization: this user let this client do these things. Every
// code and token that follows from it carries its ID, and dies with it.
type Grant struct {
	// ID comes from [NewGrantID]. It is not a secret.
	ID string `cbor:"1,keyasint"`

	ClientID string `cbor:"2,keyasint"`

	// Subject is the host's name for the user (the sub claim, RFC 9068 §2.2).
	Subject string `cbor:"3,keyasint"`

	// Scopes and Resources are what the user granted. Tokens may carry less.
	Scopes    []string `cbor:"4,keyasint,omitempty"`
	Resources []string `cbor:"5,keyasint,omitempty"`

	// AuthorizationDetails is the JSON array of RFC 9396 §2 that the user granted; nil if
	// there is none.
	AuthorizationDetails []byte `cbor:"13,keyasint,omitempty"`

	// Claims is the JSON object of the claims parameter (OpenID Connect Core §5.5) and
	// ClaimsLocales the claims_locales (§5.2) that the client asked with; empty for none.
	Claims        []byte `cbor:"14,keyasint,omitempty"`
	ClaimsLocales string `cbor:"15,keyasint,omitempty"`

	// SessionID is the host's name of the browser session in which the user granted this;
	// empty for none (OpenID Connect Back-Channel Logout §2.3).
	SessionID string `cbor:"16,keyasint,omitempty"`

	// AuthTime, ACR and AMR tell how the user had signed in (RFC 9068 §2.2.1).
	AuthTime time.Time `cbor:"6,keyasint,omitempty"`
	ACR      string    `cbor:"7,keyasint,omitempty"`
	AMR      []string  `cbor:"8,keyasint,omitempty"`

	CreatedAt time.Time `cbor:"9,keyasint"`

	// ExpiresAt is fixed when the grant is made and never moves: no refresh carries
	// an authorization past it (RFC 9700 §4.14.2).
	ExpiresAt time.Time `cbor:"10,keyasint"`

	// RevokedAt is zero while the grant is live; RevokedReason says why it is not.
	RevokedAt     time.Time `cbor:"11,keyasint,omitempty"`
	RevokedReason string    `cbor:"12,keyasint,omitempty"`
}

// NewGrantID makes the ID of a grant that expires at the given time: its Unix
// milliseconds, then 80 random bits, as 32 hexadecimal digits that sort by expiry.
func NewGrantID(expiresAt time.Time) string {
	d := NewDigest(expiresAt, "")
	var id [16]byte
	copy(id[:6], d[:6])
	rand.Read(id[6:])
	return hex.EncodeToString(id[:])
}

// stampOf is the time that an ID of NewGrantID begins with, zero if it is another.
func stampOf(id string) time.Time {
	var d Digest
	if len(id) < 12 {
		return time.Time{}
	}
	if _, err := hex.Decode(d[:6], []byte(id[:12])); err != nil {
		return time.Time{}
	}
	return d.ExpiresAt()
}

// Consent is what a user has agreed to let a client do. It outlives grants, so
// that the user is not asked the same question twice.
type Consent struct {
	Subject  string `cbor:"1,keyasint"`
	ClientID string `cbor:"2,keyasint"`

	Scopes    []string `cbor:"3,keyasint,omitempty"`
	Resources []string `cbor:"4,keyasint,omitempty"`

	GrantedAt time.Time `cbor:"5,keyasint"`
	ExpiresAt time.Time `cbor:"6,keyasint,omitempty"` // zero: until withdrawn
}
