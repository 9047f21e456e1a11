// Quickstart is the whole story in one program: Pager, an incident app with users of
// its own that embeds the authorization server, and Status board, a second app that is
// its OAuth client and shows every step of the protocol as it happens.
//
//	go run ./examples/quickstart           starts both and prints what to open
//	go run ./examples/quickstart -check    plays the same story by itself
//
// authz.go is the part to copy.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	pager := flag.String("pager", "127.0.0.1:8080", "address of Pager, which embeds the authorization server")
	board := flag.String("board", "127.0.0.1:8081", "address of Status board, its client")
	file := flag.String("db", "quickstart.db", "database file; made if it is not there")
	check := flag.Bool("check", false, "play the story over HTTP, one line a step, and exit")
	replica := replicaFlags() // for examples/cluster
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "what is %q? Everything is said with flags:\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	err := replica.settle()
	switch {
	case err != nil:
	case replica.database != "":
		err = replica.run(ctx, *pager)
	default:
		err = run(ctx, *pager, *board, *file, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pager, board, file string, check bool) error {
	if check {
		slog.SetLogLoggerLevel(slog.LevelError) // the refusals are meant
		return play(ctx, os.Stdout)
	}
	d, err := start(pager, board, file, new(demoClock))
	if err != nil {
		return err
	}
	fmt.Print(d.greeting())
	<-ctx.Done()
	return d.stop()
}
