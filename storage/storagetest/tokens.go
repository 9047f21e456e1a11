package storagetest

import (
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// use is a Write that consumes the named token.
func (k *kit) use(name, answer string) storage.Write {
	return storage.Write{ConsumeTokens: []storage.Consumption{{Digest: k.digest(name), Answer: []byte(answer)}}}
}

var tokenChecks = []check{
	{name: "tokens/every_field_comes_back", run: func(k *kit) {
		refresh, access := k.token("refresh"), k.token("access")
		access.Kind, access.GrantID = storage.AccessToken, ""
		k.commit(storage.Write{Tokens: []storage.Token{refresh, access}})
		k.wantToken(refresh)
		k.wantToken(access)
	}},
	{name: "tokens/absent", run: func(k *kit) {
		t, err := k.store.Token(k.ctx, k.digest("a"))
		absent(k, t, err)
		k.commit(storage.Write{Codes: []storage.Code{k.code("a")}})
		t, err = k.store.Token(k.ctx, k.digest("a"))
		absent(k, t, err) // a code is not a token
		k.refuse(k.use("a", ""), storage.ErrNotFound)
	}},
	{name: "tokens/added_once", run: func(k *kit) {
		first, second := k.token("a"), k.token("a")
		second.ClientID = "other"
		k.commit(storage.Write{Tokens: []storage.Token{first}})
		k.refuse(storage.Write{Tokens: []storage.Token{k.token("b"), second}}, storage.ErrExists)
		k.refuse(storage.Write{Tokens: []storage.Token{k.token("c"), k.token("c")}}, storage.ErrExists)
		k.wantToken(first)
		for _, name := range []string{"b", "c"} {
			t, err := k.store.Token(k.ctx, k.digest(name))
			absent(k, t, err)
		}
	}},
	{name: "tokens/consumed_once_with_an_answer", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t, k.token("b")}})
		use := k.use("a", "successors")
		use.At = k.now.Add(time.Second)
		k.commit(use)
		t.ConsumedAt, t.Answer = use.At, []byte("successors")
		k.wantToken(t)
		k.refuse(k.use("a", "others"), storage.ErrConsumed)
		k.wantToken(t)
		k.wantToken(k.token("b"))
	}},
	{name: "tokens/consumed_twice_in_one_write", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		twice := k.use("a", "one")
		twice.ConsumeTokens = append(twice.ConsumeTokens, k.use("a", "other").ConsumeTokens...)
		k.refuse(twice, storage.ErrConsumed)
		k.wantToken(t)
	}},
	{name: "tokens/life_ends_at_expiry", run: func(k *kit) {
		early, late := k.token("early"), k.token("late")
		k.commit(storage.Write{Tokens: []storage.Token{early, late}})
		use := k.use("early", "")
		use.At = early.ExpiresAt.Add(-time.Microsecond)
		k.commit(use)
		use = k.use("late", "")
		use.At = late.ExpiresAt
		k.refuse(use, storage.ErrNotFound)
	}},
	{name: "tokens/expired_makes_room", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		use := k.use("a", "answer")
		use.Revoke = []storage.Revocation{{Token: t.Digest}}
		k.commit(use)
		again := t
		again.ExpiresAt = t.ExpiresAt.Add(time.Hour)
		k.refuse(storage.Write{At: t.ExpiresAt.Add(-time.Microsecond), Tokens: []storage.Token{again}}, storage.ErrExists)
		k.commit(storage.Write{At: t.ExpiresAt, Tokens: []storage.Token{again}})
		k.wantToken(again) // which is neither used nor revoked
	}},
	{name: "tokens/revoked", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t, k.token("b")}})
		revoke := storage.Write{At: k.now.Add(time.Second), Revoke: []storage.Revocation{{Token: t.Digest}}}
		k.commit(revoke)
		t.RevokedAt = revoke.At
		k.wantToken(t)
		k.refuse(k.use("a", ""), storage.ErrRevoked)
		k.wantToken(t)
		k.commit(k.use("b", ""))
		// Again changes nothing.
		revoke.At = revoke.At.Add(time.Second)
		k.commit(revoke)
		k.wantToken(t)
	}},
	{name: "tokens/revoked_comes_before_consumed", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		k.commit(k.use("a", "answer"))
		k.refuse(k.use("a", ""), storage.ErrConsumed)
		k.commit(storage.Write{Revoke: []storage.Revocation{{Token: t.Digest}}})
		k.refuse(k.use("a", ""), storage.ErrRevoked)
		t.ConsumedAt, t.Answer, t.RevokedAt = k.now, []byte("answer"), k.now
		k.wantToken(t)
		past := k.use("a", "")
		past.At = t.ExpiresAt
		k.refuse(past, storage.ErrNotFound)
	}},
	{name: "tokens/revoking_what_is_not_stored_leaves_a_mark", run: func(k *kit) {
		d := k.digest("signed")
		k.commit(storage.Write{Revoke: []storage.Revocation{{Token: d}}})
		mark := storage.Token{Digest: d, Kind: storage.RevokedToken, ExpiresAt: d.ExpiresAt(), RevokedAt: k.now}
		k.wantToken(mark)
		k.commit(storage.Write{At: k.now.Add(time.Second), Revoke: []storage.Revocation{{Token: d}}})
		k.wantToken(mark)
		k.refuse(storage.Write{Tokens: []storage.Token{k.token("signed")}}, storage.ErrExists)
		k.refuse(k.use("signed", ""), storage.ErrRevoked)
	}},
	{name: "tokens/revoking_what_is_past_leaves_nothing", run: func(k *kit) {
		d := storage.NewDigest(k.now, "signed")
		k.commit(storage.Write{Revoke: []storage.Revocation{{Token: d}, {Token: k.digest("other")}}})
		t, err := k.store.Token(k.ctx, d)
		absent(k, t, err)
		if t, err = k.store.Token(k.ctx, k.digest("other")); gone(k, t, err) {
			k.Fatalf("it stopped the rest")
		}
	}},
	{name: "tokens/consumed_and_revoked_in_one_write", run: func(k *kit) {
		t := k.token("a")
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		both := k.use("a", "answer")
		both.Revoke = []storage.Revocation{{Token: t.Digest}}
		k.commit(both)
		t.ConsumedAt, t.Answer, t.RevokedAt = k.now, []byte("answer"), k.now
		k.wantToken(t)
	}},
}
