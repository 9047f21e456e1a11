package engine_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite/token/jwt"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
)

// issuer is authztest's, and the resource its tokens are for.
const issuer = "https://auth.example"

func TestJWTAccessToken_RFC9068_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{jwt: true})
		header, claims := readJWT(t, r.tokens(t, publicID).text("access_token"))
		const mayGo = "mintAccessToken in authz/access_token.go"
		fact(t, header["typ"] == "JWT", mayGo, header)
		aud, _ := claims["aud"].([]any)
		_, scp := claims["scp"].([]any)
		fact(t, claims["client_id"] == nil && len(aud) == 0 && claims["scope"] == nil && scp, mayGo, claims)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		now := s.Clock.Now()
		for _, flow := range []struct {
			answer            answer
			subject, clientID string
			scope             string
		}{
			{s.tokens(t, publicID), "ana", publicID, allScopes},
			{s.token(t, clientCredentials("scope", "read"), credentialsOf(confidentialID)...), confidentialID, confidentialID, "read"},
		} {
			header, claims := readJWT(t, flow.answer.text("access_token"))
			if header["typ"] != "at+jwt" || header["alg"] != "ES256" {
				t.Errorf("header %v", header)
			}
			for name, want := range map[string]any{
				"iss": issuer, "sub": flow.subject, "aud": issuer, "client_id": flow.clientID, "scope": flow.scope,
				"iat": float64(now.Unix()), "exp": float64(now.Add(time.Hour).Unix()), "scp": nil,
			} {
				if claims[name] != want {
					t.Errorf("%s is %v, want %v", name, claims[name], want)
				}
			}
			if id, _ := claims["jti"].(string); len(id) < 20 {
				t.Errorf("jti %q", id)
			}
		}
	})
}

// The session of a refreshed token is a copy of the first one's, iat and all: the longer
// the chain, the older the token claims to be.
func TestRefreshedIssuedAt_RFC9068_2_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRaw(t, rawOptions{jwt: true})
			began := time.Now().Unix()
			got := r.tokens(t, publicID)
			time.Sleep(20 * day)
			got = r.token(t, refreshForm(publicID, got.text("refresh_token")))
			_, claims := readJWT(t, got.text("access_token"))
			fact(t, claims["iat"] == float64(began), "mintAccessToken in authz/access_token.go", claims)
		})
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		first := s.tokens(t, publicID)
		s.Clock.Advance(20 * day)
		got := s.token(t, refreshForm(publicID, first.text("refresh_token")))
		_, before := readJWT(t, first.text("access_token"))
		_, claims := readJWT(t, got.text("access_token"))
		if now := float64(s.Clock.Now().Unix()); claims["iat"] != now || claims["exp"] != now+3600 {
			t.Errorf("iat %v and exp %v, want now and an hour from now", claims["iat"], claims["exp"])
		}
		if claims["jti"] == before["jti"] {
			t.Error("two tokens with one jti")
		}
		if claims["auth_time"] != before["auth_time"] {
			t.Error("auth_time has moved: a refresh is no sign-in")
		}
	})
}

