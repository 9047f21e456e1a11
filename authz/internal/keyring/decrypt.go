package keyring

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/jwe"
)

// decryptionAlgorithms name the keys that others encrypt to: one of each type is published. The
// other algorithms of the same key type go with them (RFC 7518 §4.3, §4.6).
var decryptionAlgorithms = []string{string(jose.ECDH_ES), string(jose.RSA_OAEP)}

// mostTries bounds what a message costs that names no key.
const mostTries = 2

// Decrypt is what somebody encrypted to a key of the ring; ErrInvalid for anything else. A
// retired key decrypts for as long as it is kept, because clients cache the key set. No key that
// signs is ever tried.
func (r *Ring) Decrypt(ctx context.Context, m *jwe.Message) ([]byte, error) {
	if !r.config.Decrypts {
		return nil, ErrInvalid
	}
	s, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range s.decrypting(m, r.config.Now()) {
		if plain, err := m.Decrypt(k.decryption); err == nil {
			return plain, nil
		}
	}
	return nil, ErrInvalid
}

// decrypting are the keys to try on a message: the one that it names, or else the latest of its
// type.
func (s *snapshot) decrypting(m *jwe.Message, now time.Time) (try []*key) {
	if m.KeyID != "" {
		if k := s.find(m.KeyID); k != nil && k.decryption != nil && !expired(k.Key, now) {
			try = append(try, k)
		}
		return try
	}
	for _, k := range slices.Backward(s.keys) {
		if k.decryption != nil && !expired(k.Key, now) && !k.ActiveAt.After(now) && jwe.Fits(k.encryption(), m.Algorithm) && len(try) < mostTries {
			try = append(try, k)
		}
	}
	return try
}

// encryption is the public half of a decryption key.
func (k *key) encryption() any {
	switch private := k.decryption.(type) {
	case *ecdsa.PrivateKey:
		return &private.PublicKey
	case *rsa.PrivateKey:
		return &private.PublicKey
	}
	return nil
}

// encryptionKeys are what to publish for others to encrypt to: of each type the key that is
// current, so that nobody begins with one that is about to go. It has no alg, because it is for
// all of its type.
func (s *snapshot) encryptionKeys(now time.Time) (keys []jose.JSONWebKey) {
	for _, algorithm := range decryptionAlgorithms {
		if k := s.active(algorithm, now); k != nil {
			keys = append(keys, jose.JSONWebKey{Key: k.encryption(), KeyID: k.ID, Use: "enc"})
		}
	}
	return keys
}

// decrypterFor is private, if it is a key of this kind; otherwise nil.
func decrypterFor(algorithm string, private any) any {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if algorithm == string(jose.ECDH_ES) && k.Curve == elliptic.P256() {
			return k
		}
	case *rsa.PrivateKey:
		if algorithm == string(jose.RSA_OAEP) {
			return k
		}
	}
	return nil
}
