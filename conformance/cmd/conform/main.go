// Command conform runs the conformance suite against an OAuth server, in whatever language it is
// written, or against this project's own.
//
//	go run ./conformance/cmd/conform -issuer https://auth.example.com -user ana:PASSWORD
//	go run ./conformance/cmd/conform -self -backend bolt -profile all
//	go run ./conformance/cmd/conform -list
//
// A table of what passed and what failed goes to standard output; -json, -junit and -html write
// files. The status is 0 if the server does all that specifications demand, 1 if a case of
// level MUST failed (with -strict, any), and 2 if nothing could be tested.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/grantor-oauth/grantor/conformance"
)

const (
	good    = 0
	faulty  = 1
	unknown = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case err == nil && o.list:
		err = list(o, stdout)
	case err == nil && o.self:
		status, err = runSelf(ctx, o, stdout, stderr)
	case err == nil:
		status, err = runRemote(ctx, o, stdout, stderr)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(stderr, "conform:", err)
		return unknown
	}
	return status
}

// judge is the status for some reports.
func (o *options) judge(reports ...*conformance.Report) (int, error) {
	var n conformance.Count
	for _, r := range reports {
		one := r.Count("")
		n.Passed, n.FailedMust, n.FailedShould = n.Passed+one.Passed, n.FailedMust+one.FailedMust, n.FailedShould+one.FailedShould
	}
	switch {
	case n.FailedMust > 0 || o.strict && n.FailedShould > 0:
		return faulty, nil
	case n.Passed+n.FailedShould == 0:
		return unknown, errors.New("no case could be tried: the report says why")
	}
	return good, nil
}
