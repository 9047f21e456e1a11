package crash

import (
	"fmt"
	"io"
	"sync"
)

// Counts is what a run comes to.
type Counts struct {
	Kills        int // of a server, of connections, or of the database
	Acknowledged int // changes that a client or the host was told are made

	// Lost was acknowledged and is not there. Resurrected was ended or used up and works
	// again. Doubled yielded two different successes where there may be one. Orphaned is
	// half of a change.
	Lost, Resurrected, Doubled, Orphaned int
}

// Clean reports whether nothing was found.
func (c Counts) Clean() bool { return c.Lost+c.Resurrected+c.Doubled+c.Orphaned == 0 }

// String is the last line of a run.
func (c Counts) String() string {
	return fmt.Sprintf("kills=%d acknowledged=%d lost=%d resurrected=%d doubled=%d orphaned=%d",
		c.Kills, c.Acknowledged, c.Lost, c.Resurrected, c.Doubled, c.Orphaned)
}

// fault is one of the four things that must not be.
type fault string

const (
	lost        fault = "lost"
	resurrected fault = "resurrected"
	doubled     fault = "doubled"
	orphaned    fault = "orphaned"
)

// findings collects faults. Each is counted once, however often it is seen.
type findings struct {
	mu   sync.Mutex
	out  io.Writer
	seen map[string]bool
	n    map[fault]int

	reads, writes int // answers
	stuck         error
}

func newFindings(out io.Writer) *findings {
	return &findings{out: out, seen: map[string]bool{}, n: map[fault]int{}}
}

// mostLines is how many faults are told one by one.
const mostLines = 40

// found counts a fault of a thing.
func (f *findings) found(what fault, thing, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if key := string(what) + " " + thing; f.seen[key] {
		return
	} else {
		f.seen[key] = true
	}
	f.n[what]++
	switch n := len(f.seen); {
	case n <= mostLines:
		fmt.Fprintf(f.out, "%s: %s: %s\n", what, thing, fmt.Sprintf(format, args...))
	case n == mostLines+1:
		fmt.Fprintln(f.out, "more faults are only counted")
	}
}

// cannot notes that the run itself does not work, so that its result means nothing. The
// first reason counts.
func (f *findings) cannot(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck == nil && err != nil {
		f.stuck = err
		fmt.Fprintln(f.out, "the run fails:", err)
	}
}

func (f *findings) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stuck
}

func (f *findings) wrote() { f.mu.Lock(); f.writes++; f.mu.Unlock() }
func (f *findings) read()  { f.mu.Lock(); f.reads++; f.mu.Unlock() }

func (f *findings) answersRead() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *findings) counts(kills int) Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Counts{Kills: kills, Acknowledged: f.writes,
		Lost: f.n[lost], Resurrected: f.n[resurrected], Doubled: f.n[doubled], Orphaned: f.n[orphaned]}
}
