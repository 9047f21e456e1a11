package authz_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// sealingKey is a Config.EncryptionKey.
var sealingKey = []byte("0123456789abcdef0123456789abcdef")

func sealing(c *authz.Config) { c.EncryptionKey = sealingKey }

// keyClient is the client of these tests: it authenticates by a key, or by what a test makes
// of it.
const keyClient = "keys"

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return kept(ecdsa.GenerateKey(curve, rand.Reader))
}

func kept[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// jwks is a JWK Set with the public halves of keys; their kids are k1, k2, …
func jwks(keys ...crypto.Signer) string {
	var set jose.JSONWebKeySet
	for i, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: fmt.Sprint("k", i+1)})
	}
	return string(kept(json.Marshal(set)))
}

func testKeyClient() authz.Client {
	return authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
		TokenEndpointAuthMethod: "private_key_jwt", JWKS: jwks(p256)}
}

// assertion is a JWT with these claims; nil takes one out.
type assertion struct {
	alg    jose.SignatureAlgorithm
	key    any
	header map[jose.HeaderKey]any
	claims map[string]any
}

func (s *server) assertionClaims(edits map[string]any) map[string]any {
	now := s.clock.Now()
	claims := map[string]any{
		"iss": keyClient, "sub": keyClient, "aud": issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	maps.Copy(claims, edits)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (s *server) assert(t testing.TB, a assertion) string {
	t.Helper()
	if a.alg == "" {
		a.alg, a.key = jose.ES256, p256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a.alg, Key: a.key}, &jose.SignerOptions{ExtraHeaders: a.header})
	if err != nil {
		t.Fatal(err)
	}
	jws := must(signer.Sign(kept(json.Marshal(s.assertionClaims(a.claims)))))(t)
	return must(jws.CompactSerialize())(t)
}

func asserting(jwt string, edits ...edit) *authz.Request {
	return &authz.Request{Parameters: form(edits, "grant_type", "client_credentials", "client_assertion_type", jwtBearer, "client_assertion", jwt)}
}

func (s *server) asserted(t testing.TB, jwt string, edits ...edit) string {
	t.Helper()
	_, err := s.Token(t.Context(), asserting(jwt, edits...))
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(refusedWith(t, err), "invalid_client ")
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

var (
	p256, p384, p521 = ecKey(elliptic.P256()), ecKey(elliptic.P384()), ecKey(elliptic.P521())
	otherP256        = ecKey(elliptic.P256())
	rsa2048          = func() *rsa.PrivateKey { return kept(rsa.GenerateKey(rand.Reader, 2048)) }()
	ed25519Key       = func() ed25519.PrivateKey { _, k, _ := ed25519.GenerateKey(rand.Reader); return k }()
)
