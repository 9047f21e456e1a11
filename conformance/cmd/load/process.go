package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// process is a server under load, ours or a peer.
type process struct {
	name    string
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
}

// startOurs runs this program again, as the server.
func startOurs(backend, place, profile string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	return start("grantor-"+backend, cmd, envBackend+"="+backend, envPlace+"="+place, envProfile+"="+profile)
}

// start runs a server, which prints its address and ends when its input does.
func start(name string, cmd *exec.Cmd, env ...string) (*process, error) {
	cmd.Env = append(os.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("%s did not come up: %w", name, err)
	}
	return &process{name: name, address: strings.TrimSpace(address), cmd: cmd, stdin: stdin}, nil
}

func (p *process) stop() error {
	p.stdin.Close()
	return p.cmd.Wait()
}

func (p *process) self() (s self, err error) {
	answer, err := http.Get("http://" + p.address + "/load/self")
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	return s, json.NewDecoder(answer.Body).Decode(&s)
}

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration // user and system
	rss uint64        // bytes
}

// ticks is how many clock ticks Linux counts a second of processor time in, for /proc.
const ticks = 100

// used reads /proc, and knows nothing on systems without.
func (p *process) used() (u usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if os.IsNotExist(err) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseUint(fields[21], 10, 64)
	return usage{time.Duration(user+system) * time.Second / ticks, pages * uint64(os.Getpagesize())}, nil
}
