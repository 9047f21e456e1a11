package faults_test

import (
	"testing"
	"time"

	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// An end that was noted by a clock that ran ahead does not hide the ends that come after it
// was set back: they still reach the authorizations that are on their way.
func TestClock_end_after_end(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { endAfterEnd(t, b.open(t)) })
	}
}

func TestPostgres_clock_end_after_end(t *testing.T) {
	store, err := openShared(postgrestest.New(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	endAfterEnd(t, store)
}

func endAfterEnd(t *testing.T, store storage.Store) {
	h := newHost(t, store)
	h.clock.Advance(10 * year)
	wants(t, "the end, ahead", h.Browser("ana").End(), OK)
	h.clock.Advance(-10 * year)
	commits := 0
	h.store.Break(func(_ int, method string) Fault {
		if method == "Commit" {
			if commits++; commits == 1 {
				return Hang
			}
		}
		return None
	})
	answer := make(chan *Answer)
	go func() { answer <- h.Browser("ana").Authorize(First) }()
	time.Sleep(100 * time.Millisecond)
	h.clock.Advance(time.Second)
	wants(t, "the end", h.Browser("ana").End(), OK)
	h.store.Mend()
	wants(t, "the authorization on its way", <-answer, "back: access_denied")
}
