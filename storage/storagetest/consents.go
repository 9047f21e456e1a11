package storagetest

import (
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

var consentChecks = []check{
	{name: "consents/stored_and_replaced", run: func(k *kit) {
		c := k.consent("alice", "app")
		k.commit(storage.Write{Consents: []storage.Consent{c}})
		k.wantConsent(c)
		c.Scopes, c.GrantedAt, c.ExpiresAt = []string{"write", "admin"}, k.now.Add(time.Second), k.now.Add(time.Hour)
		k.commit(storage.Write{Consents: []storage.Consent{c}})
		k.wantConsent(c)
	}},
	{name: "consents/absent", run: func(k *kit) {
		k.commit(storage.Write{Consents: []storage.Consent{k.consent("alice", "app")}})
		for _, at := range [][2]string{{"bob", "app"}, {"alice", "other"}, {"app", "alice"}, {"", ""}} {
			c, err := k.store.Consent(k.ctx, at[0], at[1])
			absent(k, c, err)
		}
	}},
	{name: "consents/listed_by_subject", run: func(k *kit) {
		// In the order of bytes, and put in another.
		ids := []string{"10", "9", "A", "Z", "a b", "aa", "ä"}
		var alices []storage.Consent
		for i, client := range ids {
			alices = append(alices, k.consent("alice", client))
			client = ids[(i*3+1)%len(ids)]
			k.commit(storage.Write{Consents: []storage.Consent{k.consent("alice", client), k.consent("bob", client)}})
		}
		wantPages(k, alices, func(after string, limit int) ([]storage.Consent, error) {
			return k.store.ListConsents(k.ctx, "alice", after, limit)
		}, func(c storage.Consent) string { return c.ClientID })
		none, err := k.store.ListConsents(k.ctx, "carol", "", 10)
		if err != nil || len(none) > 0 {
			k.Fatalf("another's list: got %d consents, %v", len(none), err)
		}
	}},
	{name: "consents/withdrawn_with_the_subject", run: func(k *kit) {
		k.commit(storage.Write{Consents: []storage.Consent{
			k.consent("alice", "one"), k.consent("alice", "two"), k.consent("bob", "one"),
		}})
		k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: "alice"}}})
		for _, client := range []string{"one", "two"} {
			c, err := k.store.Consent(k.ctx, "alice", client)
			absent(k, c, err)
		}
		k.wantConsent(k.consent("bob", "one"))
	}},
	{name: "consents/withdrawn_for_one_client", run: func(k *kit) {
		k.commit(storage.Write{Consents: []storage.Consent{
			k.consent("alice", "one"), k.consent("alice", "two"), k.consent("bob", "one"),
		}})
		k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: "alice", ClientID: "one"}}})
		c, err := k.store.Consent(k.ctx, "alice", "one")
		absent(k, c, err)
		k.wantConsent(k.consent("alice", "two"))
		k.wantConsent(k.consent("bob", "one"))
	}},
}
