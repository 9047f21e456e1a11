package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/conformance/faults"
)

// load is what clients and users do.
type load struct {
	site    *faults.Site
	clients int

	gate    sync.RWMutex // held by who works, taken by who pauses
	stopped atomic.Bool
	wg      sync.WaitGroup

	sent, unavailable atomic.Int64

	mu       sync.Mutex
	problems []error
}

func newLoad(address string, clients int) *load {
	return &load{site: faults.NewSite(address), clients: clients}
}

func (l *load) begin() {
	for i := range l.clients {
		l.wg.Go(func() {
			for n := 0; !l.stopped.Load(); n++ {
				l.gate.RLock()
				l.story(fmt.Sprintf("user-%d-%d", i, n%50))
				l.gate.RUnlock()
			}
		})
	}
}

// pause waits until nothing is under way, and hangs up.
func (l *load) pause() {
	l.gate.Lock()
	l.site.Close()
}

func (l *load) resume() { l.gate.Unlock() }

func (l *load) end() {
	l.stopped.Store(true)
	l.wg.Wait()
	l.site.Close()
}

// wrong is what no fault explains.
func (l *load) wrong() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.problems...)
}

// took tells whether an answer is one of these outcomes. What says that the server cannot answer
// now is none of them, and no problem either.
func (l *load) took(what string, a *faults.Answer, want ...string) bool {
	l.sent.Add(1)
	got := a.Outcome()
	for _, w := range want {
		if got == w {
			return true
		}
	}
	// A panic in the store is a 500 by design of net/http, or of the host's own page.
	if a.Unavailable() == nil || got == faults.Cut || a.Status == http.StatusInternalServerError || a.Status == http.StatusServiceUnavailable ||
		strings.HasPrefix(got, "back: server_error") || strings.HasPrefix(got, "back: temporarily_unavailable") {
		l.unavailable.Add(1)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.problems) < 20 {
		l.problems = append(l.problems, fmt.Errorf("%s: %s", what, got))
	}
	return false
}

// story is one user's, with one client. A code or token may have been used in a request whose
// answer a fault swallowed, so that invalid_grant is nothing to wonder at.
func (l *load) story(user string) {
	const dead = "400 invalid_grant"
	client := []string{faults.Web, faults.SPA, faults.First}[rand.IntN(3)]
	b := l.site.Browser(user)
	answer := b.Connect(client)
	if !l.took("connect", answer, faults.Coded) {
		return
	}
	tokens := l.site.Redeem(client, answer.Code())
	if !l.took("redeem", tokens, faults.OK, dead) || tokens.Status != http.StatusOK {
		return
	}
	access, refresh := tokens.Access(), tokens.Refresh()
	for range rand.IntN(4) {
		l.took("introspect", l.site.Introspect(faults.API, access), faults.Active, faults.Inactive)
		l.took("call", l.site.Call(access), faults.OK, "401", "401 ", "401 invalid_token")
		if next := l.site.Refresh(client, refresh); l.took("refresh", next, faults.OK, dead) && next.Status == http.StatusOK {
			access, refresh = next.Access(), next.Refresh()
		}
	}
	switch rand.IntN(8) {
	case 0:
		l.took("revoke", l.site.Revoke(client, refresh), faults.OK)
	case 1:
		l.took("replay", l.site.Redeem(client, answer.Code()), dead)
	case 2:
		l.took("end", b.End(), faults.OK)
	case 3:
		l.took("disconnect", b.Disconnect(client), faults.OK)
	case 4:
		l.hangUp(user)
	case 5:
		l.took("own", l.site.Own(faults.Service), faults.OK)
	case 6:
		l.took("refused", b.Authorize(client, "redirect_uri", "https://elsewhere.example/"), "400", "400 ", "400 invalid_request")
	case 7:
		l.took("keys", l.site.Get(faults.JWKSPath), faults.OK)
		l.took("metadata", l.site.Get(faults.MetadataPath), faults.OK)
	}
}

// hangUp sends a request and does not wait for the answer.
func (l *load) hangUp(user string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3))*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.site.URL+"/oauth2/token", strings.NewReader("grant_type=client_credentials&scope=read"))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(faults.Service, faults.SecretOf(faults.Service))
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
	}
	l.sent.Add(1)
}
