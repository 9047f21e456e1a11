package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// journal is a file to which every request is appended before it is sent, and every
// answer once it has come: for whoever wants to know how a fault came about. It holds
// no credentials, only their digests and the stories that they belong to.
//
// An answer counts from when it is on the disk. One fsync serves all that came while the
// last one ran.
type journal struct {
	file journalFile

	mu      sync.Mutex
	change  sync.Cond
	buf     *bufio.Writer
	n       int
	put     int // how many lines there are
	synced  int // how many of them are on the disk
	syncing bool
	err     error // the first; after it nothing is certain, whatever a later fsync says
}

type journalFile interface {
	io.WriteCloser
	Sync() error
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return newJournal(f), nil
}

func newJournal(f journalFile) *journal {
	j := &journal{file: f, buf: bufio.NewWriter(f)}
	j.change.L = &j.mu
	return j
}

// sent notes a request, and returns its number. It does not wait: what was sent and never
// answered is not relied on.
func (j *journal) sent(worker, what, about string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	j.line("%d %s worker %s: %s %s", j.n, timestamp(), worker, what, about)
	return j.n
}

// answered notes what came back, and returns when that is on the disk.
func (j *journal) answered(n int, a *answer) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line("%d %s answer: %s%s", n, timestamp(), a.outcome(), a.digests())
	return j.await(j.put)
}

// note notes what the driver does.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line("- %s %s", timestamp(), fmt.Sprintf(format, args...))
}

func timestamp() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// line and await need the lock.
func (j *journal) line(format string, args ...any) {
	j.put++
	if _, err := fmt.Fprintf(j.buf, format+"\n", args...); err != nil && j.err == nil {
		j.err = err
	}
}

// await returns when so many lines are on the disk. Whoever finds nobody at it syncs, for
// all who wait.
func (j *journal) await(line int) error {
	for j.synced < line && j.err == nil {
		if j.syncing {
			j.change.Wait()
			continue
		}
		until, err := j.put, j.buf.Flush()
		if err == nil {
			j.syncing = true
			j.mu.Unlock()
			err = j.file.Sync()
			j.mu.Lock()
			j.syncing = false
		}
		if err != nil {
			j.err = err
		} else {
			j.synced = until
		}
		j.change.Broadcast()
	}
	return j.err
}

// sync returns when all that was noted is on the disk.
func (j *journal) sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.await(j.put)
}

func (j *journal) close() error { return errors.Join(j.sync(), j.file.Close()) }
