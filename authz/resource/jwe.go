package resource

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Answers that are encrypted to this resource server (RFC 9701 §5, RFC 7516). None with a shared
// secret, whose cost the sender could choose, and no RSA1_5, which tells by its errors.
var (
	keyAlgorithms      = []jose.KeyAlgorithm{jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A256KW, jose.RSA_OAEP, jose.RSA_OAEP_256}
	contentEncryptions = []jose.ContentEncryption{jose.A128CBC_HS256, jose.A128GCM, jose.A256GCM}
)

// decrypt is the signed answer in an encrypted one, or the answer itself where none is to be
// encrypted.
func (a *signedAnswers) decrypt(body string) (string, error) {
	switch encrypted := strings.Count(body, ".") == 4; {
	case len(a.decryption) == 0 && encrypted:
		return "", errors.New("it is encrypted; set SignedAnswers.DecryptionKeys, or take introspection_encrypted_response_alg out of this resource server's registration (RFC 9701 §6)")
	case len(a.decryption) == 0:
		return body, nil
	case !encrypted:
		return "", errors.New("it is not encrypted; register this resource server with introspection_encrypted_response_alg (RFC 9701 §6), or take out SignedAnswers.DecryptionKeys")
	}
	message, err := jose.ParseEncryptedCompact(body, keyAlgorithms, contentEncryptions)
	if err != nil || strings.ContainsAny(body, "\r\n") { // which the decoder overlooks
		return "", fmt.Errorf("it is no JWE with an alg of %v and an enc of %v", keyAlgorithms, contentEncryptions)
	}
	// The library would unpack what is compressed, ten times its size.
	if _, compressed := message.Header.ExtraHeaders["zip"]; compressed {
		return "", errors.New("it is compressed, which is not taken here")
	}
	for _, key := range a.decryption {
		if !decrypts(key, jose.KeyAlgorithm(message.Header.Algorithm)) {
			continue
		}
		if signed, err := message.Decrypt(key); err == nil {
			return string(signed), nil
		}
	}
	return "", errors.New("it is not encrypted to any of SignedAnswers.DecryptionKeys; compare them with the keys that this resource server is registered with")
}

// decrypts reports whether a private key is one for this algorithm, or for any if it is empty.
// RFC 7518 §4.3: RSA with 2048 bits or more.
func decrypts(key crypto.PrivateKey, algorithm jose.KeyAlgorithm) bool {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k != nil && slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve) &&
			(algorithm == "" || strings.HasPrefix(string(algorithm), "ECDH-ES"))
	case *rsa.PrivateKey:
		return k != nil && k.N != nil && k.N.BitLen() >= 2048 && (algorithm == "" || strings.HasPrefix(string(algorithm), "RSA-OAEP"))
	}
	return false
}
