package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// replica is one child process, which is started again two seconds after it died.
type replica struct {
	program, name, address, issuer string
	env                            []string
	served                         atomic.Int64

	mu      sync.Mutex
	process *os.Process
	died    chan struct{} // closed when the latest process has
	ended   bool
	down    time.Time // when the proxy last failed to reach it
}

// revival is how long a replica that died stays dead.
const revival = 2 * time.Second

func newReplica(program, name, issuer string, env []string) (*replica, error) {
	// A port that stays the same when the process is started again.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	r := &replica{program: program, name: name, address: address, issuer: issuer, env: env}
	if err := r.start(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *replica) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	cmd := exec.Command(r.program, "-pager", r.address, "-issuer", r.issuer, "-replica", r.name, "-stdin")
	cmd.Env, cmd.Stderr = r.env, os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // never written to: it ends when we do
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("replica %s does not start: %w", r.name, err)
	}
	died := make(chan struct{})
	r.process, r.died = cmd.Process, died
	go func() {
		cmd.Wait()
		r.mu.Lock()
		r.process = nil
		r.mu.Unlock()
		close(died)
		time.Sleep(revival)
		if err := r.start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return nil
}

// kill ends the process without a warning (SIGKILL), and returns when it is gone: before
// that it may take a connection with it.
func (r *replica) kill() {
	r.mu.Lock()
	if r.process != nil {
		r.process.Kill()
	}
	died := r.died
	r.mu.Unlock()
	<-died
}

// gone is closed when the process that runs now has died.
func (r *replica) gone() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.died
}

// end kills the process for good.
func (r *replica) end() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.kill()
}

func (r *replica) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return 0
	}
	return r.process.Pid
}

// up reports whether the replica answers, to the first thing that a client asks.
func (r *replica) up() bool {
	answer, err := (&http.Client{Timeout: time.Second}).Get("http://" + r.address + "/.well-known/oauth-authorization-server")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// awaitUp waits until the replica answers, and no longer than until gone is closed.
func (r *replica) awaitUp(patience time.Duration, gone <-chan struct{}) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if r.up() {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("replica %s has ended; see above for what it said", r.name)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("replica %s is not up after %v; see above for what it said", r.name, patience)
}
