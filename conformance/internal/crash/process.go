package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	page *page
	in   io.Closer // it ends when this is closed, so also when we end
	said lockedBuffer

	ready chan struct{} // closed when it serves
	ended chan struct{} // closed when it is gone
	url   string        // once it is ready
}

// launch starts a server: this program once more.
func launch(o order, name string) (*process, error) {
	config, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), page: newPage(name, o.Diary), ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(config))
	p.cmd.Stderr = &p.said
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("a server does not start: %w", err)
	}
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err == nil {
			p.url = strings.TrimSpace(line)
			close(p.ready)
		}
		_, _ = io.Copy(io.Discard, out)
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// kill ends it with SIGKILL, and waits until it is gone.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(err) // our own child
	}
	<-p.ended
	_ = p.in.Close()
}

// gone reports whether it has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// fault tells why it ended, if it was neither killed nor killed itself.
func (p *process) fault() error {
	if state := p.cmd.ProcessState; state.Exited() {
		return fmt.Errorf("server %s ended by itself: %s: %s", p.page.name, state, p.said.tail())
	}
	return nil
}

// lockedBuffer keeps the end of what a server says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 1<<20 {
		l.b.Reset()
	}
	return l.b.Write(b)
}

func (l *lockedBuffer) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}
