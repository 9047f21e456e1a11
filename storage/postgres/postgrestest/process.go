package postgrestest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// process is a running server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // then: how
}

// command prepares one of PostgreSQL's programs.
func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.programs.folder, program), args...)
	cmd.Dir = c.folder // ours may be closed to the account
	// What the caller has set up for its own psql must not lead elsewhere.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG") || strings.HasPrefix(v, "HOME=")
	}), "LC_ALL=C", "HOME="+c.folder)
	confine(cmd, c.programs.account, program == "postgres")
	return cmd
}

// run waits for a program that ends by itself.
func (c *Cluster) run(program string, args ...string) error {
	cmd := c.command(program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := launch(cmd)
	if err != nil {
		return fmt.Errorf("postgrestest: %s does not start: %w", program, err)
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("postgrestest: %s: %w: %s", program, p.err, strings.TrimSpace(said.String()))
	}
	return nil
}

// launch starts cmd from a thread that stays until it has ended: Linux takes the end
// of the thread for the end of the parent, and would kill the server then.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, <-started
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
