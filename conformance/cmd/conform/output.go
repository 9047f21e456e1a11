package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/chromium"
	"github.com/grantor-oauth/grantor/conformance/report"
)

// test runs the suite against one target, and tells on standard error how far it is.
func (o *options) test(ctx context.Context, target conformance.Target, name string, stderr io.Writer) (_ *conformance.Report, err error) {
	if o.browser == "chromium" {
		browser, err := chromium.Start(ctx, chromium.Options{TLS: target.TLS, NoSandbox: o.self})
		if err != nil {
			return nil, err
		}
		defer func() { _ = browser.Close() }() // it may be gone already
		target.Browser = browser.Open
	}
	all := o.cases()
	told := &progress{w: stderr, all: all, live: terminal(stderr)}
	result, err := conformance.Check(ctx, target, conformance.Options{Only: o.only, Parallel: o.parallel, KeepAll: o.keepAll, Name: name, Progress: told.tell})
	told.end()
	return result, err
}

// progress tells how far a run is: on a terminal in one line that changes, elsewhere by what
// failed alone.
type progress struct {
	w            io.Writer
	live         bool
	all          int
	done, failed int
}

func (p *progress) tell(r conformance.Result) {
	p.done++
	if r.Status == conformance.Failed {
		p.failed++
		p.end()
		fmt.Fprintf(p.w, "%s failed (%s §%s, %s)\n", r.ID, r.Spec, r.Section, r.Level)
	}
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d, %d failed", p.done, p.all, p.failed)
	}
}

func (p *progress) end() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// write writes a report to wherever it was asked for. A suffix goes into the files' names, where
// there are several reports.
func (o *options) write(r *conformance.Report, suffix string, stdout io.Writer) error {
	var problems []error
	for _, one := range []struct {
		file  string
		write func(io.Writer, *conformance.Report) error
	}{{o.jsonFile, report.JSON}, {o.junitFile, report.JUnit}, {o.htmlFile, report.HTML}} {
		if one.file != "" {
			problems = append(problems, toFile(suffixed(one.file, suffix), stdout, func(w io.Writer) error { return one.write(w, r) }))
		}
	}
	if !o.piped() {
		problems = append(problems, report.Table(stdout, r))
		_, err := fmt.Fprintf(stdout, "\n%s\n\n", counted(r))
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// piped tells whether standard output is for a file's content, so that no table goes there.
func (o *options) piped() bool {
	return o.jsonFile == "-" || o.junitFile == "-" || o.htmlFile == "-"
}

// suffixed puts a suffix before a file name's extension.
func suffixed(file, suffix string) string {
	if suffix == "" || file == "-" {
		return file
	}
	extension := filepath.Ext(file)
	return strings.TrimSuffix(file, extension) + "-" + suffix + extension
}

// toFile writes to a file, or to standard output for -.
func toFile(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// counted is a report in one line.
func counted(r *conformance.Report) string {
	n := r.Count("")
	return fmt.Sprintf("%d passed, %d failed MUST, %d failed SHOULD, %d not offered, %d not tested, in %v",
		n.Passed, n.FailedMust, n.FailedShould, n.NotOffered, n.NotTested, r.Duration.Round(100*time.Millisecond))
}

func certificate(certificateFile, keyFile string) (tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return c, fmt.Errorf("-documents-cert, -documents-key: %w", err)
	}
	return c, nil
}
