// Package jwe is as much of JSON Web Encryption (RFC 7516) as the server has a use for: the
// compact serialization, to the public key of one recipient, without compression. go-jose does
// the work; what is here decides what it gets to see.
package jwe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// The algorithms, by the names of RFC 7518 §4.1 and §5.1.
//
// Of those for keys there are none that need a shared secret (dir, AxxxKW, AxxxGCMKW, PBES2),
// whose cost a sender could choose, and not RSA1_5, which tells by its errors. The SHA-1 in
// RSA-OAEP is only asked to look random, and there are clients that know no other.
//
// A128CBC-HS256 is there beside AES-GCM because it is what a client gets that names none
// (Default).
var (
	keyAlgorithms      = []jose.KeyAlgorithm{jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A256KW, jose.RSA_OAEP, jose.RSA_OAEP_256}
	contentEncryptions = []jose.ContentEncryption{jose.A128CBC_HS256, jose.A128GCM, jose.A256GCM}
)

// Default is the enc of who names an alg and no enc (OpenID Connect Registration §2).
const Default = string(jose.A128CBC_HS256)

// KeyAlgorithms are the alg values that may be used.
func KeyAlgorithms() []string { return texts(keyAlgorithms) }

// ContentEncryptions are the enc values that may be used.
func ContentEncryptions() []string { return texts(contentEncryptions) }

func texts[S ~string](list []S) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = string(s)
	}
	return all
}

// Fits reports whether a public key is one for this alg.
func Fits(public any, algorithm string) bool {
	if !slices.Contains(keyAlgorithms, jose.KeyAlgorithm(algorithm)) {
		return false
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return strings.HasPrefix(algorithm, "ECDH-ES") && slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve)
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RSA-OAEP") && k.N.BitLen() >= 2048 // RFC 7518 §4.3
	}
	return false
}

// Encrypt makes a compact JWE for who has the private half of key. contentType is its cty: "JWT"
// for what is a JWT already (RFC 7519 §5.2), empty for claims.
func Encrypt(key *jose.JSONWebKey, algorithm, encryption, contentType string, plain []byte) (string, error) {
	if !Fits(key.Key, algorithm) || !slices.Contains(contentEncryptions, jose.ContentEncryption(encryption)) {
		return "", fmt.Errorf("jwe: no key for %q, or %q is not one of %q", algorithm, encryption, contentEncryptions)
	}
	options := &jose.EncrypterOptions{}
	if contentType != "" {
		options = options.WithContentType(jose.ContentType(contentType))
	}
	encrypter, err := jose.NewEncrypter(jose.ContentEncryption(encryption),
		jose.Recipient{Algorithm: jose.KeyAlgorithm(algorithm), Key: key.Key, KeyID: key.KeyID}, options)
	if err != nil {
		return "", fmt.Errorf("jwe: %w", err)
	}
	message, err := encrypter.Encrypt(plain)
	if err != nil {
		return "", fmt.Errorf("jwe: %w", err)
	}
	return message.CompactSerialize()
}

// Message is a compact JWE that somebody else made, taken apart. Nothing in its header is to be
// believed before Decrypt has succeeded, and then it is only known that it arrived as it was
// sent: anybody may have.
type Message struct {
	Algorithm   string // alg, one of KeyAlgorithms
	KeyID       string // kid, empty for none
	ContentType string // cty in lower case and without application/, empty for none

	encryptedKey int // bytes
	message      *jose.JSONWebEncryption
}

var (
	// ErrMalformed: no compact JWE, or one with an extension, compression or encoding that is
	// not taken here.
	ErrMalformed = errors.New("jwe: not a JWE that this server understands")

	// ErrAlgorithm: alg or enc is one that is not used here.
	ErrAlgorithm = errors.New("jwe: a JWE with an alg or enc that is not allowed")

	// ErrKey: not encrypted to this key, or changed on its way. Nothing tells which.
	ErrKey = errors.New("jwe: not encrypted to this key")
)

