package storagetest

import (
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// notice is due at the kit's present. The same name gives the same ID.
func (k *kit) notice(name string) storage.Notice { return k.noticeAt(k.now, name) }

func (k *kit) noticeAt(due time.Time, name string) storage.Notice {
	return storage.Notice{
		ID: storage.NewDigest(due, name).String()[:32], Kind: storage.LogoutNotice,
		ClientID: "app", Subject: "alice", SessionID: "s-" + name, Attempts: 3, CreatedAt: k.now,
	}
}

// wantNotices checks what is due at the given time.
func (k *kit) wantNotices(at time.Time, want ...storage.Notice) {
	k.Helper()
	got, err := k.store.ListNotices(k.ctx, storage.NoticesDue(at), 100)
	k.want(&got, err, &want)
}

var noticeChecks = []check{
	{name: "notices/every_field_comes_back", run: func(k *kit) {
		for i, v := range odd {
			n := k.notice(fmt.Sprint(i))
			n.Kind, n.ClientID, n.Subject, n.SessionID = storage.NoticeKind(v), v, v, v
			k.commit(storage.Write{Notices: []storage.Notice{n}})
			k.wantNotices(k.now, n)
			k.commit(storage.Write{TakeNotices: []string{n.ID}})
		}
	}},
	{name: "notices/listed_by_when_they_are_due", run: func(k *kit) {
		var all []storage.Notice
		for i := range 5 {
			all = append(all, k.noticeAt(k.now.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)))
		}
		k.commit(storage.Write{Notices: []storage.Notice{all[3], all[0], all[4]}})
		k.commit(storage.Write{Notices: []storage.Notice{all[2], all[1]}})
		k.wantNotices(k.now.Add(-time.Millisecond))
		for i := range all {
			due := k.now.Add(time.Duration(i) * time.Minute)
			k.wantNotices(due.Add(-time.Millisecond), all[:i]...)
			k.wantNotices(due, all[:i+1]...)
		}
		for limit := range len(all) + 2 {
			got, err := k.store.ListNotices(k.ctx, storage.NoticesDue(k.now.Add(time.Hour)), limit)
			want := all[:min(limit, len(all))]
			k.want(&got, err, &want)
		}
		// Before an ID means without it.
		got, err := k.store.ListNotices(k.ctx, all[2].ID, 100)
		want := all[:2]
		k.want(&got, err, &want)
		for _, limit := range []int{0, -1, -1 << 31} {
			if got, err := k.store.ListNotices(k.ctx, "~", limit); err != nil || len(got) > 0 {
				k.Fatalf("a limit of %d: got %d notices, %v", limit, len(got), err)
			}
		}
	}},
	{name: "notices/added_once", run: func(k *kit) {
		n := k.notice("a")
		again := n
		again.Subject = "mallory"
		k.commit(storage.Write{Notices: []storage.Notice{n}})
		k.refuse(storage.Write{Notices: []storage.Notice{again}}, storage.ErrExists)
		twice := k.notice("b")
		k.refuse(storage.Write{Notices: []storage.Notice{twice, twice}}, storage.ErrExists)
		k.wantNotices(k.now, n)
	}},
	{name: "notices/taken_once", run: func(k *kit) {
		a, b := k.noticeAt(k.now, "a"), k.noticeAt(k.now.Add(time.Second), "b")
		k.commit(storage.Write{Notices: []storage.Notice{a, b}})
		k.refuse(storage.Write{TakeNotices: []string{a.ID, k.notice("absent").ID}}, storage.ErrNotFound)
		k.refuse(storage.Write{TakeNotices: []string{a.ID, b.ID, a.ID}}, storage.ErrNotFound)
		k.refuse(storage.Write{TakeNotices: []string{""}}, storage.ErrNotFound)
		k.wantNotices(k.now.Add(time.Hour), a, b)
		k.commit(storage.Write{TakeNotices: []string{a.ID}})
		k.wantNotices(k.now.Add(time.Hour), b)
		k.refuse(storage.Write{TakeNotices: []string{a.ID}}, storage.ErrNotFound)
		k.commit(storage.Write{Notices: []storage.Notice{a}}) // its name is free again
		k.wantNotices(k.now.Add(time.Hour), a, b)
	}},
	{name: "notices/claimed", run: func(k *kit) {
		now, later := k.noticeAt(k.now, "a"), k.noticeAt(k.now.Add(time.Minute), "a")
		k.commit(storage.Write{Notices: []storage.Notice{now}})
		claim := storage.Write{TakeNotices: []string{now.ID}, Notices: []storage.Notice{later}}
		k.commit(claim)
		k.wantNotices(k.now)
		k.wantNotices(k.now.Add(time.Minute), later)
		k.refuse(claim, storage.ErrNotFound)
		k.wantNotices(k.now.Add(time.Minute), later)
	}},
	{name: "notices/with_what_they_tell_of", run: func(k *kit) {
		g := k.grant("alice", "app")
		k.commit(storage.Write{Grants: []storage.Grant{g}})
		w := storage.Write{Revoke: []storage.Revocation{{GrantID: g.ID, Reason: "r"}}, Notices: []storage.Notice{k.notice("a")}}
		k.commit(w)
		g.RevokedAt, g.RevokedReason = k.now, "r"
		k.wantGrant(g)
		k.wantNotices(k.now, w.Notices...)
	}},
	{name: "notices/stay_until_they_are_taken", run: func(k *kit) {
		n := k.notice("a")
		k.commit(storage.Write{Notices: []storage.Notice{n}})
		for i := range 200 { // whatever a backend sweeps meanwhile
			at := k.now.Add(time.Duration(i) * 24 * time.Hour)
			k.commit(storage.Write{At: at, Codes: []storage.Code{{
				Digest: storage.NewDigest(at.Add(time.Minute), fmt.Sprint(i)), Kind: storage.SeenOnce, IssuedAt: at, ExpiresAt: at.Add(time.Minute),
			}}})
		}
		k.wantNotices(k.now, n)
	}},
	{name: "races/one_claims_a_notice", run: func(k *kit) {
		for round := range 4 {
			n := k.notice(fmt.Sprint(round))
			k.commit(storage.Write{Notices: []storage.Notice{n}})
			later := func(i int) storage.Notice {
				return k.noticeAt(k.now.Add(time.Minute), fmt.Sprintf("%d of %d", i, round))
			}
			winner := k.oneWinner(race(func(i int) error {
				return k.try(storage.Write{TakeNotices: []string{n.ID}, Notices: []storage.Notice{later(i)}})
			}), storage.ErrNotFound)
			k.wantNotices(k.now.Add(time.Minute), later(winner))
			k.commit(storage.Write{TakeNotices: []string{later(winner).ID}})
		}
	}},
}
