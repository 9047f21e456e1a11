package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// demo is both apps, running; or Pager alone (replica.go).
type demo struct {
	pagerURL, boardURL string
	db                 io.Closer
	as                 *authz.Server
	servers            []*http.Server
	secret             string // of Status board
}

// start opens the database and starts both apps.
func start(pagerAddr, boardAddr, file string, clock *demoClock) (*demo, error) {
	pagerListener, err := listen("-pager", pagerAddr)
	if err != nil {
		return nil, err
	}
	boardListener, err := listen("-board", boardAddr)
	if err != nil {
		pagerListener.Close()
		return nil, err
	}
	d := &demo{pagerURL: "http://" + pagerListener.Addr().String(), boardURL: "http://" + boardListener.Addr().String()}
	db, err := bolt.Open(file)
	if err != nil {
		pagerListener.Close()
		boardListener.Close()
		return nil, err
	}
	d.db = db
	// Made anew at each start, since both apps are in this process. A partner's secret
	// would be made once and handed over.
	var hashed storage.Secret
	d.secret, hashed = authz.NewSecret()

	registered := clients(d.boardURL, hashed)
	p := newPager(registered, newSessionKey())
	if d.as, err = newAuthorizationServer(d.pagerURL, db, registered, p.signedIn, clock.now); err != nil {
		err = fmt.Errorf("%w\n-db %s: a file belongs to the address that it was made for; if -pager is another one now, name another file", err, file)
		return nil, errors.Join(err, pagerListener.Close(), boardListener.Close(), db.Close())
	}
	d.serve(pagerListener, p.handler(d.as))
	d.serve(boardListener, newBoard(d.pagerURL, d.boardURL, d.secret, clock.advance).handler())
	return d, nil
}

func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w; choose another address with %s 127.0.0.1:PORT", flag, addr, err, flag)
	}
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		l.Close()
		return nil, fmt.Errorf("%s %s: the demo's passwords are in its source; use a loopback address such as 127.0.0.1:8080", flag, addr)
	}
	return l, nil
}

func (d *demo) serve(l net.Listener, h http.Handler) {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
	}
	d.servers = append(d.servers, s)
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) { // which is what stop leads to
			slog.Error("a server ended", "address", l.Addr(), "error", err)
		}
	}()
}

// stop ends the apps and closes the database.
func (d *demo) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var errs []error
	for _, s := range d.servers {
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) { // a connection that was opened and never used
			err = s.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, d.db.Close())...)
}

func (d *demo) greeting() string {
	return fmt.Sprintf(`
  Open          %s   Status board, the client: start here
  It asks       %s   Pager, with the authorization server inside
  Sign in as    %s
  Password      %s

  Press Ctrl-C to stop. What was granted is kept in the database file.

`, d.boardURL, d.pagerURL, demoUser, demoPassword)
}

// demoClock is the machine's clock, plus what the button "let the token expire" added.
// An hour is long to wait.
type demoClock struct{ ahead atomic.Int64 }

func (c *demoClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// advance lets time pass and says what time it is then.
func (c *demoClock) advance(d time.Duration) time.Time {
	return time.Now().Add(time.Duration(c.ahead.Add(int64(d))))
}
