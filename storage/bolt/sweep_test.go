package bolt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// fill adds n codes, tokens and grants that expire in an hour.
func fill(t *testing.T, db *bolt.DB, now time.Time, n int) {
	t.Helper()
	expires := now.Add(time.Hour)
	w := storage.Write{At: now}
	for i := range n {
		d := storage.NewDigest(expires, fmt.Sprint(i))
		w.Codes = append(w.Codes, storage.Code{Digest: d, Kind: storage.SeenOnce, ExpiresAt: expires})
		w.Tokens = append(w.Tokens, storage.Token{Digest: d, Kind: storage.AccessToken, ExpiresAt: expires})
		w.Grants = append(w.Grants, storage.Grant{ID: storage.NewGrantID(expires), Subject: "alice", ExpiresAt: expires})
	}
	if err := db.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	db.Merge()
}

// tick is the smallest write there is.
func tick(t *testing.T, db storage.Store, at time.Time) {
	t.Helper()
	err := db.Commit(t.Context(), storage.Write{At: at, Consents: []storage.Consent{{Subject: "clock"}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSweepIsBounded(t *testing.T) {
	db := openTest(t)
	now := time.Now()
	fill(t, db, now, 200)
	later := now.Add(24 * time.Hour)
	sum := func() int {
		c := db.Count()
		return c[0] + c[1] + c[2]
	}
	for left := sum(); left > 0; {
		tick(t, db, later)
		swept := left - sum()
		if swept <= 0 || swept > 64 {
			t.Fatalf("one write swept %d of %d records", swept, left)
		}
		left -= swept
	}
	if c := db.Count(); c != [4]int{} {
		t.Errorf("left are codes, tokens, grants and index entries: %v", c)
	}
}

func TestSweepKeepsUpWithGrowth(t *testing.T) {
	db := openTest(t)
	now := time.Now()
	fill(t, db, now, 100)
	for day := 1; day <= 5; day++ {
		fill(t, db, now.Add(time.Duration(day)*24*time.Hour), 100)
	}
	if c := db.Count(); c[0] > 200 || c[1] > 200 || c[2] > 200 {
		t.Errorf("after five days of 100 records a day there are %v", c)
	}
}

func TestSweepLeavesAMargin(t *testing.T) {
	db := openTest(t)
	now := time.Now()
	fill(t, db, now, 1)
	tick(t, db, now.Add(time.Hour+59*time.Second))
	if c := db.Count(); c != [4]int{1, 1, 1, 1} {
		t.Errorf("within the margin: %v", c)
	}
	tick(t, db, now.Add(time.Hour+61*time.Second))
	if c := db.Count(); c != [4]int{} {
		t.Errorf("after the margin: %v", c)
	}
}

// TestSweepPassesWhatOutlivesItsStamp: such records stay, and those behind them go.
func TestSweepPassesWhatOutlivesItsStamp(t *testing.T) {
	db := openTest(t)
	now := time.Now()
	stamp, expires := now.Add(time.Minute), now.Add(1000*time.Hour)
	w := storage.Write{At: now}
	for i := range 150 {
		d := storage.NewDigest(stamp, fmt.Sprint("long", i))
		w.Codes = append(w.Codes, storage.Code{Digest: d, ExpiresAt: expires})
		w.Tokens = append(w.Tokens, storage.Token{Digest: d, ExpiresAt: expires})
		w.Grants = append(w.Grants, storage.Grant{ID: storage.NewGrantID(stamp), Subject: "bob", ExpiresAt: expires})
	}
	// The host's own idea of an ID: no stamp at all.
	w.Grants = append(w.Grants, storage.Grant{ID: "", Subject: "bob", ExpiresAt: now.Add(time.Minute)},
		storage.Grant{ID: "no stamp", Subject: "bob", ExpiresAt: now.Add(time.Minute)})
	if err := db.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	fill(t, db, now, 50)
	for range 130 {
		tick(t, db, now.Add(24*time.Hour))
	}
	if c := db.Count(); c != [4]int{150, 150, 150, 150} {
		t.Errorf("got %v, want 150 of each", c)
	}
}
