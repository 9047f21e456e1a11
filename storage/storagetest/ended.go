package storagetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// end is a Write that ends a subject's authorizations, for one client or for all.
func end(at time.Time, subject, clientID string) storage.Write {
	return storage.Write{At: at, Revoke: []storage.Revocation{{Subject: subject, ClientID: clientID}}}
}

// unended is a Write that depends on nothing having been ended since.
func unended(since time.Time, subject, clientID string) storage.Write {
	return storage.Write{Unended: []storage.Unended{{Subject: subject, ClientID: clientID, Since: since}}}
}

var endedChecks = []check{
	{name: "ended/since", run: func(k *kit) {
		k.commit(unended(k.now, "alice", "app"))
		ended := k.now.Add(time.Second)
		// There is nothing to revoke, and it counts all the same.
		k.commit(end(ended, "alice", ""))
		k.refuse(unended(k.now, "alice", "app"), storage.ErrRevoked)
		k.refuse(unended(ended.Add(-time.Microsecond), "alice", "app"), storage.ErrRevoked)
		k.commit(unended(ended.Add(time.Microsecond), "alice", "app"))
		k.commit(unended(k.now, "bob", "app"))

		both := unended(k.now, "bob", "app")
		both.Unended = append(both.Unended, unended(k.now, "alice", "app").Unended...)
		k.refuse(both, storage.ErrRevoked)
		// Beside effects it is judged as well.
		late := unended(k.now, "alice", "app")
		late.Codes = []storage.Code{k.code("late")}
		k.refuse(late, storage.ErrRevoked)
		c, err := k.store.Code(k.ctx, k.digest("late"))
		absent(k, c, err)
	}},
	{name: "ended/for_one_client", run: func(k *kit) {
		k.commit(end(k.now.Add(time.Second), "alice", "one"))
		k.refuse(unended(k.now, "alice", "one"), storage.ErrRevoked)
		k.commit(unended(k.now, "alice", "two"))
		k.commit(unended(k.now, "alice", ""))
		k.commit(unended(k.now, "one", "alice"))
		k.commit(end(k.now.Add(time.Second), "alice", ""))
		k.refuse(unended(k.now, "alice", "two"), storage.ErrRevoked)
		k.refuse(unended(k.now, "alice", ""), storage.ErrRevoked)
	}},
	{name: "ended/by_what_is_to_be_ended_alone", run: func(k *kit) {
		g := k.grant("alice", "app")
		k.commit(storage.Write{Grants: []storage.Grant{g}, Tokens: []storage.Token{k.token("a")}})
		k.commit(storage.Write{At: k.now.Add(time.Second), Revoke: []storage.Revocation{{GrantID: g.ID}, {Token: k.digest("a")}}})
		k.commit(unended(k.now, "alice", "app"))
	}},
	{name: "ended/the_latest_counts", run: func(k *kit) {
		late := k.now.Add(10 * time.Second)
		k.commit(end(late, "alice", "app"))
		k.commit(end(late.Add(-5*time.Second), "alice", "app"))
		k.refuse(unended(late.Add(-time.Second), "alice", "app"), storage.ErrRevoked)
		k.commit(end(late.Add(5*time.Second), "alice", "app"))
		k.refuse(unended(late.Add(time.Second), "alice", "app"), storage.ErrRevoked)
	}},
	{name: "ended/by_a_clock_that_was_wrong", run: func(k *kit) {
		k.commit(end(k.now, "alice", ""))
		k.refuse(unended(k.now.Add(-storage.RememberEnded), "alice", ""), storage.ErrRevoked)
		k.commit(unended(k.now.Add(-storage.RememberEnded-time.Second), "alice", ""))

		// Tomorrow's date locks nobody out until tomorrow, and hides no ending of today.
		k.commit(end(k.now.Add(24*time.Hour), "bob", ""))
		k.commit(unended(k.now, "bob", ""))
		k.commit(end(k.now.Add(time.Second), "bob", ""))
		k.refuse(unended(k.now, "bob", ""), storage.ErrRevoked)
	}},
	{name: "ended/is_remembered", run: func(k *kit) {
		k.commit(end(k.now, "alice", "app"))
		k.commit(end(k.now, "bob", ""))
		k.pass(k.now.Add(storage.RememberEnded-time.Second), 100)
		k.refuse(unended(k.now.Add(-time.Second), "alice", "app"), storage.ErrRevoked)
		k.refuse(unended(k.now.Add(-time.Second), "bob", "app"), storage.ErrRevoked)
	}},
	{name: "ended/odd_names_are_kept_apart", run: func(k *kit) {
		for i, name := range odd {
			if i%2 == 1 {
				k.commit(end(k.now, name, ""))
				k.commit(end(k.now, "alice", name))
			}
		}
		for i, name := range odd {
			for _, w := range []storage.Write{
				unended(k.now.Add(-time.Second), name, ""), unended(k.now.Add(-time.Second), "alice", name),
			} {
				if err := k.try(w); errors.Is(err, storage.ErrRevoked) != (i%2 == 1) {
					k.Fatalf("name %d, %.20q: got %v", i, name, err)
				}
			}
		}
	}},
	{name: "ended/nobody_slips_through", run: func(k *kit) {
		// Whoever is just authorizing when all is ended must be too late, or be ended too.
		for round := range 4 {
			subject := fmt.Sprint("user", round)
			outcomes := race(func(i int) error {
				if i == crowd/2 {
					return k.try(end(k.now.Add(time.Second), subject, ""))
				}
				w := unended(k.now, subject, "app")
				w.Grants = []storage.Grant{k.grant(subject, "app")}
				return k.try(w)
			})
			for i, err := range outcomes {
				if err != nil && (i == crowd/2 || !errors.Is(err, storage.ErrRevoked)) {
					k.Fatalf("caller %d: %v", i, err)
				}
			}
			grants, err := k.store.ListGrants(k.ctx, subject, "", crowd)
			if err != nil {
				k.Fatalf("ListGrants: %v", err)
			}
			for _, g := range grants {
				if g.RevokedAt.IsZero() {
					k.Fatalf("a grant was added beside the end of all, and is live")
				}
			}
		}
	}},
}
