//go:build !unix

package postgrestest

import (
	"errors"
	"os/exec"
)

// On other systems there is no way to run it yet: Start returns ErrNotInstalled.
const supported = false

func confine(*exec.Cmd, *account, bool) {}

func (p *process) kill() { <-p.done }

func (p *process) interrupt() error { return errors.ErrUnsupported }
