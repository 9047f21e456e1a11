package keyring_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage/memory"
)

// A library that knows nothing of ours reads what is signed, and finds in its header what
// RFC 7515 §4.1 and RFC 9068 §2.1 want there, and no more.
func TestRFC7515_Section7_1(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256"} {
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
