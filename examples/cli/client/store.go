package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"
)

// ErrSignedOut says that there is no login.
var ErrSignedOut = errors.New("you are not signed in")

// Session is what is kept of a login.
type Session struct {
	Issuer       string    `json:"issuer"` // the tokens are sent nowhere else
	ClientID     string    `json:"client_id"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
}

func newSession(issuer, clientID string, t *oauth2.Token) *Session {
	return &Session{Issuer: issuer, ClientID: clientID, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, ExpiresAt: t.Expiry}
}

// expired reports whether the access token is of no use any more, or hardly.
func (s *Session) expired(at time.Time) bool {
	return !s.ExpiresAt.IsZero() && !at.Before(s.ExpiresAt.Add(-early))
}

// Store keeps one login in a file of a folder that belongs to the user alone.
type Store struct{ folder string }

// OpenStore makes the folder, if it is not there. It refuses one that others can enter.
func OpenStore(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	if !ours(info) {
		return nil, fmt.Errorf("%s is open to others, and tokens are kept in it: chmod 700 it, or name another folder", folder)
	}
	return &Store{folder}, nil
}

// File is where the login is kept.
func (s *Store) File() string { return filepath.Join(s.folder, "session.json") }

func (s *Store) next() string { return filepath.Join(s.folder, "session.json.new") }

// Load reads the login, ErrSignedOut if there is none. A file that others can read is not
// read: they may have the tokens by now.
func (s *Store) Load() (*Session, error) {
	f, err := os.Open(s.File())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrSignedOut
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of what is open, not of what may have taken its name
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || !ours(info) {
		return nil, fmt.Errorf("%s is open to others, who may have read your tokens: chmod 600 it, then log out and in again", s.File())
	}
	session := new(Session)
	if err := json.NewDecoder(io.LimitReader(f, maxAnswer)).Decode(session); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; remove it and log in again", s.File(), err)
	}
	return session, nil
}

// save puts a login in the place of the one before. Whatever happens meanwhile, the file
// holds one or the other, whole: it is written beside, brought to the disk, and renamed.
func (s *Store) save(session *Session) (err error) {
	if err := os.Remove(s.next()); err != nil && !errors.Is(err, fs.ErrNotExist) { // a crash left it
		return err
	}
	f, err := os.OpenFile(s.next(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = json.NewEncoder(f).Encode(session)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(s.next()))
	}
	if err := os.Rename(s.next(), s.File()); err != nil {
		return errors.Join(err, os.Remove(s.next()))
	}
	return syncFolder(s.folder)
}

// remove forgets the login.
func (s *Store) remove() error {
	for _, file := range []string{s.next(), s.File()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(s.folder)
}

// lock waits until no other run of the program changes the login. The system unlocks when a
// program ends, however it does, so nothing is left over. The file stays: were it removed,
// one run could lock the old one and another the new one.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.folder, "session.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
		}
		if locked {
			return func() { f.Close() }, nil // which unlocks it
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another run of this program holds %s: %w", f.Name(), ctx.Err()), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
