package authz

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/grantor-oauth/grantor/storage"
)

// secretPrefix marks client secrets that NewSecret made. It lets secret scanners
// find them where they should not be.
const secretPrefix = "gcs_"

// NewSecret makes a client secret of 256 random bits. Give the first value to the
// client, which is the only time it can be seen, and put the second into
// Client.Secrets.
func NewSecret() (secret string, hashed storage.Secret) {
	var b [32]byte
	rand.Read(b[:])
	secret = secretPrefix + strictBase64.EncodeToString(b[:])
	return secret, HashSecret(secret)
}

// HashSecret prepares a secret that the client already has for Client.Secrets. One
// that NewSecret made has more than enough random bits, and a plain digest keeps it
// safe; anything else is taken for a secret that a person chose and costs a
// password hash (Argon2id, some 20 ms of a core) the first time a process sees it.
func HashSecret(secret string) storage.Secret {
	if generated(secret) {
		sum := sha256.Sum256([]byte(secret))
		return storage.Secret{Hash: "$sha256$" + base64.RawStdEncoding.EncodeToString(sum[:])}
	}
	var salt [16]byte
	rand.Read(salt[:])
	return storage.Secret{Hash: fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt[:]),
		base64.RawStdEncoding.EncodeToString(argon(secret, salt[:])))}
}

func generated(secret string) bool {
	body, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return false
	}
	b, err := strictBase64.DecodeString(body)
	return err == nil && len(b) == 32
}

// The cost of a chosen secret: the second of OWASP's equivalent Argon2id settings.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonLength  = 32
)

func argon(secret string, salt []byte) []byte {
	return argon2.IDKey([]byte(secret), salt, argonTime, argonMemory, argonThreads, argonLength)
}

// secrets checks presented client secrets. A chosen secret that was right is
// remembered for the life of the process, as a keyed digest, so that only the first
// request of a client pays for the password hash.
type secrets struct {
	mu    sync.Mutex
	right map[string][32]byte // hash → digest of the secret that fits it
	key   [32]byte
	queue chan struct{} // bounds how many wait to have a password hashed
	slots chan struct{} // bounds the memory that password hashing takes at once
}

func newSecrets() *secrets {
	c := &secrets{right: map[string][32]byte{}, queue: make(chan struct{}, 64), slots: make(chan struct{}, 4)}
	rand.Read(c.key[:])
	return c
}

// match reports whether secret is one of the client's live secrets. The error means
// that there was no time to find out.
func (c *secrets) match(ctx context.Context, client *Client, secret string, now time.Time) (found bool, err error) {
	for _, s := range client.Secrets {
		if !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) {
			continue
		}
		fits, err := c.fits(ctx, s.Hash, secret)
		if err != nil {
			return false, err
		}
		found = found || fits
	}
	return found, nil
}

func (c *secrets) fits(ctx context.Context, hash, secret string) (bool, error) {
	algorithm, rest, _ := strings.Cut(strings.TrimPrefix(hash, "$"), "$")
	switch algorithm {
	case "sha256":
		var room, secretRoom [64]byte // so that a generated secret is not copied to the heap
		want, err := base64.RawStdEncoding.AppendDecode(room[:0], []byte(rest))
		got := sha256.Sum256(append(secretRoom[:0], secret...))
		return err == nil && subtle.ConstantTimeCompare(got[:], want) == 1, nil
	case "argon2id":
		return c.fitsArgon(ctx, hash, rest, secret)
	}
	return false, nil
}

func (c *secrets) fitsArgon(ctx context.Context, hash, rest, secret string) (bool, error) {
	presented := sha256.Sum256(append(c.key[:], secret...))
	c.mu.Lock()
	known, ok := c.right[hash]
	c.mu.Unlock()
	if ok && subtle.ConstantTimeCompare(known[:], presented[:]) == 1 {
		return true, nil
	}
	fields := strings.Split(rest, "$")
	if len(fields) != 4 {
		return false, nil
	}
	// The cost is read back from the hash so that it can be raised one day. What is
	// stored was put there by the host; the bounds are for typing errors.
	var memory, rounds uint32
	var threads uint8
	if _, err := fmt.Sscanf(fields[1], "m=%d,t=%d,p=%d", &memory, &rounds, &threads); err != nil ||
		rounds == 0 || rounds > 64 || threads == 0 || memory > 1<<20 {
		return false, nil
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(fields[2])
	want, err2 := base64.RawStdEncoding.DecodeString(fields[3])
	if err1 != nil || err2 != nil || len(want) < 16 {
		return false, nil
	}
	select {
	case c.queue <- struct{}{}:
		defer func() { <-c.queue }()
	default:
		return false, errors.New("authz: too many requests wait for a chosen client secret to be checked; give such clients a secret from NewSecret, which costs nothing")
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil { // also when a slot was free at the same moment
		return false, err
	}
	got := argon2.IDKey([]byte(secret), salt, rounds, memory, threads, uint32(len(want)))
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return false, nil
	}
	c.mu.Lock()
	if len(c.right) >= 10_000 {
		clear(c.right)
	}
	c.right[hash] = presented
	c.mu.Unlock()
	return true, nil
}
