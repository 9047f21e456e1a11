package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
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

// stuck is a network that does not take any more bytes until it is released.
type stuck struct{ begun, release chan struct{} }

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.release
	return len(p), nil
}

// TestBackupStopsNobody writes more than the file was mapped for, and reads, while a backup
// hangs.
func TestBackupStopsNobody(t *testing.T) {
	if runtime.GOOS == "windows" || math.MaxInt == math.MaxInt32 {
		t.Skip("the map cannot be made in advance here")
	}
	db := openTest(t)
	network := &stuck{make(chan struct{}, 1), make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := db.Backup(t.Context(), network)
		done <- err
	}()
	<-network.begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range 20 {
		token := newToken(fmt.Sprint(i))
		token.Claims = make([]byte, 1<<20)
		if err := db.Commit(ctx, add(token)); err != nil {
			t.Errorf("write %d beside a backup: %v", i, err)
			break
		}
		if got, err := db.Token(ctx, token.Digest); err != nil || len(got.Claims) != 1<<20 {
			t.Errorf("read %d beside a backup: %v", i, err)
		}
	}
	close(network.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestFilesGrowWithWhatTheyHold: what is mapped in advance must not become the file's size.
func TestFilesGrowWithWhatTheyHold(t *testing.T) {
	path := small(t)
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 60 {
		token := newToken(fmt.Sprint(i))
		token.Claims = make([]byte, 10_000)
		if err := db.Commit(t.Context(), add(token)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 4<<20 {
		t.Errorf("600 kB take %d bytes (%v)", info.Size(), err)
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
