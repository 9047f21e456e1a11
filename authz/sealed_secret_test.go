package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// client_secret_jwt: OpenID Connect Core §9.
func TestOIDC_Section9_client_secret_jwt(t *testing.T) {
	s := newServer(t, sealing)
	secret, _ := authz.NewSecret()
	long := strings.Repeat("0123456789abcdef", 4)
	expiring := must(authz.SealSecret(sealingKey, long))(t)
	expiring.ExpiresAt = s.clock.Now().Add(time.Hour)
	s.register(t, authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_jwt",
		Secrets: []storage.Secret{must(authz.SealSecret(sealingKey, secret))(t), expiring}})
	hs := func(alg jose.SignatureAlgorithm, secret string) string {
		return s.assert(t, assertion{alg: alg, key: []byte(secret)})
	}
	const invalid = "assertion_signature_invalid"
	for name, test := range map[string]struct{ jwt, want string }{
		"HS256":                 {hs(jose.HS256, secret), ""},
		"HS256, another":        {hs(jose.HS256, long), ""},
		"HS384":                 {hs(jose.HS384, long), ""},
		"HS512":                 {hs(jose.HS512, long), ""},
		"wrong secret":          {hs(jose.HS256, secret+"x"), invalid},
		"secret of another":     {hs(jose.HS256, secretOf[web]), invalid},
		"the hash as secret":    {hs(jose.HS256, expiring.Hash), invalid},
		"signed with a key":     {s.assert(t, assertion{}), "auth_method_not_registered"},
		"RS256, key is nowhere": {s.assert(t, assertion{alg: jose.RS256, key: rsa2048}), "auth_method_not_registered"},
	} {
		if got := s.asserted(t, test.jwt); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	// The secret by itself, which the other methods send, does not do.
	_, err := s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(keyClient, secret)})
	wantRefusal(t, err, "invalid_client auth_method_not_registered")
	s.change(t, keyClient, func(c *authz.Client) { c.TokenEndpointAuthMethod = "" })
	_, err = s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(keyClient, expiring.Hash)})
	wantRefusal(t, err, "invalid_client secret_mismatch")
	s.change(t, keyClient, func(c *authz.Client) { c.TokenEndpointAuthMethod = "client_secret_jwt" })

	s.clock.Advance(time.Hour)
	if got := s.asserted(t, hs(jose.HS256, long)); got != invalid {
		t.Errorf("expired secret: %q", got)
	}
	if dump := s.dump(t); strings.Contains(dump, secret) || strings.Contains(dump, long) {
		t.Error("the store holds the secret")
	}
	// Without the key, or with another, nothing can be said for a secret.
	bare := newServerOn(t, newProbe(s.store.inner), func(c *authz.Config) { c.EncryptionKey = sealingKey })
	bare.change(t, keyClient, func(c *authz.Client) { c.Secrets[0].Hash = "$sealed$AAAA" })
	if got := bare.asserted(t, bare.assert(t, assertion{alg: jose.HS256, key: []byte(secret)})); got != invalid {
		t.Errorf("a damaged secret: %q", got)
	}
	plain := newServer(t)
	plain.register(t, testKeyClient())
	plain.change(t, keyClient, func(c *authz.Client) { c.TokenEndpointAuthMethod = "client_secret_jwt" })
	if got := plain.asserted(t, plain.assert(t, assertion{alg: jose.HS256, key: []byte(secret)})); got != "auth_method_not_supported" {
		t.Errorf("without a key: %q", got)
	}
}

func TestSealSecret(t *testing.T) {
	secret, _ := authz.NewSecret()
	one, two := must(authz.SealSecret(sealingKey, secret))(t), must(authz.SealSecret(sealingKey, secret))(t)
	if !strings.HasPrefix(one.Hash, "$sealed$") || strings.Contains(one.Hash, secret) || one == two {
		t.Errorf("%+v, %+v", one, two)
	}
	for _, bad := range []struct {
		key    []byte
		secret string
	}{{nil, secret}, {sealingKey[:31], secret}, {sealingKey, ""}, {sealingKey, strings.Repeat("x", 31)}} {
		if _, err := authz.SealSecret(bad.key, bad.secret); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%d bytes, %q: %v", len(bad.key), bad.secret, err)
		}
	}
}
