package authztest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// DPoPKey is a client's key for proofs of possession (RFC 9449), of P-256.
type DPoPKey struct{ private *ecdsa.PrivateKey }

// NewDPoPKey makes a key.
func NewDPoPKey() *DPoPKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand, which does not fail
	}
	return &DPoPKey{private}
}

// JKT is the key's thumbprint, as in dpop_jkt and in cnf.jkt.
func (k *DPoPKey) JKT() string {
	sum, err := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err) // it is a key that has one
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Proof is the DPoP header for one request, made at the given time. Further claims, such as
// ath ([TokenHash]) and nonce, are added to it or replace its own; nil takes one out.
func (k *DPoPKey) Proof(method, url string, at time.Time, further map[string]any) string {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": at.Unix()}
	maps.Copy(claims, further)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.private},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	proof, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return proof
}

// TokenHash is the claim ath for an access token (RFC 9449 §4.2).
func TokenHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
