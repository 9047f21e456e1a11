package storagetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

var grantChecks = []check{
	{name: "grants/every_field_comes_back", run: func(k *kit) {
		g := k.grant("alice", "app")
		k.commit(storage.Write{Grants: []storage.Grant{g}})
		k.wantGrant(g)
	}},
	{name: "grants/absent", run: func(k *kit) {
		g, err := k.store.Grant(k.ctx, k.grant("alice", "app").ID)
		absent(k, g, err)
		g, err = k.store.Grant(k.ctx, "")
		absent(k, g, err)
	}},
	{name: "grants/added_once", run: func(k *kit) {
		first := k.grant("alice", "app")
		second := first
		second.Subject = "mallory"
		k.commit(storage.Write{Grants: []storage.Grant{first}})
		k.refuse(storage.Write{Grants: []storage.Grant{second}}, storage.ErrExists)
		k.wantGrant(first)
		k.wantGrants("mallory")
		twice := k.grant("bob", "app")
		k.refuse(storage.Write{Grants: []storage.Grant{twice, twice}}, storage.ErrExists)
		k.wantGrants("bob")
	}},
	{name: "grants/with_their_token_in_one_write", run: func(k *kit) {
		g, t := k.grant("alice", "app"), k.token("a")
		t.GrantID = g.ID
		k.commit(storage.Write{Grants: []storage.Grant{g}, Tokens: []storage.Token{t}})
		k.wantGrant(g)
		k.wantToken(t)
	}},
	{name: "grants/must_be_live", run: func(k *kit) {
		g, other := k.grant("alice", "app"), k.grant("bob", "app")
		k.refuse(storage.Write{Live: []string{g.ID}}, storage.ErrNotFound)
		k.commit(storage.Write{Grants: []storage.Grant{g, other}})
		k.commit(storage.Write{Live: []string{g.ID, other.ID}})
		k.commit(storage.Write{At: g.ExpiresAt.Add(-time.Microsecond), Live: []string{g.ID}})
		k.refuse(storage.Write{At: g.ExpiresAt, Live: []string{g.ID}}, storage.ErrNotFound)
		k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: g.ID}}})
		k.refuse(storage.Write{Live: []string{g.ID}}, storage.ErrRevoked)
		k.refuse(storage.Write{Live: []string{other.ID, g.ID}}, storage.ErrRevoked)
		k.commit(storage.Write{Live: []string{other.ID}})
		// Beside effects it is judged as well.
		k.refuse(storage.Write{Live: []string{g.ID}, Tokens: []storage.Token{k.token("a")}}, storage.ErrRevoked)
		t, err := k.store.Token(k.ctx, k.digest("a"))
		absent(k, t, err)
		// Expired comes before revoked.
		k.refuse(storage.Write{At: g.ExpiresAt, Live: []string{g.ID}}, storage.ErrNotFound)
	}},
	{name: "grants/live_is_judged_before_adding", run: func(k *kit) {
		g := k.grant("alice", "app")
		k.refuse(storage.Write{Live: []string{g.ID}, Grants: []storage.Grant{g}}, storage.ErrNotFound)
		got, err := k.store.Grant(k.ctx, g.ID)
		absent(k, got, err)
	}},
	{name: "grants/revoked_by_id", run: func(k *kit) {
		g, other := k.grant("alice", "app"), k.grant("alice", "app")
		k.commit(storage.Write{Grants: []storage.Grant{g, other}, Consents: []storage.Consent{k.consent("alice", "app")}})
		at := k.now.Add(time.Second)
		k.commit(storage.Write{At: at, Revoke: []storage.Revocation{{GrantID: g.ID, Reason: "code_replayed"}}})
		g.RevokedAt, g.RevokedReason = at, "code_replayed"
		k.wantGrant(g)
		k.wantGrant(other)
		k.wantConsent(k.consent("alice", "app"))
		k.commit(storage.Write{At: at.Add(time.Second), Revoke: []storage.Revocation{{GrantID: g.ID, Reason: "other"}}})
		k.wantGrant(g)
	}},
	{name: "grants/revoked_by_subject", run: func(k *kit) {
		a1, a2, b := k.grant("alice", "one"), k.grant("alice", "two"), k.grant("bob", "one")
		k.commit(storage.Write{Grants: []storage.Grant{a1, a2, b}})
		k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: a1.ID, Reason: "first"}}})
		at := k.now.Add(time.Second)
		k.commit(storage.Write{At: at, Revoke: []storage.Revocation{{Subject: "alice", Reason: "signed_out"}}})
		a1.RevokedAt, a1.RevokedReason = k.now, "first"
		a2.RevokedAt, a2.RevokedReason = at, "signed_out"
		k.wantGrant(a1)
		k.wantGrant(a2)
		k.wantGrant(b)
	}},
	{name: "grants/revoked_by_subject_and_client", run: func(k *kit) {
		a1, a2, b := k.grant("alice", "one"), k.grant("alice", "two"), k.grant("bob", "one")
		k.commit(storage.Write{Grants: []storage.Grant{a1, a2, b}})
		k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: "alice", ClientID: "one", Reason: "disconnected"}}})
		a1.RevokedAt, a1.RevokedReason = k.now, "disconnected"
		k.wantGrant(a1)
		k.wantGrant(a2)
		k.wantGrant(b)
	}},
	{name: "grants/revoking_many_at_once", run: func(k *kit) {
		var all []storage.Grant
		for i := range 300 {
			all = append(all, k.grant("alice", fmt.Sprint("app", i)))
		}
		k.commit(storage.Write{Grants: all})
		k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: "alice"}}})
		for _, g := range all {
			k.refuse(storage.Write{Live: []string{g.ID}}, storage.ErrRevoked)
		}
	}},
	{name: "grants/revoking_nothing", run: func(k *kit) {
		k.commit(storage.Write{
			Codes:  []storage.Code{k.code("a")},
			Revoke: []storage.Revocation{{GrantID: "absent"}, {Subject: "nobody"}, {Subject: "nobody", ClientID: "app"}},
		})
		k.wantCode(k.code("a")) // it did not stop the rest
		g, err := k.store.Grant(k.ctx, "absent")
		absent(k, g, err)
	}},
	{name: "grants/revoked_beside_other_effects", run: func(k *kit) {
		old, fresh := k.grant("alice", "app"), k.grant("bob", "app")
		k.commit(storage.Write{Grants: []storage.Grant{old}})
		k.commit(storage.Write{Grants: []storage.Grant{fresh}, Revoke: []storage.Revocation{{GrantID: old.ID}}})
		k.commit(storage.Write{Live: []string{fresh.ID}})
		k.refuse(storage.Write{Live: []string{old.ID}}, storage.ErrRevoked)
	}},
	{name: "grants/listed_by_subject", run: func(k *kit) {
		var alices []storage.Grant
		for range 7 {
			g := k.grant("alice", "app")
			alices = append(alices, g)
			k.commit(storage.Write{Grants: []storage.Grant{g, k.grant("bob", "app")}})
		}
		k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: alices[3].ID, Reason: "r"}}})
		alices[3].RevokedAt, alices[3].RevokedReason = k.now, "r"
		slices.SortFunc(alices, func(a, b storage.Grant) int { return cmp.Compare(a.ID, b.ID) })
		k.wantGrants("alice", alices...)
		k.wantGrants("carol")
		wantPages(k, alices, func(after string, limit int) ([]storage.Grant, error) {
			return k.store.ListGrants(k.ctx, "alice", after, limit)
		}, func(g storage.Grant) string { return g.ID })
	}},
	{name: "grants/expired_makes_room", run: func(k *kit) {
		g := k.grant("alice", "app")
		k.commit(storage.Write{Grants: []storage.Grant{g}})
		k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: g.ID, Reason: "r"}}})
		again := g
		again.Subject, again.ExpiresAt = "bob", g.ExpiresAt.Add(time.Hour)
		k.refuse(storage.Write{At: g.ExpiresAt.Add(-time.Microsecond), Grants: []storage.Grant{again}}, storage.ErrExists)
		k.commit(storage.Write{At: g.ExpiresAt, Grants: []storage.Grant{again}})
		k.wantGrant(again)
		k.wantGrants("alice")
		k.wantGrants("bob", again)
	}},
}

