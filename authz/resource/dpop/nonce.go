package dpop

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Nonces are values that clients put into their proofs, so that a proof cannot have been
// made long before it is used, whatever the client's clock says (RFC 9449 §8, §9). Nothing
// is stored: a nonce is the time and a MAC of it. There is a new one every two minutes, and
// each is good until the next one's two minutes are over.
type Nonces struct {
	// Keys are secrets of at least 32 bytes: the first makes nonces, all of them recognise
	// theirs, so that one can be replaced. All replicas need the same.
	Keys func(ctx context.Context) ([][]byte, error)

	// Clock tells the time; nil for time.Now.
	Clock func() time.Time
}

const noncePeriod = 2 * time.Minute

// NewNonces are nonces under one secret of at least 32 bytes, which all replicas need to
// share; nil makes one that this process alone knows. A shorter one panics.
func NewNonces(secret []byte) *Nonces {
	if secret == nil {
		secret = make([]byte, 32)
		rand.Read(secret)
	}
	if len(secret) < 32 {
		panic("dpop: the secret for nonces has fewer than 32 bytes; make one with crypto/rand")
	}
	keys := [][]byte{bytes.Clone(secret)}
	return &Nonces{Keys: func(context.Context) ([][]byte, error) { return keys, nil }}
}

func (n *Nonces) now() time.Time {
	if n.Clock == nil {
		return time.Now()
	}
	return n.Clock()
}

// Current is the nonce for clients to use in their next proof. It fails only if the keys
// are not to be had.
func (n *Nonces) Current(ctx context.Context) (string, error) {
	keys, err := n.Keys(ctx)
	if err == nil && len(keys) == 0 {
		err = errors.New("dpop: there is no key to make a nonce with")
	}
	if err != nil {
		return "", err
	}
	return nonceOf(keys[0], n.now().Unix()/int64(noncePeriod/time.Second)), nil
}

// nonceOf is the nonce of one period, in 32 characters.
func nonceOf(key []byte, period int64) string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:8], uint64(period))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("dpop nonce"))
	mac.Write(b[:8])
	copy(b[8:], mac.Sum(nil))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// check tells until when a nonce is good. The last period's is, and the next one's, which a
// replica may have given whose clock is ahead.
func (n *Nonces) check(ctx context.Context, nonce string) (time.Time, error) {
	if nonce == "" {
		return time.Time{}, &Error{Code: UseNonce, Reason: "nonce_missing", text: "the proof has no nonce"}
	}
	stale := &Error{Code: UseNonce, Reason: "nonce_stale", text: "the proof's nonce is not one of the last minutes"}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 24 {
		return time.Time{}, stale
	}
	period := int64(binary.BigEndian.Uint64(raw))
	current := n.now().Unix() / int64(noncePeriod/time.Second)
	if period < current-1 || period > current+1 {
		return time.Time{}, stale
	}
	keys, err := n.Keys(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, key := range keys {
		if hmac.Equal([]byte(nonceOf(key, period)), []byte(nonce)) {
			return time.Unix((period+2)*int64(noncePeriod/time.Second), 0), nil
		}
	}
	return time.Time{}, stale
}
