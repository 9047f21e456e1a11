package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// state is a database's files at one moment, by the ends of their names.
type state map[string][]byte

var ends = []string{"", "-log0", "-log1"}

// stateOf is what a machine that stops now leaves behind. Nobody may be writing.
func stateOf(t testing.TB, path string) state {
	t.Helper()
	s := make(state)
	for _, end := range ends {
		data, err := os.ReadFile(path + end)
		if err == nil {
			s[end] = data
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return s
}

func (s state) clone() state {
	c := make(state)
	for end, data := range s {
		c[end] = bytes.Clone(data)
	}
	return c
}

// put makes these the files of the database at path.
func (s state) put(t testing.TB, path string) {
	t.Helper()
	for _, end := range ends {
		err := os.Remove(path + end)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if data, ok := s[end]; ok && err == nil {
			err = os.WriteFile(path+end, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// crashed is the state of a database to which tokens were written, one after the other and
// each in its own frame, when the machine stopped. ends says where each frame ends.
func crashed(t testing.TB, tokens ...string) (s state, ends []int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range tokens {
		token := fixed(name)
		token.Claims = []byte(strings.Repeat(name, 300)) // several sectors
		if err := db.Commit(t.Context(), add(token)); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(db.LogEnd()))
	}
	return stateOf(t, path), ends
}

// fixed is a token that does not expire.
func fixed(name string) storage.Token {
	expires := time.Unix(4_000_000_000, 0)
	return storage.Token{Digest: storage.NewDigest(expires, name), Kind: storage.RefreshToken, ExpiresAt: expires}
}

// has tells which of the tokens are there. Anything but "there" and "not there" fails.
func has(t testing.TB, db *bolt.DB, names ...string) (there []bool) {
	t.Helper()
	for _, name := range names {
		got, err := db.Token(t.Context(), fixed(name).Digest)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("token %s: %v", name, err)
		}
		if err == nil && string(got.Claims) != strings.Repeat(name, 300) {
			t.Errorf("token %s is not what was written", name)
		}
		there = append(there, err == nil)
	}
	return there
}

// unfit is like refused for a database with a log.
func unfit(t *testing.T, path string, want error, says string) {
	t.Helper()
	before := stateOf(t, path)
	db, err := bolt.Open(path)
	if err == nil {
		db.Close()
		t.Fatalf("Open: got no error, want %v", want)
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open: got %v, want %v with %q", err, want, says)
	}
	for end, data := range stateOf(t, path) {
		if !bytes.Equal(data, before[end]) {
			t.Errorf("the file %q was changed", end)
		}
	}
}

var names = []string{"a", "b", "c", "d", "e"}
