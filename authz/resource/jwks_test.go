package resource_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

func TestRFC9068_Section4(t *testing.T) {
	ec, ed, rs := ecKey(t, "ec"), edKey(t, "ed"), rsaKey(t, "rs", "RS256", 2048)
	anyRSA := rsaKey(t, "any-rsa", "", 2048)
	weak := rsaKey(t, "weak", "RS256", 1024)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec384 := jose.JSONWebKey{Key: p384, KeyID: "ec384"}
	encryption := ecKey(t, "enc")
	encryption.Use = "enc"
	is := newIssuer(t, ec, ed, rs, anyRSA, weak, ec384, encryption)
	stranger := ecKey(t, "ec")
	der, err := x509.MarshalPKIXPublicKey(rs.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	type header = map[jose.HeaderKey]any
	type claims = map[string]any
	mint := func(key jose.JSONWebKey, h header, c claims) string { return sign(t, key, h, is.claims(c)) }
	ok := mint(ec, nil, nil)
	parts := strings.Split(ok, ".")
	raw := func(header, payload string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "."
	}
	claimsJSON, _ := json.Marshal(is.claims(nil))
	hour := now.Add(time.Hour).Unix()

	v := newJWKS(t, is, nil)
	for _, c := range []struct {
		name  string
		token string
		want  outcome
	}{
		{"es256", ok, good},
		{"eddsa", mint(ed, nil, nil), good},
		{"rs256", mint(rs, nil, nil), good},
		{"ps256_with_key_that_leaves_it_open", mint(as(anyRSA, "PS256", "any-rsa"), nil, nil), good},
		{"es384", mint(as(ec384, "ES384", "ec384"), nil, nil), good},

		{"typ_application_at_jwt", mint(ec, header{"typ": "application/at+jwt"}, nil), good},
		{"typ_in_other_case", mint(ec, header{"typ": "Application/AT+JWT"}, nil), good},
		{"typ_jwt", mint(ec, header{"typ": "JWT"}, nil), invalid},
		{"typ_missing", mint(ec, header{"typ": nil}, nil), invalid},
		{"typ_id_token", mint(ec, header{"typ": "id+jwt"}, nil), invalid},
		{"typ_of_other_tree", mint(ec, header{"typ": "x/at+jwt"}, nil), invalid},
		{"typ_not_a_string", mint(ec, header{"typ": []string{"at+jwt"}}, nil), invalid},

		{"alg_none", raw(`{"alg":"none","typ":"at+jwt","kid":"ec"}`, parts[1]), invalid},
		{"alg_none_with_signature", raw(`{"alg":"none","typ":"at+jwt","kid":"ec"}`, parts[1]) + parts[2], invalid},
		{"alg_None", raw(`{"alg":"None","typ":"at+jwt","kid":"ec"}`, parts[1]), invalid},
		{"alg_missing", raw(`{"typ":"at+jwt","kid":"ec"}`, parts[1]), invalid},
		{"hs256_with_public_key_pem", mint(jose.JSONWebKey{Key: pemKey, KeyID: "rs", Algorithm: "HS256"}, nil, nil), invalid},
		{"hs256_with_public_key_der", mint(jose.JSONWebKey{Key: der, KeyID: "rs", Algorithm: "HS256"}, nil, nil), invalid},
		{"rs256_where_the_key_is_ec", mint(as(rs, "RS256", "ec"), nil, nil), invalid},
		{"es256_where_the_key_is_rsa", mint(as(ec, "ES256", "rs"), nil, nil), invalid},
		{"eddsa_where_the_key_is_ec", mint(as(ed, "EdDSA", "ec"), nil, nil), invalid},
		{"ps256_where_the_key_says_rs256", mint(as(rs, "PS256", "rs"), nil, nil), invalid},
		{"rsa_below_2048_bits", mint(weak, nil, nil), invalid},
		{"key_for_encryption", mint(encryption, nil, nil), invalid},

		{"kid_missing", mint(as(ec, "ES256", ""), nil, nil), invalid},
		{"kid_unknown", mint(as(ec, "ES256", "other"), nil, nil), invalid},
		{"kid_path", mint(as(ec, "ES256", "../../etc/passwd"), nil, nil), invalid},
		{"key_of_a_stranger_under_a_known_kid", mint(stranger, nil, nil), invalid},
		{"key_of_a_stranger_in_jwk", mint(stranger, header{"jwk": stranger.Public()}, nil), invalid},
		{"jwk_ignored", mint(ec, header{"jwk": stranger.Public()}, nil), good},

		{"crit_unknown", mint(ec, header{"crit": []string{"exp"}, "exp": 1}, nil), invalid},
		{"crit_b64", mint(ec, header{"crit": []string{"b64"}, "b64": true}, nil), invalid},
		{"crit_empty", mint(ec, header{"crit": []string{}}, nil), invalid},

		{"expired", mint(ec, nil, claims{"exp": now.Add(-time.Minute).Unix()}), invalid},
		{"expired_within_leeway", mint(ec, nil, claims{"exp": now.Add(-29 * time.Second).Unix()}), good},
		{"expired_at_the_end_of_leeway", mint(ec, nil, claims{"exp": now.Add(-30 * time.Second).Unix()}), invalid},
		{"exp_with_fraction", mint(ec, nil, claims{"exp": float64(hour) + 0.5}), good},
		{"exp_overflows", mint(ec, nil, claims{"exp": 1e300}), invalid},
		{"exp_negative", mint(ec, nil, claims{"exp": -1}), invalid},
		{"exp_is_a_string", mint(ec, nil, claims{"exp": "9999999999"}), invalid},
		{"nbf_past", mint(ec, nil, claims{"nbf": now.Unix()}), good},
		{"nbf_future", mint(ec, nil, claims{"nbf": now.Add(time.Minute).Unix()}), invalid},
		{"nbf_within_leeway", mint(ec, nil, claims{"nbf": now.Add(30 * time.Second).Unix()}), good},
		{"iat_future", mint(ec, nil, claims{"iat": now.Add(time.Minute).Unix()}), invalid},

		{"iss_of_another", mint(ec, nil, claims{"iss": "https://evil.example"}), invalid},
		{"iss_with_slash", mint(ec, nil, claims{"iss": is.URL + "/"}), invalid},
		{"iss_in_upper_case", mint(ec, nil, claims{"iss": strings.ToUpper(is.URL)}), invalid},
		{"aud_among_others", mint(ec, nil, claims{"aud": []string{"https://other.example", api}}), good},
		{"aud_of_another", mint(ec, nil, claims{"aud": "https://other.example"}), invalid},
		{"aud_longer", mint(ec, nil, claims{"aud": api + "/"}), invalid},
		{"aud_empty_list", mint(ec, nil, claims{"aud": []string{}}), invalid},
		{"aud_not_strings", mint(ec, nil, claims{"aud": []any{api, 1}}), invalid},
		{"scope_missing", mint(ec, nil, claims{"scope": nil}), good},
		{"scope_not_a_string", mint(ec, nil, claims{"scope": []string{"alerts:read"}}), invalid},

		{"claim_twice", sign(t, ec, nil, []byte(strings.Replace(string(claimsJSON), "{", `{"sub":"admin",`, 1))), invalid},
		{"claim_in_other_case", sign(t, ec, nil, []byte(strings.Replace(string(claimsJSON), `"sub"`, `"SUB"`, 1))), invalid},
		{"payload_not_json", sign(t, ec, nil, []byte("hello")), invalid},
		{"payload_null", sign(t, ec, nil, []byte("null")), invalid},
		{"payload_list", sign(t, ec, nil, []byte("["+string(claimsJSON)+"]")), invalid},
		{"payload_deep", sign(t, ec, nil, []byte(strings.Repeat("[", 11000))), invalid},

		{"empty", "", invalid},
		{"dots", "..", invalid},
		{"opaque", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", invalid},
		{"json_serialisation_flattened", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, invalid},
		{"two_signatures", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] +
			`"},{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, invalid},
		{"four_parts", ok + "." + parts[2], invalid},
		{"five_parts", ok + ".a.b", invalid},
		{"signature_missing", parts[0] + "." + parts[1] + ".", invalid},
		{"payload_of_another", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claimsJSON), "user-1", "admin", 1))) + "." + parts[2], invalid},
		{"line_break", parts[0] + ".\n" + parts[1] + "." + parts[2], invalid},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], invalid},
		{"oversize", mint(ec, nil, claims{"x": strings.Repeat("x", 16<<10)}), invalid},
		{"large", mint(ec, nil, claims{"x": strings.Repeat("x", 11<<10)}), good},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, v, c.token, c.want) })
	}
}

func TestRFC9068_Section2_2_RequiredClaims(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	v := newJWKS(t, is, nil)
	for _, claim := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		for name, value := range map[string]any{"missing": nil, "null": json.RawMessage("null"), "empty": ""} {
			t.Run(claim+"_"+name, func(t *testing.T) {
				expect(t, v, sign(t, key, nil, is.claims(map[string]any{claim: value})), invalid)
			})
		}
	}
}

func TestRFC9068_Section2_2_TokenHoldsItsClaims(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	claims := is.claims(map[string]any{"auth_time": now.Unix(), "acr": "high", "amr": []string{"pwd"}, "tenant": "t1"})
	_, got, err := verify(t, newJWKS(t, is, nil), sign(t, key, nil, claims))
	if err != nil {
		t.Fatal(err)
	}
	if got.Claims["tenant"] != "t1" || got.Claims["sub"] != "user-1" {
		t.Errorf("claims: %v", got.Claims)
	}
	got.Claims = nil
	want := &resource.Token{
		Issuer: is.URL, Subject: "user-1", ClientID: "cli", ID: "id-1", Audience: []string{api},
		Scopes: []string{"alerts:read", "alerts:write"}, IssuedAt: time.Unix(now.Unix(), 0),
		ExpiresAt: time.Unix(now.Add(time.Hour).Unix(), 0), AuthTime: time.Unix(now.Unix(), 0), ACR: "high", AMR: []string{"pwd"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !got.HasScope("alerts:read") || got.HasScope("alerts") {
		t.Error("HasScope does not compare whole scopes")
	}
}

// RFC 8725 §3.10: a URL in the header is not to be followed.
func TestRFC8725_Section3_10_URLsInTheHeaderAreNotFetched(t *testing.T) {
	stranger := ecKey(t, "mine")
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was fetched", r.URL.Path)
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{stranger.Public()}})
	}))
	defer trap.Close()
	is := newIssuer(t, ecKey(t, "k"))
	header := map[jose.HeaderKey]any{"jku": trap.URL + "/jku", "x5u": trap.URL + "/x5u"}
	expect(t, newJWKS(t, is, nil), sign(t, stranger, header, is.claims(nil)), invalid)
}

func TestRFC8725_Section3_1_AllowList(t *testing.T) {
	ec, ed := ecKey(t, "ec"), edKey(t, "ed")
	is := newIssuer(t, ec, ed)
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.Algorithms = []string{"EdDSA"} })
	expect(t, v, sign(t, ed, nil, is.claims(nil)), good)
	expect(t, v, sign(t, ec, nil, is.claims(nil)), invalid)
}

func TestJWKSConfig(t *testing.T) {
	config := func(change func(*resource.JWKSConfig)) resource.JWKSConfig {
		c := resource.JWKSConfig{Issuer: "https://auth.example.com", Audience: api}
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		config resource.JWKSConfig
		want   string // in the error; empty for none
	}{
		"enough":              {config(func(c *resource.JWKSConfig) {}), ""},
		"issuer_with_path":    {config(func(c *resource.JWKSConfig) { c.Issuer += "/tenant" }), ""},
		"loopback":            {config(func(c *resource.JWKSConfig) { c.Issuer = "http://[::1]:8080" }), ""},
		"nothing":             {resource.JWKSConfig{}, "Audience is missing"},
		"issuer_missing":      {config(func(c *resource.JWKSConfig) { c.Issuer = "" }), "Issuer is missing"},
		"issuer_http":         {config(func(c *resource.JWKSConfig) { c.Issuer = "http://auth.example.com" }), "not an https URL"},
		"issuer_query":        {config(func(c *resource.JWKSConfig) { c.Issuer += "?a=b" }), "has a query"},
		"issuer_fragment":     {config(func(c *resource.JWKSConfig) { c.Issuer += "#a" }), "fragment"},
		"issuer_user":         {config(func(c *resource.JWKSConfig) { c.Issuer = "https://u:p@auth.example.com" }), "user information"},
		"issuer_relative":     {config(func(c *resource.JWKSConfig) { c.Issuer = "/auth" }), "not an absolute URL"},
		"url_http":            {config(func(c *resource.JWKSConfig) { c.URL = "http://auth.example.com/jwks" }), "URL is not an https URL"},
		"algorithm_none":      {config(func(c *resource.JWKSConfig) { c.Algorithms = []string{"none"} }), `"none"`},
		"algorithm_symmetric": {config(func(c *resource.JWKSConfig) { c.Algorithms = []string{"ES256", "HS256"} }), `"HS256"`},
		"leeway_long":         {config(func(c *resource.JWKSConfig) { c.Leeway = time.Hour }), "Leeway"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resource.JWKS(c.config)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want something about %s", err, c.want)
			}
		})
	}
}

func TestJWKSLeewayCanBeNone(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.Leeway = -1 })
	expect(t, v, sign(t, key, nil, is.claims(map[string]any{"exp": now.Unix()})), invalid)
	expect(t, v, sign(t, key, nil, is.claims(map[string]any{"exp": now.Unix() + 1})), good)
}
