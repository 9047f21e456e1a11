package postgrestest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const supported = true

// confine makes cmd run as the account, out of reach of the terminal's Ctrl-C, and end
// with us, however we end. A server gets the signal for "stop at once", on which it
// takes its children along and leaves no shared memory; anything else is killed.
func confine(cmd *exec.Cmd, a *account, server bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if server {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// kill ends the server and all its children at one moment. Each child is in a process
// group of its own, so they are looked for, while the parent stands still and makes no
// more.
func (p *process) kill() {
	pid := p.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	children := childrenOf(pid)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-p.done
	for _, child := range children {
		await(func() bool { return !running(child) })
	}
}

func (p *process) interrupt() error { return syscall.Kill(p.cmd.Process.Pid, syscall.SIGINT) }

func childrenOf(parent int) []int {
	var found []int
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range entries {
		if _, ppid, ok := readStat(path); ok && ppid == parent {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				found = append(found, pid)
			}
		}
	}
	return found
}

// running tells a process from none and from one that only waits to be buried.
func running(pid int) bool {
	state, _, ok := readStat("/proc/" + strconv.Itoa(pid) + "/stat")
	return ok && state != "Z" && state != "X"
}

// readStat reads a process's state and parent, which come behind its name in brackets.
func readStat(path string) (state string, parent int, ok bool) {
	stat, err := os.ReadFile(path)
	if err != nil {
		return "", 0, false
	}
	_, behind, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(behind)
	if !ok || len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}
