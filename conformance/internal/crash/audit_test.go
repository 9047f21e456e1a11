package crash_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

var (
	at    = time.Date(2030, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	later = at.Add(time.Second)
	end   = at.Add(100 * time.Hour)

	grantID  = storage.NewGrantID(end)
	code     = storage.NewDigest(end, "code")
	access   = storage.NewDigest(end, "access")
	refresh  = storage.NewDigest(end, "refresh")
	another  = storage.NewDigest(end, "another")
	shortOne = storage.NewDigest(at.Add(time.Minute), "short")
)

func grant() storage.Grant {
	return storage.Grant{ID: grantID, Subject: "ana", ClientID: "web", CreatedAt: at, ExpiresAt: end}
}

func authorization() storage.Write {
	return storage.Write{At: at,
		Codes:    []storage.Code{{Digest: code, Kind: storage.AuthorizationCode, GrantID: grantID, IssuedAt: at, ExpiresAt: end}},
		Grants:   []storage.Grant{grant()},
		Consents: []storage.Consent{{Subject: "ana", ClientID: "web", GrantedAt: at}},
	}
}

func token(d storage.Digest, kind storage.TokenKind) storage.Token {
	return storage.Token{Digest: d, Kind: kind, GrantID: grantID, ExpiresAt: d.ExpiresAt()}
}

func exchange() storage.Write {
	return storage.Write{At: later, ConsumeCodes: []storage.Digest{code}, Live: []string{grantID},
		Tokens: []storage.Token{token(access, storage.AccessToken), token(refresh, storage.RefreshToken)}}
}

func renewal(answer string) storage.Write {
	return storage.Write{At: later.Add(time.Second), ConsumeTokens: []storage.Consumption{{Digest: refresh, Answer: []byte(answer)}},
		Tokens: []storage.Token{token(another, storage.RefreshToken)}}
}

func ending(r storage.Revocation) storage.Write {
	return storage.Write{At: later.Add(2 * time.Second), Revoke: []storage.Revocation{r}}
}

// without is a Write with a part taken out.
func without(w storage.Write, edit func(*storage.Write)) storage.Write {
	edit(&w)
	return w
}

func noConsents(w *storage.Write) { w.Consents = nil }

func asked(said error, writes ...storage.Write) (all []crash.Asked) {
	for _, w := range writes {
		all = append(all, crash.Asked{Write: &w, Said: said})
	}
	return all
}

// What a diary says against what is stored.
func TestAudit(t *testing.T) {
	all := func(lists ...[]crash.Asked) (joined []crash.Asked) {
		for _, l := range lists {
			joined = append(joined, l...)
		}
		return joined
	}
	user := ending(storage.Revocation{Subject: "ana"})
	for _, test := range []struct {
		name   string
		stored []storage.Write
		asked  []crash.Asked
		want   string
	}{
		{"all as it should be", []storage.Write{authorization(), exchange(), renewal("x")}, asked(nil, authorization(), exchange(), renewal("x")), ""},
		{"nothing of what was never answered", nil, asked(crash.ErrNothing, authorization()), ""},
		{"all of what was never answered", []storage.Write{authorization()}, asked(crash.ErrNothing, authorization()), ""},
		{"nothing of what was refused", nil, asked(storage.ErrExists, authorization()), ""},
		{"what was refused", []storage.Write{authorization()}, asked(storage.ErrExists, authorization()), "orphaned"},
		{"nothing of what was acknowledged", nil, asked(nil, authorization()), "lost"},
		{"grant without its code", []storage.Write{without(authorization(), func(w *storage.Write) { w.Codes = nil })}, asked(crash.ErrNothing, authorization()), "orphaned"},
		{"code without its grant", []storage.Write{without(authorization(), func(w *storage.Write) { w.Grants = nil })}, asked(nil, authorization()), "orphaned"},
		{"authorization without its consent", []storage.Write{without(authorization(), func(w *storage.Write) { w.Consents = nil })}, asked(nil, authorization()), "orphaned"},
		{"token without its grant", []storage.Write{{At: at, Tokens: exchange().Tokens}}, asked(nil, storage.Write{At: at, Tokens: exchange().Tokens}), "orphaned"},
		{"used code without tokens", []storage.Write{authorization(), without(exchange(), func(w *storage.Write) { w.Tokens = nil })}, all(asked(nil, authorization()), asked(crash.ErrNothing, exchange())), "orphaned"},
		{"tokens of an unused code", []storage.Write{authorization(), without(exchange(), func(w *storage.Write) { w.ConsumeCodes = nil })}, all(asked(nil, authorization()), asked(crash.ErrNothing, exchange())), "orphaned"},
		{"exchange that is gone", []storage.Write{authorization()}, asked(nil, authorization(), exchange()), "resurrected"},
		{"used refresh token without its answer", []storage.Write{authorization(), exchange(), renewal("")}, asked(nil, authorization(), exchange(), renewal("")), "orphaned"},
		{"revoked grant that lives", []storage.Write{authorization()}, asked(nil, authorization(), ending(storage.Revocation{GrantID: grantID})), "resurrected"},
		{"revoked token that lives", []storage.Write{authorization(), exchange()}, asked(nil, authorization(), exchange(), ending(storage.Revocation{Token: access})), "resurrected"},
		{"user whose authorizations live", []storage.Write{authorization()}, asked(nil, authorization(), user), "resurrected"},
		{"user who was ended", []storage.Write{authorization(), user}, asked(nil, authorization(), user), ""},
		{"user whose consents live", []storage.Write{authorization(), ending(storage.Revocation{GrantID: grantID})}, asked(nil, authorization(), user), "orphaned"},
		{"code that was used twice", []storage.Write{authorization(), exchange()}, asked(nil, authorization(), exchange(),
			storage.Write{At: later, ConsumeCodes: []storage.Digest{code}}), "doubled"},
		{"code that two wanted in the same microsecond", []storage.Write{authorization(), exchange()}, all(asked(nil, authorization(), exchange()),
			asked(storage.ErrConsumed, without(exchange(), func(w *storage.Write) { w.Tokens = []storage.Token{token(another, storage.RefreshToken)} }))), ""},
		{"end that nobody remembers", []storage.Write{without(authorization(), noConsents), ending(storage.Revocation{GrantID: grantID})},
			asked(nil, without(authorization(), noConsents), user), "orphaned"},
		{"end of nothing that nobody remembers", nil, asked(nil, user), "resurrected"},
		{"expired token that was swept", nil, asked(nil, storage.Write{At: at, Tokens: []storage.Token{{Digest: shortOne, Kind: storage.AccessToken, ExpiresAt: shortOne.ExpiresAt()}}}), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := memory.New()
			for _, w := range test.stored {
				if err := store.Commit(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			wants(t, crash.Judge(t, store, at.Add(time.Hour), test.asked...), test.want)
		})
	}
}

// wants wants faults of one kind, or none at all.
func wants(t *testing.T, got crash.Counts, want string) {
	t.Helper()
	found := map[string]int{"lost": got.Lost, "resurrected": got.Resurrected, "doubled": got.Doubled, "orphaned": got.Orphaned}
	for kind, n := range found {
		if (n > 0) != (kind == want) {
			t.Errorf("%s, want %q", got, want)
			return
		}
	}
}

// listing is a store whose index of subjects is another's.
type listing struct {
	storage.Store
	index storage.Store
}

func (l listing) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return l.index.ListGrants(ctx, subject, after, limit)
}

func TestAudit_index(t *testing.T) {
	full, empty := memory.New(), memory.New()
	w := authorization()
	w.Codes, w.Consents = nil, nil
	if err := full.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		store storage.Store
		said  error
		want  string
	}{
		{"sound", listing{full, full}, nil, ""},
		{"grant without entry", listing{full, empty}, crash.ErrNothing, "orphaned"},
		{"entry without grant", listing{empty, full}, crash.ErrNothing, "orphaned"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wants(t, crash.Judge(t, test.store, at, asked(test.said, w)...), test.want)
		})
	}
}

