package storage

import "time"

// Token is a refresh token, an opaque access token, or the mark that a signed
// access token has been revoked.
type Token struct {
	Digest Digest `cbor:"1,keyasint"`

	Kind TokenKind `cbor:"2,keyasint"`

	ClientID string `cbor:"3,keyasint,omitempty"`

	// GrantID is empty for a token that no user stands behind
	// (client_credentials).
	GrantID string `cbor:"4,keyasint,omitempty"`

	// Scopes and Resources are what this token carries, a part of its grant's.
	Scopes    []string `cbor:"5,keyasint,omitempty"`
	Resources []string `cbor:"6,keyasint,omitempty"`

	// Claims is a JSON object of further claims that the host's hook added to an
	// opaque access token when it was issued; nil if there are none.
	Claims []byte `cbor:"7,keyasint,omitempty"`

	// Confirmation is the JSON object of the cnf claim (RFC 7800 §3.1), the key that the
	// token is bound to (RFC 9449 §6, RFC 8705 §3); nil for one that is not.
	Confirmation []byte `cbor:"13,keyasint,omitempty"`

	// AuthorizationDetails is the JSON array of RFC 9396 §2 that this token carries, a
	// part of its grant's; nil if there is none.
	AuthorizationDetails []byte `cbor:"14,keyasint,omitempty"`

	// Actor is the JSON object of the act claim (RFC 8693 §4.1): who acts for the subject;
	// nil if nobody does.
	Actor []byte `cbor:"15,keyasint,omitempty"`

	// Subject is whom a token without a grant is about, if that is not its client.
	Subject string `cbor:"16,keyasint,omitempty"`

	IssuedAt  time.Time `cbor:"8,keyasint,omitempty"`
	ExpiresAt time.Time `cbor:"9,keyasint"`

	// ConsumedAt is when a refresh token was rotated, zero if it was not; Answer is
	// what [Consumption] filed with it.
	ConsumedAt time.Time `cbor:"10,keyasint,omitempty"`
	Answer     []byte    `cbor:"11,keyasint,omitempty"`

	RevokedAt time.Time `cbor:"12,keyasint,omitempty"`
}

// TokenKind says what a [Token] is.
type TokenKind string

// The kinds of [Token].
const (
	RefreshToken TokenKind = "refresh_token"
	AccessToken  TokenKind = "access_token"

	// RevokedToken is the record that a [Revocation] leaves for a token that was
	// not stored.
	RevokedToken TokenKind = "revoked_token"
)
