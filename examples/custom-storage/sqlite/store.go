// Package sqlite keeps what an authorization server must remember in one SQLite file.
// It is an example of a backend of one's own: written from the documentation of package
// storage alone, and held to it by storagetest.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/grantor-oauth/grantor/storage"
	_ "modernc.org/sqlite" // the driver, in Go alone
)

//go:embed schema.sql
var schema string

// A commit is on the disk when it returns: with a write-ahead log, that takes FULL.
const pragmas = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000"

// Store is a storage.Store in one file, for any number of processes on one machine.
//
// Reads and writes have a pool each. The one for writes holds a single connection, so
// that the writers of a process queue in Go, where waiting ends with the context;
// between processes they queue at the file's lock.
type Store struct {
	reads, writes *sql.DB

	mu     sync.RWMutex // held for reading by whatever runs, for writing by Close
	closed bool
}

// Open opens the store in the file at path, and makes it if there is none. It holds
// the server's keys, so only its owner may read it.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path) // so that not even ":memory:" has a meaning of its own
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w; the directory must exist, and file and directory be writable", err)
	}
	file.Close()
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + pragmas
	reads, readErr := sql.Open("sqlite", name+"&_query_only=1")
	writes, err := sql.Open("sqlite", name+"&_txlock=immediate")
	if err := errors.Join(err, readErr); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	writes.SetMaxOpenConns(1)
	s := &Store{reads: reads, writes: writes}
	if err := s.transact(context.Background(), func(c *change) { c.exec(schema) }); err != nil {
		s.Close()
		return nil, fmt.Errorf("%w; %s must be new, or have been made by this package", err, path)
	}
	return s, nil
}

// Close waits for what runs and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return errors.Join(s.reads.Close(), s.writes.Close())
}

// do works on the open file. Once the context has ended, its error is the answer, and
// not what the driver made of it.
func (s *Store) do(ctx context.Context, work func() error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	err := work()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("sqlite: %w", err)
}
