package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// ErrInvalid is the answer for anything that no key of the ring has signed or
// sealed.
var ErrInvalid = errors.New("keyring: not signed or sealed with a key of this server")

// Sign makes a compact JWS (RFC 7515 §3.1) of payload with the algorithm's current
// key. typ becomes the header of that name (RFC 8725 §3.11).
func (r *Ring) Sign(ctx context.Context, algorithm, typ string, payload []byte) (string, error) {
	s, err := r.usable(ctx)
	if err != nil {
		return "", err
	}
	k := s.active(algorithm, r.config.Now())
	if k == nil {
		return "", fmt.Errorf("keyring: no key for algorithm %q; name it in Config.SigningAlgorithms", algorithm)
	}
	signer, err := k.signer(typ)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("keyring: %w", err)
	}
	return jws.CompactSerialize()
}

func (k *key) signer(typ string) (jose.Signer, error) {
	if signer, ok := k.signers.Load(typ); ok {
		return signer.(jose.Signer), nil
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(k.Algorithm),
			Key:       jose.JSONWebKey{Key: k.private, KeyID: k.ID},
		},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)),
	)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	k.signers.Store(typ, signer)
	return signer, nil
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
// signed under this typ; ErrInvalid for anything else. The key is found by kid, and
// its own algorithm, not the header's word, decides how it verifies (RFC 8725 §3.1).
func (r *Ring) Verify(ctx context.Context, compact, typ string) ([]byte, error) {
	payload, _, err := r.VerifyBy(ctx, compact, typ)
	return payload, err
}

// VerifyBy is Verify, and also tells the ID of the key.
func (r *Ring) VerifyBy(ctx context.Context, compact, typ string) (payload []byte, keyID string, err error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, "", ErrInvalid
	}
	header := jws.Signatures[0].Protected
	got, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if !strings.EqualFold(strings.TrimPrefix(strings.ToLower(got), "application/"), typ) {
		return nil, "", ErrInvalid
	}
	s, err := r.usable(ctx)
	if err != nil {
		return nil, "", err
	}
	k := s.find(header.KeyID)
	if k == nil || k.private == nil || k.Algorithm != header.Algorithm || expired(k.Key, r.config.Now()) {
		return nil, "", ErrInvalid
	}
	payload, err = jws.Verify(k.private.Public())
	if err != nil {
		return nil, "", ErrInvalid
	}
	return payload, k.ID, nil
}

// Public is the key set to publish (RFC 7517 §5): the public half of every signing
// key, those that do not sign yet and those that no longer do included.
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
	return set, nil
}
