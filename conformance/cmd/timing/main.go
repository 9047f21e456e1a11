// Command timing looks for what an attacker could learn from how long this project's own server
// takes to refuse something: whether a guess of a secret was right at its beginning.
//
//	go run ./conformance/cmd/timing -requests 20000
//
// Each comparison is between two kinds of requests that are refused alike, such as with a client
// secret that is wrong in its first character and with one that is wrong in its last. The
// handlers are called in this process, without a network, whose noise would hide from us what
// patience and a place in the same rack may show to an attacker.
//
// The requests come in rounds. A round has one request of each kind, A and B; another A, as a
// control; and an A that is held back by two microseconds, as a planted leak. All four are made
// anew and come in random order, so that whatever else the machine does hits them alike, and the
// difference of two of a round has an even distribution around 0 if there is nothing to tell them
// apart. Of the differences of all rounds the fifth at either end is left out, and the rest is
// put to Yuen's t test of a trimmed mean.
//
// A difference is usable if |t| is more than 4.5, the customary bound for leaks of this sort,
// and more than twice that of the control, which is between equals; and if it is more than a
// tenth of a microsecond, which is what has been resolved over the best of networks. Whether there
// is a client is not secret (RFC 6749 §2.2), and a store takes its time to read a record: there
// the difference has to be more than 20 microseconds, which would show from far away. Where the
// planted leak does not show, the machine is too noisy for the run to say anything.
//
// The table has for each comparison how long a request takes (the median), the difference of B
// and A, of the two As, and of the planted leak, each with its t. The command ends with 1 if a
// usable difference shows, and with 2 if the run says nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	requests := flag.Int("requests", 20000, "how many requests each comparison is of")
	only := flag.String("only", "", "which comparisons, with commas (all if empty)")
	flag.Parse()
	code, err := run(context.Background(), os.Stdout, *requests, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "timing:", err)
		code = 2
	}
	os.Exit(code)
}

func run(ctx context.Context, out io.Writer, requests int, only string) (code int, err error) {
	s, err := start(ctx)
	if err != nil {
		return 2, err
	}
	defer s.close()
	var results []result
	for _, c := range s.comparisons() {
		if only != "" && !slices.Contains(strings.Split(only, ","), c.name) {
			continue
		}
		r, err := c.measure(s.handler, max(requests/perRound, 1))
		if err != nil {
			return 2, fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return show(out, results)
}

// show prints the table, and says how the command has to end.
func show(out io.Writer, results []result) (code int, err error) {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "COMPARISON\tA\tB\tMEDIAN\tB-A\tt\tA-A\tt\tPLANTED\tt\tVERDICT")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%v\t%.1f\t%v\t%.1f\t%v\t%.1f\t%s\n", r.name, r.a, r.b, rounded(r.median),
			rounded(r.real.mean), r.real.t, rounded(r.control.mean), r.control.t, rounded(r.planted.mean), r.planted.t, r.verdict())
		switch {
		case r.usable():
			code = 1
		case r.blind() && code == 0:
			code = 2
		}
	}
	return code, table.Flush()
}

func rounded(nanoseconds float64) time.Duration { return time.Duration(nanoseconds).Round(10) }
