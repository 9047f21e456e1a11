package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Config is what [Open] needs.
type Config struct {
	Store         storage.Keys
	Issuer        string   // whose ring it is
	FormerIssuers []string // under which names it may have been before

	Algorithms []string      // JWS algorithms that must each have a key
	Rotation   time.Duration // how long a key signs

	// Decrypts adds keys that others encrypt to, one of each type; see [Ring.Decrypt].
	Decrypts bool

	// Outlive is how long the last thing a key signed or sealed may live: a retired
	// key stays for that long.
	Outlive time.Duration

	// EncryptionKey seals private keys in the store; nil stores them as they are.
	EncryptionKey []byte

	// Beside runs what takes time but does not ask the store, as the making of keys, in such a
	// way that it does not count as the store's time. May be nil.
	Beside func(ctx context.Context, f func(context.Context))

	Now     func() time.Time
	Rotated func(ctx context.Context, algorithm, keyID string) // may be nil
}

// Secret is the algorithm name of the symmetric keys that [Ring.Seal] uses.
const Secret = "secret"

// margin covers what keeps replicas from acting at the same instant: unequal clocks
// and rings read a moment ago.
const margin = time.Hour

// Ring is the live key ring. It may be used from many goroutines at once.
type Ring struct {
	config Config
	lead   time.Duration // how long a key is published before it signs
	stale  time.Duration // how old a ring read from the store may be

	// patience is how old it may be while the store cannot be read. It ends well before a
	// key that others may have published meanwhile begins to sign, because what is
	// published from an old ring lacks that key, and is cached for a few minutes more.
	patience time.Duration

	current atomic.Pointer[snapshot]
	busy    chan struct{} // holds a value while somebody reads the store or changes the ring
}

// snapshot is the ring as it was read at one moment, with the keys parsed. It is
// never changed once published.
type snapshot struct {
	ring   storage.KeyRing
	keys   []*key // in the ring's order
	readAt time.Time
}

