package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// play is -check: Pager in this process, the client as processes of this same program, and a
// user at a browser, one line a step, ending at the first thing that is not so.
func play(ctx context.Context, program string, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // devices poll every five seconds
	defer cancel()
	dir, err := os.MkdirTemp("", "cli")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := &pager{}
	if err := p.start(filepath.Join(dir, "cli.db")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()

	c := &checker{
		ctx: ctx, pager: p, program: program,
		laptop: filepath.Join(dir, "laptop"), remote: filepath.Join(dir, "remote"), victim: filepath.Join(dir, "victim"),
	}
	for _, step := range []struct {
		is string
		do func() error
	}{
		{"without a login, whoami says to log in", c.signedOut},
		{"login goes through the browser and back to a port of 127.0.0.1; whoami is ana", c.login},
		{"the login is kept in a file of mode 0600, in a folder of mode 0700", c.keptPrivate},
		{"a file that others can read is not read", c.openToOthers},
		{"an answer with a state that is not ours does not count, nor ends the login; one with another iss does", c.forged},
		{"login -device: ben types the code in a browser elsewhere, and whoami there is ben", c.device},
		{"the token expires: whoami refreshes, and keeps the new refresh token", c.refresh},
		{"the API takes the token no more, whatever the file says: the same", c.refused},
		{"four runs at once that all need a refresh: one makes it, and no refresh token is used twice", c.together},
		{"logging in again revokes the login before", c.again},
		{"logout removes the file, and both tokens are dead", c.logout},
		{"a login that Pager has ended says so, and is forgotten", c.ended},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", step.is, err)
		}
		fmt.Fprintln(out, "ok  ", step.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// pager is the host, with a clock to move and ears.
type pager struct {
	url    string
	server *http.Server
	db     *bolt.DB
	ahead  atomic.Int64 // of its clock

	mu     sync.Mutex
	events map[authz.EventType]int
}

func (p *pager) start(file string) error {
	db, err := bolt.Open(file)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, db.Close())
	}
	p.url, p.db, p.events = "http://"+listener.Addr().String(), db, map[authz.EventType]int{}
	host, err := newHost(p.url, db, func(c *authz.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
		c.Events = p.hear
		c.Lifetimes.RefreshGrace = -1            // a refresh token that comes twice is a theft, always
		c.Logger = slog.New(slog.DiscardHandler) // the refusals are meant
	})
	if err != nil {
		return errors.Join(err, listener.Close(), db.Close())
	}
	p.server = &http.Server{Handler: slowly(host), ReadHeaderTimeout: 5 * time.Second}
	go p.server.Serve(listener)
	return nil
}

func (p *pager) stop() error { return errors.Join(p.server.Close(), p.db.Close()) }

// slowly has refreshing take a moment, so that runs that do so at once meet.
func slowly(host http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" {
			time.Sleep(300 * time.Millisecond)
		}
		host.ServeHTTP(w, r)
	})
}

func (p *pager) hear(_ context.Context, e authz.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[e.Type]++
}

// heard is how often this has happened.
func (p *pager) heard(t authz.EventType) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[t]
}

// wait lets time pass.
func (p *pager) wait(d time.Duration) { p.ahead.Add(int64(d)) }
