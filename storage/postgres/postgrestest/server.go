package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kill ends the server and all its processes at once, as a crash would.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		c.server.kill()
		c.server = nil
	}
	return nil
}

// Stop ends the server in good order, cutting its clients' connections. The folder
// stays: Restart goes on with it.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop()
}

func (c *Cluster) stop() error {
	if c.server == nil {
		return nil
	}
	server := c.server
	c.server = nil
	if err := server.interrupt(); err != nil && !server.ended() {
		return fmt.Errorf("postgrestest: stopping: %w", err)
	}
	if !await(server.ended) {
		server.kill()
		return fmt.Errorf("postgrestest: the server did not stop within %s and was killed: %s", patience, c.logTail())
	}
	return nil
}

// Restart starts the server again after Kill or Stop, on the same address, and returns
// when it has recovered and takes connections. A running server is stopped first.
func (c *Cluster) Restart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("postgrestest: Restart after Close")
	}
	if err := c.stop(); err != nil {
		return err
	}
	return c.start()
}

// start picks a port the first time. Somebody else may take it meanwhile, so a few are
// tried.
func (c *Cluster) start() error {
	if c.port != 0 {
		return c.launch()
	}
	var err error
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return fmt.Errorf("postgrestest: no free port: %w", err)
		}
		if err = c.launch(); err == nil {
			return nil
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// launch runs the server in the foreground, as our child.
func (c *Cluster) launch() error {
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.port)}
	for name, value := range c.settings() {
		args = append(args, "-c", name+"="+value)
	}
	log, err := os.OpenFile(c.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	defer log.Close()
	cmd := c.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	server, err := launch(cmd)
	if err != nil {
		return fmt.Errorf("postgrestest: the server does not start: %w", err)
	}
	var lastErr error
	ready := await(func() bool {
		if server.ended() {
			return true
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		lastErr = c.exec(ctx, "SELECT 1")
		return lastErr == nil
	})
	if server.ended() {
		return fmt.Errorf("postgrestest: the server ended at once: %w: %s", server.err, c.logTail())
	}
	if !ready {
		server.kill()
		return fmt.Errorf("postgrestest: the server takes no connections after %s: %w: %s", patience, lastErr, c.logTail())
	}
	c.server = server
	return nil
}

func (c *Cluster) settings() map[string]string {
	s := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": c.socketFolder(),
		// In the folder, so that it goes with it when nobody can clean up.
		"dynamic_shared_memory_type": "mmap",
		"max_connections":            "200",
		"log_min_messages":           "warning",
		"wal_level":                  "replica",
	}
	if c.options.NoSync {
		s["fsync"] = "off"
	}
	for name, value := range c.options.Settings {
		s[name] = value
	}
	return s
}

// removeSharedMemory gives back the segment by which a server finds out whether it is
// alone. Only one that was killed leaves it, and says which it was in its pid file.
func (c *Cluster) removeSharedMemory() {
	pidFile, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(pidFile), "\n")
	if len(lines) < 7 {
		return
	}
	if f := strings.Fields(lines[6]); len(f) == 2 {
		_ = exec.Command("ipcrm", "-m", f[1]).Run() // a few bytes; without ipcrm they stay
	}
}

// await asks again and again, and tells whether the answer became true in time.
func await(is func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return is()
}
