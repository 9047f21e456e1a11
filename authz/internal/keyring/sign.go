package keyring

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// ErrInvalid is the answer for anything that no key of the ring has signed or
// sealed.
var ErrInvalid = errors.New("keyring: not signed or sealed with a key of this server")

// Sign makes a compact JWS (RFC 7515 §3.1) of payload with the algorithm's current
// key. typ becomes the header of that name (RFC 8725 §3.11). An algorithm that is not one of
// Config.Algorithms has no current key, even if the ring still holds one: that was retired.
func (r *Ring) Sign(ctx context.Context, algorithm, typ string, payload []byte) (string, error) {
	if !slices.Contains(r.config.Algorithms, algorithm) {
		return "", noKey(algorithm)
	}
	s, err := r.usable(ctx)
	if err != nil {
		return "", err
	}
	k := s.active(algorithm, r.config.Now())
	if k == nil || k.private == nil {
		return "", noKey(algorithm)
	}
	return k.compact(typ, payload)
}

func noKey(algorithm string) error {
	return fmt.Errorf("keyring: no key for algorithm %q; name it in Config.SigningAlgorithms", algorithm)
}

// compact is RFC 7515 §5.1, by hand where all the rest is go-jose's: its signer encodes the
// same header anew for every token, with half as many allocations again as the signature.
func (k *key) compact(typ string, payload []byte) (string, error) {
	header, err := k.header(typ)
	if err != nil {
		return "", err
	}
	encoding := base64.RawURLEncoding
	jws := make([]byte, 0, len(header)+1+encoding.EncodedLen(len(payload))+1+encoding.EncodedLen(256))
	jws = append(append(jws, header...), '.')
	jws = encoding.AppendEncode(jws, payload)
	signature, err := k.signature(jws)
	if err != nil {
		return "", fmt.Errorf("keyring: %w", err)
	}
	jws = append(jws, '.')
	return string(encoding.AppendEncode(jws, signature)), nil
}

// header is the encoded protected header of what this key signs.
func (k *key) header(typ string) (string, error) {
	if header, ok := k.headers.Load(typ); ok {
		return header.(string), nil
	}
	text, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{k.Algorithm, k.ID, typ})
	if err != nil {
		return "", fmt.Errorf("keyring: %w", err)
	}
	header := base64.RawURLEncoding.EncodeToString(text)
	k.headers.Store(typ, header)
	return header, nil
}

// pss is RFC 7518 §3.5: the salt is as long as the hash.
var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// signature is RFC 7518 §3.3 (RS256), §3.4 (ES256) and §3.5 (PS256), and RFC 8037 §3.1 (EdDSA).
func (k *key) signature(input []byte) ([]byte, error) {
	if private, ok := k.private.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, input), nil
	}
	digest := sha256.Sum256(input)
	private, ok := k.private.(*ecdsa.PrivateKey)
	switch {
	case ok:
	case k.Algorithm == string(jose.PS256):
		return k.private.Sign(rand.Reader, digest[:], pss)
	default:
		return k.private.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}

// Published reports whether the ring still has this signing key.
func (r *Ring) Published(ctx context.Context, keyID string) (bool, error) {
	s, err := r.usable(ctx)
	if err != nil {
		return false, err
	}
	k := s.find(keyID)
	return k != nil && k.private != nil && !expired(k.Key, r.config.Now()), nil
}

// Verify returns the payload of a compact JWS that a published key of the ring has
// signed under this typ; ErrInvalid for anything else.
func (r *Ring) Verify(ctx context.Context, compact, typ string) ([]byte, error) {
	payload, _, err := r.VerifyBy(ctx, compact, typ)
	return payload, err
}

// VerifyBy is Verify, and also tells the ID of the key.
//
// It is RFC 7515 §5.2 for what Sign makes, and for nothing else: the header is to the byte
// one that a key of the ring has, so there is nothing in it to be interpreted, no algorithm
// to be chosen (RFC 8725 §3.1) and no extension to be understood.
func (r *Ring) VerifyBy(ctx context.Context, compact, typ string) (payload []byte, keyID string, err error) {
	header, rest, _ := strings.Cut(compact, ".")
	body, tail, found := strings.Cut(rest, ".")
	if !found {
		return nil, "", ErrInvalid
	}
	s, err := r.usable(ctx)
	if err != nil {
		return nil, "", err
	}
	k := s.headed(header, typ)
	if k == nil || expired(k.Key, r.config.Now()) {
		return nil, "", ErrInvalid
	}
	payload, err1 := decode(body)
	signature, err2 := decode(tail)
	if err1 != nil || err2 != nil || !k.verifies(compact[:len(header)+1+len(body)], signature) {
		return nil, "", ErrInvalid
	}
	return payload, k.ID, nil
}

// decode is RFC 7515 §2: base64url without padding, and without the line breaks that the
// library would pass over.
func decode(s string) ([]byte, error) {
	if strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0 {
		return nil, ErrInvalid
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// headed is the signing key with this encoded header for this typ.
func (s *snapshot) headed(header, typ string) *key {
	for _, k := range s.keys {
		if k.private == nil {
			continue
		}
		if own, err := k.header(typ); err == nil && own == header {
			return k
		}
	}
	return nil
}

// verifies is the counterpart of signature.
func (k *key) verifies(input string, signature []byte) bool {
	switch public := k.private.Public().(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(input), signature)
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		digest := sha256.Sum256([]byte(input))
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	case *rsa.PublicKey:
		digest := sha256.Sum256([]byte(input))
		if k.Algorithm == string(jose.PS256) {
			return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, pss) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

// Public is the key set to publish (RFC 7517 §5): the public half of every signing
// key, those that do not sign yet and those that no longer do included, and of the keys to
// encrypt to.
func (r *Ring) Public(ctx context.Context) (*jose.JSONWebKeySet, error) {
	s, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	set := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range s.keys {
		if k.private != nil && !expired(k.Key, r.config.Now()) {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: k.private.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig",
			})
		}
	}
	if r.config.Decrypts {
		set.Keys = append(set.Keys, s.encryptionKeys(r.config.Now())...)
	}
	return set, nil
}
