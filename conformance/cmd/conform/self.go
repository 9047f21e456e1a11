package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// runSelf tests this project's own server, on each backend in each profile.
func runSelf(ctx context.Context, o *options, stdout, stderr io.Writer) (int, error) {
	backends, err := some("-backend", o.backend, self.Backends())
	if err != nil {
		return unknown, err
	}
	profiles, err := some("-profile", o.profile, self.Profiles(), self.Guarded)
	if err != nil {
		return unknown, err
	}
	var reports []*conformance.Report
	var summary []string
	for _, backend := range backends {
		for _, profile := range profiles {
			combination := backend + "-" + profile
			report, err := o.checkSelf(ctx, backend, profile, stderr)
			if errors.Is(err, postgrestest.ErrNotInstalled) && o.backend == "all" && os.Getenv("GRANTOR_REQUIRE_ALL") == "" {
				summary = append(summary, fmt.Sprintf("%s: %v", combination, err))
				continue
			}
			if err != nil {
				return unknown, fmt.Errorf("%s: %w", combination, err)
			}
			suffix := ""
			if len(backends)*len(profiles) > 1 {
				suffix = combination
			}
			if err := o.write(report, suffix, stdout); err != nil {
				return unknown, err
			}
			reports = append(reports, report)
			summary = append(summary, fmt.Sprintf("%s: %s", combination, counted(report)))
		}
	}
	if len(summary) > 1 && !o.piped() {
		fmt.Fprintf(stdout, "%s\n", strings.Join(summary, "\n"))
	}
	return o.judge(reports...)
}

func (o *options) checkSelf(ctx context.Context, backend, profile string, stderr io.Writer) (report *conformance.Report, err error) {
	site, err := self.Start(ctx, self.Options{Backend: backend, Profile: profile})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	name := o.name
	if name == "" {
		name = "Grantor on " + backend + ", " + profile
	}
	return o.test(ctx, site.Target(), name, stderr)
}

// some are the names in a list with commas, or all. besides are names that all leaves out.
func some(flag, said string, all []string, besides ...string) ([]string, error) {
	if said == "all" {
		return all, nil
	}
	names := strings.Split(said, ",")
	for _, name := range names {
		if known := slices.Concat(all, besides); !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s: there is no %q; there are %s", flag, name, strings.Join(known, ", "))
		}
	}
	return names, nil
}
