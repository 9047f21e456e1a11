package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// encryption is a client whose answers are encrypted, and how.
type encryption struct {
	ID  string `json:"id"`
	Alg string `json:"alg"`
	Enc string `json:"enc"`
}

// The same libraries with ID tokens, UserInfo answers, authorization responses and introspection
// answers that the server encrypts to them (OpenID Connect Core §10.2, JARM §2.2, RFC 9701 §5).
func TestJavaScriptEncrypted(t *testing.T) {
	var encryptions []encryption
	var private, public jose.JSONWebKeySet
	for i, alg := range []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "RSA-OAEP", "RSA-OAEP-256"} {
		enc := []string{"A128GCM", "A256GCM", "A128CBC-HS256"}[i%3]
		encryptions = append(encryptions, encryption{fmt.Sprintf("sealed-%d", i), alg, enc})
		for _, kid := range []string{alg, alg + " of another"} {
			key := jose.JSONWebKey{KeyID: kid, Algorithm: alg, Use: "enc"}
			var err error
			if strings.HasPrefix(alg, "RSA") {
				key.Key, err = rsa.GenerateKey(rand.Reader, 2048)
			} else {
				key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			}
			if err != nil {
				t.Fatal(err)
			}
			private.Keys = append(private.Keys, key)
			if kid == alg {
				public.Keys = append(public.Keys, key.Public())
			}
		}
	}
	keys, known, clients := asJSON(t, private), asJSON(t, public), asJSON(t, encryptions)
	for _, script := range []string{"oauth4webapi_encrypted.mjs", "openid_client_encrypted.mjs"} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			h := newOpenIDHost(t, func(c *authz.Config) {
				for _, e := range encryptions {
					site := c.Clients[0] // web
					site.ID, site.Scopes, site.ResourceServer, site.JWKS = e.ID, []string{"openid", "email"}, true, known
					site.UserInfoSignedResponseAlg, site.IntrospectionSignedResponseAlg = "RS256", "RS256"
					site.AuthorizationSignedResponseAlg = "RS256"
					site.IDTokenEncryptedResponseAlg, site.IDTokenEncryptedResponseEnc = e.Alg, e.Enc
					site.UserInfoEncryptedResponseAlg, site.UserInfoEncryptedResponseEnc = e.Alg, e.Enc
					site.IntrospectionEncryptedResponseAlg, site.IntrospectionEncryptedResponseEnc = e.Alg, e.Enc
					site.AuthorizationEncryptedResponseAlg, site.AuthorizationEncryptedResponseEnc = e.Alg, e.Enc
					c.Clients = append(c.Clients, site)
				}
			})
			env := append(h.env(), "CLIENT_KEYS="+keys, "ENCRYPTIONS="+clients)
			cases := strings.Fields(node(t, env, script, "-list"))
			if len(cases) < 4 {
				t.Fatalf("only %q", cases)
			}
			for _, name := range cases {
				t.Run(name, func(t *testing.T) { node(t, env, script, name) })
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