// Open reads the ring and makes what keys are missing.
func Open(ctx context.Context, config Config) (*Ring, error) {
	lead := min(24*time.Hour, config.Rotation/4)
	r := &Ring{
		config: config, lead: lead, stale: min(time.Minute, lead/4), patience: min(margin/2, lead/2),
		busy: make(chan struct{}, 1),
	}
	if _, err := r.refresh(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// usable returns a snapshot that is fresh and in which no step is due.
//
// When it has to ask the store, one goroutine does so. The others go on with what
// they hold, and so does that one if the store is away: a key stays published for
// margin beyond the last thing it may have signed.
func (r *Ring) usable(ctx context.Context) (*snapshot, error) {
	s := r.current.Load()
	if r.fresh(s) {
		return s, nil
	}
	age := r.config.Now().Sub(s.readAt)
	tolerable := age > -r.patience && age < r.patience
	select {
	case r.busy <- struct{}{}:
	default:
		if tolerable {
			return s, nil
		}
		select {
		case r.busy <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-r.busy }()
	if s = r.current.Load(); r.fresh(s) {
		return s, nil
	}
	renewed, err := r.refresh(ctx)
	if err != nil && tolerable {
		return s, nil
	}
	return renewed, err
}

// fresh reports whether s was read recently and nothing in it is due.
func (r *Ring) fresh(s *snapshot) bool {
	now := r.config.Now()
	age := now.Sub(s.readAt)
	return age > -r.stale && age < r.stale && !r.due(&s.ring, now)
}

// refresh reads the ring and takes every step that is due. r.busy is held, or nobody
// else has the ring yet.
func (r *Ring) refresh(ctx context.Context) (*snapshot, error) {
	for range 8 { // every failed swap means that somebody else's succeeded
		ring, err := r.config.Store.Keys(ctx)
		if err != nil {
			return nil, fmt.Errorf("keyring: reading the key ring: %w", err)
		}
		if err := r.checkIssuer(ring.Issuer); err != nil {
			return nil, err
		}
		now := r.config.Now()
		if !r.due(ring, now) {
			return r.publish(ring, now)
		}
		next, made, storing, done, err := r.prepare(ctx, ring, now)
		if err != nil {
			return nil, err
		}
		err = r.config.Store.SwapKeys(storing, *next)
		done()
		switch {
		case errors.Is(err, storage.ErrConflict):
			continue
		case err != nil:
			return nil, fmt.Errorf("keyring: storing the key ring: %w", err)
		}
		s, err := r.publish(next, now)
		if err == nil && r.config.Rotated != nil {
			for _, k := range made {
				r.config.Rotated(ctx, k.Algorithm, k.ID)
			}
		}
		return s, err
	}
	return nil, errors.New("keyring: other processes keep changing the key ring")
}

// prepare makes the ring that follows, and the context in which to store it. An RSA key may take
// longer than the store is given for a whole request. So that does not count; and whoever asked
// may be gone by then, but the keys are everybody's: not to store them would leave the same work,
// and the same end, to the next one who asks.
func (r *Ring) prepare(ctx context.Context, ring *storage.KeyRing, now time.Time) (next *storage.KeyRing, made []storage.Key, storing context.Context, done func(), err error) {
	deadline, limited := ctx.Deadline()
	left := time.Until(deadline)
	beside := r.config.Beside
	if beside == nil {
		beside = func(ctx context.Context, f func(context.Context)) { f(ctx) }
	}
	if beside(ctx, func(context.Context) { next, made, err = r.step(ring, now) }); err != nil {
		return nil, nil, nil, nil, err
	}
	storing, done = context.WithoutCancel(ctx), func() {}
	if limited {
		storing, done = context.WithTimeout(storing, left)
	}
	return next, made, storing, done, err
}

func (r *Ring) publish(ring *storage.KeyRing, now time.Time) (*snapshot, error) {
	s := &snapshot{ring: *ring, readAt: now}
	old := r.current.Load()
	for _, stored := range ring.Keys {
		k := old.find(stored.ID)
		if k == nil {
			var err error
			if k, err = parse(stored, r.config.EncryptionKey); err != nil {
				return nil, err
			}
		} else {
			k = k.with(stored)
		}
		s.keys = append(s.keys, k)
	}
	r.current.Store(s)
	return s, nil
}

// algorithms are those that must have a key.
func (r *Ring) algorithms() []string {
	all := append([]string{Secret}, r.config.Algorithms...)
	if r.config.Decrypts {
		all = append(all, decryptionAlgorithms...)
	}
	return all
}

// checkIssuer makes sure that the store is not another server's.
func (r *Ring) checkIssuer(stored string) error {
	if stored == "" || stored == r.config.Issuer || slices.Contains(r.config.FormerIssuers, stored) {
		return nil
	}
	return fmt.Errorf("keyring: the store belongs to the issuer %q, not to %q: give each issuer a store of its own, or, if the server has a new name, put the old one into Config.FormerIssuers", stored, r.config.Issuer)
}

// due reports whether the ring has to change: a key must be made, dropped or sealed, or
// the server has another name.
func (r *Ring) due(ring *storage.KeyRing, now time.Time) bool {
	for _, algorithm := range r.algorithms() {
		if newest := newest(ring.Keys, algorithm); newest == nil || r.successorDue(newest, now) {
			return true
		}
	}
	return ring.Issuer != r.config.Issuer || slices.ContainsFunc(ring.Keys, func(k storage.Key) bool {
		return expired(k, now) || !k.Sealed && r.config.EncryptionKey != nil
	})
}

// successorDue reports whether it is time to publish the key that follows k.
func (r *Ring) successorDue(k *storage.Key, now time.Time) bool {
	return !now.Before(k.ActiveAt.Add(r.config.Rotation - r.lead))
}

// step makes the ring that follows.
func (r *Ring) step(ring *storage.KeyRing, now time.Time) (*storage.KeyRing, []storage.Key, error) {
	next := &storage.KeyRing{Revision: ring.Revision + 1, Issuer: r.config.Issuer}
	for _, k := range ring.Keys {
		if expired(k, now) {
			continue
		}
		k, err := r.sealed(k, ring)
		if err != nil {
			return nil, nil, err
		}
		next.Keys = append(next.Keys, k)
	}
	var made []storage.Key
	for _, algorithm := range r.algorithms() {
		activeAt := now // the first of its kind is needed at once
		if last := newest(next.Keys, algorithm); last != nil {
			if !r.successorDue(last, now) {
				continue
			}
			activeAt = last.ActiveAt.Add(r.config.Rotation)
			if earliest := now.Add(r.lead); activeAt.Before(earliest) {
				activeAt = earliest
			}
			last.RetiredAt = activeAt
			last.ExpiresAt = activeAt.Add(r.config.Outlive + margin)
		}
		k, err := generate(algorithm, r.config.EncryptionKey)
		if err != nil {
			return nil, nil, err
		}
		k.CreatedAt, k.ActiveAt = now.UTC(), activeAt.UTC()
		next.Keys = append(next.Keys, k)
		made = append(made, k)
	}
	return next, made, nil
}

// sealed is k, sealed if the host has given a key for that since it was made. That is
// done for a whole ring at once: a key in clear among sealed ones was put there by
// somebody else.
func (r *Ring) sealed(k storage.Key, ring *storage.KeyRing) (storage.Key, error) {
	if k.Sealed || r.config.EncryptionKey == nil {
		return k, nil
	}
	if slices.ContainsFunc(ring.Keys, func(k storage.Key) bool { return k.Sealed }) {
		return k, fmt.Errorf("keyring: key %s is not encrypted, although others of the ring are: it was not stored by this server; restore the store from a backup", k.ID)
	}
	aead, err := newAEAD(r.config.EncryptionKey)
	if err != nil {
		return k, err
	}
	k.Material, k.Sealed = seal(aead, k.Material, k.ID), true
	return k, nil
}

func expired(k storage.Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// newest is the key of this algorithm that will sign last.
func newest(keys []storage.Key, algorithm string) *storage.Key {
	var found *storage.Key
	for i := range keys {
		if k := &keys[i]; k.Algorithm == algorithm && (found == nil || !k.ActiveAt.Before(found.ActiveAt)) {
			found = k
		}
	}
	return found
}

// active is the key of this algorithm that signs now: the one that began last. If
// the clock stands before all of them, it is the first.
func (s *snapshot) active(algorithm string, now time.Time) *key {
	var found *key
	for _, k := range s.keys {
		if k.Algorithm != algorithm {
			continue
		}
		began := !k.ActiveAt.After(now)
		switch {
		case found == nil:
			found = k
		case began && (found.ActiveAt.After(now) || !k.ActiveAt.Before(found.ActiveAt)):
			found = k
		case !began && found.ActiveAt.After(now) && k.ActiveAt.Before(found.ActiveAt):
			found = k
		}
	}
	return found
}

// find is the key with this ID; nil if there is none.
func (s *snapshot) find(id string) *key {
	if s == nil {
		return nil
	}
	for _, k := range s.keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}
