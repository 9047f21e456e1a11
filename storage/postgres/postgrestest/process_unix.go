//go:build unix && !linux

package postgrestest

import (
	"os/exec"
	"syscall"
)

const supported = true

// confine makes cmd run as the account and out of reach of the terminal's Ctrl-C.
// These systems cannot tell a child that we have ended.
func confine(cmd *exec.Cmd, a *account, _ bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// kill ends the server; its children notice and end as well.
func (p *process) kill() {
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

func (p *process) interrupt() error { return syscall.Kill(p.cmd.Process.Pid, syscall.SIGINT) }
