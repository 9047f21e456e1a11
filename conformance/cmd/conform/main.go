// Command conform runs the conformance suite.
//
//	go run ./conformance/cmd/conform -self
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		os.Exit(1)
	}
}

func run() error {
	backend := flag.String("backend", "bolt", "with -self: "+strings.Join(self.Backends(), ", "))
	profile := flag.String("profile", "everything", "with -self: "+strings.Join(self.Profiles(), ", "))
	only := flag.String("only", "", "cases to run: IDs, beginnings of them, or specifications, with commas")
	flag.Bool("self", false, "start this project's own server and run against that")
	to := flag.String("json", "", "write the report to this file, as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	site, err := self.Start(ctx, self.Options{Backend: *backend, Profile: *profile})
	if err != nil {
		return err
	}
	defer site.Close()
	options := conformance.Options{}
	if *only != "" {
		options.Only = strings.Split(*only, ",")
	}
	report, err := conformance.Check(ctx, site.Target(), options)
	if err != nil {
		return err
	}
	if *to != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*to, text, 0o644); err != nil {
			return err
		}
	}
	if n := report.Count(""); n.FailedMust+n.FailedShould > 0 {
		return fmt.Errorf("%d cases failed", n.FailedMust+n.FailedShould)
	}
	return nil
}
