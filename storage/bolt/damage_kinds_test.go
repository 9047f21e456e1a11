package bolt_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

// TestDamagedFiles makes 400 files of all kinds that things go wrong in. Each is refused
// with one clear line and left as it is, or every answer is right or says damage.
func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sound.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	pages := len(sound) / page
	random := rand.New(rand.NewPCG(5, 6))
	at := func(data []byte, page int) []byte { return data[page*os.Getpagesize():][:os.Getpagesize()] }
	kinds := []struct {
		name   string
		files  int
		always bool // refused, each of them
		damage func(i int) []byte
	}{
		{"a bit flipped", 120, false, func(int) []byte {
			data := bytes.Clone(sound)
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
			return data
		}},
		{"a page or two zeroed", 64, false, func(i int) []byte {
			data := bytes.Clone(sound)
			clear(at(data, i%pages))
			if i >= pages {
				clear(at(data, (i+1)%pages))
			}
			return data
		}},
		{"truncated", 60, false, func(i int) []byte { return sound[:1+len(sound)*i/60] }},
		{"two pages swapped", 80, false, func(i int) []byte {
			a, b := i%pages, (i%pages+1+random.IntN(pages-1))%pages
			data := bytes.Clone(sound)
			copy(at(data, a), at(sound, b))
			copy(at(data, b), at(sound, a))
			return data
		}},
		{"two records swapped", 50, false, func(i int) []byte { return swapRecords(t, sound, i) }},
		{"foreign", 25, true, func(i int) []byte {
			data := make([]byte, 1+i*1000)
			for j := range data {
				data[j] = byte(random.Uint32())
			}
			return data
		}},
		{"empty", 1, true, func(int) []byte { return nil }},
	}
	path = filepath.Join(dir, "damaged.db")
	total := 0
	for _, kind := range kinds {
		refused, found := 0, 0
		for i := range kind.files {
			if err := os.WriteFile(path, kind.damage(i), 0o600); err != nil {
				t.Fatal(err)
			}
			r, f := w.survey(t, path, fmt.Sprintf("%s, file %d", kind.name, i))
			if r {
				refused++
			}
			if f {
				found++
			}
		}
		total += kind.files
		t.Logf("%s: of %d files %d are refused, %d have damaged records, %d are unaffected", kind.name, kind.files, refused, found-refused, kind.files-found)
		if found == 0 || kind.always && refused < kind.files {
			t.Errorf("%s: of %d files %d were refused and %d found damaged", kind.name, kind.files, refused, found)
		}
	}
	if total < 400 {
		t.Errorf("there were only %d files", total)
	}
}

// swapRecords puts two neighbouring records into each other's place.
func swapRecords(t *testing.T, sound []byte, i int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "swap.db")
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Raw(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte([]string{"codes", "tokens", "grants", "consents"}[i%4]))
		c := b.Cursor()
		k1, v1 := c.First()
		for range i {
			k1, v1 = c.Next()
		}
		k2, v2 := c.Next()
		k1, v1, k2, v2 = bytes.Clone(k1), bytes.Clone(v1), bytes.Clone(k2), bytes.Clone(v2)
		if err := b.Put(k1, v2); err != nil {
			return err
		}
		return b.Put(k2, v1)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
