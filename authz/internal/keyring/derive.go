package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Derived are symmetric keys for a purpose, which every replica derives alike: from the
// secret that seals now, first, and from those that once did or soon will.
func (r *Ring) Derived(ctx context.Context, purpose string) ([][]byte, error) {
	s, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	now := r.config.Now()
	active := s.active(Secret, now)
	var keys [][]byte
	for _, k := range s.keys {
		if k.secret == nil || expired(k.Key, now) {
			continue
		}
		derived, err := hkdf.Expand(sha256.New, k.secret, purpose, 32) // uniformly random already (RFC 5869 §3.3)
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		if keys = append(keys, derived); k == active {
			last := len(keys) - 1
			keys[0], keys[last] = keys[last], keys[0]
		}
	}
	return keys, nil
}
