package storagetest

import (
	"errors"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

func (k *kit) ring(revision uint64, ids ...string) storage.KeyRing {
	r := storage.KeyRing{Revision: revision, Issuer: "https://issuer.example"}
	for _, id := range ids {
		r.Keys = append(r.Keys, storage.Key{
			ID: id, Algorithm: "ES256", Material: []byte("material of " + id), Sealed: true,
			CreatedAt: k.now, ActiveAt: k.now.Add(time.Minute),
			RetiredAt: k.now.Add(time.Hour), ExpiresAt: k.now.Add(2 * time.Hour),
		})
	}
	return r
}

func (k *kit) wantRing(want storage.KeyRing) {
	k.Helper()
	got, err := k.store.Keys(k.ctx)
	k.want(got, err, &want)
}

func (k *kit) swap(r storage.KeyRing) {
	k.Helper()
	if err := k.store.SwapKeys(k.ctx, r); err != nil {
		k.Fatalf("SwapKeys to revision %d: %v", r.Revision, err)
	}
}

var keyChecks = []check{
	{name: "keys/none_at_first", run: func(k *kit) {
		k.wantRing(storage.KeyRing{})
	}},
	{name: "keys/swapped", run: func(k *kit) {
		k.swap(k.ring(1, "a"))
		k.wantRing(k.ring(1, "a"))
		k.swap(k.ring(2, "a", "b"))
		k.wantRing(k.ring(2, "a", "b"))
		k.swap(k.ring(3))
		k.wantRing(k.ring(3))
	}},
	{name: "keys/conflict", run: func(k *kit) {
		conflict := func(r storage.KeyRing) {
			k.Helper()
			if err := k.store.SwapKeys(k.ctx, r); !errors.Is(err, storage.ErrConflict) {
				k.Fatalf("SwapKeys to revision %d: got %v, want ErrConflict", r.Revision, err)
			}
		}
		conflict(k.ring(0, "x"))
		conflict(k.ring(2, "x"))
		k.wantRing(storage.KeyRing{})
		k.swap(k.ring(1, "a"))
		k.swap(k.ring(2, "b"))
		for _, revision := range []uint64{0, 1, 2, 4, 1 << 63} {
			conflict(k.ring(revision, "x"))
		}
		k.wantRing(k.ring(2, "b"))
	}},
}