// fosite's signer knows one key: it does not say which, does not care which the token
// names, and has no use for Ed25519.
func TestSigner_RFC8725_3(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		const mayGo = "authz/internal/keyring"
		r := newRaw(t, rawOptions{jwt: true})
		header, _ := readJWT(t, r.tokens(t, publicID).text("access_token"))
		fact(t, header["kid"] == nil, mayGo, header)

		_, private, _ := ed25519.GenerateKey(rand.Reader)
		r = newRaw(t, rawOptions{jwt: true, jwtKey: private})
		got := r.token(t, codeForm(publicID, r.code(t, publicID)))
		fact(t, got.failure() == "server_error", mayGo, got)

		signer := &jwt.DefaultSigner{GetPrivateKey: func(context.Context) (any, error) { return rsaKey(), nil }}
		token, _, err := signer.Generate(t.Context(), jwt.MapClaims{}, &jwt.Headers{Extra: map[string]any{"kid": "a key of somebody else"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = signer.Validate(t.Context(), token)
		fact(t, err == nil, mayGo, err)
	})
	t.Run("ours", func(t *testing.T) {
		for _, algorithm := range []string{"ES256", "EdDSA"} {
			s := newOurs(t, func(c *authz.Config) { c.SigningAlgorithms = []string{algorithm} })
			token := s.tokens(t, publicID).text("access_token")
			header, _ := readJWT(t, token)
			set, err := s.JWKS(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			kid, _ := header["kid"].(string)
			if keys := set.Key(kid); header["alg"] != algorithm || len(keys) != 1 || keys[0].Algorithm != algorithm {
				t.Errorf("header %v names no key of %v", header, set.Keys)
			}
			if _, err := s.VerifyAccessToken(t.Context(), token); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
		}
	})
	t.Run("ours, forged", func(t *testing.T) {
		s := newOurs(t)
		token := s.tokens(t, publicID).text("access_token")
		parts := strings.Split(token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		header, _ := readJWT(t, token)
		kid, _ := header["kid"].(string)
		key, public := signingKey(t, s)
		stranger, _ := signingKey(t, newOurs(t))
		sign := func(algorithm jose.SignatureAlgorithm, key any, kid, typ string) string {
			return signJWT(t, algorithm, key, kid, typ, payload)
		}
		if _, err := s.VerifyAccessToken(t.Context(), sign(jose.ES256, key, kid, "at+jwt")); err != nil {
			t.Fatalf("the test signs differently from the server: %v", err)
		}
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"` + kid + `"}`))
		for name, forged := range map[string]string{
			"another kid":                 sign(jose.ES256, key, "a key of somebody else", "at+jwt"),
			"no kid":                      sign(jose.ES256, key, "", "at+jwt"),
			"another type":                sign(jose.ES256, key, kid, "JWT"),
			"no type":                     sign(jose.ES256, key, kid, ""),
			"another key under our kid":   sign(jose.ES256, stranger, kid, "at+jwt"),
			"another algorithm":           sign(jose.RS256, rsaKey(), kid, "at+jwt"),
			"the public key as a secret":  sign(jose.HS256, public, kid, "at+jwt"),
			"alg none":                    none + "." + parts[1] + ".",
			"alg none with the signature": none + "." + parts[1] + "." + parts[2],
			"no signature":                parts[0] + "." + parts[1] + ".",
			"another payload":             parts[0] + "." + parts[1][:len(parts[1])-8] + "AAAAAAAA." + parts[2],
		} {
			if _, err := s.VerifyAccessToken(t.Context(), forged); !errors.Is(err, resource.ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// rsaKey is a key that our server does not have.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	return key
})

// signingKey is the server's own, taken from its store.
func signingKey(t *testing.T, s *ours) (private crypto.Signer, public []byte) {
	t.Helper()
	ring, err := s.Store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ring.Keys {
		if k.Algorithm != "ES256" {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(k.Material)
		if err != nil {
			t.Fatal(err)
		}
		private = key.(crypto.Signer)
		public, err = x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			t.Fatal(err)
		}
	}
	return private, public
}

func signJWT(t *testing.T, algorithm jose.SignatureAlgorithm, key any, kid, typ string, payload []byte) string {
	t.Helper()
	var options jose.SignerOptions
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, &options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// fosite does not know the resource parameter. A client that asks for a token for one
// API gets one that says nothing, and may take it to another.
func TestResource_RFC8707_2(t *testing.T) {
	const unknown = "https://api.elsewhere.example"
	t.Run("fosite", func(t *testing.T) {
		const mayGo = "resourcesFor in authz/resource_indicator.go"
		r := newRaw(t, rawOptions{jwt: true})
		got := r.token(t, codeForm(publicID, r.code(t, publicID, "resource", unknown), "resource", unknown))
		fact(t, got.status == http.StatusOK, mayGo, got)
		_, claims := readJWT(t, got.text("access_token"))
		aud, _ := claims["aud"].([]any)
		fact(t, !slices.Contains(aud, any(unknown)), mayGo, claims)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) { c.Resource = "https://api.example" })
		odd := []string{unknown, "https://api.example//", "https://api.example/x", "HTTPS://api.example", "https://api.example#f", "/api", "api.example", issuer}
		code := s.code(t, publicID)
		for _, resource := range odd {
			wantSent(t, s.authorize(t, authorizationParameters(publicID, "resource", resource)), "invalid_target")
			want(t, s.token(t, codeForm(publicID, code, "resource", resource)), http.StatusBadRequest, "invalid_target")
		}
		tokens := s.token(t, codeForm(publicID, code, "resource", "https://api.example"))
		wantOK(t, tokens)
		token := tokens.text("refresh_token")
		for _, resource := range odd {
			want(t, s.token(t, refreshForm(publicID, token, "resource", resource)), http.StatusBadRequest, "invalid_target")
			want(t, s.token(t, clientCredentials("resource", resource), credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_target")
		}
		for _, got := range []answer{
			tokens,
			s.token(t, refreshForm(publicID, token)), // the resource of the authorization
			s.token(t, codeForm(publicID, s.code(t, publicID, "resource", "https://api.example"))),
			s.token(t, clientCredentials(), credentialsOf(confidentialID)...),
		} {
			if _, claims := readJWT(t, got.text("access_token")); claims["aud"] != "https://api.example" {
				t.Errorf("aud %v", claims["aud"])
			}
		}
	})
}