func TestAudit_keys(t *testing.T) {
	ring := func(revision uint64, ids ...string) *storage.KeyRing {
		r := &storage.KeyRing{Revision: revision, Issuer: "https://auth.example"}
		for _, id := range ids {
			r.Keys = append(r.Keys, storage.Key{ID: id, Algorithm: "ES256"})
		}
		return r
	}
	ended := ring(1, "a")
	ended.Keys[0].ExpiresAt = at
	for _, test := range []struct {
		name   string
		stored []*storage.KeyRing
		asked  []crash.Asked
		want   string
	}{
		{"sound", []*storage.KeyRing{ring(1, "a"), ring(2, "a", "b")}, []crash.Asked{{Ring: ring(1, "a")}, {Ring: ring(2, "a", "b")}}, ""},
		{"never answered, and there", []*storage.KeyRing{ring(1, "a")}, []crash.Asked{{Ring: ring(1, "a"), Said: crash.ErrNothing}}, ""},
		{"never answered, and not there", nil, []crash.Asked{{Ring: ring(1, "a"), Said: crash.ErrNothing}}, ""},
		{"acknowledged and gone", []*storage.KeyRing{ring(1, "a")}, []crash.Asked{{Ring: ring(1, "a")}, {Ring: ring(2, "a", "b")}}, "lost"},
		{"without a key that lives", []*storage.KeyRing{ring(1, "a"), ring(2, "b")}, []crash.Asked{{Ring: ring(1, "a")}, {Ring: ring(2, "b")}}, "lost"},
		{"without a key that has ended", []*storage.KeyRing{ended, ring(2, "b")}, []crash.Asked{{Ring: ended}, {Ring: ring(2, "b")}}, ""},
		{"two of one revision", []*storage.KeyRing{ring(1, "a")}, []crash.Asked{{Ring: ring(1, "a")}, {Ring: ring(1, "a")}}, "doubled"},
		{"nobody's", []*storage.KeyRing{ring(1, "x", "a")}, []crash.Asked{{Ring: ring(1, "a")}}, "doubled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := memory.New()
			for _, r := range test.stored {
				if err := store.SwapKeys(t.Context(), *r); err != nil {
					t.Fatal(err)
				}
			}
			wants(t, crash.Judge(t, store, later, test.asked...), test.want)
		})
	}
}

