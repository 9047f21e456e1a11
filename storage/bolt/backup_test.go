package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// numbered is one half of a write.
func numbered(writer, i int, half string) storage.Token {
	expires := time.Unix(4_000_000_000, 0)
	d := storage.NewDigest(expires, fmt.Sprintf("%d-%d-%s", writer, i, half))
	return storage.Token{Digest: d, Kind: storage.RefreshToken, ExpiresAt: expires}
}

// TestBackup copies a database in the middle of 32 writers. The copy holds all that was
// acknowledged before it began, of each writer a beginning without gaps, and nothing by
// halves.
func TestBackup(t *testing.T) {
	db := openTest(t)
	if err := writeEverything(db); err != nil {
		t.Fatal(err)
	}
	const writers = 32
	var acknowledged [writers]atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				both := add(numbered(w, i, "a"))
				both.Tokens = append(both.Tokens, numbered(w, i, "b"))
				if db.Commit(ctx, both) != nil {
					return
				}
				acknowledged[w].Add(1)
			}
		})
	}
	wait(t, "some writes", func() bool { return acknowledged[0].Load() > 20 })
	var before [writers]int64
	for w := range writers {
		before[w] = acknowledged[w].Load()
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	n, err := db.Backup(t.Context(), f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	if info, err := os.Stat(path); err != nil || info.Size() != n {
		t.Errorf("%d bytes written, %v on disk (%v)", n, info.Size(), err)
	}
	if _, err := bolt.Check(t.Context(), path); err != nil {
		t.Errorf("the copy: %v", err)
	}
	restored, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	wantEverything(t, restored)
	for w := range writers {
		has := func(i int64, half string) bool {
			_, err := restored.Token(t.Context(), numbered(w, int(i), half).Digest)
			return err == nil
		}
		for i := range acknowledged[w].Load() {
			switch a, b := has(i, "a"), has(i, "b"); {
			case a != b:
				t.Errorf("half of write %d-%d", w, i)
			case i < before[w] && !a:
				t.Errorf("%d-%d was acknowledged before the backup, and is not in it", w, i)
			case a && i > 0 && !has(i-1, "a"):
				t.Errorf("%d-%d is there without the one before", w, i)
			}
		}
	}
}

// short takes some bytes, like a disk that is nearly full.
type short struct{ left int }

func (s *short) Write(p []byte) (int, error) {
	if len(p) > s.left {
		return s.left, errors.New("no room")
	}
	s.left -= len(p)
	return len(p), nil
}

func TestBackupFails(t *testing.T) {
	db := openTest(t)
	if _, err := db.Backup(t.Context(), &short{left: 5000}); err == nil {
		t.Error("a backup that did not fit was called complete")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Backup(ended, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Nothing of this stands in the way of the next.
	if err := db.Commit(t.Context(), add(newToken("after"))); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Backup(t.Context(), new(bytes.Buffer)); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Backup(t.Context(), new(bytes.Buffer)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
