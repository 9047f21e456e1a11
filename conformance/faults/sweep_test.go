package faults_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// experiment is one fault in one flow.
type experiment struct {
	flow    flow
	fault   Fault
	at      int  // the call that it befalls
	forGood bool // and all later ones
	method  string
}

func (e experiment) String() string {
	how := "once"
	if e.forGood {
		how = "for good"
	}
	return fmt.Sprintf("%s %s %s (call %d)", e.method, e.fault, how, e.at)
}

func (e experiment) plan() Plan {
	if e.forGood {
		return From(e.at, e.fault)
	}
	return Once(e.at, e.fault)
}

// tolerated reports whether an answer is as good as without the fault, where the server may
// do without the store: it goes on with the keys that it read a while ago.
func (e experiment) tolerated(a *Answer) bool {
	return e.method == "Keys" && a.Outcome() == e.flow.want && e.fault != Panic
}

// Each store call of each flow fails, times out or panics, once and for good. The answer is
// 503 (for a panic a 5xx), or the same for the client at its redirect URI; it is never
// a statement about a credential; nothing has been written; and the same request succeeds
// as soon as the store is back.
func TestEveryCall(t *testing.T) {
	for _, format := range formats {
		h := newHost(t, openMemory(t), formatted(format))
		user := 0
		begin := func(t *testing.T, f flow) func() *Answer {
			user++
			h.store.Mend()
			h.clock.Advance(stale)
			wants(t, "the keys, read anew", h.Get(JWKSPath), OK)
			return f.begin(t, h, userOf(user))
		}
		for _, f := range flows() {
			t.Run(format+"/"+f.name, func(t *testing.T) {
				step := begin(t, f)
				h.store.Mend()
				wants(t, "without a fault", step(), f.want)
				calls, writes := h.store.Seen()
				if len(calls) == 0 && f.name != "metadata" {
					t.Fatal("it does not use the store")
				}
				for at, method := range calls {
					for _, fault := range []Fault{Fail, Timeout, Panic} {
						for _, forGood := range []bool{false, true} {
							run(t, h, begin(t, f), experiment{f, fault, at, forGood, method})
						}
					}
				}
				if writes > 1 {
					t.Errorf("%d commits: what if the server dies between them?", writes)
				}
			})
		}
	}
}

func run(t *testing.T, h *host, step func() *Answer, e experiment) {
	t.Helper()
	h.store.Break(e.plan())
	answer := step()
	_, writes := h.store.Seen()
	h.store.Mend()
	switch {
	case e.tolerated(answer):
		return // and has been done
	case e.fault == Panic:
		if err := answer.Broken(); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	default:
		if err := answer.Unavailable(); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
	if writes != 0 {
		t.Errorf("%s: %d commits all the same", e, writes)
	}
	wants(t, e.String()+", then a retry", step(), e.flow.want)
}

// writing are the calls that change something.
var writing = []string{"Commit", "SwapKeys", "PutClient"}

// A write whose answer gets lost has happened, though nobody was told. The answer is 503,
// and trying again never makes two of it: a refresh gets its pair, an approval its code.
func TestLostAnswer(t *testing.T) {
	for _, format := range formats {
		h := newHost(t, openMemory(t), formatted(format))
		for i, f := range flows() {
			t.Run(format+"/"+f.name, func(t *testing.T) {
				step := f.begin(t, h, userOf(i))
				h.store.Break(func(_ int, method string) Fault {
					if slices.Contains(writing, method) {
						return Lose
					}
					return None
				})
				answer := step()
				calls, _ := h.store.Seen()
				h.store.Mend()
				if !slices.ContainsFunc(calls, func(method string) bool { return slices.Contains(writing, method) }) {
					wants(t, "nothing to write", answer, f.want)
					return
				}
				if err := answer.Unavailable(); err != nil {
					t.Error(err)
				}
				want := f.again
				if want == "" {
					want = f.want
				}
				wants(t, "again", step(), want)
				wants(t, "and again", step(), want)
			})
		}
	}
}

// Each store call of each flow hangs. The server waits no longer than its configuration
// says, and then answers as if the call had failed.
func TestEveryCall_hangs(t *testing.T) {
	const patience = time.Second // enough for whatever does not hang
	list := flows()
	// All at once, and not as many as there are processors: they do nothing but wait.
	together(len(list), func(i int) {
		f := list[i]
		t.Run(f.name, func(t *testing.T) {
			h := newHost(t, openMemory(t), func(c *authz.Config) { c.StorageTimeout = patience })
			step := f.begin(t, h, "measure")
			h.store.Mend()
			wants(t, "without a fault", step(), f.want)
			calls, _ := h.store.Seen()
			for at, method := range calls {
				h.store.Mend()
				h.clock.Advance(stale)
				wants(t, "the keys, read anew", h.Get(JWKSPath), OK)
				step, began := f.begin(t, h, userOf(at)), time.Now()
				run(t, h, step, experiment{f, Hang, at, false, method})
				if took := time.Since(began); took > 10*patience {
					t.Errorf("%s hangs: the answer took %v", method, took)
				}
			}
		})
	})
}
