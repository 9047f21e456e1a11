package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertions are how a client says who it is, without a secret that travels (private_key_jwt,
// RFC 7523 §2.2). They use go-jose and nothing of the server.
type assertions struct {
	clientID, audience string
	signer             jose.Signer
	public             jose.JSONWebKey
}

// assertionLife is for how long an assertion is good: to reach the server, and no more.
const assertionLife = time.Minute

// newAssertions makes a key of its own for a client of this issuer.
func newAssertions(clientID, issuer string) (*assertions, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType("client-authentication+jwt"), // so that it is taken for nothing else (RFC 8725 §3.11)
	)
	return &assertions{clientID: clientID, audience: issuer, signer: signer, public: public}, err
}

// keySet is what the client is registered with: a JWK Set with the public half (RFC 7517 §5).
func (a *assertions) keySet() (string, error) {
	encoded, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{a.public}})
	return string(encoded), err
}

// next is a new assertion (RFC 7523 §3). Each is good once, by its jti.
func (a *assertions) next() (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": a.clientID, "sub": a.clientID,
		"aud": a.audience, // the issuer alone: another server could not use it here (FAPI 2.0 §5.3.2.1)
		"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := a.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
