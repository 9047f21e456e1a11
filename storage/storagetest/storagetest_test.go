package storagetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

// TestMutants checks the kit itself: each mutant breaks one promise, and the kit
// must notice, in the check where one would look for it.
func TestMutants(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range mutants {
		if seen[m.name] {
			t.Fatalf("two mutants named %s", m.name)
		}
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			ran := false
			for _, name := range storagetest.CheckNames() {
				if !strings.HasPrefix(name, m.caughtBy) {
					continue
				}
				ran = true
				if r := judge(t, name, m); r.failed {
					t.Logf("%s: %s", name, r.notes)
					return
				}
			}
			if !ran {
				t.Fatalf("no check is named %s", m.caughtBy)
			}
			t.Errorf("no check of %s noticed", m.caughtBy)
		})
	}
}

// TestSoundBackend makes sure that what the mutants are made of passes: they must
// not be caught for a reason of their own.
func TestSoundBackend(t *testing.T) {
	for what, sound := range map[string]mutant{
		"whole":    {open: func() storage.Store { return memory.New() }, persists: true},
		"counting": {open: counted(after)},
		"split": {split: true, open: func() storage.Store {
			codes, rest := memory.New(), memory.New()
			return storage.Join(rest, codes, rest, rest)
		}},
	} {
		for _, name := range storagetest.CheckNames() {
			if r := judge(t, name, sound); r.failed {
				t.Errorf("%s, %s: %s", what, name, r.notes)
			}
		}
	}
}

// recorder is a testing.TB that takes notes instead of failing.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	notes  string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	if r.notes == "" {
		r.notes = fmt.Sprintf(format, args...)
	}
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skip(...any) { runtime.Goexit() }

// judge runs one check on a mutant.
func judge(t *testing.T, name string, m mutant) *recorder {
	r := &recorder{TB: t}
	h := storagetest.Harness{Open: func(testing.TB) storage.Store { return m.open() }, Split: m.split}
	if m.persists {
		h.Reopen = func(_ testing.TB, s storage.Store) storage.Store {
			if m.reopen != nil {
				return m.reopen(s)
			}
			return s
		}
	}
	if m.crash != nil {
		h.Crash = func(_ testing.TB, s storage.Store) storage.Store { return m.crash(s) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		storagetest.RunCheck(r, name, h)
	}()
	<-done
	return r
}
