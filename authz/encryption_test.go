package authz_test

import (
	"crypto"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// keySet is a JWK Set of these keys as they are.
func keySet(keys ...jose.JSONWebKey) string {
	return string(kept(json.Marshal(jose.JSONWebKeySet{Keys: keys})))
}

// ours is a key of the client's that it publishes for encryption.
func ours(private crypto.Signer, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: private.Public(), KeyID: kid, Use: "enc"}
}

// opened decrypts an answer as the client does, and returns what is in it.
func opened(t testing.TB, compact, alg, enc string, private any, kid, cty string) string {
	t.Helper()
	if enc == "" {
		enc = "A128CBC-HS256"
	}
	message, err := jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.ContentEncryption(enc)})
	if err != nil {
		t.Fatalf("%q: %v", compact, err)
	}
	got, _ := message.Header.ExtraHeaders["cty"].(string)
	if message.Header.KeyID != kid || got != cty || message.Header.ExtraHeaders["zip"] != nil {
		t.Errorf("header %+v, want kid %q and cty %q", message.Header, kid, cty)
	}
	plain, err := message.Decrypt(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// privateOf is a key that an algorithm can be used with.
func privateOf(alg string) crypto.Signer {
	if strings.HasPrefix(alg, "RSA") {
		return rsa2048
	}
	return p256
}

// ID tokens are signed, then encrypted (OpenID Connect Core §10.2, §3.1.3.7), in each algorithm, at
// the first time and at each refresh.
func TestOpenIDConnectCore_Section10_2(t *testing.T) {
	s := newOpenID(t)
	for _, alg := range jweAlgs {
		for _, enc := range append([]string{""}, jweEncs...) {
			s.change(t, web, func(c *authz.Client) {
				c.JWKS = keySet(ours(privateOf(alg), "e"))
				c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc = alg, enc
			})
			tokens := s.login(t, web, set("nonce", "n"))
			again := must(s.refresh(web, tokens.RefreshToken))(t)
			for token, nonce := range map[string]any{tokens.IDToken: "n", again.IDToken: nil} {
				inside := opened(t, token, alg, enc, privateOf(alg), "e", "JWT")
				if claims := s.idToken(t, inside, "RS256"); claims["aud"] != web || claims["sub"] != "ana" || claims["nonce"] != nonce {
					t.Errorf("%s %s: %v", alg, enc, claims)
				}
			}
		}
	}
	// Another client's are as they were.
	s.idToken(t, s.login(t, spa).IDToken, "RS256")
}

// Which key: OpenID Connect Core §10.2, RFC 7517 §4.2 to §4.4.
func TestRFC7517_Section4_key_to_encrypt_to(t *testing.T) {
	type key = jose.JSONWebKey
	public := func(k crypto.Signer) crypto.PublicKey { return k.Public() }
	anyUse := key{Key: public(p256), KeyID: "any"}
	sig := key{Key: public(otherP256), KeyID: "sig", Use: "sig"}
	enc := ours(otherP256, "enc")
	s := newOpenID(t)
	for _, test := range []struct {
		what, keys, alg, want string
	}{
		{"the one for encryption", keySet(anyUse, sig, enc), "ECDH-ES", "enc"},
		{"one without a use", keySet(sig, anyUse), "ECDH-ES", "any"},
		{"one that signs", keySet(sig), "ECDH-ES", ""},
		{"of another type", keySet(enc), "RSA-OAEP", ""},
		{"its alg", keySet(key{Key: public(p256), KeyID: "a", Use: "enc", Algorithm: "ECDH-ES+A256KW"}), "ECDH-ES+A256KW", "a"},
		{"another alg", keySet(key{Key: public(p256), KeyID: "a", Use: "enc", Algorithm: "ECDH-ES+A128KW"}), "ECDH-ES+A256KW", ""},
		{"an alg that signs", keySet(key{Key: public(p256), KeyID: "a", Algorithm: "ES256"}), "ECDH-ES", ""},
		{"P-384", keySet(ours(p384, "p384")), "ECDH-ES", "p384"},
		{"P-521", keySet(ours(p521, "p521")), "ECDH-ES+A128KW", "p521"},
		{"Ed25519", keySet(key{Key: public(ed25519Key), KeyID: "ed"}), "ECDH-ES", ""},
		{"no kid", keySet(key{Key: public(p256)}), "ECDH-ES", "-"},
		{"key_ops that derive", strings.Replace(keySet(anyUse), `{"kty"`, `{"key_ops":["deriveKey"],"kty"`, 1), "ECDH-ES", "any"},
		{"key_ops that verify", strings.Replace(keySet(anyUse), `{"kty"`, `{"key_ops":["verify"],"kty"`, 1), "ECDH-ES", ""},
		{"key_ops of both", strings.Replace(keySet(anyUse), `{"kty"`, `{"key_ops":["verify","deriveBits"],"kty"`, 1), "ECDH-ES", "any"},
	} {
		s.change(t, web, func(c *authz.Client) { c.JWKS, c.IDTokenEncryptedResponseAlg = test.keys, test.alg })
		tokens, err := s.token(redemption(web, s.code(t, web, set("scope", "openid"))))
		if test.want == "" {
			wantRefusal(t, err, "invalid_request encryption_key_missing")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		message := kept(jose.ParseEncryptedCompact(tokens.IDToken, []jose.KeyAlgorithm{jose.KeyAlgorithm(test.alg)}, []jose.ContentEncryption{jose.A128CBC_HS256}))
		if got := message.Header.KeyID; got != strings.TrimPrefix(test.want, "-") {
			t.Errorf("%s: encrypted to %q, want %q", test.what, got, test.want)
		}
	}
	// A key for encryption verifies nothing.
	s.change(t, web, func(c *authz.Client) { c.JWKS, c.IDTokenEncryptedResponseAlg = keySet(ours(p256, "e")), "" })
	if got := s.requested(t, s.requestObject(t, assertion{})); got != "signature_invalid" {
		t.Errorf("a key for encryption verifies a signature: %s", got)
	}
}

// Keys at a jwks_uri (OpenID Connect Core §10.2.1). Where there is none to be had, there is no
// answer, nothing is used up, and nothing goes out in clear.
func TestOpenIDConnectCore_Section10_2_1(t *testing.T) {
	k := newKeyServer(t)
	s := newOpenID(t, func(c *authz.Config) { c.HTTPClient = k.Client() })
	s.change(t, web, func(c *authz.Client) {
		c.JWKSURI, c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc = k.URL, "ECDH-ES", "A128GCM"
	})
	code := s.code(t, web, set("scope", "openid"))
	redeem := func() (*authz.TokenResponse, error) { return s.token(redemption(web, code)) }
	_, err := redeem()
	wantRefusal(t, err, "temporarily_unavailable client_keys_unavailable")
	s.clock.Advance(5 * time.Second)
	k.publish(keySet(jose.JSONWebKey{Key: p256.Public(), KeyID: "s", Use: "sig"}))
	_, err = redeem()
	wantRefusal(t, err, "invalid_request encryption_key_missing")
	s.clock.Advance(30 * time.Second)
	k.publish(keySet(ours(p256, "one")))
	tokens := must(redeem())(t) // the code is still good
	opened(t, tokens.IDToken, "ECDH-ES", "A128GCM", p256, "one", "JWT")

	// A new key is used when the old set is not fresh any more.
	k.publish(keySet(ours(otherP256, "two")))
	s.clock.Advance(time.Hour)
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	opened(t, tokens.IDToken, "ECDH-ES", "A128GCM", otherP256, "two", "JWT")

	k.publish("")
	s.clock.Advance(time.Hour)
	_, err = s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "temporarily_unavailable client_keys_unavailable")
	k.publish(keySet(ours(otherP256, "two")))
	s.clock.Advance(5 * time.Second)
	must(s.refresh(web, tokens.RefreshToken))(t)
}

// UserInfo: OpenID Connect Core §5.3.2, signed, encrypted, or signed and then encrypted.
func TestOpenIDConnectCore_Section5_3_2_encrypted(t *testing.T) {
	s := newOpenID(t)
	token := s.login(t, web, set("scope", "openid email")).AccessToken
	check := func(claims map[string]any) {
		t.Helper()
		if claims["iss"] != issuer || claims["aud"] != web || claims["sub"] != "ana" || claims["email"] != "ana@example.com" {
			t.Errorf("%v", claims)
		}
	}
	s.change(t, web, func(c *authz.Client) {
		c.JWKS = keySet(ours(rsa2048, "e"))
		c.UserInfoEncryptedResponseAlg, c.UserInfoEncryptedResponseEnc = "RSA-OAEP-256", "A256GCM"
	})
	var claims map[string]any
	plain := opened(t, must(s.UserInfo(t.Context(), token))(t).JWT, "RSA-OAEP-256", "A256GCM", rsa2048, "e", "")
	if err := json.Unmarshal([]byte(plain), &claims); err != nil {
		t.Fatal(err)
	}
	check(claims)

	s.change(t, web, func(c *authz.Client) { c.UserInfoSignedResponseAlg = "ES256" })
	inside := opened(t, must(s.UserInfo(t.Context(), token))(t).JWT, "RSA-OAEP-256", "A256GCM", rsa2048, "e", "JWT")
	check(s.idToken(t, inside, "ES256"))
	response, err := s.authorize(web, set("scope", "openid"), set("id_token_hint", inside))
	if got := s.outcome(t, response, err); got != "back: invalid_request id_token_hint_invalid" {
		t.Errorf("a UserInfo answer as a hint: %s", got)
	}

	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(p256) })
	info, err := s.UserInfo(t.Context(), token)
	wantRefusal(t, err, "invalid_request encryption_key_missing")
	if info != nil {
		t.Errorf("answered in clear: %+v", info)
	}
}

