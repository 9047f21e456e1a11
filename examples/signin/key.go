package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
)

// clientKey is what Runbooks has in place of a secret (private_key_jwt, OpenID Connect Core §9).
type clientKey struct {
	signer  jose.Signer
	public  string // a JWK Set, for Pager to know
	private string // a JWK, for Runbooks on Node
}

func newClientKey() (*clientKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	const id = "1"
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	whole := jose.JSONWebKey{Key: key, KeyID: id}
	private, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: whole}, nil)
	return &clientKey{signer, string(set), string(private)}, err
}

// authenticate is what a token request says of who sends it (RFC 7523 §2.2): for this issuer,
// for a minute, and once.
func (k *clientKey) authenticate(clientID, issuer string) ([]oauth2.AuthCodeOption, error) {
	now := time.Now()
	assertion, err := jwt.Signed(k.signer).Claims(jwt.Claims{
		Issuer: clientID, Subject: clientID, Audience: jwt.Audience{issuer}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion),
	}, err
}
