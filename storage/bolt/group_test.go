package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// newToken is a live access token of its own.
func newToken(name string) storage.Token {
	expires := time.Now().Add(time.Hour)
	return storage.Token{Digest: storage.NewDigest(expires, name), Kind: storage.AccessToken, ExpiresAt: expires}
}

func add(tokens ...storage.Token) storage.Write {
	return storage.Write{At: time.Now(), Tokens: tokens}
}

// wait polls until ok says so.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 5000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

func TestWritersShareCommits(t *testing.T) {
	db := openTest(t)
	before := db.Stats().Commits
	const writers, each = 64, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := db.Commit(t.Context(), add(newToken(fmt.Sprint(w, " ", i)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := db.Stats().Commits - before; n > writers*each/4 {
		t.Errorf("%d writes of %d writers took %d commits", writers*each, writers, n)
	}
}

func TestALoneWriterWaitsForNobody(t *testing.T) {
	db := openTest(t)
	before := db.Stats().Commits
	for i := range 10 {
		if err := db.Commit(t.Context(), add(newToken(fmt.Sprint(i)))); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Stats().Commits - before; n != 10 {
		t.Errorf("10 writes took %d commits", n)
	}
}

func TestWritesWithoutEffectTakeNoCommit(t *testing.T) {
	db := openTest(t)
	token := newToken("a")
	if err := db.Commit(t.Context(), add(token)); err != nil {
		t.Fatal(err)
	}
	before := db.Stats().Commits
	for range 10 {
		if err := db.Commit(t.Context(), add(token)); !errors.Is(err, storage.ErrExists) {
			t.Fatalf("got %v, want ErrExists", err)
		}
		if err := db.Commit(t.Context(), storage.Write{At: time.Now(), Live: []string{"absent"}}); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("got %v, want ErrNotFound", err)
		}
	}
	if n := db.Stats().Commits - before; n != 0 {
		t.Errorf("writes that change nothing took %d commits", n)
	}
}

// TestContextEndsInTheQueue: what is still queued is withdrawn at once, and does not
// happen; what has been taken may happen, but nobody has to wait for a disk that hangs.
func TestContextEndsInTheQueue(t *testing.T) {
	db := openTest(t)
	release := db.Hold()
	outcome := func(ctx context.Context, token storage.Token) chan error {
		done := make(chan error, 1)
		go func() { done <- db.Commit(ctx, add(token)) }()
		return done
	}
	takenCtx, cancelTaken := context.WithCancel(t.Context())
	taken := newToken("taken")
	first := outcome(takenCtx, taken)
	time.Sleep(10 * time.Millisecond) // it hangs at the disk
	queuedCtx, cancelQueued := context.WithCancel(t.Context())
	queued, neighbour := newToken("queued"), newToken("neighbour")
	second, third := outcome(queuedCtx, queued), outcome(t.Context(), neighbour)
	wait(t, "two in the queue", func() bool { return db.Queued() == 2 })

	cancelQueued()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("queued: got %v, want context.Canceled", err)
	}
	cancelTaken()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("taken: got %v, want context.Canceled", err)
	}
	release()
	if err := <-third; err != nil {
		t.Errorf("neighbour: %v", err)
	}
	for token, want := range map[storage.Digest]error{taken.Digest: nil, queued.Digest: storage.ErrNotFound, neighbour.Digest: nil} {
		if _, err := db.Token(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("afterwards: got %v, want %v", err, want)
		}
	}
}

func TestFailedCommitFailsAll(t *testing.T) {
	db := openTest(t)
	seen := newToken("seen")
	if err := db.Commit(t.Context(), add(seen)); err != nil {
		t.Fatal(err)
	}
	db.LimitSize(1)
	release := db.Hold()
	big := newToken("big")
	big.Claims = make([]byte, 1<<20)
	outcomes := make(chan error)
	consume := storage.Write{At: time.Now(), ConsumeTokens: []storage.Consumption{{Digest: seen.Digest}}}
	for _, w := range []storage.Write{add(big), consume, consume, consume} {
		go func() { outcomes <- db.Commit(t.Context(), w) }()
	}
	wait(t, "all in the queue", func() bool { return db.Pending() == 4 })
	release()
	failed := 0
	for range 4 {
		// The first leader may be any of them, so the group may be of one and three.
		err := <-outcomes
		for _, fact := range []error{storage.ErrNotFound, storage.ErrExists, storage.ErrRevoked} {
			if errors.Is(err, fact) {
				t.Errorf("got the fact %v from a commit that failed", err)
			}
		}
		if err != nil && !errors.Is(err, storage.ErrConsumed) {
			failed++
		}
	}
	if failed == 0 {
		t.Error("nothing failed")
	}
	// A full disk passes.
	db.LimitSize(0)
	if err := db.Commit(t.Context(), add(big)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestPanicInAGroup(t *testing.T) {
	for _, dirty := range []bool{false, true} {
		t.Run(fmt.Sprint("dirty=", dirty), func(t *testing.T) {
			db := openTest(t)
			release := db.Hold()
			go db.Commit(t.Context(), add(newToken("first"))) // the others come in one group after it
			wait(t, "the first at the disk", func() bool { return db.Pending() == 1 && db.Queued() == 0 })
			bad := make(chan error, 2)
			for range 2 {
				go func() { bad <- db.PanicInWrite(dirty) }()
			}
			good := make(chan error, 8)
			for i := range cap(good) {
				go func() { good <- db.Commit(t.Context(), add(newToken(fmt.Sprint(i)))) }()
			}
			wait(t, "all in the queue", func() bool { return db.Queued() == 10 })
			release()
			for range cap(good) {
				if err := <-good; err != nil {
					t.Errorf("a neighbour: %v", err)
				}
			}
			for range cap(bad) {
				if err := <-bad; !errors.Is(err, bolt.ErrCorrupt) {
					t.Errorf("got %v, want ErrCorrupt", err)
				}
			}
			if _, err := db.Client(t.Context(), "half"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("what panicked left something: %v", err)
			}
		})
	}
}

func TestCloseWaitsForTheQueue(t *testing.T) {
	db := openTest(t)
	release := db.Hold()
	outcomes := make(chan error, 8)
	for i := range cap(outcomes) {
		go func() { outcomes <- db.Commit(t.Context(), add(newToken(fmt.Sprint(i)))) }()
	}
	wait(t, "all in the queue", func() bool { return db.Pending() == cap(outcomes) })
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- db.Close() }()
	}
	wait(t, "no more writes", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		return errors.Is(db.Commit(ctx, add(newToken("late"))), storage.ErrClosed)
	})
	select {
	case err := <-closed:
		t.Errorf("Close returned %v before the writes", err)
	default:
	}
	release()
	for range cap(outcomes) {
		if err := <-outcomes; err != nil {
			t.Errorf("a write that was queued before Close: %v", err)
		}
	}
	for range 2 {
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	db := openTest(t)
	token := newToken("a")
	token.Claims = []byte(strings.Repeat("secret", 1<<20))
	err := db.Commit(t.Context(), add(newToken("b"), token))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %.200v, want an error that does not quote the record", err)
	}
	if _, err := db.Token(t.Context(), newToken("b").Digest); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("half of the write is there: %v", err)
	}
}
