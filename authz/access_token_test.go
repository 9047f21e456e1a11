package authz_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
)

// parts decodes a JWT without judging it.
func parts(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	fields := strings.Split(token, ".")
	if len(fields) != 3 {
		t.Fatalf("%q is not a JWT", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// The header and the claims of a JWT access token.
func TestRFC9068_Section2(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.Resource = "https://api.example/v1" })
	s.clock.Advance(123456 * time.Microsecond)
	at := float64(s.clock.Now().Unix())
	user := s.tokens(t, web).AccessToken
	own := must(s.own())(t).AccessToken
	for token, want := range map[string]map[string]any{
		user: {"iss": issuer, "sub": "ana", "aud": "https://api.example/v1", "client_id": web, "scope": "read write", "iat": at, "exp": at + 3600, "auth_time": at},
		own:  {"iss": issuer, "sub": service, "aud": "https://api.example/v1", "client_id": service, "scope": "read", "iat": at, "exp": at + 3600},
	} {
		header, claims := parts(t, token)
		if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" || len(header) != 3 {
			t.Errorf("header %v", header)
		}
		jti, _ := claims["jti"].(string)
		if delete(claims, "jti"); len(jti) < 20 {
			t.Errorf("jti %q", jti)
		}
		if !maps.Equal(claims, want) {
			t.Errorf("claims %v, want %v", claims, want)
		}
	}
	_, one := parts(t, user)
	_, two := parts(t, s.tokens(t, web).AccessToken)
	if one["jti"] == two["jti"] {
		t.Error("two tokens have the same jti")
	}
}

// The tokens verify with the published keys, and those are public ones.
func TestRFC7517_Section5(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "EdDSA", "RS256"} })
	set := must(s.JWKS(t.Context()))(t)
	if len(set.Keys) != 3 {
		t.Errorf("%d keys", len(set.Keys))
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || !k.Valid() || k.KeyID == "" || k.Use != "sig" || k.Algorithm == "" {
			t.Errorf("key %+v", k)
		}
	}
	published, err := json.Marshal(set)
	if err != nil || strings.Contains(string(published), `"d":`) || strings.Contains(string(published), `"k":`) || strings.Contains(string(published), "secret") {
		t.Errorf("published: %s, %v", published, err)
	}
	for _, alg := range []string{"", "ES256", "EdDSA", "RS256"} {
		s.change(t, web, func(c *authz.Client) { c.AccessTokenSigningAlg = alg })
		token := s.tokens(t, web).AccessToken
		header, _ := parts(t, token)
		want := alg
		if want == "" {
			want = "ES256"
		}
		if header["alg"] != want {
			t.Errorf("algorithm %v, want %s", header["alg"], want)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(header["alg"].(string))})
		if err != nil {
			t.Fatal(err)
		}
		keys := set.Key(header["kid"].(string))
		if len(keys) != 1 || keys[0].Algorithm != header["alg"] {
			t.Fatalf("kid %v names %v", header["kid"], keys)
		}
		if _, err := jws.Verify(keys[0]); err != nil {
			t.Errorf("%s: %v", header["alg"], err)
		}
		if !s.live(token) {
			t.Errorf("%s: not live", header["alg"])
		}
	}
	// An algorithm that the server has no key for, from a host's own storage: the
	// server fails, the code is not used up.
	s.change(t, web, func(c *authz.Client) { c.AccessTokenSigningAlg = "PS512" })
	code := s.code(t, web)
	_, err = s.redeem(web, code)
	if e := refusal(t, err); e.Status < 500 {
		t.Errorf("unknown algorithm: %v", err)
	}
	s.change(t, web, func(c *authz.Client) { c.AccessTokenSigningAlg = "" })
	must(s.redeem(web, code))(t)
}

func TestAccessTokenFormat(t *testing.T) {
	for _, test := range []struct{ server, client, want string }{
		{"", "", "jwt"}, {"jwt", "", "jwt"}, {"opaque", "", "opaque"}, {"jwt", "opaque", "opaque"}, {"opaque", "jwt", "jwt"},
	} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = test.server })
		for _, id := range []string{web, service} {
			s.change(t, id, func(c *authz.Client) { c.AccessTokenFormat = test.client })
		}
		user, own := s.tokens(t, web).AccessToken, must(s.own())(t).AccessToken
		for _, token := range []string{user, own} {
			if jwt := strings.Count(token, ".") == 2; jwt != (test.want == "jwt") {
				t.Errorf("server %q, client %q: %q", test.server, test.client, token)
			}
		}
		s.clock.Advance(time.Hour - aMoment)
		if !s.live(user) || !s.live(own) {
			t.Errorf("%s: dead too early", test.want)
		}
		s.clock.Advance(aMoment)
		if s.live(user) || s.live(own) {
			t.Errorf("%s: lives too long", test.want)
		}
	}
}

