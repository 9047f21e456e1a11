package keyring

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage"
)

// key is a stored key, ready for use.
type key struct {
	storage.Key
	private    crypto.Signer // signing keys
	decryption any           // decryption keys, *ecdsa.PrivateKey or *rsa.PrivateKey
	secret     []byte        // secrets

	headers *sync.Map // typ → encoded protected header
}

// with is k with the life that is now stored for it.
func (k *key) with(stored storage.Key) *key {
	return &key{Key: stored, private: k.private, decryption: k.decryption, secret: k.secret, headers: k.headers}
}

// generate makes a key; its times are the caller's to set.
func generate(algorithm string, encryptionKey []byte) (storage.Key, error) {
	k := storage.Key{Algorithm: algorithm}
	if algorithm == Secret {
		k.Material = make([]byte, 32)
		rand.Read(k.Material)
		k.ID = rand.Text()
	} else {
		private, err := generatePrivate(algorithm)
		if err != nil {
			return k, err
		}
		if k.Material, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
			return k, fmt.Errorf("keyring: %w", err)
		}
		thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256) // RFC 7638
		if err != nil {
			return k, fmt.Errorf("keyring: %w", err)
		}
		k.ID = base64.RawURLEncoding.EncodeToString(thumbprint)
	}
	if encryptionKey != nil {
		aead, err := newAEAD(encryptionKey)
		if err != nil {
			return k, err
		}
		k.Material, k.Sealed = seal(aead, k.Material, k.ID), true
	}
	return k, nil
}

func generatePrivate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case string(jose.ES256), string(jose.ECDH_ES):
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case string(jose.EdDSA):
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case string(jose.RS256), string(jose.PS256), string(jose.RSA_OAEP):
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("keyring: no keys for algorithm %q; use ES256, EdDSA, PS256 or RS256", algorithm)
}

// parse readies a stored key.
func parse(stored storage.Key, encryptionKey []byte) (*key, error) {
	k := &key{Key: stored, headers: new(sync.Map)}
	material := stored.Material
	if stored.Sealed {
		if encryptionKey == nil {
			return nil, errors.New("keyring: the stored keys are encrypted; set Config.EncryptionKey to the key they were encrypted with")
		}
		aead, err := newAEAD(encryptionKey)
		if err != nil {
			return nil, err
		}
		if material, err = unseal(aead, material, stored.ID); err != nil {
			return nil, errors.New("keyring: the stored keys do not open with Config.EncryptionKey; set it to the key they were encrypted with")
		}
	}
	if stored.Algorithm == Secret {
		k.secret = material
		return k, nil
	}
	private, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil, fmt.Errorf("keyring: stored key %s is damaged: %w", stored.ID, err)
	}
	k.private, k.decryption = signerFor(stored.Algorithm, private), decrypterFor(stored.Algorithm, private)
	if k.private == nil && k.decryption == nil {
		return nil, fmt.Errorf("keyring: stored key %s is none for its algorithm, %q: restore the store from a backup", stored.ID, stored.Algorithm)
	}
	return k, nil
}

// signerFor is private, if it is a key for this algorithm; otherwise nil. What signs and
// verifies goes by the key alone.
func signerFor(algorithm string, private any) crypto.Signer {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if algorithm == string(jose.ES256) && k.Curve == elliptic.P256() {
			return k
		}
	case ed25519.PrivateKey:
		if algorithm == string(jose.EdDSA) {
			return k
		}
	case *rsa.PrivateKey:
		if algorithm == string(jose.RS256) || algorithm == string(jose.PS256) {
			return k
		}
	}
	return nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal and unseal bind what they encrypt to the purpose it serves.
func seal(aead cipher.AEAD, plain []byte, purpose string) []byte {
	return aead.Seal(nil, nil, plain, []byte(purpose))
}

func unseal(aead cipher.AEAD, sealed []byte, purpose string) ([]byte, error) {
	return aead.Open(nil, nil, sealed, []byte(purpose))
}
