package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options say what of the catalogue is run, and how.
type Options struct {
	// Only are IDs of cases, beginnings of them (pkce for pkce-…), or specifications. Empty runs
	// all.
	Only []string

	// Parallel is how many cases run at once. Default 8.
	Parallel int

	// KeepAll keeps the exchanges of cases that passed as well.
	KeepAll bool

	// Name is what the report calls the server.
	Name string

	// Progress is told of each result as it comes, from one goroutine at a time. May be nil.
	Progress func(Result)
}

// caseTime is how long a case may take.
const caseTime = 2 * time.Minute

// running is one run against one target.
type running struct {
	target   *Target
	options  Options
	client   *http.Client
	md       metadata
	cases    []Case
	watchers []*Case
	shift    atomic.Int64 // how far the server's clock was moved

	mu      sync.Mutex
	watched map[string]*watching
	basics  map[string]func() bool // whether good requests fail, by the case that is about them
}

// watching is what a case has seen that watches all others.
type watching struct {
	seen     int
	problems []string
	at       []Exchange
}

func (r *running) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

// begin looks for the metadata, without which there is nothing to ask.
func begin(ctx context.Context, cases []Case, target Target, options Options) (*running, error) {
	r := &running{target: &target, options: options, cases: cases, watched: map[string]*watching{}}
	for i := range cases {
		if cases[i].watch != nil {
			r.watchers = append(r.watchers, &cases[i])
		}
	}
	if r.options.Parallel <= 0 {
		r.options.Parallel = 8
	}
	transport := target.Transport
	if transport == nil {
		transport = &http.Transport{TLSClientConfig: target.TLS.Clone(), MaxIdleConnsPerHost: 64, DisableCompression: true, Proxy: http.ProxyFromEnvironment}
	}
	r.client = &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	r.md, err = r.discover(ctx)
	return r, err
}

// observe shows an exchange to the cases that watch.
func (r *running) observe(during *Case, x *exchange) {
	if x.err != nil {
		return
	}
	for _, c := range r.watchers {
		about, problem := c.watch(x)
		if !about {
			continue
		}
		r.mu.Lock()
		w := r.watched[c.ID]
		if w == nil {
			w = &watching{}
			r.watched[c.ID] = w
		}
		w.seen++
		const most = 5
		if problem != "" && len(w.problems) < most {
			hide := x.p.mask.replacer()
			w.problems = append(w.problems, fmt.Sprintf("%s, in %s: %s", hide(x.what()), during.ID, hide(problem)))
			w.at = append(w.at, x.shown(hide))
		}
		r.mu.Unlock()
	}
}

// one runs a case.
func (r *running) one(ctx context.Context, c *Case) Result {
	if c.watch == nil {
		ctx, cancel := context.WithTimeout(ctx, caseTime)
		defer cancel()
		return (&probe{ctx: ctx, run: r, c: c}).do()
	}
	result := Result{ID: c.ID, Spec: c.Spec, Section: c.Section, Level: c.Level, Request: c.Request, Want: c.Want, Status: Passed}
	for _, need := range c.needs {
		if missing := need(r); missing != "" {
			result.Status, result.Reason = NotOffered, missing
			return result
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch w := r.watched[c.ID]; {
	case w == nil:
		result.Status, result.Reason = NotTested, "no other case brought it about"
	case len(w.problems) > 0:
		result.Status, result.Problems, result.Exchanges = Failed, w.problems, w.at
	}
	return result
}

// Check runs the cases against a server. It fails only where there is nothing to test, such as a
// server that is not there: what the server gets wrong is in the report.
func Check(ctx context.Context, target Target, options Options) (*Report, error) {
	report := &Report{Issuer: target.Issuer, Name: options.Name, Started: time.Now()}
	all := Cases()
	r, err := begin(ctx, all, target, options)
	if err != nil {
		return nil, err
	}
	results := make([]*Result, len(all))
	var telling sync.Mutex
	run := func(i int) {
		result := r.one(ctx, &all[i])
		results[i] = &result
		if options.Progress != nil {
			telling.Lock()
			defer telling.Unlock()
			options.Progress(result)
		}
	}
	places := make(chan struct{}, r.options.Parallel)
	var wg sync.WaitGroup
	for phase := range phases {
		for i := range all {
			switch {
			case all[i].phase() != phase || !all[i].Matches(options.Only):
			case phase == 0:
				places <- struct{}{}
				wg.Go(func() {
					defer func() { <-places }()
					run(i)
				})
			default:
				run(i)
			}
		}
		wg.Wait()
	}
	for _, result := range results {
		if result != nil {
			report.Results = append(report.Results, *result)
		}
	}
	report.Duration = time.Since(report.Started)
	return report, ctx.Err()
}

// phases: what may run together, then what has to run alone, then what has watched all of it.
const phases = 3

func (c *Case) phase() int {
	switch {
	case c.watch != nil:
		return 2
	case c.alone:
		return 1
	}
	return 0
}

// Run runs every case as a subtest, named after its specification and ID. A case that says
// nothing about the server is skipped, and says why.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Target{Issuer: "http://127.0.0.1:8080", Users: …})
//	}
func Run(t *testing.T, target Target) {
	t.Helper()
	all := Cases()
	r, err := begin(t.Context(), all, target, Options{})
	if err != nil {
		t.Fatal(err)
	}
	places := make(chan struct{}, r.options.Parallel)
	for phase, title := range [phases]string{"together", "alone", "watched"} {
		t.Run(title, func(t *testing.T) {
			for i := range all {
				if all[i].phase() != phase {
					continue
				}
				t.Run(strings.ReplaceAll(all[i].Spec, " ", "")+"/"+all[i].ID, func(t *testing.T) {
					if phase == 0 {
						t.Parallel()
						places <- struct{}{}
						defer func() { <-places }()
					}
					tell(t, r.one(t.Context(), &all[i]))
				})
			}
		})
	}
}

// tell puts a result in the words of package testing.
func tell(t *testing.T, result Result) {
	t.Helper()
	switch result.Status {
	case Failed:
		t.Errorf("%s §%s, %s\nrequest: %s\nwant: %s\ngot: %s", result.Spec, result.Section, result.Level,
			result.Request, result.Want, strings.Join(result.Problems, "\n     "))
		for _, x := range result.Exchanges {
			t.Logf("%s\n--\n%s%s", x.Request, x.Response, x.Error)
		}
	case NotOffered, NotTested:
		t.Skipf("%s: %s", result.Status, result.Reason)
	}
}