// The two formats tell a resource server the same.
func TestVerifyAccessToken_formats_agree(t *testing.T) {
	var seen []resource.Token
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		for _, token := range []string{s.tokens(t, web).AccessToken, must(s.own())(t).AccessToken} {
			v := *must(s.VerifyAccessToken(t.Context(), token))(t)
			v.ID, v.Claims = "", nil
			v.IssuedAt, v.ExpiresAt, v.AuthTime = v.IssuedAt.UTC(), v.ExpiresAt.UTC(), v.AuthTime.UTC()
			seen = append(seen, v)
		}
	}
	for i := range 2 {
		a, b := seen[i], seen[i+2]
		if a.Subject != b.Subject || a.Issuer != b.Issuer || a.ClientID != b.ClientID || !slices.Equal(a.Audience, b.Audience) ||
			!slices.Equal(a.Scopes, b.Scopes) || !a.IssuedAt.Equal(b.IssuedAt) || !a.ExpiresAt.Equal(b.ExpiresAt) || !a.AuthTime.Equal(b.AuthTime) {
			t.Errorf("jwt    %+v\nopaque %+v", a, b)
		}
	}
}

// The Claims hook adds claims to both formats, and is told whom they are for.
func TestClaims_hook(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			var asked []authz.ClaimsRequest
			s := newServer(t, func(c *authz.Config) {
				c.AccessTokenFormat = format
				c.Claims = func(_ context.Context, r *authz.ClaimsRequest) (map[string]any, error) {
					asked = append(asked, *r)
					return map[string]any{"tenant": "acme", "roles": []string{"a", "b"}, "level": 7, "https://app.example/x": nil}, nil
				}
			})
			token := s.tokens(t, web, set("scope", "write")).AccessToken
			v := must(s.VerifyAccessToken(t.Context(), token))(t)
			if v.Claims["tenant"] != "acme" || v.Claims["level"] != 7.0 || len(v.Claims["roles"].([]any)) != 2 {
				t.Errorf("claims %v", v.Claims)
			}
			answer := must(s.Introspect(t.Context(), request(rs, form(nil, "token", token))))(t)
			if answer["tenant"] != "acme" || answer["active"] != true {
				t.Errorf("introspection %v", answer)
			}
			must(s.own())(t)
			if len(asked) != 2 || asked[0].Client.ID != web || asked[0].Subject != "ana" || !slices.Equal(asked[0].Scopes, []string{"write"}) || asked[1].Subject != "" || asked[1].Client.ID != service {
				t.Errorf("the hook was told %+v", asked)
			}
		})
	}
}

// What the hook may not do. The code is not used up by it.
func TestClaims_hook_fails(t *testing.T) {
	reserved := []string{"iss", "sub", "aud", "client_id", "jti", "scope", "iat", "exp", "nbf", "auth_time", "acr", "amr", "cnf", "act", "active", "token_type", "SUB", "Exp", "\u017fcope"}
	var given map[string]any
	var failure error
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) {
			c.AccessTokenFormat = format
			c.Claims = func(context.Context, *authz.ClaimsRequest) (map[string]any, error) { return given, failure }
		})
		given, failure = nil, nil
		code, tokens := s.code(t, web), s.tokens(t, web)
		try := func(name string) {
			t.Helper()
			_, err := s.redeem(web, code)
			wantRefusal(t, err, "server_error claims_hook_failed")
			_, err = s.refresh(web, tokens.RefreshToken)
			wantRefusal(t, err, "server_error claims_hook_failed")
			_, err = s.own()
			wantRefusal(t, err, "server_error claims_hook_failed")
			if t.Failed() {
				t.Fatalf("%s %q", format, name)
			}
		}
		for _, name := range reserved {
			given = map[string]any{name: "evil"}
			try(name)
		}
		given = map[string]any{"f": func() {}}
		try("not JSON")
		given = map[string]any{"x": strings.Repeat("x", 3<<10)}
		try("too long")
		given, failure = nil, errors.New("the directory is away")
		try("an error")
		given, failure = map[string]any{"ok": true}, nil
		must(s.redeem(web, code))(t)
		must(s.refresh(web, tokens.RefreshToken))(t)
	}
}

