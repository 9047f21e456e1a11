package storagetest

import (
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Records may be added in any state: a restore, or a move from another backend, does so.
var restoreChecks = []check{
	{name: "restore/comes_back_and_counts", run: func(k *kit) {
		before := k.now.Add(-time.Minute)
		c, used, dead, g := k.code("a"), k.token("used"), k.token("dead"), k.grant("alice", "app")
		c.ConsumedAt = before
		used.ConsumedAt, used.Answer = before, []byte("answer")
		dead.RevokedAt = before
		g.RevokedAt, g.RevokedReason = before, "code_replayed"
		k.commit(storage.Write{Codes: []storage.Code{c}, Tokens: []storage.Token{used, dead}, Grants: []storage.Grant{g}})
		k.wantCode(c)
		k.wantToken(used)
		k.wantToken(dead)
		k.wantGrant(g)
		k.wantGrants("alice", g)
		k.refuse(storage.Write{ConsumeCodes: []storage.Digest{c.Digest}}, storage.ErrConsumed)
		k.refuse(k.use("used", "other"), storage.ErrConsumed)
		k.refuse(k.use("dead", ""), storage.ErrRevoked)
		k.refuse(storage.Write{Live: []string{g.ID}}, storage.ErrRevoked)
		// What is revoked already keeps its time and reason.
		k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: g.ID, Reason: "other"}, {Token: dead.Digest}}})
		k.commit(end(k.now, "alice", ""))
		k.wantGrant(g)
		k.wantToken(dead)
	}},
}
