package sqlite_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/examples/custom-storage/sqlite"
	"github.com/grantor-oauth/grantor/storage"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func commit(t testing.TB, store storage.Store, w storage.Write) {
	t.Helper()
	if err := store.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// code is an authorization code of that name, good for a minute.
func code(at time.Time, name string) storage.Code {
	return storage.Code{Digest: storage.NewDigest(at.Add(time.Minute), name), Kind: storage.AuthorizationCode,
		IssuedAt: at, ExpiresAt: at.Add(time.Minute)}
}

// TestOnlyTheOwnerMayRead: the keys are in there. The log and its index follow the file.
func TestOnlyTheOwnerMayRead(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "test.db"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v; want the file and its log", len(files), err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", file.Name(), mode)
		}
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("Buy milk. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "missing", "test.db"), "the directory must exist"},
		{text, "must be new, or have been made by this package"},
	} {
		if _, err := sqlite.Open(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want it to say %q", c.path, err, c.want)
		}
	}
}

// TestTwoProcesses: two stores on one file share nothing but the file, as two processes
// do. Of all who try, one uses each code up.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	stores := []storage.Store{open(t, path), open(t, path)}
	at := time.Now()
	for range 10 {
		c := code(at, rand.Text())
		commit(t, stores[0], storage.Write{At: at, Codes: []storage.Code{c}})
		var wg sync.WaitGroup
		results := make(chan error, 8)
		for i := range cap(results) {
			wg.Go(func() {
				results <- stores[i%2].Commit(t.Context(), storage.Write{At: at, ConsumeCodes: []storage.Digest{c.Digest}})
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, storage.ErrConsumed):
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d have used up one code", won)
		}
	}
}

// TestContextEndsInTheMiddle: whenever that is, all of the Write has happened or none,
// success was success, and the next one finds the store in order.
func TestContextEndsInTheMiddle(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "test.db"))
	at := time.Now()
	cut := 0
	for i := range 300 {
		w := storage.Write{At: at}
		for range 8 {
			w.Codes = append(w.Codes, code(at, rand.Text()))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*10*time.Microsecond)
		err := store.Commit(ctx, w)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after %d µs: %v", i*10, err)
		}
		kept := 0
		for _, c := range w.Codes {
			if _, err := store.Code(t.Context(), c.Digest); err == nil {
				kept++
			} else if !errors.Is(err, storage.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if kept != 0 && kept != len(w.Codes) || err == nil && kept == 0 {
			t.Fatalf("after %d µs, %v: %d of %d codes are there", i*10, err, kept, len(w.Codes))
		}
		if err != nil {
			cut++
		}
	}
	if cut == 0 {
		t.Error("no Write was cut short; nothing was tested")
	}
}
