package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Asked is a change that a server asked of its store, one of the three, and what the
// store said.
type Asked struct {
	Write  *storage.Write
	Ring   *storage.KeyRing
	Client *storage.Client

	Said error // nil for done; ErrNothing for an answer that never came

	Other bool // it is another server's, whose diary is read last
}

// ErrNothing is the outcome that nobody knows.
var ErrNothing = errors.New("no answer")

// Judge writes a diary of what was asked, reads it, and holds it against a store.
func Judge(t *testing.T, store storage.Store, now time.Time, asked ...Asked) Counts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "diary")
	d, err := openDiary(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openDiary(path + "-2")
	if err != nil {
		t.Fatal(err)
	}
	b, p := newBook(), newPage("1", path)
	for _, a := range asked {
		d := d
		if a.Other {
			d = second
		}
		n := d.begin(entry{Write: a.Write, Ring: a.Ring, Client: a.Client})
		if !errors.Is(a.Said, ErrNothing) {
			d.end(n, a.Said)
		}
		if err := b.copyFrom(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.copyFrom(newPage("2", path+"-2")); err != nil {
		t.Fatal(err)
	}
	f := newFindings(io.Discard)
	a := &auditor{ctx: context.Background(), store: store, now: now, found: f, book: b}
	a.audit(false)
	a.audit(true) // sees the same again, and counts nothing twice
	if err := f.err(); err != nil {
		t.Fatal(err)
	}
	return f.counts(0)
}

// Plans are the plans of a run, in words.
func Plans(n int, seed uint64, shared bool) []string {
	var words []string
	for _, p := range plans(n, rand.New(rand.NewPCG(seed, 0)), shared) {
		words = append(words, fmt.Sprintf("%s %+v", p.what(), p))
	}
	return words
}

// Journal notes answers in a journal on a file.
func Journal(f interface {
	io.WriteCloser
	Sync() error
}) (answered func(code string) error) {
	j := newJournal(f)
	return func(code string) error {
		n := j.sent("1", "authorize", "somebody")
		return j.answered(n, &answer{status: http.StatusSeeOther, header: http.Header{"Location": {"/?code=" + code}}})
	}
}
