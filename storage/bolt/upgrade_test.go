package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// landed unpacks a copy of a file that an earlier version has written.
func landed(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantEverything(t testing.TB, store storage.Store) {
	t.Helper()
	truth := memory.New()
	if err := writeEverything(truth); err != nil {
		t.Fatal(err)
	}
	want, err := readEverything(truth)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readEverything(store)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestUpgrade opens what every schema that ever landed has left behind.
func TestUpgrade(t *testing.T) {
	for _, name := range []string{"schema1.db", "schema2.db", "schema3.db"} {
		t.Run(name, func(t *testing.T) {
			path := landed(t, name)
			if _, err := bolt.Check(t.Context(), path); err != nil {
				t.Fatalf("before: %v", err)
			}
			for range 2 { // the second time there is nothing to upgrade
				db, err := bolt.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				wantEverything(t, db)
				if got := db.Schema(); got != 4 {
					t.Errorf("it has schema %d after it was opened", got)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := bolt.Check(t.Context(), path); err != nil {
				t.Errorf("after: %v", err)
			}

			// The old records take part in everything.
			db, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			first, _, _, _ := everything()
			at := first.At.Add(time.Minute)
			use := storage.Write{
				At: at, ConsumeCodes: []storage.Digest{first.Codes[0].Digest}, Live: []string{first.Grants[0].ID},
				ConsumeTokens: []storage.Consumption{{Digest: first.Tokens[0].Digest}},
			}
			if err := db.Commit(t.Context(), use); err != nil {
				t.Fatal(err)
			}
			if err := db.Commit(t.Context(), use); !errors.Is(err, storage.ErrConsumed) {
				t.Errorf("used again: %v", err)
			}
			if err := db.Commit(t.Context(), storage.Write{At: at, Revoke: []storage.Revocation{{Subject: "ana"}}}); err != nil {
				t.Fatal(err)
			}
			if err := db.Commit(t.Context(), storage.Write{At: at, Live: []string{first.Grants[0].ID}}); !errors.Is(err, storage.ErrRevoked) {
				t.Errorf("live: %v", err)
			}
		})
	}
}

// TestUpgradeKilled kills 50 processes that are opening an old file, spread over the time
// which that takes. Whatever that leaves is sound, and the next one finds everything.
func TestUpgradeKilled(t *testing.T) {
	if path := os.Getenv("GRANTOR_TEST_UPGRADE"); path != "" {
		if after, err := time.ParseDuration(os.Getenv("GRANTOR_TEST_KILL_AFTER")); err == nil {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(after, func() { self.Kill() })
		}
		begun := time.Now()
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("took", time.Since(begun))
		db.Close()
		return
	}
	// upgrade opens a file in another process, which kills itself, unless after is
	// negative, and returns how long the process took to open it, if it did.
	upgrade := func(path string, after time.Duration) (took time.Duration) {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestUpgradeKilled$")
		cmd.Env = append(os.Environ(), "GRANTOR_TEST_UPGRADE="+path)
		if after >= 0 {
			cmd.Env = append(cmd.Env, "GRANTOR_TEST_KILL_AFTER="+after.String())
		}
		out, err := cmd.Output()
		if after >= 0 {
			return 0
		}
		_, said, found := strings.Cut(string(out), "took ")
		took, malformed := time.ParseDuration(strings.SplitN(said, "\n", 2)[0])
		if err != nil || !found || malformed != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return took
	}
	takes := time.Minute
	for range 3 {
		takes = min(takes, upgrade(landed(t, "schema1.db"), -1))
	}
	schemas := map[uint64]int{}
	for i := range 50 {
		path := landed(t, "schema1.db")
		upgrade(path, 2*takes*time.Duration(i*i)/(50*50)) // most of it happens early
		if _, err := bolt.Check(t.Context(), path); err != nil {
			t.Errorf("killed at point %d: %v", i, err)
		}
		schemas[bolt.SchemaOf(path)]++
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatalf("killed at point %d: %v", i, err)
		}
		wantEverything(t, db)
		if got := db.Schema(); got != 4 {
			t.Errorf("killed at point %d: it has schema %d after it was opened again", i, got)
		}
		db.Close()
	}
	t.Logf("killed within %v; schemas found after that: %v", 2*takes, schemas)
	if schemas[1] == 0 || schemas[4] == 0 {
		t.Errorf("all were killed before the upgrade, or all after it: %v", schemas)
	}
}

// TestUpgradeCutOff makes of an old file what a machine that loses its power can leave of
// the upgrade: any of the pages that were written before the one that counts, the meta page.
func TestUpgradeCutOff(t *testing.T) {
	path := landed(t, "schema1.db")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096 // of the file in testdata
	random := rand.New(rand.NewPCG(7, 8))
	written := 0
	for i := range 50 {
		state := bytes.Clone(before)
		if len(after) > len(before) && i%2 == 0 { // it grows first
			state = append(state, make([]byte, len(after)-len(before))...)
		}
		for at := 2 * page; at < min(len(state), len(after)); at += page {
			if !bytes.Equal(state[at:at+page], after[at:at+page]) && random.IntN(2) == 0 {
				copy(state[at:at+page], after[at:])
				written++
			}
		}
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := bolt.SchemaOf(path); got != 1 {
			t.Errorf("state %d: schema %d before the upgrade is complete", i, got)
		}
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatalf("state %d: %v", i, err)
		}
		wantEverything(t, db)
		if got := db.Schema(); got != 4 {
			t.Errorf("state %d: it has schema %d after it was opened", i, got)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if written == 0 {
		t.Error("the upgrade writes no pages; nothing was tested")
	}
}
