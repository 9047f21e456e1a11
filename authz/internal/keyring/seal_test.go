package keyring_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// EncryptionKey keeps the private keys in the store closed to whoever reads it.
func TestEncryptionKey(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	conf := config(store, c)
	conf.EncryptionKey = bytes.Repeat([]byte{7}, 32)
	r := open(t, conf)
	token := sign(t, r)
	sealed, err := r.Seal(t.Context(), "p", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range stored(t, store) {
		// PKCS #8 begins with a SEQUENCE; a secret has 32 bytes.
		if !k.Sealed || k.Material[0] == 0x30 && bytes.Contains(k.Material, []byte{0x02, 0x01, 0x00, 0x30}) || len(k.Material) == 32 {
			t.Errorf("key %s is not sealed", k.ID)
		}
	}
	again := open(t, conf)
	if got, err := again.Unseal(t.Context(), "p", sealed); err != nil || string(got) != "x" || !verifies(again, token) {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	for name, key := range map[string][]byte{"wrong": bytes.Repeat([]byte{8}, 32), "none": nil} {
		conf.EncryptionKey = key
		if _, err := keyring.Open(t.Context(), conf); err == nil || !strings.Contains(err.Error(), "Config.EncryptionKey") {
			t.Errorf("%s key: %v", name, err)
		}
	}
	// The sealed material is bound to its key's name: swapping two does not work.
	ring, _ := store.Keys(t.Context())
	ring.Keys[0].Material, ring.Keys[1].Material = ring.Keys[1].Material, ring.Keys[0].Material
	ring.Revision++
	if err := store.SwapKeys(t.Context(), *ring); err != nil {
		t.Fatal(err)
	}
	conf.EncryptionKey = bytes.Repeat([]byte{7}, 32)
	if _, err := keyring.Open(t.Context(), conf); err == nil {
		t.Error("exchanged keys are accepted")
	}
}

// A damaged key is an error that says which, not a server without keys.
func TestDamagedKey(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	open(t, config(store, c))
	ring, _ := store.Keys(t.Context())
	ring.Keys[1].Material = ring.Keys[1].Material[:20]
	ring.Revision++
	if err := store.SwapKeys(t.Context(), *ring); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(t.Context(), config(store, c)); err == nil || !strings.Contains(err.Error(), ring.Keys[1].ID) {
		t.Errorf("Open: %v", err)
	}
}

// A key under the name of another algorithm is refused, not used.
func TestKeyOfAnotherAlgorithm(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	material, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(es256, eddsa *storage.Key){
		"EdDSA for ES256": func(es256, eddsa *storage.Key) { es256.Algorithm, eddsa.Algorithm = eddsa.Algorithm, es256.Algorithm },
		"RS256 for ES256": func(es256, _ *storage.Key) { es256.Algorithm = "RS256" },
		"P-384 for ES256": func(es256, _ *storage.Key) { es256.Material = material },
	} {
		t.Run(name, func(t *testing.T) {
			store, c := memory.New(), &clock{at: epoch}
			conf := config(store, c)
			conf.Algorithms = []string{"ES256", "EdDSA"}
			open(t, conf)
			ring, err := store.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			of := func(algorithm string) *storage.Key {
				return &ring.Keys[slices.IndexFunc(ring.Keys, func(k storage.Key) bool { return k.Algorithm == algorithm })]
			}
			change(of("ES256"), of("EdDSA"))
			ring.Revision++
			if err := store.SwapKeys(t.Context(), *ring); err != nil {
				t.Fatal(err)
			}
			if _, err := keyring.Open(t.Context(), conf); err == nil || !strings.Contains(err.Error(), "algorithm") {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestSeal(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	r := open(t, config(store, c))
	plain := []byte("the state of a page")
	one, err := r.Seal(t.Context(), "page", plain)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := r.Seal(t.Context(), "page", plain)
	if one == two || strings.Contains(one, "state") || strings.ContainsAny(one, "+/=&? ") {
		t.Errorf("%q, %q", one, two)
	}
	id, body, _ := strings.Cut(one, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(body)
	signer := kid(t, sign(t, r))
	for name, other := range map[string]string{
		"empty": "", "a dot": ".", "no body": id + ".", "no id": "." + body, "body alone": body, "short": id + ".AAAA",
		"not base64": id + ".!!!", "padded": one + "=", "longer": one + "AAAA", "shorter": one[:len(one)-4],
		"line break at the end": one + "\n", "line break inside": one[:40] + "\n" + one[40:],
		"another id": "x" + one, "the id of a signing key": signer + "." + body,
		"first byte": id + "." + base64.RawURLEncoding.EncodeToString(append([]byte{raw[0] ^ 1}, raw[1:]...)),
		"last byte":  id + "." + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(raw[:len(raw)-1]), raw[len(raw)-1]^1)),
	} {
		if got, err := r.Unseal(t.Context(), "page", other); !errors.Is(err, keyring.ErrInvalid) || got != nil {
			t.Errorf("%s: %q, %v, want ErrInvalid", name, got, err)
		}
	}
	for _, purpose := range []string{"", "Page", "page "} {
		if _, err := r.Unseal(t.Context(), purpose, one); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
	if got, err := r.Unseal(t.Context(), "page", one); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Unseal: %q, %v", got, err)
	}
	// What was sealed opens for a day after the secret has been replaced.
	c.advance(90*24*time.Hour - time.Second)
	late, err := r.Seal(t.Context(), "page", plain)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(24 * time.Hour)
	if _, err := r.Unseal(t.Context(), "page", late); err != nil {
		t.Errorf("after a day: %v", err)
	}
	c.advance(365 * 24 * time.Hour)
	if _, err := r.Unseal(t.Context(), "page", late); !errors.Is(err, keyring.ErrInvalid) {
		t.Errorf("after a year: %v", err)
	}
}

// SealFor's result opens for whoever presents the credential, and nobody else.
func TestSealFor(t *testing.T) {
	sealed, err := keyring.SealFor("credential", "answer", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keyring.UnsealWith("credential", "answer", sealed); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	for name, err := range map[string]error{
		"another credential": second1(keyring.UnsealWith("Credential", "answer", sealed)),
		"no credential":      second1(keyring.UnsealWith("", "answer", sealed)),
		"another purpose":    second1(keyring.UnsealWith("credential", "other", sealed)),
		"cut":                second1(keyring.UnsealWith("credential", "answer", sealed[:len(sealed)-1])),
		"nothing":            second1(keyring.UnsealWith("credential", "answer", nil)),
		"changed":            second1(keyring.UnsealWith("credential", "answer", append([]byte{sealed[0] ^ 1}, sealed[1:]...))),
	} {
		if !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The key that a credential unlocks with is HKDF's, whatever was derived before.
func TestSealForIsHKDF(t *testing.T) {
	for _, credential := range []string{"", "credential", strings.Repeat("long", 100), "credential"} {
		key, err := hkdf.Key(sha256.New, []byte(credential), nil, "answer", 32)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			t.Fatal(err)
		}
		sealed := aead.Seal(nil, nil, []byte("x"), []byte("answer"))
		if got, err := keyring.UnsealWith(credential, "answer", sealed); err != nil || string(got) != "x" {
			t.Errorf("%q: %q, %v", credential, got, err)
		}
	}
}

// Verify takes what the ring signed, under the type it was signed for.
func TestVerify(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	conf := config(store, c)
	conf.Algorithms = []string{"ES256", "EdDSA", "PS256", "RS256"}
	r := open(t, conf)
	foreign := open(t, config(memory.New(), c))
	for _, algorithm := range conf.Algorithms {
		token, err := r.Sign(t.Context(), algorithm, "at+jwt", []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		jws, _ := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
		if jws == nil || jws.Signatures[0].Header.Algorithm != algorithm || jws.Signatures[0].Header.ExtraHeaders["typ"] != "at+jwt" {
			t.Fatalf("%s: %q", algorithm, token)
		}
		for _, typ := range []string{"at+jwt", "AT+JWT"} {
			if got, err := r.Verify(t.Context(), token, strings.ToLower(typ)); err != nil || string(got) != `{"a":1}` {
				t.Errorf("%s: %q, %v", algorithm, got, err)
			}
		}
		for name, err := range map[string]error{
			"another type":       second1(r.Verify(t.Context(), token, "jwt")),
			"no type":            second1(r.Verify(t.Context(), token, "")),
			"another server":     second1(foreign.Verify(t.Context(), token, "at+jwt")),
			"token of another":   second1(r.Verify(t.Context(), sign(t, foreign), "at+jwt")),
			"cut":                second1(r.Verify(t.Context(), token[:len(token)-3], "at+jwt")),
			"payload exchanged":  second1(r.Verify(t.Context(), exchange(token, sign(t, r)), "at+jwt")),
			"nothing":            second1(r.Verify(t.Context(), "", "at+jwt")),
			"a detached payload": second1(r.Verify(t.Context(), token[:strings.IndexByte(token, '.')]+"."+token[strings.LastIndexByte(token, '.'):], "at+jwt")),
		} {
			if !errors.Is(err, keyring.ErrInvalid) {
				t.Errorf("%s, %s: %v, want ErrInvalid", algorithm, name, err)
			}
		}
	}
	if _, err := r.Sign(context.Background(), "HS256", "at+jwt", nil); err == nil {
		t.Error("signed with an algorithm that has no key")
	}
	if _, err := r.Sign(context.Background(), keyring.Secret, "at+jwt", nil); err == nil {
		t.Error("signed with the secret")
	}
}

// exchange is a with the payload of b.
func exchange(a, b string) string {
	fa, fb := strings.Split(a, "."), strings.Split(b, ".")
	return fa[0] + "." + fb[1] + "." + fa[2]
}
