// Crash kills the authorization server again and again under load, and looks for what
// that broke.
//
//	go run ./conformance/cmd/crash -backend bolt -kills 500 -acknowledged 100000
//	go run ./conformance/cmd/crash -backend postgres -kills 100 -failovers 10 -acknowledged 100000
//
// The last line counts what was found. The exit status is 0 if nothing was, 1 if
// something was, and 2 if the run itself did not work. The same seed kills at the same
// moments and points.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
)

func main() {
	if crash.IsChild() {
		fail(crash.Serve(nil))
	}
	o := crash.Options{Out: os.Stdout}
	flag.StringVar(&o.Backend, "backend", "bolt", "where the server keeps its data: bolt or postgres")
	flag.IntVar(&o.Kills, "kills", 500, "how often something is killed")
	flag.IntVar(&o.Failovers, "failovers", 0, "how often a standby takes over after that (postgres)")
	flag.IntVar(&o.Acknowledged, "acknowledged", 0, "how many acknowledged changes there have to be at least; the load goes on between the kills until there are")
	flag.Uint64Var(&o.Seed, "seed", 1, "decides what is killed when")
	flag.IntVar(&o.Clients, "clients", 32, "how many clients there are at once")
	keep := flag.String("dir", "", "a folder for the data and the journal, which are kept; by default a temporary one, kept only if something was found")
	flag.Parse()
	if flag.NArg() > 0 {
		fail(fmt.Errorf("%q is not a flag", flag.Arg(0)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.Folder = *keep
	if o.Folder == "" {
		folder, err := os.MkdirTemp("", "grantor-crash-")
		if err != nil {
			fail(err)
		}
		o.Folder = folder
	}
	counts, err := crash.Run(ctx, o)
	switch {
	case err != nil || !counts.Clean():
		fmt.Println("the data and the journal are in", o.Folder)
	case *keep == "":
		if err := os.RemoveAll(o.Folder); err != nil {
			fmt.Fprintln(os.Stderr, "crash:", err)
		}
	}
	fmt.Println(counts)
	if err != nil {
		fail(err)
	}
	if !counts.Clean() {
		os.Exit(1)
	}
}

// fail ends the program, which did not work.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
	}
	os.Exit(2)
}
