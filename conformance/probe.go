package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// probe is one case being run: what it sends, what it has found, whom it has asked.
type probe struct {
	ctx context.Context
	run *running
	c   *Case

	mu        sync.Mutex
	problems  []string
	exchanges []*exchange
	mask      masker
	made      map[string]int // how many names of each kind were made
	cleanup   []func()

	troubled    atomic.Bool // the case has broken something of the server's on purpose
	basicFailed atomic.Bool // the good request has failed that the case is about

	rsa   *jose.JSONWebKey
	taken []string // the clients that the case got of those the suite was given
}

// ended is what a case panics with that ends before its last line.
type ended struct {
	status Status
	reason string
}

// failf notes a problem and ends the case.
func (p *probe) failf(format string, args ...any) {
	p.errorf(format, args...)
	panic(ended{status: Failed})
}

// errorf notes a problem and goes on.
func (p *probe) errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// notOffered ends the case: the server says that it does not have what it is about.
func (p *probe) notOffered(format string, args ...any) {
	panic(ended{NotOffered, fmt.Sprintf(format, args...)})
}

// notTested ends the case: the suite lacks what it would need for it.
func (p *probe) notTested(format string, args ...any) {
	panic(ended{NotTested, fmt.Sprintf(format, args...)})
}

// record keeps an exchange, and learns the secrets in it.
func (p *probe) record(x *exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges = append(p.exchanges, x)
	p.mask.learn(x)
	p.run.observe(p.c, x)
}

// name makes a name that nothing else in this run has.
func (p *probe) name(kind string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil {
		p.made = map[string]int{}
	}
	p.made[kind]++
	name := fmt.Sprintf("%s-%s-%d", kind, random(9), p.made[kind])
	p.mask.hide(kind, name)
	return name
}

// secret makes a random value, which reports show under the name of its kind.
func (p *probe) secret(kind string) string {
	value := random(32)
	p.hide(kind, value)
	return value
}

// hide has reports show a value under the name of its kind.
func (p *probe) hide(kind, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mask.hide(kind, value)
}

// after has something done when the case is over.
func (p *probe) after(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanup = append(p.cleanup, f)
}

// now is what time it is at the server.
func (p *probe) now() time.Time { return p.run.now() }

// patience is how long a case waits for time to pass where it cannot move the server's clock.
const patience = 4 * time.Second

// advance lets time pass at the server. Cases that call it for more than a moment run alone.
func (p *probe) advance(d time.Duration) {
	move := p.controls().Advance
	switch {
	case move != nil:
		move(d)
		p.run.shift.Add(int64(d))
	case d <= patience:
		select {
		case <-time.After(d):
		case <-p.ctx.Done():
			p.failf("%v", p.ctx.Err())
		}
	default:
		p.notTested("the server's clock cannot be moved by %v", d)
	}
}

// controls are those of the target, none of which may be there. Cases that break something with
// them are marked, for those that watch.
func (p *probe) controls() Controls {
	c := p.run.target.Controls
	if c == nil {
		return Controls{}
	}
	all := *c
	for _, breaks := range []*func(bool){&all.StoreDown, &all.HostFails} {
		if do := *breaks; do != nil {
			*breaks = func(broken bool) {
				p.troubled.Store(true)
				do(broken)
			}
		}
	}
	return all
}

// together does something n times at once, and returns what came of each.
func together[T any](p *probe, n int, do func(i int) T) []T {
	p.connect(n)
	got := make([]T, n)
	problems := make([]any, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() { problems[i] = recover() }()
			<-begin
			got[i] = do(i)
		})
	}
	close(begin)
	wg.Wait()
	for _, problem := range problems {
		if problem != nil {
			panic(problem)
		}
	}
	return got
}

// connect opens connections, so that what is sent at once arrives at once, and not one after the
// other as fast as TLS is agreed on.
func (p *probe) connect(n int) {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	var open, done sync.WaitGroup
	open.Add(n)
	for range n {
		done.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.run.target.Issuer, nil)
			if err != nil {
				open.Done()
				return
			}
			answer, err := p.run.client.Do(r)
			open.Done()
			if err != nil {
				return // the requests themselves will tell
			}
			open.Wait() // while the answer is not read, the connection is nobody else's
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, mostRead))
			answer.Body.Close()
		})
	}
	done.Wait()
}

// do runs the case, and says what came of it.
func (p *probe) do() (result Result) {
	c := p.c
	result = Result{ID: c.ID, Spec: c.Spec, Section: c.Section, Level: c.Level, Request: c.Request, Want: c.Want, Status: Passed, Varies: c.varies}
	begun := time.Now()
	defer func() {
		switch stopped := recover().(type) {
		case nil:
		case ended:
			result.Status, result.Reason = stopped.status, stopped.reason
		default: // the suite's own fault, which must not look like the server's virtue
			p.errorf("the case itself failed: %v\n%s", stopped, debug.Stack())
		}
		for i := len(p.cleanup) - 1; i >= 0; i-- {
			p.cleanup[i]()
		}
		p.mu.Lock() // what the case has published may still be asked for
		defer p.mu.Unlock()
		if len(p.problems) > 0 {
			result.Status, result.Reason = Failed, ""
		}
		hide := p.mask.replacer()
		for _, problem := range p.problems {
			result.Problems = append(result.Problems, hide(problem))
		}
		if result.Status == Failed || p.run.options.KeepAll {
			result.Exchanges = p.shown(hide)
		}
		result.Duration = time.Since(begun)
	}()
	for _, need := range c.needs {
		if missing := need(p.run); missing != "" {
			p.notOffered("%s", missing)
		}
	}
	c.run(p)
	return result
}

// shown are the exchanges as reports have them.
func (p *probe) shown(hide func(string) string) []Exchange {
	const most = 40 // of races there may be hundreds
	var shown []Exchange
	for i, x := range p.exchanges {
		if i == most {
			shown = append(shown, Exchange{Error: fmt.Sprintf("%d more exchanges", len(p.exchanges)-most)})
			break
		}
		shown = append(shown, x.shown(hide))
	}
	return shown
}

// shown is the exchange as text.
func (x *exchange) shown(hide func(string) string) Exchange {
	const most = 16 << 10
	cut := func(body []byte) string {
		if len(body) > most {
			return fmt.Sprintf("%s\n… %d bytes more", strings.ToValidUTF8(string(body[:most]), "�"), len(body)-most)
		}
		return strings.ToValidUTF8(string(body), "�")
	}
	var b strings.Builder
	target := x.request.URL.RequestURI()
	if len(target) > most {
		target = target[:most] + fmt.Sprintf("… %d bytes more", len(target)-most)
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\nHost: %s\n", x.request.Method, target, x.request.URL.Host)
	writeHeader(&b, x.request.Header)
	if len(x.sent) > 0 {
		fmt.Fprintf(&b, "\n%s", cut(x.sent))
	}
	shown := Exchange{Request: hide(b.String())}
	if x.err != nil {
		shown.Error = hide(x.err.Error())
		return shown
	}
	b.Reset()
	fmt.Fprintf(&b, "%d %s\n", x.status, http.StatusText(x.status))
	writeHeader(&b, x.header)
	if len(x.body) > 0 {
		fmt.Fprintf(&b, "\n%s", cut(x.body))
	}
	shown.Response = hide(b.String())
	return shown
}
