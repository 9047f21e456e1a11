package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// meanwhile runs four readers, until stop is called, which waits for them.
func meanwhile(t *testing.T, read func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { read(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// TestReadersSeeOneMoment: while records change together, again and again and through many
// merges, no list shows some of them before a change and some after it.
func TestReadersSeeOneMoment(t *testing.T) {
	db := openTest(t)
	long := strings.Repeat("x", 10_000)
	round := func(i int) storage.Write {
		at := time.Unix(1_800_000_000, 0).Add(time.Duration(i) * time.Millisecond)
		w := storage.Write{At: at}
		for c := range 20 {
			w.Consents = append(w.Consents, storage.Consent{
				Subject: "ana", ClientID: fmt.Sprint("client", c), Scopes: []string{long}, GrantedAt: at,
			})
		}
		return w
	}
	if err := db.Commit(t.Context(), round(0)); err != nil {
		t.Fatal(err)
	}
	stop := meanwhile(t, func(ctx context.Context) {
		var last time.Time
		for ctx.Err() == nil {
			list, err := db.ListConsents(t.Context(), "ana", "", 100)
			if err != nil || len(list) != 20 {
				t.Errorf("%d consents, %v", len(list), err)
				return
			}
			for _, c := range list {
				if !c.GrantedAt.Equal(list[0].GrantedAt) || c.GrantedAt.Before(last) {
					t.Errorf("%s is of %v, %s of %v, after %v was seen", c.ClientID, c.GrantedAt, list[0].ClientID, list[0].GrantedAt, last)
					return
				}
			}
			last = list[0].GrantedAt
		}
	})
	// For longer on a machine that has other things to do.
	begun := time.Now()
	const enough = 5
	for i := 1; time.Since(begun) < 3*time.Second || db.Stats().Merges < enough && time.Since(begun) < time.Minute; i++ {
		if err := db.Commit(t.Context(), round(i)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if n := db.Stats().Merges; n < enough {
		t.Errorf("only %d merges: nothing was tested", n)
	}
}

// TestRemovedStaysRemoved: what is removed above bbolt's file does not show through from it,
// neither before nor after a merge.
func TestRemovedStaysRemoved(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	for round := range 4 {
		for i := range 10 {
			if err := db.PutClient(ctx, storage.Client{ID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 {
			db.Merge()
		}
		for i := 0; i < 10; i += 2 {
			if err := db.DeleteClient(ctx, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		look := func() {
			t.Helper()
			var ids string
			list, err := db.ListClients(ctx, "2", 3)
			for _, c := range list {
				ids += c.ID
			}
			if err != nil || ids != "357" {
				t.Errorf("after 2 come %s, %v", ids, err)
			}
			if _, err := db.Client(ctx, "4"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("removed: %v", err)
			}
			if err := db.DeleteClient(ctx, "4"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("removed twice: %v", err)
			}
		}
		look()
		db.Merge()
		look()
	}
}

// TestMergeFails: while bbolt's file cannot grow the log takes what it can hold, then writes
// fail; when it can, all is well, and all that was acknowledged is there.
func TestMergeFails(t *testing.T) {
	path := small(t)
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged []storage.Token
	commit := func() error {
		token := newToken(fmt.Sprint(len(acknowledged)))
		token.Claims = make([]byte, 100_000)
		err := db.Commit(t.Context(), add(token))
		if err == nil {
			acknowledged = append(acknowledged, token)
		}
		return err
	}
	if err := commit(); err != nil { // the log is in use now
		t.Fatal(err)
	}
	db.LimitSize(300_000)
	for err = nil; err == nil; err = commit() {
		if len(acknowledged) > 1000 {
			t.Fatal("nothing failed")
		}
	}
	t.Logf("%d went through, then: %v", len(acknowledged), err)
	there := func() {
		t.Helper()
		for i, token := range acknowledged {
			if got, err := db.Token(t.Context(), token.Digest); err != nil || len(got.Claims) != 100_000 {
				t.Fatalf("token %d of %d: %v", i, len(acknowledged), err)
			}
		}
	}
	there()
	if err := commit(); err == nil {
		t.Error("it went through after all")
	}
	db.LimitSize(0)
	for range 30 {
		if err := commit(); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	there()

	// It can be closed without room too, and then keeps its log.
	db.LimitSize(1)
	for range 3 {
		if err := db.PutClient(t.Context(), storage.Client{ID: "app", Name: "changed"}); err != nil {
			break
		}
	}
	if err := db.Close(); err == nil {
		t.Error("closed, although the log could not be merged")
	}
	if db, err = bolt.Open(path); err != nil {
		t.Fatal(err)
	}
	there()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Check(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + "-log0"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("closed, it still has a log (%v)", err)
	}
}

// TestManyLargeRecords: one write may be longer than the log usually gets.
func TestManyLargeRecords(t *testing.T) {
	db := openTest(t)
	for round := range 2 {
		var w storage.Write
		for i := range 8 {
			token := newToken(fmt.Sprint(round, i))
			token.Claims = make([]byte, 3<<20)
			w.At, w.Tokens = time.Now(), append(w.Tokens, token)
		}
		if err := db.Commit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		for _, token := range w.Tokens {
			if got, err := db.Token(t.Context(), token.Digest); err != nil || len(got.Claims) != 3<<20 {
				t.Errorf("token: %v", err)
			}
		}
	}
	for i := range 20 {
		if err := db.Commit(t.Context(), add(newToken(fmt.Sprint("small", i)))); err != nil {
			t.Fatal(err)
		}
	}
	db.Merge()
	db.Merge()
	if size := db.LogSize(); size > 30<<20 {
		t.Errorf("the log keeps %d bytes", size)
	}
}

// TestReadersAndNewMaps: where a file outgrows its map, bbolt waits for all readers to go.
// They do, however many there are, whether or not there is room for them to share what they
// read from, and however much of the file one write changes.
func TestReadersAndNewMaps(t *testing.T) {
	for name, mapped := range map[string]int{"nothing mapped": 0, "little mapped": 8 << 20} {
		t.Run(name, func(t *testing.T) { outgrow(t, mapped) })
	}
}

func outgrow(t *testing.T, mapped int) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := bolt.OpenMapped(path, mapped)
	if err != nil {
		t.Fatal(err)
	}
	stop := meanwhile(t, func(ctx context.Context) {
		for ctx.Err() == nil {
			if _, err := db.Client(t.Context(), "none"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("got %v", err)
				return
			}
		}
	})
	commit := func(w storage.Write) {
		t.Helper()
		within, done := context.WithTimeout(t.Context(), 20*time.Second)
		defer done()
		if err := db.Commit(within, w); err != nil {
			t.Fatal(err)
		}
		merged := make(chan bool)
		go func() {
			db.Merge()
			close(merged)
		}()
		select {
		case <-merged:
		case <-within.Done():
			t.Fatal("a merge hangs")
		}
	}
	at := time.Now()
	for batch := range 20 {
		w := storage.Write{At: at}
		for i := range 2000 {
			expiresAt := at.Add(time.Duration(batch*2000+i) * time.Second).Add(time.Hour)
			subject := "ana"
			if i%12 != 0 {
				subject = fmt.Sprint("user", batch, i)
			}
			w.Grants = append(w.Grants, storage.Grant{
				ID: storage.NewGrantID(expiresAt), ClientID: "client", Subject: subject, Scopes: []string{"openid"}, CreatedAt: at, ExpiresAt: expiresAt,
			})
		}
		commit(w)
	}
	// A grant in every page, at once: the whole file is written again.
	commit(storage.Write{At: at, Revoke: []storage.Revocation{{Subject: "ana"}}})
	stop()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < 16<<20 {
		t.Errorf("the file has %d bytes, %v: it had room", info.Size(), err)
	}
}