// Introspection answers: RFC 9701 §5, §6.
func TestRFC9701_Section5_encrypted(t *testing.T) {
	s := newServer(t)
	s.change(t, rs, func(c *authz.Client) {
		c.JWKS = keySet(ours(p384, "e"))
		c.IntrospectionEncryptedResponseAlg = "ECDH-ES+A256KW"
	})
	token := must(s.own())(t).AccessToken
	for _, presented := range []string{token, "x"} {
		ask := request(rs, form(nil, "token", presented))
		compact := must(s.IntrospectJWT(t.Context(), ask))(t)
		claims := s.idToken(t, opened(t, compact, "ECDH-ES+A256KW", "", p384, "e", "JWT"), "ES256")
		answer, _ := claims["token_introspection"].(map[string]any)
		if claims["aud"] != rs || answer["active"] != (presented == token) {
			t.Errorf("%v", claims)
		}
	}
	s.change(t, rs, func(c *authz.Client) { c.JWKS = "" })
	compact, err := s.IntrospectJWT(t.Context(), request(rs, form(nil, "token", token)))
	wantRefusal(t, err, "invalid_request encryption_key_missing")
	if compact != "" {
		t.Errorf("answered %q", compact)
	}
}

// Authorization responses: JARM §2.2, codes and errors, by each mode.
func TestJARM_Section2_2(t *testing.T) {
	s := newServer(t)
	s.change(t, web, func(c *authz.Client) {
		c.JWKS = keySet(ours(p256, "e"))
		c.AuthorizationEncryptedResponseAlg, c.AuthorizationEncryptedResponseEnc = "ECDH-ES", "A256GCM"
	})
	for _, mode := range []string{"jwt", "query.jwt", "form_post.jwt"} {
		answer := func(response *authz.AuthorizationResponse, err error) map[string]any {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			var params = response.Form
			if mode != "form_post.jwt" {
				params = &authz.FormPost{Parameters: back(t, response, err)}
			}
			params.Parameters.Set("response", opened(t, params.Parameters.Get("response"), "ECDH-ES", "A256GCM", p256, "e", "JWT"))
			return s.signedAnswer(t, params.Parameters, "ES256")
		}
		by := set("response_mode", mode)
		claims := answer(s.submit(submission(s.page(t, web, by, set("prompt", "consent")))))
		must(s.redeem(web, claims["code"].(string)))(t)
		if claims := answer(s.authorize(web, by, set("scope", "nope"))); claims["error"] != "invalid_scope" {
			t.Errorf("%s: %v", mode, claims)
		}
	}

	// Without a key there is no code, neither in clear nor at all, and no other error than that.
	sub := submission(s.page(t, web, set("response_mode", "jwt"), set("prompt", "consent")))
	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(rsa2048) })
	response, err := s.submit(sub)
	if got := s.outcome(t, response, err); got != "back: invalid_request encryption_key_missing" {
		t.Error(got)
	}
	response, err = s.authorize(web, set("response_mode", "jwt"), set("scope", "nope"))
	if got := s.outcome(t, response, err); got != "back: invalid_request encryption_key_missing" {
		t.Error(got)
	}
	s.change(t, web, func(c *authz.Client) {
		c.JWKS, c.AuthorizationEncryptedResponseAlg = keySet(ours(rsa2048, "e")), "RSA1_5"
	})
	response, err = s.submit(sub)
	if got := s.outcome(t, response, err); got != "back: server_error encryption_alg_unknown" {
		t.Error(got)
	}
	s.change(t, web, func(c *authz.Client) { c.AuthorizationEncryptedResponseAlg = "RSA-OAEP" })
	response, err = s.submit(sub) // nothing was used up
	opened(t, back(t, response, err).Get("response"), "RSA-OAEP", "A256GCM", rsa2048, "e", "JWT")
}
