// Cluster is the quickstart's server three times, on one PostgreSQL, behind a small
// reverse proxy. Any of the replicas answers any step of any flow, and any of them can be
// killed.
//
//	go run ./examples/cluster                  starts everything and prints what to open
//	go run ./examples/cluster -check           plays a story on it, killing as it goes
//	go run ./examples/cluster -database URL    on a PostgreSQL that is there already
//
// Without -database it needs PostgreSQL's programs on the machine (15 or newer), and runs
// a private server from them that is gone afterwards. What a replica does that the
// quickstart alone does not is in examples/quickstart/replica.go.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address of the proxy")
	database := flag.String("database", "", "URL of a PostgreSQL database to use instead of a private one")
	check := flag.Bool("check", false, "play the story over HTTP, one line a step, and exit")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *check {
		*listen = "127.0.0.1:0"
	}
	fmt.Println("Building the quickstart, and starting it three times …")
	c, err := start(*listen, *database)
	if err == nil {
		if *check {
			err = play(ctx, c, os.Stdout)
		} else {
			fmt.Printf("Three replicas on one PostgreSQL. Open %s/cluster\n", c.issuer)
			<-ctx.Done()
		}
		err = errors.Join(err, c.stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cluster is everything that runs.
type cluster struct {
	issuer   string
	folder   string                // of the program
	postgres *postgrestest.Cluster // nil if the database is somebody else's
	replicas []*replica
	http     *http.Server
}

func start(listen, database string) (_ *cluster, err error) {
	c := &cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	if c.folder, err = os.MkdirTemp("", "cluster"); err != nil {
		return c, err
	}
	program, err := buildQuickstart(c.folder)
	if err != nil {
		return c, err
	}
	if database == "" {
		if c.postgres, err = postgrestest.Start(); err != nil {
			return c, fmt.Errorf("no private PostgreSQL: %w; or give -database", err)
		}
		database = c.postgres.URL()
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return c, fmt.Errorf("the proxy cannot listen: %w; choose another address with -listen", err)
	}
	c.issuer = "http://" + l.Addr().String()
	if !l.Addr().(*net.TCPAddr).IP.Equal(net.IPv4(127, 0, 0, 1)) {
		return c, errors.Join(fmt.Errorf("-listen %s: the client's redirect URI is on 127.0.0.1, and Pager's passwords are in its source; use 127.0.0.1:PORT", listen), l.Close())
	}
	// In the environment, because command lines are for everybody to see.
	env := append(os.Environ(), "GRANTOR_PAGER_DATABASE="+database, "GRANTOR_PAGER_SESSION_KEY="+rand.Text()+rand.Text())
	for i := range 3 {
		r, err := newReplica(program, fmt.Sprint(i+1), c.issuer, env)
		if err != nil {
			return c, errors.Join(err, l.Close())
		}
		c.replicas = append(c.replicas, r)
	}
	c.http = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	go c.http.Serve(l)
	for _, r := range c.replicas {
		if err := r.awaitUp(20*time.Second, r.gone()); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *cluster) stop() error {
	var errs []error
	if c.http != nil {
		errs = append(errs, c.http.Close())
	}
	for _, r := range c.replicas {
		r.end()
	}
	if c.postgres != nil {
		errs = append(errs, c.postgres.Close())
	}
	if c.folder != "" {
		errs = append(errs, os.RemoveAll(c.folder))
	}
	return errors.Join(errs...)
}
