package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// world is what a file holds, to compare with what comes back.
type world struct {
	digests []storage.Digest
	grants  []string
	answers map[string]any
}

// build fills a file with trees that have inner pages.
func build(t testing.TB, path string) *world {
	t.Helper()
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	expires := now.Add(time.Hour)
	w := &world{}
	write := storage.Write{At: now}
	for i := range 150 {
		d := storage.NewDigest(expires.Add(time.Duration(i)*time.Second), fmt.Sprint(i))
		w.digests = append(w.digests, d)
		id := fmt.Sprintf("%s%020x", d.String()[:12], i)
		w.grants = append(w.grants, id)
		write.Codes = append(write.Codes, storage.Code{Digest: d, Kind: storage.AuthorizationCode, GrantID: id, ExpiresAt: expires})
		write.Tokens = append(write.Tokens, storage.Token{Digest: d, Kind: storage.RefreshToken, GrantID: id, ClientID: "app", ExpiresAt: expires})
		write.Grants = append(write.Grants, storage.Grant{ID: id, Subject: fmt.Sprint("user", i%10), ClientID: "app", ExpiresAt: expires})
		write.Consents = append(write.Consents, storage.Consent{Subject: fmt.Sprint("user", i), ClientID: "app", GrantedAt: now})
	}
	ctx := context.Background()
	err = errors.Join(
		db.Commit(ctx, write),
		db.PutClient(ctx, storage.Client{ID: "app", Name: "An app"}),
		db.SwapKeys(ctx, storage.KeyRing{Revision: 1, Keys: []storage.Key{{ID: "k", Material: []byte("material")}}}),
	)
	if err != nil {
		t.Fatal(err)
	}
	w.answers = w.ask(db)
	for what, answer := range w.answers {
		if err, failed := answer.(error); failed {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// ask reads everything there is; a failure is an answer too.
func (w *world) ask(db *bolt.DB) map[string]any {
	ctx := context.Background()
	got := make(map[string]any)
	note := func(what string, v any, err error) {
		if err != nil {
			v = err
		}
		got[what] = v
	}
	for i, d := range w.digests {
		c, err := db.Code(ctx, d)
		note(fmt.Sprint("code", i), c, err)
		t, err := db.Token(ctx, d)
		note(fmt.Sprint("token", i), t, err)
		g, err := db.Grant(ctx, w.grants[i])
		note(fmt.Sprint("grant", i), g, err)
		s, err := db.Consent(ctx, fmt.Sprint("user", i), "app")
		note(fmt.Sprint("consent", i), s, err)
	}
	for i := range 10 {
		l, err := db.ListGrants(ctx, fmt.Sprint("user", i), "", 100)
		note(fmt.Sprint("list", i), l, err)
	}
	c, err := db.Client(ctx, "app")
	note("client", c, err)
	l, err := db.ListClients(ctx, "", 10)
	note("clients", l, err)
	r, err := db.Keys(ctx)
	note("keys", r, err)
	return got
}

// survey opens a damaged file. Either Open refuses it and leaves it alone, or every
// answer is right or an error that says damage.
func (w *world) survey(t *testing.T, path, how string) (refusedIt, found bool) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path)
	if err != nil {
		if !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrNewer) && !errors.Is(err, bolt.ErrForeign) {
			t.Errorf("%s: Open: %v", how, err)
		}
		if says := err.Error(); strings.Contains(says, "\n") || !strings.Contains(says, path) || strings.Count(says, "bolt: ") != 1 {
			t.Errorf("%s: not one clear line: %q", how, says)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: Open refused the file and changed it (%v)", how, err)
		}
		return true, true
	}
	defer db.Close()
	for what, answer := range w.ask(db) {
		if err, failed := answer.(error); failed {
			found = true
			if !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrNewer) {
				t.Errorf("%s: %s: got %v, want the record or ErrCorrupt", how, what, err)
			}
			continue
		}
		if !reflect.DeepEqual(answer, w.answers[what]) {
			t.Errorf("%s: %s is silently wrong", how, what)
		}
	}
	return false, found
}

