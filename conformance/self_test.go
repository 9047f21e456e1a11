package conformance_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// start starts this project's own server.
func start(t *testing.T, backend, profile string) *self.Site {
	t.Helper()
	site, err := self.Start(t.Context(), self.Options{Backend: backend, Profile: profile})
	if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	return site
}

// passes runs the suite against a site: nothing may fail, and nothing may be left untried.
func passes(t *testing.T, site *self.Site, only ...string) {
	t.Helper()
	report, err := conformance.Check(t.Context(), site.Target(), conformance.Options{Only: only})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		switch r.Status {
		case conformance.NotTested:
			t.Errorf("%s: not tested: %s", r.ID, r.Reason)
		case conformance.Failed:
			t.Errorf("%s, %s §%s, %s\nrequest: %s\nwant: %s\ngot: %s", r.ID, r.Spec, r.Section, r.Level, r.Request, r.Want, strings.Join(r.Problems, "\n     "))
			for _, x := range r.Exchanges {
				t.Logf("%s\n--\n%s%s", x.Request, x.Response, x.Error)
			}
		}
	}
	n := report.Count("")
	t.Logf("%d passed, %d not offered, in %.1f s", n.Passed, n.NotOffered, report.Duration.Seconds())
	if n.Passed == 0 {
		t.Error("no case has passed")
	}
}

// Our own server passes, in every profile and on every backend; the short form leaves out the
// smaller profiles on two of the backends.
func TestSelf(t *testing.T) {
	for _, backend := range self.Backends() {
		for _, profile := range self.Profiles() {
			switch {
			case raced && (backend != "memory" || profile != "everything"):
				continue
			case raced || os.Getenv("GRANTOR_LONG") != "":
			case backend == "memory" || backend == "postgres" && profile != "everything":
				continue // TestErrors_golden is on memory
			}
			t.Run(backend+"/"+profile, func(t *testing.T) {
				t.Parallel() // most of a run is waiting
				passes(t, start(t, backend, profile))
			})
		}
	}
}

// The server's own HTTP client connects to nothing inside, whatever clients name.
func TestSelf_guarded(t *testing.T) { passes(t, start(t, "memory", self.Guarded), "guard") }
