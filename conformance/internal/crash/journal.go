package crash

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// journal is a file to which every request is appended before it is sent, and every
// answer once it has come: for whoever wants to know how a fault came about. It holds
// no credentials, only the stories that they belong to.
type journal struct {
	file *os.File
	stop chan struct{}
	done chan struct{}

	mu  sync.Mutex
	buf *bufio.Writer
	n   int
	err error
}

// syncEvery is how long a line may wait for the disk. The audits do not begin before it
// is there.
const syncEvery = 50 * time.Millisecond

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, buf: bufio.NewWriter(f), stop: make(chan struct{}), done: make(chan struct{})}
	go j.keep()
	return j, nil
}

func (j *journal) keep() {
	defer close(j.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = j.sync() // its error stays
		case <-j.stop:
			return
		}
	}
}

// sent notes a request, and returns its number.
func (j *journal) sent(worker, what, about string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	j.put("%d %s worker %s: %s %s", j.n, time.Now().UTC().Format(time.RFC3339Nano), worker, what, about)
	return j.n
}

// answered notes what came back.
func (j *journal) answered(n int, a *answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.put("%d %s answer: %s", n, time.Now().UTC().Format(time.RFC3339Nano), a.outcome())
}

// note notes what the driver does.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.put("- %s %s", time.Now().UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
}

func (j *journal) put(format string, args ...any) {
	if _, err := fmt.Fprintf(j.buf, format+"\n", args...); err != nil && j.err == nil {
		j.err = err
	}
}

// sync returns when all that was noted is on the disk.
func (j *journal) sync() error {
	j.mu.Lock()
	err := errors.Join(j.err, j.buf.Flush())
	j.mu.Unlock()
	return errors.Join(err, j.file.Sync())
}

func (j *journal) close() error {
	close(j.stop)
	<-j.done
	return errors.Join(j.sync(), j.file.Close())
}
