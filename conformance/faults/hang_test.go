package faults_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// bound is within what a request has to be answered when the store hangs: the default of
// authz.Config.StorageTimeout is 3 s. The race detector makes all of it several times
// slower.
func bound() time.Duration {
	if raceDetector {
		return 15 * time.Second
	}
	return 5 * time.Second
}

// crush sends many requests of all kinds at once to a host whose store hangs, and checks
// that each is told, in time, that the server cannot answer; that no goroutine is left; and
// that all goes on once the store answers.
func crush(t *testing.T, h *host, n int) {
	t.Helper()
	p, code, user := h.tokens(t, "ana", Web), h.code(t, "bob", Web), h.Browser("ana")
	page := h.Browser("eve").Authorize(Web)
	wants(t, "the page", page, Asked)
	requests := []func() *Answer{
		func() *Answer { return h.Redeem(Web, code) },
		func() *Answer { return h.Refresh(Web, p.refresh) },
		func() *Answer { return h.Introspect(API, p.access) },
		func() *Answer { return h.Introspect(Web, p.refresh) },
		func() *Answer { return h.Revoke(Web, p.refresh) },
		func() *Answer { return h.Own(Service) },
		func() *Answer { return h.Call(p.access) },
		func() *Answer { return user.Authorize(First) },
		func() *Answer { return user.Authorize(Web) },
		func() *Answer { return user.End() },
		func() *Answer { return user.Consents() },
	}
	h.Site.Close()
	before := runtime.NumGoroutine()
	h.clock.Advance(forgotten) // the keys have to be read as well
	requests = append(requests, func() *Answer { return h.Get(JWKSPath) })

	h.store.Break(From(0, Hang))
	began := time.Now()
	answers, took := make([]*Answer, n), make([]time.Duration, n)
	together(n, func(i int) {
		sent := time.Now()
		answers[i] = requests[i%len(requests)]()
		took[i] = time.Since(sent)
	})
	all, worst := time.Since(began), time.Duration(0)
	for i, answer := range answers {
		if err := answer.Unavailable(); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		if worst = max(worst, took[i]); took[i] > bound() {
			t.Errorf("request %d was answered after %v", i, took[i])
		}
	}
	t.Logf("%d requests, the slowest answered after %v, all after %v", n, worst, all)
	settle(t, h, before)

	h.store.Mend()
	for what, answer := range map[string]*Answer{
		"a code":      h.Redeem(Web, h.code(t, "bob", Web)), // that one has expired meanwhile
		"the refresh": h.Refresh(Web, p.refresh),
		"the keys":    h.Get(JWKSPath),
	} {
		wants(t, what+", once the store answers", answer, OK)
	}
}

// settle waits until no more goroutines are left than there were.
func settle(t *testing.T, h *host, before int) {
	t.Helper()
	left := 0
	for range 100 {
		h.Site.Close()
		if left = runtime.NumGoroutine(); left <= before+2 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines before, %d after:\n%.4000s", before, left, stacks[:runtime.Stack(stacks, true)])
}

// A store that hangs, under a thousand requests at once.
func TestHang(t *testing.T) {
	crush(t, newHost(t, openMemory(t), opaque), 1000)
}

// The same where only the writes hang, as with a disk: whoever only reads is answered.
func TestHang_writes(t *testing.T) {
	h := newHost(t, openBolt(t), opaque, hurried)
	p := h.tokens(t, "ana", Web)
	h.store.Break(Of("Commit", Hang))
	together(300, func(i int) {
		switch i % 3 {
		case 0:
			if err := h.Refresh(Web, p.refresh).Unavailable(); err != nil {
				t.Error(err)
			}
		case 1:
			if err := h.Browser(fmt.Sprint(i)).Authorize(First).Unavailable(); err != nil {
				t.Error(err)
			}
		case 2:
			sent := time.Now()
			alive(t, h.Site, p)
			if took := time.Since(sent); took >= hurry { // as those wait that write
				t.Errorf("a look-up took %v, although only writing hangs", took)
			}
		}
	})
}

// hurried is for tests that need not wait for the default.
func hurried(c *authz.Config) { c.StorageTimeout = hurry }

const hurry = 2 * time.Second

// Who gives up waiting frees what he took: a thousand callers hang up, and nothing is left.
func TestHang_callers_leave(t *testing.T) {
	h := newHost(t, openMemory(t), opaque)
	p := h.tokens(t, "ana", Web)
	h.Site.Close()
	before := runtime.NumGoroutine()
	h.store.Break(From(0, Hang))
	impatient := &http.Client{Timeout: 300 * time.Millisecond}
	together(1000, func(int) {
		r, err := http.NewRequest(http.MethodPost, h.URL+"/api", nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+p.access)
		if answer, err := impatient.Do(r); err == nil {
			answer.Body.Close()
		}
	})
	impatient.CloseIdleConnections()
	settle(t, h, before)
	h.store.Mend()
	alive(t, h.Site, p)
}
