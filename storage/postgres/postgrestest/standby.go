package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Standby makes a streaming replica and returns when it is a synchronous one: from then
// on c acknowledges a commit only after the standby has it on its disk. Closing the
// standby ends that.
//
// While a standby is killed or stopped, and not closed, commits on c wait for it, as
// they would in earnest.
func (c *Cluster) Standby() (*Cluster, error) {
	s := &Cluster{programs: c.programs, options: c.options}
	if err := s.makeFolder(); err != nil {
		return nil, err
	}
	s.name = strings.ReplaceAll(filepath.Base(s.folder), "-", "_")
	if err := s.copyFrom(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mu.Lock()
	s.primary = c
	s.mu.Unlock()
	if err := c.remember(s.name); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// copyFrom makes a copy of the primary and starts following it.
func (s *Cluster) copyFrom(primary *Cluster) error {
	err := s.run("pg_basebackup", "--pgdata", s.data(), "--wal-method=stream", "--checkpoint=fast",
		"--write-recovery-conf", "--no-sync", "--no-password", "--dbname",
		fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=%s sslmode=disable", primary.port, s.name))
	if err != nil {
		return err
	}
	if err := s.dropSetting("synchronous_standby_names"); err != nil {
		return err
	}
	return s.start()
}

// dropSetting takes out what the copy has from its primary: the standbys of that one
// are not those of this one.
func (s *Cluster) dropSetting(name string) error {
	path := filepath.Join(s.data(), "postgresql.auto.conf")
	conf, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(conf), "\n"), func(line string) bool {
		return strings.HasPrefix(line, name)
	})
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	return nil
}

// remember makes commits wait for a standby.
func (c *Cluster) remember(name string) error {
	c.mu.Lock()
	c.names = append(c.names, name)
	err := c.applyNames()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	var lastErr error
	if !await(func() bool {
		var synchronous bool
		lastErr = c.query(context.Background(), "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND application_name = '"+name+"'", &synchronous)
		return lastErr == nil && synchronous
	}) {
		return fmt.Errorf("postgrestest: the standby is not synchronous after %s: %w: %s", patience, lastErr, c.logTail())
	}
	return nil
}

// forget ends the wait for a standby.
func (c *Cluster) forget(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
	if c.closed || c.server == nil {
		return nil
	}
	return c.applyNames()
}

func (c *Cluster) applyNames() error {
	value := ""
	if len(c.names) > 0 {
		value = fmt.Sprintf("FIRST %d (%s)", len(c.names), strings.Join(c.names, ", "))
	}
	ctx := context.Background()
	if err := c.exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+value+"'"); err != nil {
		return err
	}
	return c.exec(ctx, "SELECT pg_reload_conf()")
}

// Promote makes a standby a primary of its own, which takes writes when Promote
// returns. Kill the old primary first: nobody stops it from taking writes as well.
func (c *Cluster) Promote() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.primary == nil {
		return errors.New("postgrestest: Promote of a cluster that is no standby")
	}
	if c.server == nil {
		return errors.New("postgrestest: Promote of a standby that does not run; Restart it first")
	}
	var promoted bool
	if err := c.query(context.Background(), "SELECT pg_promote(true, 60)", &promoted); err != nil {
		return err
	}
	if !promoted {
		return fmt.Errorf("postgrestest: the standby was not promoted: %s", c.logTail())
	}
	c.primary = nil
	return nil
}
