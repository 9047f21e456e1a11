package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// refused opens a file that must be refused with the given error, in words that name
// the file, and must stay as it is.
func refused(t *testing.T, path string, want error) error {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path)
	if err == nil {
		db.Close()
		t.Fatalf("Open: got no error, want %v", want)
	}
	if !errors.Is(err, want) {
		t.Fatalf("Open: got %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("Open: %q does not name the file", err)
	}
	if after, readErr := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", readErr)
	}
	return err
}

// small makes a closed file with a few records, and returns its path.
func small(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PutClient(context.Background(), storage.Client{ID: "app", Name: "An app"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenCreatesForTheOwnerOnly(t *testing.T) {
	path := small(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, want 0600", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("creation left something behind: %v, %v", entries, err)
	}
}

func TestOpenTwice(t *testing.T) {
	path := small(t)
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, path, bolt.ErrLocked)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = bolt.Open(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	db.Close()
}

func TestOpenInAnotherProcess(t *testing.T) {
	if path := os.Getenv("GRANTOR_TEST_HOLD"); path != "" {
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("open\n")
		os.Stdin.Read(make([]byte, 1))
		db.Close()
		return
	}
	path := small(t)
	other := exec.Command(os.Args[0], "-test.run=^TestOpenInAnotherProcess$")
	other.Env = append(os.Environ(), "GRANTOR_TEST_HOLD="+path)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(make([]byte, 5)); n != 5 {
		t.Fatalf("the other process: %v", err)
	}
	refused(t, path, bolt.ErrLocked)
	in.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenConcurrently(t *testing.T) {
	// Eight create the same file at once; one gets it, nobody gets a broken one.
	path := filepath.Join(t.TempDir(), "test.db")
	type result struct {
		db  *bolt.DB
		err error
	}
	results := make(chan result)
	for range 8 {
		go func() {
			db, err := bolt.Open(path)
			results <- result{db, err}
		}()
	}
	won := 0
	var held []*bolt.DB
	for range 8 {
		switch r := <-results; {
		case r.err == nil:
			won++
			held = append(held, r.db)
		case !errors.Is(r.err, bolt.ErrLocked):
			t.Errorf("Open: got %v, want ErrLocked", r.err)
		}
	}
	if won != 1 {
		t.Errorf("%d have it open", won)
	}
	for _, db := range held {
		db.Close()
	}
}

func TestOpenForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foreign.db")
	for _, options := range []*bbolt.Options{nil, {NoFreelistSync: true}} {
		db, err := bbolt.Open(path, 0o600, options)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("clients"))
			if err != nil {
				return err
			}
			if _, err := b.CreateBucketIfNotExists([]byte("nested")); err != nil {
				return err
			}
			return b.Put([]byte("k"), []byte("v"))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		refused(t, path, bolt.ErrForeign)
	}
}

func TestOpenNewer(t *testing.T) {
	path := small(t)
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.WriteSchema(7), db.Close()); err != nil {
		t.Fatal(err)
	}
	err = refused(t, path, bolt.ErrNewer)
	for _, word := range []string{"7", "1", "update"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestOpenNotADatabase(t *testing.T) {
	for name, contents := range map[string]string{
		"empty":   "",
		"one":     "x",
		"text":    strings.Repeat("not a database\n", 5000),
		"zeroes":  strings.Repeat("\x00", 64<<10),
		"sectors": strings.Repeat("\xff", 4096),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, path, bolt.ErrCorrupt)
		})
	}
}

func TestOpenWhereItCannotBe(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "no", "such", "folder.db"), ""} {
		db, err := bolt.Open(path)
		if err == nil {
			db.Close()
			t.Fatalf("Open(%q): got no error", path)
		}
		if !strings.Contains(err.Error(), path) {
			t.Errorf("Open: %q does not name %q", err, path)
		}
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("everything is permitted to root")
	}
	path := small(t)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	refused(t, path, os.ErrPermission)
	dir := t.TempDir()
	if err := os.Rename(small(t), filepath.Join(dir, "old.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)                          // so that it can be removed
	for _, name := range []string{"new.db", "old.db"} { // either needs a log
		_, err := bolt.Open(filepath.Join(dir, name))
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s in a read-only folder: got %v, want ErrPermission and the path", name, err)
		}
	}
}
