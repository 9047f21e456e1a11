package resource_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// wrap makes a nested JWT, as an issuer may that knows everything.
func wrap(t testing.TB, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, inside string, options *jose.EncrypterOptions) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: "mine", PBES2Count: 1000}, options)
	if err != nil {
		t.Fatal(err)
	}
	message, err := encrypter.Encrypt([]byte(inside))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := message.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// Encrypted answers (RFC 9701 §5), which are signed all the same.
func TestRFC9701_Section5_Encrypted(t *testing.T) {
	signing, stranger := ecKey(t, "k"), ecKey(t, "k")
	ec, former := ecKey(t, "").Key.(*ecdsa.PrivateKey), ecKey(t, "").Key.(*ecdsa.PrivateKey)
	rs := rsaKey(t, "", "", 2048).Key
	ofRSA := rs.(crypto.Signer).Public()
	is := newIssuer(t, signing)
	claims := is.about(nil, nil)
	right := signAnswer(t, signing, nil, claims)
	secret := []byte("0123456789abcdef")
	ours := func(inside string) string {
		return wrap(t, jose.ECDH_ES, jose.A128GCM, &ec.PublicKey, inside, nil)
	}
	for name, c := range map[string]struct {
		body string
		want outcome
	}{
		"ECDH-ES":                {ours(right), good},
		"ECDH-ES+A128KW":         {wrap(t, jose.ECDH_ES_A128KW, jose.A256GCM, &ec.PublicKey, right, nil), good},
		"ECDH-ES+A256KW":         {wrap(t, jose.ECDH_ES_A256KW, jose.A128CBC_HS256, &ec.PublicKey, right, nil), good},
		"RSA-OAEP":               {wrap(t, jose.RSA_OAEP, jose.A128GCM, ofRSA, right, nil), good},
		"RSA-OAEP-256":           {wrap(t, jose.RSA_OAEP_256, jose.A128CBC_HS256, ofRSA, right, nil), good},
		"to_the_former_key":      {wrap(t, jose.ECDH_ES, jose.A128GCM, &former.PublicKey, right, nil), good},
		"to_a_stranger":          {wrap(t, jose.ECDH_ES, jose.A128GCM, stranger.Key.(crypto.Signer).Public(), right, nil), unknown},
		"not_encrypted":          {right, unknown},
		"signed_by_a_stranger":   {ours(signAnswer(t, stranger, nil, claims)), unknown},
		"not_signed":             {ours(`{"active":true}`), unknown},
		"an_access_token_inside": {ours(sign(t, signing, map[jose.HeaderKey]any{"typ": "at+jwt"}, claims)), unknown},
		"encrypted_twice":        {ours(ours(right)), unknown},
		"compressed":             {wrap(t, jose.ECDH_ES, jose.A128GCM, &ec.PublicKey, right, &jose.EncrypterOptions{Compression: jose.DEFLATE}), unknown},
		"critical":               {wrap(t, jose.ECDH_ES, jose.A128GCM, &ec.PublicKey, right, &jose.EncrypterOptions{ExtraHeaders: map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}}), unknown},
		"RSA1_5":                 {wrap(t, jose.RSA1_5, jose.A128GCM, ofRSA, right, nil), unknown},
		"dir":                    {wrap(t, jose.DIRECT, jose.A128GCM, secret, right, nil), unknown},
		"PBES2":                  {wrap(t, jose.PBES2_HS256_A128KW, jose.A128GCM, secret, right, nil), unknown},
		"changed":                {ours(right) + "A", unknown},
		"with_a_line_break":      {ours(right) + "\n", unknown},
		"in_pieces":              {"....", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is.answers(typed(signedType, c.body))
			v := newSigned(t, is, func(c *resource.IntrospectionConfig) {
				c.SignedAnswers.DecryptionKeys = []crypto.PrivateKey{ec, rs, former}
			})
			if outcome, _, err := verify(t, v, opaque); outcome != c.want {
				t.Fatalf("%s (%v), want %s", outcome, err, c.want)
			}
		})
	}
	// One that nobody can decrypt says so.
	is.answers(typed(signedType, ours(right)))
	if outcome, _, err := verify(t, newSigned(t, is, nil), opaque); outcome != unknown || !strings.Contains(err.Error(), "set SignedAnswers.DecryptionKeys") {
		t.Errorf("%s: %v", outcome, err)
	}
}

// Keys that nothing can be encrypted to are refused at the start.
func TestSignedAnswers_DecryptionKeys(t *testing.T) {
	is := newIssuer(t, ecKey(t, "k"))
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, key := range map[string]crypto.PrivateKey{
		"nil": nil, "a nil EC key": (*ecdsa.PrivateKey)(nil), "P-224": p224, "a small RSA key": rsaKey(t, "", "", 1024).Key,
		"a public key": &p224.PublicKey, "a JWK": ecKey(t, "k"), "a secret": []byte("0123456789abcdef"),
	} {
		_, err := resource.Introspection(resource.IntrospectionConfig{
			Issuer: is.URL, Audience: api, ClientID: "api:1", ClientSecret: "s",
			SignedAnswers: &resource.SignedAnswers{DecryptionKeys: []crypto.PrivateKey{key}},
		})
		if err == nil || !strings.Contains(err.Error(), "SignedAnswers.DecryptionKeys") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzEncryptedAnswer holds that no answer opens anything but the one that was encrypted, whatever is
// sent in its place. What may be inside is FuzzSignedAnswer's.
func FuzzEncryptedAnswer(f *testing.F) {
	key := ecKey(f, "k")
	ec := ecKey(f, "").Key.(*ecdsa.PrivateKey)
	is := newIssuer(f, key)
	var body string
	is.introspect = func(w http.ResponseWriter, r *http.Request) { typed(signedType, body)(w, r) }
	v := newSigned(f, is, func(c *resource.IntrospectionConfig) {
		c.Endpoint = is.URL + "/introspect"
		c.SignedAnswers.DecryptionKeys = []crypto.PrivateKey{ec}
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return inProcess(is.Config.Handler, r), nil
		})}
	})
	right := signAnswer(f, key, nil, is.about(nil, nil))
	compact := wrap(f, jose.ECDH_ES, jose.A128GCM, &ec.PublicKey, right, nil)
	for _, seed := range []string{right, compact, "....", "", compact + ".", strings.Replace(compact, "..", ".A.", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		body = sent
		_, err := v.VerifyAccessToken(context.Background(), "token")
		// The last character of a tag may have bits that do not count.
		if err == nil && (len(sent) != len(compact) || sent[:len(sent)-1] != compact[:len(compact)-1]) {
			t.Errorf("good: %q", sent)
		}
		if errors.Is(err, resource.ErrInvalidToken) {
			t.Errorf("a statement about the token: %q", sent)
		}
	})
}
