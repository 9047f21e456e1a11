package bolt_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	for _, name := range []string{"schema1.db", "schema2.db"} {
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
				if got := db.Schema(); got != 2 {
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

// TestUpgradeKilled kills processes that are opening an old file, each a little later
// than the one before. Whatever that leaves, the next one finds everything.
func TestUpgradeKilled(t *testing.T) {
	if path := os.Getenv("GRANTOR_TEST_UPGRADE"); path != "" {
		fmt.Println("ready")
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		return
	}
	schemas := map[uint64]int{}
	for i := range 50 {
		path := landed(t, "schema1.db")
		cmd := exec.Command(os.Args[0], "-test.run", "^TestUpgradeKilled$")
		cmd.Env = append(os.Environ(), "GRANTOR_TEST_UPGRADE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 12 * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
		schemas[bolt.SchemaOf(path)]++
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatalf("killed after %d steps: %v", i, err)
		}
		wantEverything(t, db)
		db.Close()
	}
	t.Logf("schemas found after the kill: %v", schemas)
}
