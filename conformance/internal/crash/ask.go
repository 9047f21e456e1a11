package crash

import (
	"fmt"
	"runtime"
	"time"
)

// asked is a request with the first answer that says something.
type asked struct {
	*answer

	// unsure: there was an earlier try, of which nobody knows whether it had its effect.
	unsure bool

	// first is when the first try was made, last when the last, by the servers' clock;
	// leaped tells that the clock made a leap since the first.
	first, last time.Time
	leaps       int64 // of the clock, before the first try
	leaped      bool
}

const (
	againAfter = 15 * time.Millisecond

	// patience is how long the servers may fail to answer while they are meant to.
	patience = 45 * time.Second
)

// ask sends a request until there is an answer that says something: through crashes of
// the server, and whatever else happens. Meanwhile audits may look at what the worker
// knows.
func (w *worker) ask(what, about string, r request) asked {
	w.mu.Unlock()
	a, ok := w.try(what, about, r)
	w.mu.Lock()
	if !ok {
		runtime.Goexit() // the run is over; the worker's deferred functions clean up
	}
	return a
}

// askTwice sends the same request twice at once.
func (w *worker) askTwice(what, about string, r request) (one, two asked) {
	w.mu.Unlock()
	second := make(chan bool)
	go func() {
		var ok bool
		two, ok = w.try(what+" (its twin)", about, r)
		second <- ok
	}()
	one, ok := w.try(what, about, r)
	ok = <-second && ok
	w.mu.Lock()
	if !ok {
		runtime.Goexit()
	}
	return one, two
}

// try returns false if the run is over.
func (w *worker) try(what, about string, r request) (asked, bool) {
	a := asked{}
	var waited time.Duration
	for tries := 0; ; tries++ {
		if !w.gate.enter() {
			return a, false
		}
		a.last = w.now()
		if tries == 0 {
			a.leaps, a.first = w.leaps.Load(), a.last
		}
		n := w.journal.sent(w.name, what, about)
		sent := time.Now()
		a.answer = w.site.send(r)
		kept := w.journal.answered(n, a.answer) // before anything follows from it
		a.leaped = w.leaps.Load() != a.leaps
		w.gate.leave()
		if kept != nil {
			w.found.cannot(fmt.Errorf("the journal: %w", kept))
			w.gate.end()
			return a, false
		}
		if a.definite() {
			return a, true
		}
		a.unsure = true
		time.Sleep(againAfter)
		if waited += time.Since(sent); waited > patience {
			w.found.cannot(fmt.Errorf("%s %s: no answer in %s, the last was %s", what, about, patience, a.outcome()))
			w.gate.end()
			return a, false
		}
	}
}

// strange stops the run: an answer that nothing accounts for.
func (w *worker) strange(what, about string, a asked) {
	w.found.cannot(fmt.Errorf("%s %s: the answer is %d %s: %.300s", what, about, a.status, a.outcome(), a.body))
	w.gate.end()
	runtime.Goexit()
}
