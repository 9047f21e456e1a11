package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// Replica mode: Pager alone, as one of several processes on one PostgreSQL, behind a
// proxy (examples/cluster has three). The authorization server is the one of authz.go;
// its keys, codes, tokens and consents are in the database, and replicas share nothing
// else of it. Pager's own sessions take a key that all of them are given. Its alert
// sources are not shared: what is added stays with the replica that was asked.
type replica struct {
	database, issuer, name string
	stdin                  bool
}

// What others must not read in the list of processes comes in the environment.
const (
	databaseVariable   = "GRANTOR_PAGER_DATABASE"
	sessionKeyVariable = "GRANTOR_PAGER_SESSION_KEY"
)

// replicaFlags adds the flags of replica mode to the command line.
func replicaFlags() *replica {
	r := new(replica)
	flag.StringVar(&r.database, "database", "", "`URL` of a PostgreSQL for replicas of Pager, in place of -db and -board;\n"+
		"one with a password is better put in "+databaseVariable)
	flag.StringVar(&r.issuer, "issuer", "", "with -database: `URL` at which the replicas are found, such as a proxy's;\n"+
		"they share users' sessions if "+sessionKeyVariable+" is the same")
	flag.StringVar(&r.name, "replica", "", "with -database: `name` that answers carry as X-Replica")
	flag.BoolVar(&r.stdin, "stdin", false, "with -database: end when standard input does")
	return r
}

// settle fills in what is in the environment, and refuses flags that do not go together.
func (r *replica) settle() error {
	if r.database == "" {
		r.database = os.Getenv(databaseVariable)
	}
	with, without := []string{"issuer", "replica", "stdin"}, []string{"board", "db", "check"}
	var err error
	flag.Visit(func(f *flag.Flag) {
		switch {
		case r.database == "" && slices.Contains(with, f.Name):
			err = fmt.Errorf("-%s is for replicas: give -database as well, or leave it out", f.Name)
		case r.database != "" && slices.Contains(without, f.Name):
			err = fmt.Errorf("-%s means nothing to a replica: leave it out, or -database (%s)", f.Name, databaseVariable)
		}
	})
	if err == nil && r.database != "" && r.issuer == "" {
		err = errors.New("-database: replicas have one address for all of them; name it with -issuer http://127.0.0.1:PORT")
	}
	return err
}

// run serves until ctx ends, or standard input if that counts.
func (r *replica) run(ctx context.Context, addr string) error {
	slog.SetLogLoggerLevel(slog.LevelError) // several replicas tend to share a terminal
	if r.stdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() { // do not outlive whoever started us, and holds the other end
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	d, err := r.start(ctx, addr)
	if err != nil {
		return err
	}
	fmt.Printf("Pager, a replica on %s of %s\n", addr, d.pagerURL)
	<-ctx.Done()
	return d.stop()
}

func (r *replica) start(ctx context.Context, addr string) (*demo, error) {
	key, err := sessionKey()
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	db, err := postgres.Open(opening, r.database)
	if err != nil {
		return nil, fmt.Errorf("-database: %w", err)
	}
	d := &demo{pagerURL: r.issuer, db: db}
	// Status board is not here, and has no secret that replicas could agree on.
	registered := slices.DeleteFunc(clients(r.issuer, storage.Secret{}), func(c authz.Client) bool { return c.ID == confidentialClient })
	p := newPager(registered, key)
	if d.as, err = newAuthorizationServer(r.issuer, db, registered, p.signedIn, time.Now); err != nil {
		err = fmt.Errorf("%w\n-database: a database belongs to the address that it was made for; if -issuer is another one now, name another database", err)
		return nil, errors.Join(err, db.Close())
	}
	l, err := listen("-pager", addr) // last, so that whoever gets a connection gets an answer
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	h := p.handler(d.as)
	d.serve(l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Replica", r.name)
		h.ServeHTTP(w, req)
	}))
	return d, nil
}

// sessionKey is what all replicas sign Pager's sessions with. Without one, this replica
// knows its own sessions alone.
func sessionKey() ([]byte, error) {
	key := os.Getenv(sessionKeyVariable)
	switch {
	case key == "":
		return newSessionKey(), nil
	case len(key) < 32:
		return nil, errors.New(sessionKeyVariable + " is too short to be random: give it 32 characters or more, as openssl rand -base64 32 makes them")
	}
	return []byte(key), nil
}
