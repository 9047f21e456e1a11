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
	name, address string
	env           []string
	served        atomic.Int64
	kills         atomic.Int64

	mu      sync.Mutex
	process *os.Process
	ended   bool
	down    time.Time // when the proxy last failed to reach it
}

// revival is how long a replica that died stays dead.
const revival = 2 * time.Second

func newReplica(name string, env []string) (*replica, error) {
	// A port that stays the same when the process is started again.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	r := &replica{name: name, address: address, env: append(env[:len(env):len(env)], replicaAddress+"="+address, replicaName+"="+name)}
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
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = r.env, os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // never written to: it ends when we do
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("replica %s does not start: %w", r.name, err)
	}
	r.process = cmd.Process
	go func() {
		cmd.Wait()
		r.mu.Lock()
		r.process = nil
		r.mu.Unlock()
		time.Sleep(revival)
		if err := r.start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return nil
}

// kill ends the process without a warning (SIGKILL).
func (r *replica) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.Kill()
		r.kills.Add(1)
	}
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

func (r *replica) up() bool {
	answer, err := (&http.Client{Timeout: time.Second}).Get("http://" + r.address + "/up")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (r *replica) awaitUp(patience time.Duration) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if r.up() {
			return nil
		}
	}
	return fmt.Errorf("replica %s is not up after %v; see above for what it said", r.name, patience)
}
