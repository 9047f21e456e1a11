package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// Seal encrypts plain so that only [Ring.Unseal], called on any replica with the
// same purpose, gets it back. The result is safe in a URL or a form.
func (r *Ring) Seal(ctx context.Context, purpose string, plain []byte) (string, error) {
	s, err := r.usable(ctx)
	if err != nil {
		return "", err
	}
	k := s.active(Secret, r.config.Now())
	if k == nil {
		return "", errors.New("keyring: the ring holds no secret")
	}
	aead, err := newAEAD(k.secret)
	if err != nil {
		return "", err
	}
	return k.ID + "." + base64.RawURLEncoding.EncodeToString(seal(aead, plain, purpose)), nil
}

// Unseal returns what was given to Seal; ErrInvalid for anything else.
func (r *Ring) Unseal(ctx context.Context, purpose, sealed string) ([]byte, error) {
	id, body, _ := strings.Cut(sealed, ".")
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || strings.ContainsAny(body, "\r\n") { // which the decoder overlooks
		return nil, ErrInvalid
	}
	s, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	k := s.find(id)
	if k == nil || k.secret == nil {
		return nil, ErrInvalid
	}
	aead, err := newAEAD(k.secret)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(aead, bytes, purpose)
	if err != nil {
		return nil, ErrInvalid
	}
	return plain, nil
}

// extractors are for the first step of HKDF without a salt (RFC 5869 §2.2): an HMAC under
// a key of zeros, which need not be set up anew each time.
var extractors = sync.Pool{New: func() any { return hmac.New(sha256.New, make([]byte, sha256.Size)) }}

// keyUnder is hkdf.Key.
func keyUnder(credential, purpose string) ([]byte, error) {
	extractor := extractors.Get().(hash.Hash)
	defer extractors.Put(extractor)
	extractor.Write([]byte(credential))
	pseudorandom := extractor.Sum(nil)
	extractor.Reset() // it knows nothing of this credential any more
	k, err := hkdf.Expand(sha256.New, pseudorandom, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return k, nil
}

// SealFor encrypts plain under a credential that we do not keep, so that only
// whoever presents that credential again can make use of it.
func SealFor(credential, purpose string, plain []byte) ([]byte, error) {
	k, err := keyUnder(credential, purpose)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(k)
	if err != nil {
		return nil, err
	}
	return seal(aead, plain, purpose), nil
}

// UnsealWith opens what SealFor made under the same credential.
func UnsealWith(credential, purpose string, sealed []byte) ([]byte, error) {
	k, err := keyUnder(credential, purpose)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(k)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(aead, sealed, purpose)
	if err != nil {
		return nil, ErrInvalid
	}
	return plain, nil
}
