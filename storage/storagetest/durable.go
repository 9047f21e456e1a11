package storagetest

import (
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

var durableChecks = []check{
	{name: "durable/everything_survives", reopens: true, run: func(k *kit) {
		s := newScene(k)
		k.putClient(k.client("app"))
		k.putClient(k.client("deleted"))
		if err := k.store.DeleteClient(k.ctx, "deleted"); err != nil {
			k.Fatalf("DeleteClient: %v", err)
		}
		k.swap(k.ring(1, "a"))
		k.swap(k.ring(2, "a", "b"))
		for range 2 {
			k.reopen()
			s.untouched()
			k.wantClient(k.client("app"))
			c, err := k.store.Client(k.ctx, "deleted")
			absent(k, c, err)
			k.wantRing(k.ring(2, "a", "b"))
		}
		// Conditions are judged against what survived.
		k.refuse(storage.Write{ConsumeCodes: []storage.Digest{s.usedCode.Digest}}, storage.ErrConsumed)
		k.refuse(k.use("used", ""), storage.ErrConsumed)
		k.refuse(k.use("dead", ""), storage.ErrRevoked)
		k.refuse(storage.Write{Live: []string{s.revoked.ID}}, storage.ErrRevoked)
		k.refuse(unended(k.now.Add(-time.Second), s.ended, "app"), storage.ErrRevoked)
		w := s.everything()
		k.commit(w)
		k.reopen()
		s.live.RevokedAt, s.live.RevokedReason = w.At, "now"
		k.wantGrant(s.live)
	}},
	{name: "durable/a_kill_takes_nothing", crashes: true, run: func(k *kit) {
		s := newScene(k)
		k.putClient(k.client("app"))
		k.putClient(k.client("deleted"))
		if err := k.store.DeleteClient(k.ctx, "deleted"); err != nil {
			k.Fatalf("DeleteClient: %v", err)
		}
		k.swap(k.ring(1, "a"))
		before := k.store
		defer func() {
			if err := before.Close(); err != nil {
				k.Errorf("Close, of the one that was killed: %v", err)
			}
		}()
		k.store = k.h.Crash(k.TB, before)
		s.untouched()
		k.wantClient(k.client("app"))
		c, err := k.store.Client(k.ctx, "deleted")
		absent(k, c, err)
		k.wantRing(k.ring(1, "a"))
		k.refuse(storage.Write{ConsumeCodes: []storage.Digest{s.usedCode.Digest}}, storage.ErrConsumed)
		k.refuse(k.use("used", ""), storage.ErrConsumed)
		k.refuse(storage.Write{Live: []string{s.revoked.ID}}, storage.ErrRevoked)
		k.refuse(unended(k.now.Add(-time.Second), s.ended, "app"), storage.ErrRevoked)
		k.commit(s.everything())
	}},
	{name: "durable/writes_of_a_crowd", reopens: true, run: func(k *kit) {
		for i, err := range race(func(i int) error {
			return k.try(storage.Write{Codes: []storage.Code{k.code(fmt.Sprint(i))}})
		}) {
			if err != nil {
				k.Fatalf("caller %d: %v", i, err)
			}
		}
		k.reopen()
		for i := range crowd {
			k.wantCode(k.code(fmt.Sprint(i)))
		}
	}},
}