func TestBitFlips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 500
	if testing.Short() {
		rounds = 100
	}
	refused, found := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		bit := random.IntN(8 * len(sound))
		if random.IntN(3) == 0 { // pages' heads are where it hurts
			bit = random.IntN(len(sound)/4096)*4096*8 + random.IntN(256*8)
		}
		damaged := bytes.Clone(sound)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		r, f := w.survey(t, path, fmt.Sprintf("bit %d of byte %d", bit%8, bit/8))
		if r {
			refused++
		}
		if f {
			found++
		}
	}
	t.Logf("%d flips in %d bytes: %d files refused, %d more with damaged records, the rest hit free space", rounds, len(sound), refused, found-refused)
	if refused == 0 || found == refused {
		t.Error("the flips did not hit anything")
	}
}

func TestZeroedAndSwappedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for p := range len(sound) / page {
		for how, fill := range map[string][]byte{
			"zeroed":               make([]byte, page),
			"filled":               bytes.Repeat([]byte{0xff}, page),
			"replaced by the next": sound[(p+1)*page%len(sound):][:page],
		} {
			damaged := bytes.Clone(sound)
			copy(damaged[p*page:], fill)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			w.survey(t, path, fmt.Sprintf("page %d %s", p, how))
		}
	}
}

func TestTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refusals := 0
	for size := 0; size < len(sound); size += 1000 {
		if err := os.WriteFile(path, sound[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if r, _ := w.survey(t, path, fmt.Sprintf("cut to %d of %d bytes", size, len(sound))); r {
			refusals++
		}
	}
	if refusals == 0 {
		t.Error("no truncated file was refused")
	}
}

// TestDamageWhileOpen: the file is mapped into memory, so what happens to it happens
// to a running process. It must live on, and say what is wrong.
func TestDamageWhileOpen(t *testing.T) {
	for how, harm := range map[string]func(f *os.File, size int64) error{
		"cut off": func(f *os.File, size int64) error { return f.Truncate(8192) },
		"zeroed": func(f *os.File, size int64) error {
			_, err := f.WriteAt(make([]byte, size-8192), 8192)
			return err
		},
		"filled": func(f *os.File, size int64) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{0xff}, int(size-8192)), 8192)
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			w := build(t, path)
			db, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			before := w.ask(db)
			if err := harm(f, info.Size()); err != nil {
				t.Fatal(err)
			}
			noticed := 0
			for what, answer := range w.ask(db) {
				// Of small buckets bbolt may have a copy.
				if err, failed := answer.(error); failed && errors.Is(err, bolt.ErrCorrupt) {
					noticed++
				} else if !reflect.DeepEqual(answer, before[what]) {
					t.Errorf("%s: got %v, want ErrCorrupt or %v", what, answer, before[what])
				}
			}
			if noticed < len(before)/2 {
				t.Errorf("%d of %d questions found the damage", noticed, len(before))
			}
			for range 2 {
				err = db.Commit(t.Context(), storage.Write{At: time.Now(), Codes: []storage.Code{{ExpiresAt: time.Now().Add(time.Hour)}}})
				if err == nil {
					t.Error("a write to what is left was acknowledged")
				}
			}
			if err := db.Close(); err != nil && !errors.Is(err, bolt.ErrCorrupt) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// TestWritesToDamaged makes sure that writing to a damaged file does not bring the
// process down either, and that a write which was acknowledged is there.
func TestWritesToDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w := build(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	random := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		damaged := bytes.Clone(sound)
		bit := random.IntN(len(sound)/4096)*4096*8 + random.IntN(512*8)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path)
		if err != nil {
			continue
		}
		at := time.Date(2026, 1, 2, 3, 10, 0, 0, time.UTC)
		for i := 0; i < len(w.digests); i += 10 {
			d := w.digests[i]
			err := db.Commit(ctx, storage.Write{At: at, ConsumeCodes: []storage.Digest{d}, Live: []string{w.grants[i]}})
			if err != nil {
				if !errors.Is(err, bolt.ErrCorrupt) {
					t.Errorf("bit %d: Commit: got %v, want nil or ErrCorrupt", bit, err)
				}
				continue
			}
			if c, err := db.Code(ctx, d); err != nil || c.ConsumedAt.IsZero() {
				t.Errorf("bit %d: an acknowledged write is not there: %v, %v", bit, c, err)
			}
		}
		if err := db.Close(); err != nil && !errors.Is(err, bolt.ErrCorrupt) {
			t.Errorf("bit %d: Close: %v", bit, err)
		}
	}
}