func other(a crash.Asked) crash.Asked {
	a.Other = true
	return a
}

func TestAudit_clients(t *testing.T) {
	called := func(n int, said error) crash.Asked {
		return crash.Asked{Client: &storage.Client{ID: "c", Name: fmt.Sprint(n)}, Said: said}
	}
	for _, test := range []struct {
		name   string
		stored int // the name that it has; 0 if it is not there
		asked  []crash.Asked
		want   string
	}{
		{"sound", 2, []crash.Asked{called(1, nil), called(2, nil)}, ""},
		{"sound, by two servers", 2, []crash.Asked{other(called(1, nil)), called(2, nil)}, ""},
		{"older, by two servers", 1, []crash.Asked{other(called(1, nil)), called(2, nil)}, "lost"},
		{"older", 1, []crash.Asked{called(1, nil), called(2, nil)}, "lost"},
		{"not there", 0, []crash.Asked{called(1, nil)}, "lost"},
		{"never answered, and not there", 0, []crash.Asked{called(1, crash.ErrNothing)}, ""},
		{"the newer never answered, and there", 2, []crash.Asked{called(1, nil), called(2, crash.ErrNothing)}, ""},
		{"the newer never answered, and not there", 1, []crash.Asked{called(1, nil), called(2, crash.ErrNothing)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := memory.New()
			if test.stored > 0 {
				if err := store.PutClient(t.Context(), storage.Client{ID: "c", Name: fmt.Sprint(test.stored)}); err != nil {
					t.Fatal(err)
				}
			}
			wants(t, crash.Judge(t, store, at, test.asked...), test.want)
		})
	}
}
