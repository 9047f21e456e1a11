package record

import "github.com/grantor-oauth/grantor/storage"

// The keys are for ever: a field that goes leaves its number unused. They begin where
// the fields of format 1 do.

type code struct {
	Kind               storage.CodeKind `cbor:"2,keyasint"`
	ClientID           string           `cbor:"3,keyasint,omitempty"`
	GrantID            string           `cbor:"4,keyasint,omitempty"`
	RedirectURI        string           `cbor:"5,keyasint,omitempty"`
	CodeChallenge      string           `cbor:"6,keyasint,omitempty"`
	IssuedAt           instant          `cbor:"7,keyasint,omitempty"`
	ExpiresAt          instant          `cbor:"8,keyasint,omitempty"`
	ConsumedAt         instant          `cbor:"9,keyasint,omitempty"`
	Answer             []byte           `cbor:"10,keyasint,omitempty"`
	RedirectURIOmitted bool             `cbor:"11,keyasint,omitempty"`
	Request            []byte           `cbor:"12,keyasint,omitempty"`
	Confirmation       []byte           `cbor:"13,keyasint,omitempty"`
	Nonce              string           `cbor:"14,keyasint,omitempty"`
}

func codeOf(r *storage.Code) code {
	return code{
		Kind: r.Kind, ClientID: r.ClientID, GrantID: r.GrantID,
		RedirectURI: r.RedirectURI, RedirectURIOmitted: r.RedirectURIOmitted, CodeChallenge: r.CodeChallenge,
		Answer: r.Answer, Request: r.Request, Confirmation: r.Confirmation, Nonce: r.Nonce,
		IssuedAt: at(r.IssuedAt), ExpiresAt: at(r.ExpiresAt), ConsumedAt: at(r.ConsumedAt),
	}
}

func (w *code) record() storage.Code {
	return storage.Code{
		Kind: w.Kind, ClientID: w.ClientID, GrantID: w.GrantID,
		RedirectURI: w.RedirectURI, RedirectURIOmitted: w.RedirectURIOmitted, CodeChallenge: w.CodeChallenge,
		Answer: w.Answer, Request: w.Request, Confirmation: w.Confirmation, Nonce: w.Nonce,
		IssuedAt: w.IssuedAt.time(), ExpiresAt: w.ExpiresAt.time(), ConsumedAt: w.ConsumedAt.time(),
	}
}

type token struct {
	Kind       storage.TokenKind `cbor:"2,keyasint"`
	ClientID   string            `cbor:"3,keyasint,omitempty"`
	GrantID    string            `cbor:"4,keyasint,omitempty"`
	Scopes     []string          `cbor:"5,keyasint,omitempty"`
	Resources  []string          `cbor:"6,keyasint,omitempty"`
	Claims     []byte            `cbor:"7,keyasint,omitempty"`
	IssuedAt   instant           `cbor:"8,keyasint,omitempty"`
	ExpiresAt  instant           `cbor:"9,keyasint,omitempty"`
	ConsumedAt instant           `cbor:"10,keyasint,omitempty"`
	Answer     []byte            `cbor:"11,keyasint,omitempty"`
	RevokedAt  instant           `cbor:"12,keyasint,omitempty"`

	Confirmation         []byte `cbor:"13,keyasint,omitempty"`
	AuthorizationDetails []byte `cbor:"14,keyasint,omitempty"`
	Actor                []byte `cbor:"15,keyasint,omitempty"`
	Subject              string `cbor:"16,keyasint,omitempty"`
}

func tokenOf(r *storage.Token) token {
	return token{
		Kind: r.Kind, ClientID: r.ClientID, GrantID: r.GrantID,
		Scopes: r.Scopes, Resources: r.Resources, Claims: r.Claims,
		Confirmation: r.Confirmation, AuthorizationDetails: r.AuthorizationDetails, Actor: r.Actor, Subject: r.Subject,
		IssuedAt: at(r.IssuedAt), ExpiresAt: at(r.ExpiresAt),
		ConsumedAt: at(r.ConsumedAt), Answer: r.Answer, RevokedAt: at(r.RevokedAt),
	}
}

func (w *token) record() storage.Token {
	return storage.Token{
		Kind: w.Kind, ClientID: w.ClientID, GrantID: w.GrantID,
		Scopes: w.Scopes, Resources: w.Resources, Claims: w.Claims,
		Confirmation: w.Confirmation, AuthorizationDetails: w.AuthorizationDetails, Actor: w.Actor, Subject: w.Subject,
		IssuedAt: w.IssuedAt.time(), ExpiresAt: w.ExpiresAt.time(),
		ConsumedAt: w.ConsumedAt.time(), Answer: w.Answer, RevokedAt: w.RevokedAt.time(),
	}
}

type grant struct {
	ID            string   `cbor:"1,keyasint"` // the key may hold a hash of it
	ClientID      string   `cbor:"2,keyasint"`
	Subject       string   `cbor:"3,keyasint"`
	Scopes        []string `cbor:"4,keyasint,omitempty"`
	Resources     []string `cbor:"5,keyasint,omitempty"`
	AuthTime      instant  `cbor:"6,keyasint,omitempty"`
	ACR           string   `cbor:"7,keyasint,omitempty"`
	AMR           []string `cbor:"8,keyasint,omitempty"`
	CreatedAt     instant  `cbor:"9,keyasint,omitempty"`
	ExpiresAt     instant  `cbor:"10,keyasint,omitempty"`
	RevokedAt     instant  `cbor:"11,keyasint,omitempty"`
	RevokedReason string   `cbor:"12,keyasint,omitempty"`

	AuthorizationDetails []byte `cbor:"13,keyasint,omitempty"`
	Claims               []byte `cbor:"14,keyasint,omitempty"`
	ClaimsLocales        string `cbor:"15,keyasint,omitempty"`
	SessionID            string `cbor:"16,keyasint,omitempty"`
}

func grantOf(r *storage.Grant) grant {
	return grant{
		ID: r.ID, ClientID: r.ClientID, Subject: r.Subject, Scopes: r.Scopes, Resources: r.Resources,
		AuthTime: at(r.AuthTime), ACR: r.ACR, AMR: r.AMR,
		CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt),
		RevokedAt: at(r.RevokedAt), RevokedReason: r.RevokedReason,
		AuthorizationDetails: r.AuthorizationDetails, Claims: r.Claims, ClaimsLocales: r.ClaimsLocales, SessionID: r.SessionID,
	}
}

func (w *grant) record() storage.Grant {
	return storage.Grant{
		ID: w.ID, ClientID: w.ClientID, Subject: w.Subject, Scopes: w.Scopes, Resources: w.Resources,
		AuthTime: w.AuthTime.time(), ACR: w.ACR, AMR: w.AMR,
		CreatedAt: w.CreatedAt.time(), ExpiresAt: w.ExpiresAt.time(),
		RevokedAt: w.RevokedAt.time(), RevokedReason: w.RevokedReason,
		AuthorizationDetails: w.AuthorizationDetails, Claims: w.Claims, ClaimsLocales: w.ClaimsLocales, SessionID: w.SessionID,
	}
}
