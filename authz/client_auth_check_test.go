package authz_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// privateJWK is a key that should not have been published.
const privateJWK = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`

// What a client registers to authenticate with is checked when it does, one fault at a time
// (RFC 7591 §2, RFC 8705 §2.1.2).
func TestClient_key_faults(t *testing.T) {
	secret, hashed := authz.NewSecret()
	sealedSecret := must(authz.SealSecret(sealingKey, secret))(t)
	otherSealed := must(authz.SealSecret([]byte("fedcba9876543210fedcba9876543210"), secret))(t)
	weak := must(rsa.GenerateKey(rand.Reader, 1024))(t)
	keys := jwks(p256)
	type c = authz.Client
	by := func(method string, edit func(*c)) func(*c) {
		return func(client *c) {
			client.TokenEndpointAuthMethod = method
			edit(client)
		}
	}
	keyed := func(edit func(*c)) func(*c) {
		return by("private_key_jwt", func(client *c) { client.JWKS = keys; edit(client) })
	}
	for _, test := range []struct {
		name        string
		break_      func(*c)
		field, cure string
		bare        bool // without EncryptionKey and MutualTLS
	}{
		{"no keys", by("private_key_jwt", func(*c) {}), "JWKS", "public keys", false},
		{"self-signed without keys", by("self_signed_tls_client_auth", func(*c) {}), "JWKS", "public keys", false},
		{"keys and secrets", keyed(func(c *c) { c.Secrets = []storage.Secret{hashed} }), "Secrets", "take them out", false},
		{"both jwks and jwks_uri", keyed(func(c *c) { c.JWKSURI = "https://app.example/jwks" }), "JWKSURI", "one of them", false},
		{"jwks_uri, http", by("private_key_jwt", func(c *c) { c.JWKSURI = "http://app.example/jwks" }), "JWKSURI", "https://", false},
		{"jwks, not JSON", keyed(func(c *c) { c.JWKS = "x" }), "JWKS", "JWK Set", false},
		{"jwks, one key", keyed(func(c *c) { c.JWKS = privateJWK }), "JWKS", "JWK Set", false},
		{"jwks, empty", keyed(func(c *c) { c.JWKS = `{"keys":[]}` }), "JWKS", "holds no keys", false},
		{"jwks, too long", keyed(func(c *c) { c.JWKS += strings.Repeat(" ", 64<<10) }), "JWKS", "65536 bytes", false},
		{"jwks, too many", keyed(func(c *c) { c.JWKS = `{"keys":[` + strings.Repeat("{},", 50) + `{}]}` }), "JWKS", "50 keys", false},
		{"jwks, private", keyed(func(c *c) { c.JWKS = `{"keys":[` + privateJWK + `]}` }), "JWKS", "replace this one", false},
		{"jwks, symmetric", keyed(func(c *c) { c.JWKS = `{"keys":[{"kty":"oct","k":"AAAA"}]}` }), "JWKS", "symmetric", false},
		{"jwks, small RSA", keyed(func(c *c) { c.JWKS = jwks(weak) }), "JWKS", "1024 bits", false},
		{"jwks, unknown type", keyed(func(c *c) { c.JWKS = `{"keys":[{"kty":"new"}]}` }), "JWKS", "EC (P-256", false},
		{"jwks, for encryption", keyed(func(c *c) { c.JWKS = strings.Replace(keys, `{"kty"`, `{"use":"enc","kty"`, 1) }), "JWKS", "holds no key for ES256", false},
		{"jwks, for signing", keyed(func(c *c) { c.JWKS = strings.Replace(keys, `{"kty"`, `{"key_ops":["sign"],"kty"`, 1) }), "JWKS", "neither for signatures nor for encryption", false},
		{"jwks, members twice", keyed(func(c *c) { c.JWKS = strings.Replace(keys, `{"kty"`, `{"kty":"RSA","kty"`, 1) }), "JWKS", "repeated members", false},
		{"no key for the algorithm", keyed(func(c *c) { c.TokenEndpointAuthSigningAlg = "PS256" }), "JWKS", "no key for PS256", false},
		{"key with another alg", keyed(func(c *c) { c.JWKS = strings.Replace(keys, `{"kty"`, `{"alg":"ES384","kty"`, 1) }), "JWKS", "no key for ES256", false},
		{"unknown algorithm", keyed(func(c *c) { c.TokenEndpointAuthSigningAlg = "none" }), "TokenEndpointAuthSigningAlg", "use one of ES256", false},
		{"HS256 with keys", keyed(func(c *c) { c.TokenEndpointAuthSigningAlg = "HS256" }), "TokenEndpointAuthSigningAlg", "use one of ES256", false},
		{"algorithm of nothing", func(c *c) { c.TokenEndpointAuthSigningAlg = "ES256" }, "TokenEndpointAuthSigningAlg", "take it out", false},
		{"secret JWT without a secret", by("client_secret_jwt", func(*c) {}), "Secrets", "NewSecret", false},
		{"secret JWT with a digest", by("client_secret_jwt", func(c *c) { c.Secrets = []storage.Secret{hashed} }), "Secrets", "SealSecret", false},
		{"secret JWT, sealed with another key", by("client_secret_jwt", func(c *c) { c.Secrets = []storage.Secret{otherSealed} }), "Secrets", "does not open", false},
		{"secret JWT, ES256", by("client_secret_jwt", func(c *c) {
			c.Secrets, c.TokenEndpointAuthSigningAlg = []storage.Secret{sealedSecret}, "ES256"
		}), "TokenEndpointAuthSigningAlg", "use one of HS256", false},
		{"sealed secret for another method", func(c *c) { c.Secrets = []storage.Secret{sealedSecret} }, "Secrets", "make another", false},
		{"TLS without a subject", by("tls_client_auth", func(*c) {}), "TLSClientAuthSubjectDN", "is empty", false},
		{"TLS with two", by("tls_client_auth", func(c *c) { c.TLSClientAuthSubjectDN, c.TLSClientAuthSANDNS = "CN=a", "a.example" }), "TLSClientAuthSANDNS", "exactly one", false},
		{"subject for another method", keyed(func(c *c) { c.TLSClientAuthSANDNS = "a.example" }), "TLSClientAuthSANDNS", "take it out", false},
		{"subject malformed", by("tls_client_auth", func(c *c) { c.TLSClientAuthSubjectDN = "client.example" }), "TLSClientAuthSubjectDN", "RFC 4514", false},
		{"URI relative", by("tls_client_auth", func(c *c) { c.TLSClientAuthSANURI = "/x" }), "TLSClientAuthSANURI", "absolute", false},
		{"not an IP address", by("tls_client_auth", func(c *c) { c.TLSClientAuthSANIP = "localhost" }), "TLSClientAuthSANIP", "IP address", false},
		{"secret JWT without a key of the server's", by("client_secret_jwt", func(c *c) { c.Secrets = []storage.Secret{sealedSecret} }), "TokenEndpointAuthMethod", "Config.EncryptionKey", true},
		{"TLS without MutualTLS", by("tls_client_auth", func(c *c) { c.TLSClientAuthSANDNS = "a.example" }), "TokenEndpointAuthMethod", "Config.MutualTLS", true},
		{"bound tokens without MutualTLS", func(c *c) { c.TLSClientCertificateBoundAccessTokens = true }, "TLSClientCertificateBoundAccessTokens", "Config.MutualTLS", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, func(c *authz.Config) {
				if !test.bare {
					c.EncryptionKey, c.MutualTLS = sealingKey, true
				}
			})
			client := c{ID: "app", RedirectURIs: []string{"https://app.example/cb"}, Scopes: []string{"read"}}
			test.break_(&client)
			err := s.RegisterClient(t.Context(), client)
			if err == nil || !strings.Contains(err.Error(), ": "+test.field+": ") || !strings.Contains(err.Error(), test.cure) {
				t.Fatalf("RegisterClient: %v\nwant a fault of %s that says %q", err, test.field, test.cure)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != 1 && !test.bare {
				t.Errorf("%d faults for one:\n%v", lines, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("it tells the secret")
			}
		})
	}
}

// What may stand in a key set beside a key that is of use.
func TestRFC7517_Section5_other_keys(t *testing.T) {
	k := newKeyServer(t)
	s := newServer(t, func(c *authz.Config) { c.HTTPClient = k.Client() })
	c := testKeyClient()
	c.JWKS, c.JWKSURI = "", k.URL
	s.register(t, c)
	k.publish(`{"more":1,"keys":[{"kty":"new"},{},7,` + privateJWK + `,{"kty":"oct","k":"AAAA"},` + strings.TrimPrefix(jwks(p256), `{"keys":[`))
	if got := s.asserted(t, s.assert(t, assertion{})); got != "" {
		t.Error(got)
	}
}
