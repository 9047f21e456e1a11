package authz

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
)

// confirmation are keys: those that a request proves to hold, or those that a token is bound
// to. In a token it is the cnf claim (RFC 7800 §3.1).
type confirmation struct {
	Certificate string `json:"x5t#S256,omitempty"` // SHA-256 of the certificate (RFC 8705 §3.1)
	Key         string `json:"jkt,omitempty"`      // SHA-256 thumbprint of a DPoP key (RFC 9449 §6.1)
}

// claim is the cnf claim; nil if there is nothing to confirm.
func (c confirmation) claim() []byte {
	if c == (confirmation{}) {
		return nil
	}
	b, _ := json.Marshal(c) // strings, which always can
	return b
}

// confirms reports whether whoever holds these keys may use what is bound to cnf. What it
// demands and is not known here cannot be confirmed.
func (c confirmation) confirms(cnf []byte) bool {
	if len(cnf) == 0 {
		return true
	}
	var wanted map[string]string
	if err := json.Unmarshal(cnf, &wanted); err != nil || len(wanted) == 0 {
		return false
	}
	held := map[string]string{"x5t#S256": c.Certificate, "jkt": c.Key}
	for method, key := range wanted {
		if key == "" || held[method] != key {
			return false
		}
	}
	return true
}

// thumbprint is the x5t#S256 of a certificate (RFC 8705 §3.1).
func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return strictBase64.EncodeToString(sum[:])
}

// tokenType is that of what is bound to these keys (RFC 9449 §5). What is bound to a
// certificate is still a bearer token (RFC 8705 §3).
func (c confirmation) tokenType() string {
	if c.Key != "" {
		return "DPoP"
	}
	return "Bearer"
}

// bind settles which keys the tokens of a request are bound to. A refresh token is bound only
// for a public client: to use that of any other takes client authentication (RFC 8705 §7.1,
// RFC 9449 §5).
func (p *tokenPolicy) bind(ctx context.Context, req *Request, r *engine.TokenRequest) *Error {
	var bound confirmation
	if err := p.bindToCertificate(req, &bound); err != nil {
		return err
	}
	if err := p.bindToProof(ctx, req, &bound); err != nil {
		return err
	}
	if p.config.RequireBoundAccessTokens && bound == (confirmation{}) {
		if p.held.Certificate == "" {
			return failed(invalidRequest, "key_missing", "Tokens of this server are bound to a key of the client. Send a DPoP proof, or present a TLS certificate.")
		}
		bound.Certificate = p.held.Certificate
	}
	p.confirmation = bound.claim()
	r.Confirmation = p.confirmation
	if r.Public {
		r.RefreshConfirmation = p.confirmation
	}
	return nil
}

// bindToCertificate: an access token is bound to the certificate of a client that
// authenticates with it or is registered to have its tokens bound (RFC 8705 §3, §3.4).
func (p *tokenPolicy) bindToCertificate(req *Request, bound *confirmation) *Error {
	wanted := p.client.TLSClientCertificateBoundAccessTokens || byCertificate(p.client)
	switch {
	case p.config.MutualTLS && req.Certificate != nil:
		p.held.Certificate = thumbprint(req.Certificate)
		if wanted {
			bound.Certificate = p.held.Certificate
		}
	case wanted:
		return failed(invalidRequest, "certificate_missing", "Tokens of this client are bound to its TLS certificate, and the request came without one.")
	}
	return nil
}

// bindToProof: whoever sends a DPoP proof gets tokens that are bound to its key (RFC 9449 §5).
func (p *tokenPolicy) bindToProof(ctx context.Context, req *Request, bound *confirmation) *Error {
	proof, err := p.checkProof(ctx, req, "/token")
	switch {
	case err != nil:
		return err
	case proof != nil:
		p.proof, p.held.Key, bound.Key = proof, proof.JKT, proof.JKT
	case p.client.DPoPBoundAccessTokens: // RFC 9449 §5.2
		return failed(invalidRequest, "proof_missing", "Tokens of this client are bound to a key, and the request came without a DPoP proof.")
	}
	return nil
}