// wantGrants lists a subject's grants; those in want are in ascending order of ID.
func (k *kit) wantGrants(subject string, want ...storage.Grant) {
	k.Helper()
	got, err := k.store.ListGrants(k.ctx, subject, "", 1000)
	k.want(&got, err, &want)
}

// wantPages reads a list in pages of every size.
func wantPages[T any](k *kit, all []T, list func(after string, limit int) ([]T, error), id func(T) string) {
	k.Helper()
	for size := 1; size <= len(all)+1; size++ {
		var got []T
		after := ""
		for range len(all) + 1 {
			page, err := list(after, size)
			if err != nil {
				k.Fatalf("listing after %q: %v", after, err)
			}
			if len(page) > size {
				k.Fatalf("a page of %d has %d records", size, len(page))
			}
			got = append(got, page...)
			if len(page) < size {
				break
			}
			after = id(page[len(page)-1])
		}
		k.want(&got, nil, &all)
	}
	for _, size := range []int{0, -1, -1 << 31} {
		if none, err := list("", size); err != nil || len(none) > 0 {
			k.Fatalf("a page of %d: got %d records, %v", size, len(none), err)
		}
	}
	if none, err := list("\xff\xff", 10); err != nil || len(none) > 0 {
		k.Fatalf("after the end: got %d records, %v", len(none), err)
	}
}
