package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// alike are names that are cut and hashed to be keys, and those around them, in order.
func alike() []string {
	all := []string{"a", "z"}
	for _, base := range []string{strings.Repeat("a", 511), strings.Repeat("b", 600)} {
		for i := range 20 {
			all = append(all, base+strings.Repeat("a", i), base+strings.Repeat("z", i)+"y", base[:511]+strings.Repeat("b", i))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Names that are too long for a key are still listed in their own order, in pages of any
// size.
func TestLongNamesAreListedInOrder(t *testing.T) {
	db := open(t, newSchema(t, shared(t)))
	want := alike()
	var w storage.Write
	w.At = time.Now()
	for _, id := range want {
		if err := db.PutClient(t.Context(), storage.Client{ID: id}); err != nil {
			t.Fatal(err)
		}
		w.Consents = append(w.Consents, storage.Consent{Subject: "alice", ClientID: id})
		w.Grants = append(w.Grants, storage.Grant{ID: id, Subject: "alice", ExpiresAt: w.At.Add(time.Hour)})
	}
	if err := db.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	pages := map[string]func(after string, limit int) ([]string, error){
		"clients": func(after string, limit int) ([]string, error) {
			all, err := db.ListClients(t.Context(), after, limit)
			return names(all, func(c storage.Client) string { return c.ID }), err
		},
		"grants": func(after string, limit int) ([]string, error) {
			all, err := db.ListGrants(t.Context(), "alice", after, limit)
			return names(all, func(g storage.Grant) string { return g.ID }), err
		},
		"consents": func(after string, limit int) ([]string, error) {
			all, err := db.ListConsents(t.Context(), "alice", after, limit)
			return names(all, func(c storage.Consent) string { return c.ClientID }), err
		},
	}
	for what, page := range pages {
		for _, size := range []int{1, 2, 3, 7, 50, len(want), 5000} {
			t.Run(fmt.Sprint(what, size), func(t *testing.T) {
				var got []string
				for after := ""; ; after = got[len(got)-1] {
					some, err := page(after, size)
					if err != nil {
						t.Fatal(err)
					}
					if got = append(got, some...); len(some) < size || len(got) > len(want) {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %d names, want %d, or they are out of order", len(got), len(want))
				}
			})
		}
		for i, after := range want {
			some, err := page(after+"\x00", 1)
			if err != nil || i+1 < len(want) && (len(some) != 1 || some[0] != want[i+1]) || i+1 == len(want) && len(some) != 0 {
				t.Errorf("%s after name %d and a bit: got %.20q, %v", what, i, some, err)
			}
		}
	}
}

func names[T any](all []T, name func(T) string) []string {
	var list []string
	for _, v := range all {
		list = append(list, name(v))
	}
	return list
}
