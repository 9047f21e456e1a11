package storagetest

import (
	"reflect"

	"github.com/grantor-oauth/grantor/storage"
)

// spoil overwrites whatever can be reached from v, which is a pointer: all elements
// of all slices, down to the last.
func spoil(v any) { spoilValue(reflect.ValueOf(v).Elem()) }

func spoilValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoilValue(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoilValue(v.Index(i))
		}
	case reflect.String:
		v.SetString("spoiled")
	case reflect.Uint8:
		v.SetUint('!')
	}
}

var copyChecks = []check{
	{name: "copies/what_is_passed_in", run: func(k *kit) {
		w := storage.Write{
			At: k.now, Codes: []storage.Code{k.code("a")}, Tokens: []storage.Token{k.token("a")},
			Grants: []storage.Grant{k.grant("alice", "app")}, Consents: []storage.Consent{k.consent("alice", "app")},
		}
		g := k.grant("alice", "app")
		g.ID = w.Grants[0].ID
		k.commit(w)
		use := k.use("a", "answer")
		k.commit(use)
		client, ring := k.client("app"), k.ring(1, "a")
		k.putClient(client)
		k.swap(ring)

		for _, v := range []any{&w.Codes, &w.Tokens, &w.Grants, &w.Consents, &use.ConsumeTokens[0].Answer, &client, &ring} {
			spoil(v)
		}
		k.wantCode(k.code("a"))
		t := k.token("a")
		t.ConsumedAt, t.Answer = k.now, []byte("answer")
		k.wantToken(t)
		k.wantGrant(g)
		k.wantConsent(k.consent("alice", "app"))
		k.wantClient(k.client("app"))
		k.wantRing(k.ring(1, "a"))
	}},
	{name: "copies/what_is_passed_in_is_left_alone", run: func(k *kit) {
		s := newScene(k)
		w, same := s.everything(), s.everything()
		k.commit(w)
		if !equal(&w, &same) {
			k.Fatalf("Commit has changed what it was given\ngot  %s\nwant %s", show(&w), show(&same))
		}
		client, ring := k.client("app"), k.ring(1, "b", "a")
		k.putClient(client)
		k.swap(ring)
		wantClient, wantRing := k.client("app"), k.ring(1, "b", "a")
		k.want(&client, nil, &wantClient)
		k.want(&ring, nil, &wantRing)
	}},
	{name: "copies/what_is_returned", run: func(k *kit) {
		g := k.grant("alice", "app")
		want := g
		fresh := k.grant("", "")
		want.Scopes, want.Resources, want.AMR, want.AuthorizationDetails, want.Claims = fresh.Scopes, fresh.Resources, fresh.AMR, fresh.AuthorizationDetails, fresh.Claims
		k.commit(storage.Write{
			Codes: []storage.Code{k.code("a")}, Tokens: []storage.Token{k.token("a")},
			Grants: []storage.Grant{g}, Consents: []storage.Consent{k.consent("alice", "app")},
		})
		k.commit(k.use("a", "answer"))
		k.putClient(k.client("app"))
		k.swap(k.ring(1, "a"))

		ruin(k.store.Code(k.ctx, k.digest("a")))(k)
		ruin(k.store.Token(k.ctx, k.digest("a")))(k)
		ruin(k.store.Grant(k.ctx, g.ID))(k)
		ruin(k.store.Consent(k.ctx, "alice", "app"))(k)
		ruin(k.store.Client(k.ctx, "app"))(k)
		ruin(k.store.Keys(k.ctx))(k)
		ruinAll(k.store.ListGrants(k.ctx, "alice", "", 10))(k)
		ruinAll(k.store.ListConsents(k.ctx, "alice", "", 10))(k)
		ruinAll(k.store.ListClients(k.ctx, "", 10))(k)

		k.wantCode(k.code("a"))
		t := k.token("a")
		t.ConsumedAt, t.Answer = k.now, []byte("answer")
		k.wantToken(t)
		k.wantGrant(want)
		k.wantConsent(k.consent("alice", "app"))
		k.wantClient(k.client("app"))
		k.wantRing(k.ring(1, "a"))
	}},
}

// ruin takes what a look-up returned and spoils it.
func ruin[T any](record *T, err error) func(*kit) {
	return func(k *kit) {
		k.Helper()
		if err != nil {
			k.Fatalf("reading a %T: %v", *new(T), err)
		}
		spoil(record)
	}
}

// ruinAll does so with a list of one.
func ruinAll[T any](records []T, err error) func(*kit) {
	return func(k *kit) {
		k.Helper()
		if err != nil || len(records) != 1 {
			k.Fatalf("listing %T: got %d records, %v, want 1", *new(T), len(records), err)
		}
		spoil(&records)
	}
}
