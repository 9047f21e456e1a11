package conformance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"iter"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// raw makes a JWS of two texts as they are, so that they may be wrong in ways that no library
// would make: ES256 or RS256 by the kind of key, HS256 for bytes.
func (p *probe) raw(key any, head, payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(head)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	switch key := key.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	case *ecdsa.PrivateKey:
		if key.Curve.Params().BitSize != 256 {
			p.notTested("it takes a key for ES256 or RS256")
		}
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			p.failf("sign: %v", err)
		}
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	case *rsa.PrivateKey:
		var err error
		if signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]); err != nil {
			p.failf("sign: %v", err)
		}
	default:
		p.notTested("it takes a key for ES256 or RS256")
	}
	jwt := input + "." + b64(signature)
	p.hide("jwt", jwt)
	return jwt
}

// rawAlgorithm is that of raw for a key.
func rawAlgorithm(key any) string {
	switch key.(type) {
	case []byte:
		return "HS256"
	case *rsa.PrivateKey:
		return "RS256"
	}
	return "ES256"
}

// text is JSON.
func (p *probe) text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		p.failf("encode: %v", err)
	}
	return string(text)
}

// key is the client's private key.
func (c *client) key() jose.JSONWebKey {
	if c.keys == nil || len(c.keys.Keys) == 0 {
		c.p.notTested("the private key of %s is not among what the suite was given", c.ID)
	}
	return c.keys.Keys[0]
}

// publicForms are a public key as the bytes that a server might hold it in, which whoever takes
// it for the secret of a MAC would use (RFC 8725 §2.1).
func (p *probe) publicForms(key jose.JSONWebKey) map[string][]byte {
	public := key.Public()
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		p.failf("encode a key: %v", err)
	}
	encoded, err := public.MarshalJSON()
	if err != nil {
		p.failf("encode a key: %v", err)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return map[string][]byte{"DER": der, "PEM": armoured, "PEM without its last line break": bytes.TrimSpace(armoured), "JWK": encoded}
}

// badly are ways to spoil a JWT that its signature still covers, or that have none: what no server
// may take, whoever made it.
func (p *probe) badly(key any, head map[string]any, what claims) map[string]string {
	payload := p.text(what)
	with := func(name string, value any) string {
		all := claims(head).changed(claims{name: value})
		return p.raw(key, p.text(all), payload)
	}
	good := p.raw(key, p.text(head), payload)
	parts := strings.Split(good, ".")
	return map[string]string{
		"an extension in crit that nobody knows": p.raw(key, p.text(claims(head).changed(claims{"crit": []string{"urn:example:unknown"}, "urn:example:unknown": 1})), payload),
		"an empty crit":                          with("crit", []string{}),
		"crit that names what is not there":      with("crit", []string{"exp"}),
		"the JSON serialization":                 p.text(map[string]any{"payload": parts[1], "protected": parts[0], "signature": parts[2]}),
		"two signatures":                         p.text(map[string]any{"payload": parts[1], "signatures": []any{map[string]any{"protected": parts[0], "signature": parts[2]}, map[string]any{"protected": parts[0], "signature": parts[2]}}}),
		"a fourth part":                          good + "." + parts[2],
		"no signature":                           parts[0] + "." + parts[1] + ".",
		"two parts":                              parts[0] + "." + parts[1],
		"another signature":                      parts[0] + "." + parts[1] + "." + anotherSignature(parts[2]),
		"claims that are an array":               p.raw(key, p.text(head), "["+payload+"]"),
		"claims that are no JSON":                p.raw(key, p.text(head), payload[:len(payload)-1]),
		"alg that is a number":                   with("alg", 1),
		"claims that nest ten thousand deep":     p.raw(key, p.text(head), payload[:len(payload)-1]+`,"x":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+"}"),
	}
}

// ordered goes through a map in the order of its keys, so that every run sends the same.
func ordered[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// anotherSignature is a signature with another beginning.
func anotherSignature(signature string) string {
	if strings.HasPrefix(signature, "A") {
		return "B" + signature[1:]
	}
	return "A" + signature[1:]
}

// stdEncoded is base64 with padding, as of headers.
func stdEncoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
