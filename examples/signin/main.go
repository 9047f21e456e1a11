// Signin is "Sign in with Pager": an application with users, Pager, that tells two sites who
// its users are (OpenID Connect), and the two sites. Who has signed in to one gets into the
// other without a password, and who signs out at one is signed out at the other.
//
//	go run ./examples/signin           # then open http://127.0.0.1:8081/ and sign in
//	go run ./examples/signin -check    # the same, and what is refused, over HTTP
//
// host.go is Pager with the server in it; site.go is a site, on coreos/go-oidc, and
// runbooks/runbooks.mjs is one on npm's openid-client, for machines with Node. Status belongs
// to Pager's people and has a secret: nobody is asked. Runbooks belongs to somebody else, has a
// key in place of a secret, and wants all that it is told signed: users are asked once.
//
// A sign-in may begin elsewhere, in Pager's own list of applications, say: with a link to where
// the site begins one (Client.InitiateLoginURI), as in
//
//	http://127.0.0.1:8081/begin?iss=http://127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	at := addresses{
		pager:    flag.String("host", "127.0.0.1:8080", "where Pager listens"),
		status:   flag.String("status", "127.0.0.1:8081", "where the site Status listens"),
		runbooks: flag.String("runbooks", "127.0.0.1:8082", "where the site Runbooks does"),
	}
	file := flag.String("db", "signin.db", "where to keep grants and keys")
	check := flag.Bool("check", false, "play the users, and stop")
	on := flag.String("runbooks-on", "", "what Runbooks runs on: go, or node; node if there is one")
	flag.Parse()
	if *on != "" && *on != onGo && *on != onNode {
		log.Fatalf("-runbooks-on is %q; use %s or %s", *on, onGo, onNode)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	var err error
	if *check {
		err = play(ctx, os.Stdout, choose(ctx, *on, os.Stdout))
	} else {
		err = serve(ctx, at, *file, os.Stdout, choose(ctx, *on, os.Stdout))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// choose settles what Runbooks runs on. Nobody has to install anything for this program.
func choose(ctx context.Context, on string, out io.Writer) string {
	if on != "" {
		return on
	}
	if _, err := installRunbooks(ctx); err != nil {
		fmt.Fprintf(out, "Runbooks runs on Go as well: %v.\n", err)
		return onGo
	}
	fmt.Fprintln(out, "Runbooks runs on Node, with openid-client.")
	return onNode
}

// serve runs all of it until ctx ends.
func serve(ctx context.Context, at addresses, file string, out io.Writer, on string) (err error) {
	db, err := bolt.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := start(ctx, at, db, on)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open %s/ and sign in: as ana with the password tulip, or as ben with crocus.\nThen open %s/ and see that nobody asks for it again.\n", s.status.url, s.runbooks.url)
	<-ctx.Done()
	return s.stop()
}
