package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// process is a server in a process of its own, which is started again whenever it dies.
type process struct {
	setting setting
	command func() *exec.Cmd
	log     io.Writer

	mu      sync.Mutex
	input   io.Closer
	stopped bool
	deaths  int
	counted int      // of the deaths, those that settle has told
	said    []string // what it has complained about since somebody asked
	ended   chan struct{}
}

// startProcess starts a server, and waits until it listens.
func startProcess(ctx context.Context, s setting, command func() *exec.Cmd, log io.Writer) (*process, error) {
	p := &process{setting: s, command: command, log: log, ended: make(chan struct{})}
	running, err := p.once()
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		for {
			err := running()
			p.mu.Lock()
			if p.stopped {
				p.mu.Unlock()
				return
			}
			p.deaths++
			p.said = append(p.said, fmt.Sprintf("the process ended: %v", err))
			p.mu.Unlock()
			for running = nil; running == nil; {
				if running, err = p.once(); err != nil {
					fmt.Fprintln(log, err)
					time.Sleep(100 * time.Millisecond)
				}
			}
		}
	}()
	return p, p.listens(ctx)
}

// once starts the process, and returns what waits for its end.
func (p *process) once() (func() error, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return func() error { return nil }, nil
	}
	c := p.command()
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.Stdout = p.log
	complaints, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	p.input = input
	if err := json.NewEncoder(input).Encode(p.setting); err != nil {
		return nil, errors.Join(err, c.Process.Kill(), c.Wait())
	}
	return func() error {
		lines := bufio.NewScanner(complaints)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(p.log, lines.Text())
			p.hear(lines.Text())
		}
		_, _ = io.Copy(p.log, complaints) // what is no line
		return c.Wait()
	}, nil
}

// crash is how a runtime says that something has gone wrong that nobody thought of.
var crash = regexp.MustCompile(`^(fatal error:|panic:|http: panic serving|\S*Error: |Uncaught )`)

var addresses = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+|0x[0-9a-f]+|\[recovered\]`)

func (p *process) hear(line string) {
	if !crash.MatchString(line) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if line = strings.TrimSpace(addresses.ReplaceAllString(line, "…")); len(p.said) < 5 {
		p.said = append(p.said, line)
	}
}

// listens waits until the server takes connections.
func (p *process) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, address := range []string{p.setting.Address, p.setting.Admin} {
		for address != "" {
			c, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				_ = c.Close() // it was there
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the server does not listen: %w", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// since returns how often the process has died so far, and what it has complained about since
// the last call.
func (p *process) since() (deaths int, said []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said, p.said = p.said, nil
	return p.deaths, said
}

// stop ends the process for good.
func (p *process) stop() error {
	p.mu.Lock()
	p.stopped = true
	err := p.input.Close()
	p.mu.Unlock()
	<-p.ended
	return err
}

// newClient has the host add a client: Controls.NewClient.
func (p *process) newClient(ctx context.Context, metadata map[string]any) (conformance.Client, error) {
	var made conformance.Client
	body, err := json.Marshal(metadata)
	if err != nil {
		return made, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.setting.Admin, bytes.NewReader(body))
	if err != nil {
		return made, err
	}
	r.Close = true // so that no connection is left of a process that has died
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return made, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return made, err
	case answer.StatusCode == http.StatusNotImplemented:
		reason := strings.TrimPrefix(strings.TrimSpace(string(said)), conformance.ErrNoSuchClient.Error()+": ")
		return made, fmt.Errorf("%w: %s", conformance.ErrNoSuchClient, reason)
	case answer.StatusCode != http.StatusOK:
		return made, errors.New(strings.TrimSpace(string(said)))
	}
	return made, json.Unmarshal(said, &made)
}

// own is how this program starts itself as one of the Go servers.
func own(name string) func() *exec.Cmd {
	return func() *exec.Cmd {
		c := exec.Command(os.Args[0], "-serve", name)
		c.Env = append(os.Environ(), "GOTRACEBACK=single")
		return c
	}
}
