package bolt_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// TestKilled kills a process in the middle of its writes: all that it was told is
// written must be there.
func TestKilled(t *testing.T) {
	expires := time.Unix(4_000_000_000, 0)
	token := func(name string) storage.Token {
		return storage.Token{Digest: storage.NewDigest(expires, name), Kind: storage.RefreshToken, ExpiresAt: expires}
	}
	if path := os.Getenv("GRANTOR_TEST_KILL"); path != "" {
		size, err := strconv.Atoi(os.Getenv("GRANTOR_TEST_SIZE"))
		if err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		for writer := range 8 {
			go func() {
				for i := 0; ; i++ {
					name := fmt.Sprintf("%d-%d", writer, i)
					w := add(token(name))
					w.Tokens[0].Claims = make([]byte, size)
					if i > 0 {
						w.ConsumeTokens = []storage.Consumption{{Digest: token(fmt.Sprintf("%d-%d", writer, i-1)).Digest}}
					}
					if err := db.Commit(t.Context(), w); err != nil {
						panic(err)
					}
					mu.Lock()
					fmt.Println("acknowledged", name)
					mu.Unlock()
				}
			}()
		}
		select {}
	}
	path := filepath.Join(t.TempDir(), "test.db")
	for round := range 6 {
		// Large records make the log go from one generation to the next, and be merged,
		// many times before the end.
		size := []int{0, 10_000}[round%2]
		path := fmt.Sprint(path, round)
		other := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		other.Env = append(os.Environ(), "GRANTOR_TEST_KILL="+path, fmt.Sprint("GRANTOR_TEST_SIZE=", size))
		out, err := other.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		last := make(map[int]int)
		lines := 0
		for scan := bufio.NewScanner(out); scan.Scan(); {
			var writer, i int
			if n, _ := fmt.Sscanf(scan.Text(), "acknowledged %d-%d", &writer, &i); n == 2 {
				last[writer] = i
			}
			if lines++; lines == 500+100*round {
				other.Process.Kill() // what it still prints is read to the end
			}
		}
		_ = other.Wait()
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatalf("after the crash: %v", err)
		}
		for writer, end := range last {
			for i := 0; i <= end; i++ {
				got, err := db.Token(t.Context(), token(fmt.Sprintf("%d-%d", writer, i)).Digest)
				if err != nil || i < end && got.ConsumedAt.IsZero() || len(got.Claims) != size {
					t.Errorf("token %d-%d of %d: got %.300v, %v", writer, i, end, got, err)
				}
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := bolt.Check(t.Context(), path); err != nil {
			t.Error(err)
		}
	}
}
