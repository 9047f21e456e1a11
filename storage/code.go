package storage

import "time"

// Code is a short-lived value that may be used once.
type Code struct {
	Digest Digest `cbor:"1,keyasint"`

	// Kind keeps the uses apart.
	Kind CodeKind `cbor:"2,keyasint"`

	// ClientID is the only client that may use it; GrantID the grant it stands for.
	ClientID string `cbor:"3,keyasint,omitempty"`
	GrantID  string `cbor:"4,keyasint,omitempty"`

	// RedirectURI is where the code was sent. RedirectURIOmitted tells that the
	// authorization request did not carry it, so that the token request need not either
	// (RFC 6749 §4.1.3).
	RedirectURI        string `cbor:"5,keyasint,omitempty"`
	RedirectURIOmitted bool   `cbor:"11,keyasint,omitempty"`

	// CodeChallenge is the S256 challenge (RFC 7636 §4.3).
	CodeChallenge string `cbor:"6,keyasint,omitempty"`

	// Answer is what the use of this value led to, sealed so that only who presents it
	// again can open it; nil if that is not kept.
	Answer []byte `cbor:"10,keyasint,omitempty"`

	// Request is the request that a PushedRequest, UserCode or BackchannelPrompt stands for, as
	// the JSON object of its parameters, without any that authenticate the client; nil for the
	// other kinds.
	Request []byte `cbor:"12,keyasint,omitempty"`

	// Confirmation is the JSON object of the cnf claim (RFC 7800 §3.1) whose key whoever
	// uses this value has to prove possession of; nil if there is none.
	Confirmation []byte `cbor:"13,keyasint,omitempty"`

	// Nonce is the nonce of the authorization request, for the ID token (OpenID Connect Core
	// §3.1.2.1); empty if there is none.
	Nonce string `cbor:"14,keyasint,omitempty"`

	IssuedAt   time.Time `cbor:"7,keyasint"`
	ExpiresAt  time.Time `cbor:"8,keyasint"`
	ConsumedAt time.Time `cbor:"9,keyasint,omitempty"` // zero: unused
}

// CodeKind says what a [Code] is.
type CodeKind string

// The kinds of [Code].
const (
	// AuthorizationCode is the code of RFC 6749 §4.1.2.
	AuthorizationCode CodeKind = "authorization_code"

	// SeenOnce marks an identifier as used; adding it a second time is ErrExists.
	SeenOnce CodeKind = "seen_once"

	// PushedRequest is the request_uri of RFC 9126 §2.2.
	PushedRequest CodeKind = "pushed_request"

	// DeviceCode and UserCode are the two codes of RFC 8628 §3.2; DeviceDecision is what
	// the user decided about them.
	DeviceCode     CodeKind = "device_code"
	UserCode       CodeKind = "user_code"
	DeviceDecision CodeKind = "device_decision"

	// BackchannelRequest is the auth_req_id of OpenID Connect CIBA Core §7.3, BackchannelPrompt
	// the name under which the host asks the user about it, and BackchannelDecision what the
	// user decided.
	BackchannelRequest  CodeKind = "backchannel_request"
	BackchannelPrompt   CodeKind = "backchannel_prompt"
	BackchannelDecision CodeKind = "backchannel_decision"
)
