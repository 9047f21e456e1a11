package jwe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/jwe"
)

var (
	p256, p256b, p384, p521 = ec(elliptic.P256()), ec(elliptic.P256()), ec(elliptic.P384()), ec(elliptic.P521())
	rsa2048, weak           = rsaKey(2048), rsaKey(1024)
)

func ec(curve elliptic.Curve) *ecdsa.PrivateKey { return kept(ecdsa.GenerateKey(curve, rand.Reader)) }
func rsaKey(bits int) *rsa.PrivateKey           { return kept(rsa.GenerateKey(rand.Reader, bits)) }

func kept[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func public(private any) any {
	if k, ok := private.(*ecdsa.PrivateKey); ok {
		return &k.PublicKey
	}
	return &private.(*rsa.PrivateKey).PublicKey
}

// encrypt is what a client that may do anything makes.
func encrypt(alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, plain string, options *jose.EncrypterOptions) string {
	encrypter := kept(jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: "k", PBES2Count: 1000}, options))
	return kept(kept(encrypter.Encrypt([]byte(plain))).CompactSerialize())
}

// Every algorithm, in both directions, with each of the curves.
func TestRFC7518_Section4_1(t *testing.T) {
	for _, alg := range jwe.KeyAlgorithms() {
		for _, enc := range jwe.ContentEncryptions() {
			for _, private := range []any{p256, p384, p521, rsa2048} {
				key := &jose.JSONWebKey{Key: public(private), KeyID: "k"}
				if strings.HasPrefix(alg, "RSA") != (private == any(rsa2048)) {
					if _, err := jwe.Encrypt(key, alg, enc, "", nil); err == nil {
						t.Errorf("%s with %T", alg, private)
					}
					continue
				}
				compact, err := jwe.Encrypt(key, alg, enc, "JWT", []byte("a.b.c"))
				if err != nil {
					t.Fatal(err)
				}
				theirs := kept(jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.ContentEncryption(enc)}))
				if plain, err := theirs.Decrypt(private); err != nil || string(plain) != "a.b.c" {
					t.Errorf("%s %s: %q, %v", alg, enc, plain, err)
				}
				if h := theirs.Header; h.KeyID != "k" || h.ExtraHeaders["cty"] != "JWT" || h.ExtraHeaders["zip"] != nil {
					t.Errorf("header %+v", h)
				}
				m, err := jwe.Parse(encrypt(jose.KeyAlgorithm(alg), jose.ContentEncryption(enc), public(private), "text", nil))
				if err != nil {
					t.Fatalf("%s %s: %v", alg, enc, err)
				}
				if plain, err := m.Decrypt(private); err != nil || string(plain) != "text" || m.KeyID != "k" || m.Algorithm != alg {
					t.Errorf("%s %s: %q, %v", alg, enc, plain, err)
				}
			}
		}
	}
	for _, key := range []any{&weak.PublicKey, []byte("0123456789abcdef"), nil, p256, jose.JSONWebKey{Key: &p256.PublicKey}} {
		for _, alg := range append(jwe.KeyAlgorithms(), "dir", "A128KW", "PBES2-HS256+A128KW", "RSA1_5", "") {
			if jwe.Fits(key, alg) {
				t.Errorf("%T is taken for %q", key, alg)
			}
		}
	}
	for _, pair := range [][2]string{{"RSA1_5", "A128GCM"}, {"RSA-OAEP", "A192GCM"}, {"RSA-OAEP", ""}, {"", "A128GCM"}, {"dir", "A128GCM"}} {
		if _, err := jwe.Encrypt(&jose.JSONWebKey{Key: &rsa2048.PublicKey}, pair[0], pair[1], "", nil); err == nil {
			t.Errorf("encrypts with %q", pair)
		}
	}
}

// headed is a message with another header; nothing in it fits any more.
func headed(compact string, edits map[string]any) string {
	parts := strings.Split(compact, ".")
	var header map[string]any
	if err := json.Unmarshal(kept(base64.RawURLEncoding.DecodeString(parts[0])), &header); err != nil {
		panic(err)
	}
	maps.Copy(header, edits)
	maps.DeleteFunc(header, func(_ string, v any) bool { return v == nil })
	parts[0] = base64.RawURLEncoding.EncodeToString(kept(json.Marshal(header)))
	return strings.Join(parts, ".")
}

// part is a message with another part.
func part(compact string, i int, text []byte) string {
	parts := strings.Split(compact, ".")
	parts[i] = base64.RawURLEncoding.EncodeToString(text)
	return strings.Join(parts, ".")
}

func coordinates(k *ecdsa.PublicKey) map[string]any {
	text := kept((&jose.JSONWebKey{Key: k}).MarshalJSON())
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		panic(err)
	}
	return m
}

