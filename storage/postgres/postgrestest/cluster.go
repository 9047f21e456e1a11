package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options of a cluster. The zero value is right for most: one that loses nothing it has
// acknowledged.
type Options struct {
	// NoSync lets the server leave writing to the operating system (fsync=off): quicker,
	// and still safe from [Cluster.Kill], but not from a crash of the machine.
	NoSync bool

	// Settings are further settings of the server, such as "max_connections": "20".
	Settings map[string]string
}

// patience bounds each thing that a cluster waits for.
const patience = time.Minute

// Cluster is a running server with its folder. Its methods may be called by several
// goroutines.
type Cluster struct {
	programs programs
	options  Options
	folder   string
	port     int

	mu      sync.Mutex
	server  *process // nil while it does not run
	closed  bool
	primary *Cluster // of a standby that has not been promoted
	name    string   // what the primary calls this standby
	names   []string // of the standbys that commits wait for

	databases atomic.Int64
}

// New starts a cluster that ends with the test.
func New(t testing.TB, options ...Options) *Cluster {
	t.Helper()
	c, err := Start(options...)
	if errors.Is(err, ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
		t.Skip("PostgreSQL is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Start makes a cluster in a new temporary folder and returns when it takes
// connections. It returns [ErrNotInstalled] if the machine has no PostgreSQL.
func Start(options ...Options) (*Cluster, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	c := &Cluster{programs: programs}
	if len(options) > 0 {
		c.options = options[0]
	}
	if err := c.makeFolder(); err != nil {
		return nil, err
	}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) create() error {
	// The files need not be on the disk already: a server that is started on them
	// syncs what it writes.
	if err := c.run("initdb", "--pgdata", c.data(), "--auth=trust", "--username=postgres",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		return err
	}
	if err := c.start(); err != nil {
		return err
	}
	return c.exec(context.Background(), "CREATE DATABASE "+mainDatabase)
}

// makeFolder also gives it to whom the server runs as.
func (c *Cluster) makeFolder() error {
	folder, err := os.MkdirTemp("", "grantor-postgres-")
	if err != nil {
		return fmt.Errorf("postgrestest: no temporary folder: %w", err)
	}
	c.folder = folder
	if c.programs.account == nil {
		return nil
	}
	if err := os.Chown(folder, int(c.programs.account.uid), int(c.programs.account.gid)); err != nil {
		return errors.Join(fmt.Errorf("postgrestest: %w", err), os.RemoveAll(folder))
	}
	return nil
}

func (c *Cluster) data() string    { return filepath.Join(c.folder, "data") }
func (c *Cluster) logFile() string { return filepath.Join(c.folder, "log") }

// socketFolder is empty where its path would be too long for a socket.
func (c *Cluster) socketFolder() string {
	const longest = 107 - len("/.s.PGSQL.65535.lock")
	if len(c.folder) > longest {
		return ""
	}
	return c.folder
}

// Close stops the server and removes its folder. It may be called more than once.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	primary := c.primary
	c.mu.Unlock()

	var err error
	if primary != nil {
		err = primary.forget(c.name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = errors.Join(err, c.stop())
	c.removeSharedMemory()
	return errors.Join(err, os.RemoveAll(c.folder))
}

// logTail is the end of what the server said, for errors.
func (c *Cluster) logTail() string {
	f, err := os.Open(c.logFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const enough = 2000
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end > enough {
		_, _ = f.Seek(-enough, io.SeekEnd)
	} else {
		_, _ = f.Seek(0, io.SeekStart)
	}
	said, _ := io.ReadAll(f)
	return strings.TrimSpace(string(said))
}
