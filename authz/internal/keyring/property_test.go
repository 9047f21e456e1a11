package keyring_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// replica is one process: a clock that is not quite right, a store that is not always
// there, and a ring that is lost when it restarts.
type replica struct {
	ring  *keyring.Ring
	store *failing
	skew  time.Duration
	until time.Time // the store is away until then
}

// fetched is a key set as a resource server cached it.
type fetched struct {
	set *jose.JSONWebKeySet
	at  time.Time
}

// For more than a year of rotations, three replicas with unequal clocks restart, lose their
// store for a while, and are busy or idle as it comes. Still
//   - a token verifies with every replica that can reach its store, from when it is
//     signed until it expires;
//   - it verifies with a key set that was fetched from any of them up to five minutes
//     before it was signed, which is as long as the set may be cached;
//   - no two keys are made for one purpose and time.
func TestProperty(t *testing.T) {
	const lifetime, cacheable = 24 * time.Hour, 5 * time.Minute
	for seed, rotation := range []time.Duration{time.Hour, 5 * time.Hour, 3 * 24 * time.Hour, 90 * 24 * time.Hour} {
		t.Run(fmt.Sprint(rotation), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			random := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
			inner, now := memory.New(), epoch
			replicas := make([]*replica, 3)
			restart := func(r *replica) {
				ring, err := keyring.Open(t.Context(), keyring.Config{
					Store: r.store, Issuer: issuer, Algorithms: []string{"EdDSA"}, Rotation: rotation, Outlive: lifetime,
					Now: func() time.Time { return now.Add(r.skew) },
				})
				if err != nil {
					t.Fatal(err)
				}
				r.ring = ring
			}
			for i := range replicas {
				replicas[i] = &replica{store: &failing{Store: inner}, skew: time.Duration(i-1) * time.Minute}
				restart(replicas[i])
			}
			var alive []signed
			var caches []fetched
			rotations := map[string]bool{}
			for step := 0; step < 900 && now.Before(epoch.Add(400*24*time.Hour)); step++ {
				now = now.Add([]time.Duration{random(time.Second), random(time.Minute), random(rotation / 20), random(rotation / 4)}[rng.IntN(4)])
				r := replicas[rng.IntN(3)]
				switch {
				case !now.Before(r.until) && rng.IntN(20) == 0:
					r.store.down = false
					restart(r)
				case !now.Before(r.until) && rng.IntN(20) == 0:
					r.until = now.Add(random(29 * time.Minute)) // as long as a ring goes on without its store
				}
				for _, r := range replicas {
					r.store.down = now.Before(r.until)
				}
				for len(alive) > 0 && !now.Before(alive[0].until) {
					alive = alive[1:]
				}
				for len(caches) > 0 && now.Sub(caches[0].at) > cacheable {
					caches = caches[1:]
				}
				token, err := r.ring.Sign(t.Context(), "EdDSA", "at+jwt", []byte(fmt.Sprint(step)))
				if err != nil {
					if r.store.down {
						continue // idle for too long before the store went away
					}
					t.Fatalf("step %d: %v", step, err)
				}
				id := kid(t, token)
				rotations[id] = true
				for _, c := range caches {
					if len(c.set.Key(id)) != 1 {
						t.Fatalf("step %d, %v: signed with a key that is not in the set of %v ago", step, now.Sub(epoch), now.Sub(c.at))
					}
				}
				if set, err := r.ring.Public(t.Context()); err == nil {
					caches = append(caches, fetched{set, now})
				}
				alive = append(alive, signed{token, now.Add(lifetime)})
				for _, s := range []signed{alive[0], alive[rng.IntN(len(alive))], alive[len(alive)-1]} {
					for i, r := range replicas {
						if r.store.down {
							continue
						}
						// A replica whose clock is ahead may think that it has expired.
						if !s.until.After(now.Add(2 * time.Minute)) {
							continue
						}
						if _, err := r.ring.Verify(t.Context(), s.token, "at+jwt"); err != nil {
							t.Fatalf("step %d, %v: replica %d refuses a token with %v to live: %v", step, now.Sub(epoch), i, s.until.Sub(now), err)
						}
					}
				}
				checkRing(t, inner)
			}
			t.Logf("%v, %d keys signed", now.Sub(epoch), len(rotations))
			if len(rotations) < 4 {
				t.Errorf("only %d keys signed in %v", len(rotations), now.Sub(epoch))
			}
		})
	}
}

// checkRing: of each kind, at most one key is waiting to sign, each ends where the next
// begins, and none starts before it is published.
func checkRing(t *testing.T, store storage.Keys) {
	t.Helper()
	ring, err := store.Keys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]storage.Key{}
	for _, k := range ring.Keys {
		if k.ActiveAt.Before(k.CreatedAt) {
			t.Fatalf("key %+v signs before it is published", k)
		}
		if before, ok := last[k.Algorithm]; ok && !before.RetiredAt.Equal(k.ActiveAt) {
			t.Fatalf("a key is retired at %v, the next begins at %v", before.RetiredAt, k.ActiveAt)
		}
		last[k.Algorithm] = k
	}
	for _, k := range last {
		if !k.RetiredAt.IsZero() {
			t.Fatalf("nothing follows key %+v", k)
		}
	}
}
