package bolt_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "check.db")
	build(t, path)
	found, err := bolt.Check(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (bolt.Contents{Clients: 1, Codes: 150, Tokens: 150, Grants: 150, Consents: 150}); found != want {
		t.Errorf("it found %+v, want %+v", found, want)
	}
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Check(t.Context(), path); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("while it is open: %v", err)
	}

	// What only a look at everything finds.
	for name, c := range map[string]struct {
		change func(tx *bbolt.Tx) error
		says   string
	}{
		"an index entry too many": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("subjects"))
			k, _ := b.Cursor().First()
			g := tx.Bucket([]byte("grants"))
			return g.Delete(k[bytes.IndexByte(k, '='):])
		}, "there is no such grant"},
		"a record in another's place": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("tokens"))
			c := b.Cursor()
			k, _ := c.First()
			_, v := c.Next()
			return b.Put(bytes.Clone(k), bytes.Clone(v))
		}, "record 1 of tokens: it fails its checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "check.db")
			build(t, path)
			db, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Raw(c.change), db.Close()); err != nil {
				t.Fatal(err)
			}
			_, err = bolt.Check(t.Context(), path)
			if !errors.Is(err, bolt.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Check(t.Context(), filepath.Join(t.TempDir(), "absent.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// TestCheckFindsDamage turns bits anywhere in files and sees whether Check notices, where
// the bit is in use at all: it must find at least whatever changes an answer.
func TestCheckFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sound.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	noticed := 0
	const flips = 150
	for range flips {
		at, bit := random.IntN(len(sound)), byte(1)<<random.IntN(8)
		damaged := bytes.Clone(sound)
		damaged[at] ^= bit
		path := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := bolt.Check(t.Context(), path)
		if after, _ := os.ReadFile(path); !bytes.Equal(after, damaged) {
			t.Fatal("Check has changed the file")
		}
		if err != nil {
			noticed++
			continue
		}
		db, err := bolt.Open(path)
		if err != nil {
			t.Errorf("bit %d of byte %d: Check finds nothing, and Open says %v", bit, at, err)
			continue
		}
		for what, answer := range w.ask(db) {
			if err, failed := answer.(error); failed {
				t.Errorf("bit %d of byte %d: Check finds nothing, and %s is %v", bit, at, what, err)
			} else if !reflect.DeepEqual(answer, w.answers[what]) {
				t.Errorf("bit %d of byte %d: Check finds nothing, and %s is wrong", bit, at, what)
			}
		}
		db.Close()
	}
	t.Logf("%d of %d flipped bits noticed; the others are in no record", noticed, flips)
	if noticed == 0 {
		t.Error("it notices nothing")
	}
}