// Is reports whether s looks like a compact JWE (RFC 7516 §9), and not like a JWS.
func Is(s string) bool { return strings.Count(s, ".") == 4 }

const (
	// MaxBytes is how long a message may be. There is no compression, so that what comes out
	// is shorter.
	MaxBytes = 64 << 10

	maxHeader = 4 << 10
)

// Parse takes a message apart, at a cost that its length bounds. It refuses what would make
// decryption expensive (zip, RFC 7516 §4.1.3; p2c, RFC 7518 §4.8.1.2), extensions (crit,
// RFC 7516 §4.1.13), members that are there twice and encodings that are not the canonical one.
// Keys in the header (jwk, jku, x5c, x5u) mean nothing here.
func Parse(compact string) (*Message, error) {
	if len(compact) > MaxBytes || strings.ContainsAny(compact, "\r\n") { // which the decoder overlooks
		return nil, ErrMalformed
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 5 || len(parts[0]) > maxHeader {
		return nil, ErrMalformed
	}
	var size [5]int
	var headerText []byte
	for i, part := range parts {
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, ErrMalformed
		}
		if size[i] = len(text); i == 0 {
			headerText = text
		}
	}
	var header map[string]any
	// encoding/json is asked first because it bounds the depth of nesting.
	if !stdjson.Valid(headerText) || json.Unmarshal(headerText, &header) != nil || header == nil {
		return nil, ErrMalformed
	}
	for _, name := range []string{"zip", "crit", "p2c", "p2s"} {
		if _, there := header[name]; there {
			return nil, ErrMalformed
		}
	}
	m := &Message{encryptedKey: size[1]}
	var encryption string
	for name, value := range map[string]*string{"alg": &m.Algorithm, "enc": &encryption, "kid": &m.KeyID, "cty": &m.ContentType} {
		if member, there := header[name]; there {
			var ok bool
			if *value, ok = member.(string); !ok {
				return nil, ErrMalformed
			}
		}
	}
	m.ContentType = strings.TrimPrefix(strings.ToLower(m.ContentType), "application/") // RFC 7516 §4.1.12
	allowed, enc := jose.KeyAlgorithm(m.Algorithm), jose.ContentEncryption(encryption)
	if !slices.Contains(keyAlgorithms, allowed) || !slices.Contains(contentEncryptions, enc) {
		return nil, ErrAlgorithm
	}
	// RFC 7516 §5.2, step 10: an agreed key is used as it is, and nothing is encrypted.
	if direct := allowed == jose.ECDH_ES; direct != (size[1] == 0) || size[2] != ivBytes(enc) || size[4] != tagBytes {
		return nil, ErrMalformed
	}
	_, ephemeral := header["epk"]
	if ephemeral != strings.HasPrefix(m.Algorithm, "ECDH-ES") {
		return nil, ErrMalformed
	}
	var err error
	if m.message, err = jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{allowed}, []jose.ContentEncryption{enc}); err != nil {
		return nil, ErrMalformed
	}
	return m, nil
}

// tagBytes are those of an authentication tag (RFC 7518 §5.2.3, §5.3).
const tagBytes = 16

// ivBytes are those of an initialization vector (RFC 7518 §5.2.3, §5.3).
func ivBytes(enc jose.ContentEncryption) int {
	if enc == jose.A128CBC_HS256 {
		return 16
	}
	return 12
}

// Decrypt is what was encrypted to this private key; ErrKey for anything else, whatever is wrong
// with it. What the header says must not choose what a key is used for, so it has to be one for
// alg. go-jose refuses ephemeral keys that are not on the curve of the key.
func (m *Message) Decrypt(private any) ([]byte, error) {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if !Fits(&k.PublicKey, m.Algorithm) {
			return nil, ErrKey
		}
	case *rsa.PrivateKey:
		if !Fits(&k.PublicKey, m.Algorithm) || m.encryptedKey != k.Size() {
			return nil, ErrKey
		}
	default:
		return nil, ErrKey
	}
	plain, err := m.message.Decrypt(private)
	if err != nil {
		return nil, ErrKey
	}
	return plain, nil
}
