package crash_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
)

// platter is a file of which it is known what has reached the disk.
type platter struct {
	mu            sync.Mutex
	written, disk string
	syncs         int
	fail          error // of the next fsync
}

func (p *platter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written += string(b)
	return len(b), nil
}

func (p *platter) Sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.syncs++
	if err := p.fail; err != nil {
		p.fail = nil // as Linux does: it tells once, and what was to be written is gone
		return err
	}
	p.disk = p.written
	return nil
}

func (p *platter) Close() error { return nil }

func (p *platter) has(s string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.disk, s)
}

// An answer is on the disk before anything follows from it.
func TestJournal(t *testing.T) {
	p := &platter{}
	answered := crash.Journal(p)
	var all sync.WaitGroup
	for worker := range 32 {
		all.Go(func() {
			for i := range 50 {
				code := fmt.Sprint("code-", worker, "-", i)
				if err := answered(code); err != nil {
					t.Error(err)
				}
				if digest := fmt.Sprintf("code=%x", sha256.Sum256([]byte(code))); !p.has(digest) {
					t.Errorf("%s was acknowledged and is not on the disk", code)
				}
			}
		})
	}
	all.Wait()
	if p.has("code-") {
		t.Error("the journal holds a credential")
	}
	if p.syncs > 32*50 {
		t.Errorf("%d answers took %d syncs", 32*50, p.syncs)
	}
}

// After an fsync has failed, none that succeeds makes up for it.
func TestJournal_fails_for_good(t *testing.T) {
	broken := errors.New("broken")
	p := &platter{}
	answered := crash.Journal(p)
	if err := answered("one"); err != nil {
		t.Fatal(err)
	}
	p.fail = broken
	for range 3 {
		if err := answered("two"); !errors.Is(err, broken) {
			t.Errorf("got %v, want what the disk said", err)
		}
	}
}
