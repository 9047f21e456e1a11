package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// outcome is what came of one server.
type outcome struct {
	candidate *candidate
	version   string
	report    *conformance.Report
	deaths    int
	leftOut   error
}

// try runs the suite against a server.
func try(ctx context.Context, c *candidate, w *web, only []string, log, progress io.Writer) (*outcome, error) {
	o := &outcome{candidate: c}
	var err error
	if o.version, err = c.version(); err != nil {
		return nil, err
	}
	target, p, stop, err := c.start(ctx, w, log)
	if err != nil {
		return nil, err
	}
	options := conformance.Options{Only: only, Name: c.title + " " + o.version}
	died := map[string][]string{}
	if p != nil {
		// One after the other, so that a death is the doing of one case, and the next one meets a
		// server that is there.
		options.Parallel = 1
	}
	options.Progress = func(r conformance.Result) {
		if p != nil {
			deaths, said := p.settle(ctx, r)
			if deaths > o.deaths {
				said = append([]string{death}, said...)
			}
			if o.deaths = deaths; len(said) > 0 {
				died[r.ID] = said
			}
		}
		if r.Status == conformance.Failed || len(died[r.ID]) > 0 {
			fmt.Fprintf(progress, "%s: %s failed: %s\n", c.name, r.ID, line(append(slices.Clone(died[r.ID]), r.Problems...), 300))
		}
	}
	o.report, err = conformance.Check(ctx, target, options)
	if err == nil {
		blame(o.report, died)
	}
	if stopped := stop(); err == nil {
		err = stopped
	}
	return o, err
}

const death = "the server's process died"

// settle waits after a case until the server is there again. It returns how often it has died so
// far, and what it has complained about meanwhile, if that explains anything.
func (p *process) settle(ctx context.Context, r conformance.Result) (deaths int, said []string) {
	if strings.Contains(strings.Join(r.Problems, "\n"), "no answer") {
		time.Sleep(300 * time.Millisecond) // it takes a moment for the end of a process to be noticed
	}
	_ = p.listens(ctx) // what it does not answer, the next case tells
	before := p.counted
	deaths, said = p.since()
	if p.counted = deaths; deaths == before && r.Status != conformance.Failed {
		return deaths, nil // it has answered as it should, whatever it has logged
	}
	return deaths, said
}

// blame has the cases failed during which the server died, and says what it complained about.
func blame(report *conformance.Report, died map[string][]string) {
	for i := range report.Results {
		r := &report.Results[i]
		switch said := died[r.ID]; {
		case len(said) == 0:
		case said[0] == death:
			r.Status, r.Reason = conformance.Failed, ""
			r.Problems = append([]string{strings.Join(said, ": ")}, r.Problems...)
		default:
			r.Problems = append(r.Problems, "the server's log: "+strings.Join(said, "; "))
		}
	}
}

// line is problems in one line of at most so many bytes.
func line(problems []string, most int) string {
	s := strings.Join(strings.Fields(strings.Join(problems, "; ")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return s
}
