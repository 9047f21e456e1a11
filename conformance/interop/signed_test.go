package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// clientKeys are keys for ES256, PS256 and RS256 as a JWK Set, with their private halves and
// without.
func clientKeys(t *testing.T) (private, public string) {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ps, err2 := rsa.GenerateKey(rand.Reader, 2048)
	rs, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	var all, known jose.JSONWebKeySet
	for alg, key := range map[string]any{"ES256": ec, "PS256": ps, "RS256": rs} {
		jwk := jose.JSONWebKey{Key: key, KeyID: "key-" + alg, Algorithm: alg, Use: "sig"}
		all.Keys, known.Keys = append(all.Keys, jwk), append(known.Keys, jwk.Public())
	}
	a, err := json.Marshal(all)
	k, err2 := json.Marshal(known)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return string(a), string(k)
}

// The same libraries with authorization requests that they sign, by value and pushed (RFC 9101,
// RFC 9126), and authorization responses that the server signs (JARM), in each response mode, or
// that hold an ID token (OpenID Connect Core §3.3).
func TestJavaScriptSigned(t *testing.T) {
	for _, script := range []string{"oauth4webapi_signed.mjs", "openid_client_signed.mjs"} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			private, public := clientKeys(t)
			h := newOpenIDHost(t, func(c *authz.Config) {
				for i := range c.Clients {
					if c.Clients[i].IDTokenSignedResponseAlg != "" {
						c.Clients[i].AuthorizationSignedResponseAlg = c.Clients[i].IDTokenSignedResponseAlg
					}
				}
				signer := c.Clients[0] // web
				signer.ID, signer.Scopes, signer.JWKS, signer.RequireSignedRequestObject = "signer", []string{"openid", "email"}, public, true
				both := c.Clients[0]
				both.ID, both.Scopes, both.GrantTypes = "hybrid", signer.Scopes, []string{"authorization_code", "implicit"}
				both.ResponseTypes, c.ResponseTypes = []string{"code id_token"}, []string{"code id_token"}
				c.Clients = append(c.Clients, signer, both)
			})
			cases := strings.Fields(node(t, h.env(), script, "-list"))
			if len(cases) < 5 {
				t.Fatalf("only %q", cases)
			}
			for _, name := range cases {
				t.Run(name, func(t *testing.T) { node(t, append(h.env(), "CLIENT_KEYS="+private), script, name) })
			}
		})
	}
}
