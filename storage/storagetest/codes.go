package storagetest

import (
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

var codeChecks = []check{
	{name: "codes/every_field_comes_back", run: func(k *kit) {
		c := k.code("a")
		k.commit(storage.Write{Codes: []storage.Code{c}})
		k.wantCode(c)
	}},
	{name: "codes/absent", run: func(k *kit) {
		c, err := k.store.Code(k.ctx, k.digest("a"))
		absent(k, c, err)
		k.commit(storage.Write{Codes: []storage.Code{k.code("a")}})
		c, err = k.store.Code(k.ctx, k.digest("b"))
		absent(k, c, err)
		// The stamp belongs to the name.
		c, err = k.store.Code(k.ctx, storage.NewDigest(k.now.Add(2*time.Hour), "a"))
		absent(k, c, err)
	}},
	{name: "codes/added_once", run: func(k *kit) {
		first, second := k.code("a"), k.code("a")
		second.ClientID = "other"
		k.commit(storage.Write{Codes: []storage.Code{first}})
		k.refuse(storage.Write{Codes: []storage.Code{second}}, storage.ErrExists)
		k.refuse(storage.Write{Codes: []storage.Code{k.code("b"), second}}, storage.ErrExists)
		k.wantCode(first)
		c, err := k.store.Code(k.ctx, k.digest("b"))
		absent(k, c, err)
	}},
	{name: "codes/added_twice_in_one_write", run: func(k *kit) {
		k.refuse(storage.Write{Codes: []storage.Code{k.code("a"), k.code("a")}}, storage.ErrExists)
		c, err := k.store.Code(k.ctx, k.digest("a"))
		absent(k, c, err)
	}},
	{name: "codes/seen_once", run: func(k *kit) {
		seen := storage.Code{Digest: k.digest("jti"), Kind: storage.SeenOnce, IssuedAt: k.now, ExpiresAt: k.now.Add(time.Hour)}
		k.commit(storage.Write{Codes: []storage.Code{seen}})
		k.refuse(storage.Write{Codes: []storage.Code{seen}}, storage.ErrExists)
		k.wantCode(seen)
	}},
	{name: "codes/consumed_once", run: func(k *kit) {
		c := k.code("a")
		k.commit(storage.Write{Codes: []storage.Code{c, k.code("b")}})
		consume := storage.Write{At: k.now.Add(time.Second), ConsumeCodes: []storage.Digest{c.Digest}}
		k.commit(consume)
		c.ConsumedAt = consume.At
		k.wantCode(c)
		consume.At = consume.At.Add(time.Second)
		k.refuse(consume, storage.ErrConsumed)
		k.wantCode(c)
		k.wantCode(k.code("b"))
		// Used, it still occupies its name.
		k.refuse(storage.Write{Codes: []storage.Code{k.code("a")}}, storage.ErrExists)
	}},
	{name: "codes/consumed_twice_in_one_write", run: func(k *kit) {
		c := k.code("a")
		k.commit(storage.Write{Codes: []storage.Code{c, k.code("b")}})
		k.refuse(storage.Write{ConsumeCodes: []storage.Digest{c.Digest, k.digest("b"), c.Digest}}, storage.ErrConsumed)
		k.wantCode(c)
		k.wantCode(k.code("b"))
	}},
	{name: "codes/consume_absent", run: func(k *kit) {
		k.refuse(storage.Write{ConsumeCodes: []storage.Digest{k.digest("a")}}, storage.ErrNotFound)
	}},
	{name: "codes/life_ends_at_expiry", run: func(k *kit) {
		early, late := k.code("early"), k.code("late")
		k.commit(storage.Write{Codes: []storage.Code{early, late}})
		k.commit(storage.Write{At: early.ExpiresAt.Add(-time.Microsecond), ConsumeCodes: []storage.Digest{early.Digest}})
		k.refuse(storage.Write{At: late.ExpiresAt, ConsumeCodes: []storage.Digest{late.Digest}}, storage.ErrNotFound)
		k.refuse(storage.Write{At: late.ExpiresAt.Add(time.Hour), ConsumeCodes: []storage.Digest{late.Digest}}, storage.ErrNotFound)
		// Expired comes before consumed.
		k.refuse(storage.Write{At: early.ExpiresAt, ConsumeCodes: []storage.Digest{early.Digest}}, storage.ErrNotFound)
	}},
	{name: "codes/expiry_is_the_records_own", run: func(k *kit) {
		// The stamp in the digest says when the record may go, not how long it lives.
		c := k.code("a")
		c.ExpiresAt = k.now.Add(time.Minute)
		k.commit(storage.Write{Codes: []storage.Code{c}})
		k.refuse(storage.Write{At: c.ExpiresAt, ConsumeCodes: []storage.Digest{c.Digest}}, storage.ErrNotFound)
		k.commit(storage.Write{At: c.ExpiresAt.Add(-time.Microsecond), ConsumeCodes: []storage.Digest{c.Digest}})
	}},
	{name: "codes/expired_makes_room", run: func(k *kit) {
		// Swept or not must make no difference.
		c := k.code("a")
		k.commit(storage.Write{Codes: []storage.Code{c}})
		k.commit(storage.Write{ConsumeCodes: []storage.Digest{c.Digest}})
		again := c
		again.ExpiresAt = c.ExpiresAt.Add(time.Hour)
		k.refuse(storage.Write{At: c.ExpiresAt.Add(-time.Microsecond), Codes: []storage.Code{again}}, storage.ErrExists)
		k.commit(storage.Write{At: c.ExpiresAt, Codes: []storage.Code{again}})
		k.wantCode(again) // which is not used
	}},
}
