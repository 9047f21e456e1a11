package keyring_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// A library that knows nothing of ours reads what is signed, and finds in its header what
// RFC 7515 §4.1 and RFC 9068 §2.1 want there, and no more.
func TestRFC7515_Section7_1(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA", "PS256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			c := config(memory.New(), &clock{at: epoch})
			c.Algorithms = []string{algorithm}
			r := open(t, c)
			for _, payload := range []string{`{}`, `{"sub":"ana"}`, strings.Repeat("é", 3000)} {
				compact, err := r.Sign(t.Context(), algorithm, "at+jwt", []byte(payload))
				if err != nil {
					t.Fatal(err)
				}
				jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
				if err != nil {
					t.Fatal(err)
				}
				set, err := r.Public(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := jws.Verify(set.Key(jws.Signatures[0].Protected.KeyID)[0].Key)
				if err != nil || string(got) != payload {
					t.Errorf("%.20q, %v", got, err)
				}
				header, err := base64.RawURLEncoding.DecodeString(compact[:strings.IndexByte(compact, '.')])
				want := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, algorithm, jws.Signatures[0].Protected.KeyID)
				if err != nil || string(header) != want {
					t.Errorf("header %s, %v, want %s", header, err, want)
				}
			}
		})
	}
}

// Tokens that go-jose signed, as it did for the server before, live on after an upgrade.
func TestVerifiesWhatGoJoseSigned(t *testing.T) {
	algorithms := []string{"ES256", "EdDSA", "PS256", "RS256"}
	store := memory.New()
	c := config(store, &clock{at: epoch})
	c.Algorithms = algorithms
	r := open(t, c)
	for _, k := range stored(t, store) {
		if !slices.Contains(algorithms, k.Algorithm) {
			continue
		}
		private, err := x509.ParsePKCS8PrivateKey(k.Material)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: jose.JSONWebKey{Key: private, KeyID: k.ID}},
			(&jose.SignerOptions{}).WithType("at+jwt"))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{"sub":"ana"}`))
		if err != nil {
			t.Fatal(err)
		}
		compact, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Verify(t.Context(), compact, "at+jwt"); err != nil || string(got) != `{"sub":"ana"}` {
			t.Errorf("%s: %q, %v", k.Algorithm, got, err)
		}
		if _, err := r.Verify(t.Context(), compact, "JWT"); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("%s, under another typ: %v", k.Algorithm, err)
		}
	}
}

// BenchmarkSign is a token's worth of claims, signed bare, by the ring, and by go-jose with
// a signer that is made once.
func BenchmarkSign(b *testing.B) {
	payload := []byte(strings.Repeat(`"claim":"value",`, 16))
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare-es256", func(b *testing.B) {
		for b.Loop() {
			sum := sha256.Sum256(payload)
			if _, err := ecdsa.SignASN1(rand.Reader, private, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ring", func(b *testing.B) {
		r := open(b, config(memory.New(), &clock{at: epoch}))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Sign(b.Context(), "ES256", "at+jwt", payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-jose", func(b *testing.B) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: "key"}}, (&jose.SignerOptions{}).WithType("at+jwt"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			jws, err := signer.Sign(payload)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := jws.CompactSerialize(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// An algorithm that the server no longer signs with is not one just because its key is still
// there, for what it has signed: that key is on its way out.
func TestSign_retiredAlgorithm(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	both := config(store, c)
	both.Algorithms = []string{"ES256", "EdDSA"}
	token, err := open(t, both).Sign(t.Context(), "EdDSA", "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, config(store, c))
	if _, err := r.Sign(t.Context(), "EdDSA", "at+jwt", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "SigningAlgorithms") {
		t.Errorf("signed with an algorithm that is not configured: %v", err)
	}
	if _, err := r.Verify(t.Context(), token, "at+jwt"); err != nil {
		t.Errorf("what was signed before: %v", err)
	}
}
