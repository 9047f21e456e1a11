// Services is a shop of three services that call each other, orders, billing and ledger, and
// one authorization server for all of them. A user buys at the shop; the order goes from
// service to service, and at each hop the token says for whom it is, who acts, where it is
// good and for what.
//
//	go run ./examples/services           # then open http://127.0.0.1:8081/ and buy
//	go run ./examples/services -check    # the same, and what is refused, over HTTP
//
// Look at what it prints while you buy: one line for each call, with what its token carried.
// A user's purchase travels by token exchange (RFC 8693) with less at each hop; what a service
// asks on its own account, by a token of its own (RFC 6749 §4.4). No service has a secret: each
// signs with a key that it makes when it starts (RFC 7523).
//
// authz.go and policy.go are the server's side; assertion.go and tokens.go, a service's. They
// know nothing of each other, and could be in programs of their own.
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
		issuer: flag.String("host", "127.0.0.1:8080", "where the authorization server listens"),
		shop:   flag.String("shop", "127.0.0.1:8081", "where the shop listens, the page to open"),
		orders: flag.String("orders", "127.0.0.1:8082", "where the service orders listens"), billing: flag.String("billing", "127.0.0.1:8083", "where billing does"),
		ledger: flag.String("ledger", "127.0.0.1:8084", "where ledger does"),
	}
	file := flag.String("db", "services.db", "where to keep grants and keys")
	check := flag.Bool("check", false, "play a purchase and what is refused, and stop")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	var err error
	if *check {
		err = play(ctx, os.Stdout)
	} else {
		err = serve(ctx, at, *file, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// serve runs all of it until ctx ends.
func serve(ctx context.Context, at addresses, file string, out io.Writer) (err error) {
	db, err := bolt.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := start(at, db, &hops{out: out}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open %s/ and buy something; sign in as anybody.\n\n", s.urls.shop)
	<-ctx.Done()
	return s.stop()
}
