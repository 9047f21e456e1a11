package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// epoch is the store's, which must know it. What has no storage.Epochs is not asked.
func (k *kit) epoch() uint64 {
	k.Helper()
	n, known := k.epochs().Epoch(k.store)
	if !known {
		k.Fatalf("the store does not know its epoch")
	}
	return n
}

func (k *kit) epochs() storage.Epochs {
	k.Helper()
	e, ok := k.store.(storage.Epochs)
	if !ok {
		k.Skip("the store has no storage.Epochs")
	}
	return e
}

// taking is one way to take something back. Each has its own subject and client.
type taking struct {
	name string
	take func(k *kit) error

	// alive looks for what is taken back; nil if there is nothing to be found.
	alive func(k *kit) (bool, error)
}

// takings prepares the store for all of them.
func (k *kit) takings() []taking {
	k.Helper()
	grants := make(map[string]storage.Grant)
	for _, name := range []string{"by_id", "by_subject", "by_client", "dead"} {
		grants[name] = k.grant("subject "+name, "app")
	}
	token := k.token("stored")
	k.commit(storage.Write{
		Grants: []storage.Grant{grants["by_id"], grants["by_subject"], grants["by_client"], grants["dead"]},
		Tokens: []storage.Token{token},
	})
	k.commit(storage.Write{Revoke: []storage.Revocation{{GrantID: grants["dead"].ID}}})
	for _, id := range []string{"changed", "deleted"} {
		c := k.client(id)
		c.Disabled = false
		k.putClient(c)
	}

	revoke := func(r storage.Revocation) func(k *kit) error {
		return func(k *kit) error { return k.try(storage.Write{Revoke: []storage.Revocation{r}}) }
	}
	grant := func(name string) func(k *kit) (bool, error) {
		return func(k *kit) (bool, error) {
			g, err := k.store.Grant(k.ctx, grants[name].ID)
			return err == nil && g.RevokedAt.IsZero(), err
		}
	}
	marked := func(d storage.Digest) func(k *kit) (bool, error) {
		return func(k *kit) (bool, error) {
			t, err := k.store.Token(k.ctx, d)
			if errors.Is(err, storage.ErrNotFound) {
				return true, nil // a signed token that nobody has revoked
			}
			return err == nil && t.RevokedAt.IsZero(), err
		}
	}
	client := func(id string) func(k *kit) (bool, error) {
		return func(k *kit) (bool, error) {
			c, err := k.store.Client(k.ctx, id)
			if errors.Is(err, storage.ErrNotFound) {
				return false, nil
			}
			return err == nil && !c.Disabled, err
		}
	}
	revokedToken, revokedGrant := k.token("added"), k.grant("subject added", "app")
	revokedToken.RevokedAt, revokedGrant.RevokedAt = k.now, k.now
	return []taking{
		{"a_grant", revoke(storage.Revocation{GrantID: grants["by_id"].ID}), grant("by_id")},
		{"a_subject", revoke(storage.Revocation{Subject: "subject by_subject"}), grant("by_subject")},
		{"a_client_of_a_subject", revoke(storage.Revocation{Subject: "subject by_client", ClientID: "app"}), grant("by_client")},
		{"a_stored_token", revoke(storage.Revocation{Token: token.Digest}), marked(token.Digest)},
		{"a_token_that_is_not_stored", revoke(storage.Revocation{Token: k.digest("unstored")}), marked(k.digest("unstored"))},
		{"a_token_by_adding_its_mark", func(k *kit) error {
			return k.try(storage.Write{Tokens: []storage.Token{revokedToken}})
		}, marked(revokedToken.Digest)},
		{"a_grant_by_adding_it", func(k *kit) error {
			return k.try(storage.Write{Grants: []storage.Grant{revokedGrant}})
		}, nil},
		{"a_grant_again", revoke(storage.Revocation{GrantID: grants["dead"].ID}), nil},
		{"what_is_not_there", revoke(storage.Revocation{GrantID: k.grant("", "").ID}), nil},
		{"a_client_by_changing_it", func(k *kit) error { return k.store.PutClient(k.ctx, k.client("changed")) }, client("changed")},
		{"a_client_by_adding_it", func(k *kit) error { return k.store.PutClient(k.ctx, k.client("added")) }, nil},
		{"a_client", func(k *kit) error { return k.store.DeleteClient(k.ctx, "deleted") }, client("deleted")},
		{"a_client_that_is_not_there", func(k *kit) error {
			if err := k.store.DeleteClient(k.ctx, "absent"); !errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("got %w, want ErrNotFound", err)
			}
			return nil
		}, nil},
	}
}

var epochChecks = []check{
	{name: "epoch/grows_with_what_is_taken_back", run: func(k *kit) {
		k.epochs()
		for _, t := range k.takings() {
			before := k.epoch()
			if err := t.take(k); err != nil {
				k.Fatalf("taking back %s: %v", t.name, err)
			}
			if after := k.epoch(); after <= before {
				k.Errorf("taking back %s: the epoch was %d and is %d", t.name, before, after)
			}
		}
	}},
	{name: "epoch/grows_no_sooner_than_it_is_seen", run: func(k *kit) {
		// A verifier that remembers what was alive under the number that it read before:
		// no such number may be the present one when the call has returned.
		k.epochs()
		for _, t := range k.takings() {
			if t.alive == nil {
				continue
			}
			const verifiers = 8
			stop := make(chan struct{})
			var begun, done sync.WaitGroup
			var remembered [verifiers]uint64
			begun.Add(verifiers)
			for i := range verifiers {
				done.Go(func() {
					for first := true; ; first = false {
						epoch, known := k.epochs().Epoch(k.store)
						alive, err := t.alive(k)
						if err != nil || !known {
							k.Errorf("looking for %s: %v; the epoch is known: %v", t.name, err, known)
						}
						if alive {
							remembered[i] = epoch
						}
						if first {
							begun.Done()
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			begun.Wait()
			err := t.take(k)
			present := k.epoch()
			time.Sleep(time.Millisecond) // for those who have just read the number
			close(stop)
			done.Wait()
			if err != nil {
				k.Fatalf("taking back %s: %v", t.name, err)
			}
			for _, epoch := range remembered {
				if epoch >= present {
					k.Fatalf("taking back %s: it was found alive in epoch %d, and was dead when epoch %d began", t.name, epoch, present)
				}
			}
			if alive, err := t.alive(k); alive || err != nil {
				k.Errorf("taking back %s: it lives: %v, %v", t.name, alive, err)
			}
		}
	}},
	{name: "epoch/is_not_anothers", run: func(k *kit) {
		k.epochs()
		other := k.h.Open(k.TB)
		defer other.Close()
		for name, of := range map[string]any{"nothing": nil, "another store": other, "one that embeds this": embedding{k.store}} {
			if _, known := k.epochs().Epoch(of); known {
				k.Errorf("the epoch of %s is known", name)
			}
		}
	}},
	{name: "epoch/ends_with_the_store", run: func(k *kit) {
		k.epoch()
		if err := k.store.Close(); err != nil {
			k.Fatalf("Close: %v", err)
		}
		if n, known := k.epochs().Epoch(k.store); known {
			k.Errorf("after Close the epoch is known: %d", n)
		}
	}},
}

// embedding is a host's store that has a look-up of its own.
type embedding struct{ storage.Store }
