package storagetest

import (
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// pass lets time pass until at: some Writes happen then.
func (k *kit) pass(at time.Time, writes int) {
	k.Helper()
	for i := range writes {
		d := storage.NewDigest(at.Add(time.Hour), fmt.Sprint("filler", i, at))
		k.commit(storage.Write{At: at, Codes: []storage.Code{{Digest: d, Kind: storage.SeenOnce, ExpiresAt: at.Add(time.Hour)}}})
	}
}

var sweepChecks = []check{
	{name: "sweep/the_expired_go", run: func(k *kit) {
		const n = 100
		var w storage.Write
		for i := range n {
			w.Codes = append(w.Codes, k.code(fmt.Sprint(i)))
			w.Tokens = append(w.Tokens, k.token(fmt.Sprint(i)))
			w.Grants = append(w.Grants, k.grant("alice", "app"))
			c := k.consent(fmt.Sprint("user", i), "app")
			c.ExpiresAt = k.now.Add(time.Hour)
			w.Consents = append(w.Consents, c)
		}
		k.commit(w)
		// A used, a revoked record goes like any other.
		use := k.use("0", "")
		use.ConsumeCodes = []storage.Digest{k.digest("0")}
		use.Revoke = []storage.Revocation{{Token: k.digest("1")}, {GrantID: w.Grants[0].ID}}
		k.commit(use)
		k.pass(k.now.Add(30*24*time.Hour), 200)
		for i := range n {
			c, err := k.store.Code(k.ctx, w.Codes[i].Digest)
			t, terr := k.store.Token(k.ctx, w.Tokens[i].Digest)
			g, gerr := k.store.Grant(k.ctx, w.Grants[i].ID)
			s, serr := k.store.Consent(k.ctx, w.Consents[i].Subject, "app")
			if !gone(k, c, err) || !gone(k, t, terr) || !gone(k, g, gerr) || !gone(k, s, serr) {
				k.Fatalf("expired records are still there after 200 writes, a month later")
			}
		}
		k.wantGrants("alice")
	}},
	{name: "sweep/the_living_stay", run: func(k *kit) {
		at := k.now.Add(30 * 24 * time.Hour)
		expires := at.Add(time.Second)
		digest := func(name string) storage.Digest { return storage.NewDigest(expires, name) }
		live, used, revoked := k.token("live"), k.token("used"), k.token("revoked")
		live.Digest, used.Digest, revoked.Digest = digest("live"), digest("used"), digest("revoked")
		live.ExpiresAt, used.ExpiresAt, revoked.ExpiresAt = expires, expires, expires
		g, dead := k.grant("alice", "app"), k.grant("alice", "app")
		g.ExpiresAt, dead.ExpiresAt = expires, expires
		g.ID, dead.ID = storage.NewGrantID(expires), storage.NewGrantID(expires)
		consent := k.consent("bob", "app")
		consent.ExpiresAt = expires
		seen, code := k.code("seen"), k.code("code")
		seen.Digest, code.Digest = digest("seen"), digest("code")
		seen.ExpiresAt, code.ExpiresAt = expires, expires
		k.commit(storage.Write{
			Tokens: []storage.Token{live, used, revoked}, Grants: []storage.Grant{g, dead},
			Codes: []storage.Code{seen, code}, Consents: []storage.Consent{k.consent("alice", "app"), consent},
		})
		k.putClient(k.client("app"))
		k.commit(storage.Write{
			ConsumeTokens: []storage.Consumption{{Digest: used.Digest, Answer: []byte("answer")}},
			ConsumeCodes:  []storage.Digest{code.Digest},
			Revoke:        []storage.Revocation{{Token: revoked.Digest}, {GrantID: dead.ID}, {Token: digest("signed")}},
		})
		k.pass(at, 50)

		// What lets the server recognise a replay or a revoked token lives as long
		// as the credential would.
		k.wantToken(live)
		used.ConsumedAt, used.Answer = k.now, []byte("answer")
		k.wantToken(used)
		revoked.RevokedAt = k.now
		k.wantToken(revoked)
		k.wantToken(storage.Token{Digest: digest("signed"), Kind: storage.RevokedToken, ExpiresAt: digest("signed").ExpiresAt(), RevokedAt: k.now})
		code.ConsumedAt = k.now
		k.wantCode(code)
		k.wantCode(seen)
		k.wantGrant(g)
		dead.RevokedAt = k.now
		k.wantGrant(dead)
		k.wantConsent(k.consent("alice", "app"))
		k.wantConsent(consent)
		k.wantClient(k.client("app"))
		k.refuse(storage.Write{At: at, Codes: []storage.Code{seen}}, storage.ErrExists)
		k.commit(storage.Write{At: at, Live: []string{g.ID}})
	}},
	{name: "sweep/the_dead_do_not_pile_up", run: func(k *kit) {
		// However much a Write adds. A sweep that runs beside the writes may lag.
		const rounds, n = 80, 60
		at := func(round int) time.Time { return k.now.Add(time.Duration(round) * 24 * time.Hour) }
		token := func(round, i int) storage.Token {
			expires := at(round).Add(time.Hour)
			return storage.Token{Digest: storage.NewDigest(expires, fmt.Sprint(i)), Kind: storage.AccessToken, ExpiresAt: expires}
		}
		for round := range rounds {
			w := storage.Write{At: at(round)}
			for i := range n {
				w.Tokens = append(w.Tokens, token(round, i))
			}
			k.commit(w)
		}
		k.pass(at(rounds), 5)
		left := 0
		for round := range rounds {
			for i := range n {
				t, err := k.store.Token(k.ctx, token(round, i).Digest)
				if !gone(k, t, err) {
					left++
				}
			}
		}
		if left > rounds*n/2 {
			k.Fatalf("%d of %d dead tokens are left: more are added than swept", left, rounds*n)
		}
	}},
	{name: "sweep/what_outlives_its_stamp_stays", run: func(k *kit) {
		at := k.now.Add(24 * time.Hour)
		c, t, g := k.code("a"), k.token("a"), k.grant("alice", "app")
		c.ExpiresAt, t.ExpiresAt, g.ExpiresAt = at.Add(time.Hour), at.Add(time.Hour), at.Add(time.Hour)
		k.commit(storage.Write{Codes: []storage.Code{c}, Tokens: []storage.Token{t}, Grants: []storage.Grant{g}})
		k.pass(at, 50)
		k.wantCode(c)
		k.wantToken(t)
		k.wantGrant(g)
		k.wantGrants("alice", g)
	}},
	{name: "sweep/a_used_token_stays_until_its_stamp", run: func(k *kit) {
		// The token itself has expired, its family has not.
		at := k.now.Add(24 * time.Hour)
		t := k.token("a")
		t.Digest = storage.NewDigest(at.Add(time.Hour), "a")
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		k.commit(storage.Write{ConsumeTokens: []storage.Consumption{{Digest: t.Digest, Answer: []byte("x")}}})
		k.pass(at, 50)
		t.ConsumedAt, t.Answer = k.now, []byte("x")
		k.wantToken(t)
	}},
}