// Forged tokens of every kind that people have tried (RFC 8725 §2, §3).
func TestRFC8725_Section3(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "RS256"} })
	token := s.tokens(t, web).AccessToken
	fields := strings.Split(token, ".")
	header, claims := parts(t, token)
	kid := header["kid"].(string)
	published := must(s.JWKS(t.Context()))(t)
	own, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: newECKey(t), KeyID: kid}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	enc := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	with := func(m map[string]any, name string, value any) string {
		c := maps.Clone(m)
		c[name] = value
		return enc(c)
	}
	public, err := published.Key(kid)[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(key []byte) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("at+jwt"))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{"iss":"` + issuer + `","sub":"ana","client_id":"web","exp":9999999999}`))
		if err != nil {
			t.Fatal(err)
		}
		out, _ := jws.CompactSerialize()
		return out
	}
	ownSigned, _ := own.Sign([]byte(`{"iss":"` + issuer + `","sub":"ana","client_id":"web","exp":9999999999}`))
	foreign, _ := ownSigned.CompactSerialize()
	point := published.Key(kid)[0].Key.(*ecdsa.PublicKey)
	raw, _ := point.Bytes()
	tokens := map[string]string{
		"empty": "", "a dot": ".", "two dots": "..", "three dots": "...", "rubbish": "a.b.c", "a space": " " + token,
		"line break at the end": token + "\n", // RFC 7515 §2: base64url without line breaks
		"line break inside":     token[:20] + "\r\n" + token[20:],
		"signature cut":         token[:len(token)-2],
		"signature gone":        fields[0] + "." + fields[1] + ".",
		"signature of zeros":    fields[0] + "." + fields[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"signature changed":     fields[0] + "." + fields[1] + "." + flip(fields[2]),
		"payload changed":       fields[0] + "." + with(claims, "sub", "ben") + "." + fields[2],
		"payload longer":        fields[0] + "." + with(claims, "exp", 9999999999) + "." + fields[2],
		"header changed":        with(header, "x", 1) + "." + fields[1] + "." + fields[2],
		"alg none":              with(header, "alg", "none") + "." + fields[1] + ".",
		"alg None":              with(header, "alg", "None") + "." + fields[1] + ".",
		"alg none, signed":      with(header, "alg", "none") + "." + fields[1] + "." + fields[2],
		"alg RS256":             with(header, "alg", "RS256") + "." + fields[1] + "." + fields[2],
		"alg HS256":             with(header, "alg", "HS256") + "." + fields[1] + "." + fields[2],
		"HMAC of the JWK":       hmac(public),
		"HMAC of the point":     hmac(raw),
		"HMAC of nothing":       hmac(make([]byte, 32)),
		"key of ours":           foreign,
		"kid of a file":         with(header, "kid", "../../etc/passwd") + "." + fields[1] + "." + fields[2],
		"kid of SQL":            with(header, "kid", "' OR 1=1 --") + "." + fields[1] + "." + fields[2],
		"no kid":                enc(map[string]any{"alg": "ES256", "typ": "at+jwt"}) + "." + fields[1] + "." + fields[2],
		"jku":                   with(header, "jku", "https://evil.example/keys") + "." + fields[1] + "." + fields[2],
		"crit":                  with(header, "crit", []string{"x"}) + "." + fields[1] + "." + fields[2],
		"b64 false":             with(header, "b64", false) + "." + fields[1] + "." + fields[2],
		"typ JWT":               with(header, "typ", "JWT") + "." + fields[1] + "." + fields[2],
		"JSON serialization":    `{"protected":"` + fields[0] + `","payload":"` + fields[1] + `","signature":"` + fields[2] + `"}`,
		"1 MB":                  strings.Repeat("A", 1<<20),
		"1 MB with dots":        strings.Repeat("A", 1<<19) + "." + strings.Repeat("A", 1<<19) + ".A",
		"of another server":     newServer(t).tokens(t, web).AccessToken,
		"a refresh token":       s.tokens(t, web).RefreshToken,
		"a code":                s.code(t, web),
		"an interaction":        s.page(t, web, set("prompt", "consent")).Interaction,
	}
	for name, forged := range tokens {
		if _, err := s.VerifyAccessToken(t.Context(), forged); !errors.Is(err, resource.ErrInvalidToken) {
			t.Errorf("%s: %v, want ErrInvalidToken", name, err)
		} else if len(forged) > 20 && strings.Contains(err.Error(), forged) {
			t.Errorf("%s: the error repeats the token", name)
		}
		answer, err := s.Introspect(t.Context(), request(rs, form(nil, "token", forged)))
		if err == nil && (len(answer) != 1 || answer["active"] != false) {
			t.Errorf("%s: introspection %v", name, answer)
		}
	}
	if !s.live(token) {
		t.Error("the genuine token is dead")
	}
}

// A server that moved does not take tokens in its old name.
func TestRFC9068_Section4_issuer(t *testing.T) {
	old := newServer(t)
	token := old.tokens(t, web).AccessToken
	moved := newServerOn(t, old.store, func(c *authz.Config) { c.Issuer, c.FormerIssuers = "https://new.example", []string{issuer} })
	if moved.live(token) {
		t.Error("a token of the old issuer is accepted")
	}
}

// flip changes a character in the middle of base64url.
func flip(s string) string {
	i := len(s) / 2
	if s[i] == 'A' {
		return s[:i] + "B" + s[i+1:]
	}
	return s[:i] + "A" + s[i+1:]
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
