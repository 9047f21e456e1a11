// Command compare runs the conformance suite against other authorization servers, each as its
// documentation or its example program has it, and against Grantor, and writes what came of it:
//
//	go run ./cmd/compare -out ../RESULTS.md
//	go run ./cmd/compare -server fosite -only pkce-wrong-verifier -reports /tmp
//
// Every server but Grantor runs in a process of its own, which is started again when it dies.
// oidc-provider needs Node.js, and npm once; without them its column is left out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, c := range candidates {
		names = append(names, c.name)
	}
	servers := flag.String("server", strings.Join(names, ","), "which servers, with commas")
	only := flag.String("only", "", "which cases: IDs, beginnings of them, or specifications, with commas; empty for all")
	out := flag.String("out", "", "write the comparison to this file, as Markdown; empty for the standard output")
	reports := flag.String("reports", "", "write the report and the log of each server to this directory")
	child := flag.String("serve", "", "be one of the servers (for the command itself)")
	flag.Parse()
	if *child != "" {
		return serve(*child)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	w, err := newWeb()
	if err != nil {
		return err
	}
	defer w.close()
	var cases []string
	if *only != "" {
		cases = strings.Split(*only, ",")
	}
	var outcomes []*outcome
	for _, name := range strings.Split(*servers, ",") {
		i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
		if i < 0 {
			return fmt.Errorf("there is no server %q; there are %s", name, strings.Join(names, ", "))
		}
		o, err := one(ctx, &candidates[i], w, cases, *reports)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		outcomes = append(outcomes, o)
	}
	text := write(outcomes, time.Now())
	if *out == "" {
		_, err := io.WriteString(os.Stdout, text)
		return err
	}
	return os.WriteFile(*out, []byte(text), 0o644)
}

// one runs the suite against a server, and keeps its log and its report where they are wanted.
func one(ctx context.Context, c *candidate, w *web, cases []string, reports string) (_ *outcome, err error) {
	log := io.Discard
	if reports != "" {
		file, err := os.Create(filepath.Join(reports, c.name+".log"))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		log = file
	}
	o, err := try(ctx, c, w, cases, log, os.Stderr)
	if errors.Is(err, errLeftOut) {
		fmt.Fprintln(os.Stderr, c.name, err)
		return &outcome{candidate: c, leftOut: err}, nil
	}
	if err != nil || reports == "" {
		return o, err
	}
	text, err := json.MarshalIndent(o.report, "", "  ")
	if err != nil {
		return nil, err
	}
	return o, os.WriteFile(filepath.Join(reports, c.name+".json"), text, 0o644)
}