// What a sender could do with a header, and what must happen before any key is used: RFC 7516
// §5.2, §11, RFC 7518 §8, RFC 8725 §2.2 to §2.5, §3.5, §3.6.
func TestRFC8725_attacks(t *testing.T) {
	good := encrypt(jose.ECDH_ES_A128KW, jose.A128GCM, &p256.PublicKey, "text", nil)
	direct := encrypt(jose.ECDH_ES, jose.A128GCM, &p256.PublicKey, "text", nil)
	oaep := encrypt(jose.RSA_OAEP, jose.A128GCM, &rsa2048.PublicKey, "text", nil)
	bomb := encrypt(jose.ECDH_ES, jose.A128GCM, &p256.PublicKey, strings.Repeat("a", 1<<20), &jose.EncrypterOptions{Compression: jose.DEFLATE})
	secret := []byte("0123456789abcdef")
	epk := func(edits map[string]any) string {
		key := coordinates(&p256b.PublicKey)
		maps.Copy(key, edits)
		return headed(good, map[string]any{"epk": key})
	}
	encode := base64.RawURLEncoding.EncodeToString
	one := encode(append(make([]byte, 31), 1))
	for _, test := range []struct {
		what, message string
		want          error
	}{
		{"good", good, nil},
		{"good, direct", direct, nil},
		{"good, RSA", oaep, nil},

		// Compression and cost.
		{"compressed", bomb, jwe.ErrMalformed},
		{"zip empty", headed(good, map[string]any{"zip": ""}), jwe.ErrMalformed},
		{"PBES2", encrypt(jose.PBES2_HS256_A128KW, jose.A128GCM, secret, "text", nil), jwe.ErrMalformed},
		{"p2c", headed(good, map[string]any{"p2c": 1 << 31}), jwe.ErrMalformed},
		{"too long", good + strings.Repeat("A", jwe.MaxBytes), jwe.ErrMalformed},
		{"a long header", headed(good, map[string]any{"x": strings.Repeat("x", 4<<10)}), jwe.ErrMalformed},
		{"a deep header", base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 3000))) + "....", jwe.ErrMalformed},

		// Algorithms.
		{"dir", encrypt(jose.DIRECT, jose.A128GCM, secret, "text", nil), jwe.ErrAlgorithm},
		{"A128KW", encrypt(jose.A128KW, jose.A128GCM, secret, "text", nil), jwe.ErrAlgorithm},
		{"A128GCMKW", encrypt(jose.A128GCMKW, jose.A128GCM, secret, "text", nil), jwe.ErrAlgorithm},
		{"RSA1_5", encrypt(jose.RSA1_5, jose.A128GCM, &rsa2048.PublicKey, "text", nil), jwe.ErrAlgorithm},
		{"ECDH-ES+A192KW", encrypt(jose.ECDH_ES_A192KW, jose.A128GCM, &p256.PublicKey, "text", nil), jwe.ErrAlgorithm},
		{"A192GCM", encrypt(jose.ECDH_ES, jose.A192GCM, &p256.PublicKey, "text", nil), jwe.ErrAlgorithm},
		{"none", headed(good, map[string]any{"alg": "none"}), jwe.ErrAlgorithm},
		{"alg in lower case", headed(good, map[string]any{"alg": "ecdh-es+a128kw"}), jwe.ErrAlgorithm},
		{"no alg", headed(good, map[string]any{"alg": nil}), jwe.ErrAlgorithm},
		{"no enc", headed(good, map[string]any{"enc": nil}), jwe.ErrAlgorithm},
		{"alg a list", headed(good, map[string]any{"alg": []string{"ECDH-ES"}}), jwe.ErrMalformed},
		{"kid a number", headed(good, map[string]any{"kid": 1}), jwe.ErrMalformed},
		{"RSA-OAEP for ECDH-ES", headed(good, map[string]any{"alg": "RSA-OAEP"}), jwe.ErrMalformed},
		{"RSA-OAEP-256 for RSA-OAEP", headed(oaep, map[string]any{"alg": "RSA-OAEP-256"}), jwe.ErrKey},
		{"ECDH-ES+A256KW for A128KW", headed(good, map[string]any{"alg": "ECDH-ES+A256KW"}), jwe.ErrKey},
		{"another enc", headed(good, map[string]any{"enc": "A256GCM"}), jwe.ErrKey},
		{"another enc, direct", headed(direct, map[string]any{"enc": "A256GCM"}), jwe.ErrKey},

		// Ephemeral keys.
		{"no epk", headed(good, map[string]any{"epk": nil}), jwe.ErrMalformed},
		{"epk null", headed(good, map[string]any{"epk": json.RawMessage("null")}), jwe.ErrKey},
		{"epk a string", headed(good, map[string]any{"epk": "x"}), jwe.ErrKey},
		{"epk of another message", epk(nil), jwe.ErrKey},
		{"epk not on the curve", epk(map[string]any{"y": one}), jwe.ErrKey},
		{"epk the origin", epk(map[string]any{"x": encode(make([]byte, 32)), "y": encode(make([]byte, 32))}), jwe.ErrKey},
		{"epk of P-384", headed(good, map[string]any{"epk": coordinates(&p384.PublicKey)}), jwe.ErrKey},
		{"epk of P-384 called P-256", headed(good, map[string]any{"epk": func() any {
			key := coordinates(&p384.PublicKey)
			key["crv"] = "P-256"
			return key
		}()}), jwe.ErrKey},
		{"epk a private key", headed(good, map[string]any{"epk": json.RawMessage(kept((&jose.JSONWebKey{Key: p256b}).MarshalJSON()))}), jwe.ErrKey},
		{"epk symmetric", headed(good, map[string]any{"epk": map[string]any{"kty": "oct", "k": "AAAA"}}), jwe.ErrKey},
		{"epk for RSA", headed(oaep, map[string]any{"epk": coordinates(&p256b.PublicKey)}), jwe.ErrMalformed},

		// Parts.
		{"direct, with a key", part(direct, 1, make([]byte, 24)), jwe.ErrMalformed},
		{"wrapped, without", part(good, 1, nil), jwe.ErrMalformed},
		{"wrapped, 25 bytes", part(good, 1, make([]byte, 25)), jwe.ErrKey},
		{"RSA, no key", part(oaep, 1, nil), jwe.ErrMalformed},
		{"RSA, a short key", part(oaep, 1, make([]byte, 255)), jwe.ErrKey},
		{"RSA, a long key", part(oaep, 1, make([]byte, 257)), jwe.ErrKey},
		{"RSA, the modulus", part(oaep, 1, rsa2048.N.Bytes()), jwe.ErrKey},
		{"a short iv", part(good, 2, make([]byte, 11)), jwe.ErrMalformed},
		{"no iv", part(good, 2, nil), jwe.ErrMalformed},
		{"a short tag", part(good, 4, make([]byte, 4)), jwe.ErrMalformed},
		{"a long tag", part(good, 4, make([]byte, 17)), jwe.ErrMalformed},
		{"another tag", part(good, 4, make([]byte, 16)), jwe.ErrKey},
		{"no ciphertext", part(good, 3, nil), jwe.ErrKey},
		{"another header", headed(good, map[string]any{"x": 1}), jwe.ErrKey},
		{"crit", headed(good, map[string]any{"crit": []string{"exp"}, "exp": 1}), jwe.ErrMalformed},
		{"a member twice", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","alg":"ECDH-ES","enc":"A128GCM","epk":{}}`)) + "..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", jwe.ErrMalformed},
		{"header null", base64.RawURLEncoding.EncodeToString([]byte(`null`)) + "....", jwe.ErrMalformed},

		// Encodings.
		{"a line break", good[:20] + "\n" + good[20:], jwe.ErrMalformed},
		{"padding", good + "==", jwe.ErrMalformed},
		{"four parts", good[:strings.LastIndexByte(good, '.')], jwe.ErrMalformed},
		{"six parts", good + ".", jwe.ErrMalformed},
		{"the JSON serialization", kept(jose.ParseEncryptedCompact(good, []jose.KeyAlgorithm{jose.ECDH_ES_A128KW}, []jose.ContentEncryption{jose.A128GCM})).FullSerialize(), jwe.ErrMalformed},
		{"empty", "", jwe.ErrMalformed},
	} {
		m, err := jwe.Parse(test.message)
		if err == nil {
			var plain []byte
			if plain, err = m.Decrypt(p256); err != nil {
				plain, err = m.Decrypt(rsa2048)
			}
			if err == nil && string(plain) != "text" {
				t.Errorf("%s: %q", test.what, plain)
			}
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
	m := kept(jwe.Parse(good))
	for _, key := range []any{p256b, p384, rsa2048, secret, nil, &p256.PublicKey, jose.JSONWebKey{Key: p256}} {
		if _, err := m.Decrypt(key); !errors.Is(err, jwe.ErrKey) {
			t.Errorf("with a %T: %v", key, err)
		}
	}
	if !slices.Contains(jwe.ContentEncryptions(), jwe.Default) {
		t.Errorf("%s is the default, and not among %q", jwe.Default, jwe.ContentEncryptions())
	}
}

// FuzzParse: whatever comes, it is refused, or it is what somebody encrypted to the key.
func FuzzParse(f *testing.F) {
	for _, alg := range jwe.KeyAlgorithms() {
		for _, enc := range jwe.ContentEncryptions() {
			var key any = &p256.PublicKey
			if strings.HasPrefix(alg, "RSA") {
				key = &rsa2048.PublicKey
			}
			f.Add(encrypt(jose.KeyAlgorithm(alg), jose.ContentEncryption(enc), key, "text", nil))
		}
	}
	f.Add("....")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"","y":""}}`)) + "..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, compact string) {
		m, err := jwe.Parse(compact)
		if err != nil {
			if !errors.Is(err, jwe.ErrMalformed) && !errors.Is(err, jwe.ErrAlgorithm) {
				t.Error(err)
			}
			return
		}
		if !slices.Contains(jwe.KeyAlgorithms(), m.Algorithm) {
			t.Errorf("alg %q", m.Algorithm)
		}
		for _, key := range []any{p256, p384, rsa2048} {
			if plain, err := m.Decrypt(key); err != nil && !errors.Is(err, jwe.ErrKey) || len(plain) > len(compact) {
				t.Error(fmt.Sprint(len(plain), err))
			}
		}
	})
}
