package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// witness is a Login hook that notes who was asked for before the end began, and tells when.
type witness struct {
	mu     sync.Mutex
	begun  bool            // the end has begun
	before map[string]bool // the tags of those who came before
	asked  chan struct{}
}

func (w *witness) login(r *http.Request) (*authz.User, error) {
	w.mu.Lock()
	w.before[TagOf(r)] = !w.begun
	asked := w.asked
	w.mu.Unlock()
	select {
	case asked <- struct{}{}:
	default: // nobody waits any more
	}
	return SignedIn(r)
}

// reset is for the next round, in which so many will be asked for.
func (w *witness) reset(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun, w.before, w.asked = false, map[string]bool{}, nil
	if n > 0 {
		w.asked = make(chan struct{}, n)
	}
}

// begin waits until so many have been asked for, and then says that the end begins.
func (w *witness) begin(n int) {
	for range n {
		<-w.asked
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = true
}

func (w *witness) cameBefore(tag string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.before[tag]
}

// A user ends all authorizations, or those of one client, while others are being given: to
// the host's own client, by a consent that is remembered, and by consent pages that lie
// open. Of those that began before, nothing is live once the end is acknowledged, and no
// consent is left behind that would let the next one through.
func TestRaces_authorization(t *testing.T) {
	const lanes = 3 // of each of the three ways
	for _, b := range backends {
		for name, end := range map[string]func(*Browser) *Answer{
			"end of all":    (*Browser).End,
			"disconnecting": func(b *Browser) *Answer { return b.Disconnect(Web) },
		} {
			t.Run(fmt.Sprint(b.name, "/", name), func(t *testing.T) {
				t.Parallel()
				w := &witness{before: map[string]bool{}}
				h := newHost(t, b.open(t), realClock, func(c *authz.Config) { c.Login = w.login })
				for round := range rounds(b.short, b.thorough) {
					raceForAuthorization(t, h, w, userOf(round), round, lanes, name == "end of all", end)
					if t.Failed() {
						t.Fatalf("in round %d", round)
					}
				}
			})
		}
	}
}

func raceForAuthorization(t testing.TB, h *host, w *witness, user string, round, lanes int, all bool, end func(*Browser) *Answer) {
	w.reset(0)
	old := h.tokens(t, user, Web)
	browsers, pages := make([]*Browser, 3*lanes), make([]*Answer, lanes)
	for i := range browsers {
		browsers[i] = h.Browser(user)
		browsers[i].Tag = fmt.Sprint(i)
	}
	for i := range pages {
		pages[i] = browsers[i].Authorize(Web, "prompt", "consent")
		wants(t, "the page", pages[i], Asked)
	}
	w.reset(3 * lanes)

	var early collection[pair] // of those that came before
	late := false              // an approval that came later has left its consent, which is right
	var mu sync.Mutex
	a := &arena{t, []*Site{h.Site}, h.store}
	a.race(1+3*lanes, func(n int) {
		if n == 3*lanes {
			w.begin(round % (3*lanes + 1))
			wants(t, "the end", end(h.Browser(user)), OK)
			dead(t, h.Site, Web, old)
			return
		}
		client, answer := Web, (*Answer)(nil)
		switch {
		case n < lanes:
			answer = browsers[n].Decide(pages[n], "allow")
		case n < 2*lanes:
			answer = browsers[n].Authorize(Web)
		default:
			client = First
			answer = browsers[n].Authorize(First)
		}
		before := w.cameBefore(browsers[n].Tag) && (all || client == Web)
		switch outcome := answer.Outcome(); {
		case outcome == Coded:
		case outcome == "back: access_denied", outcome == Asked && client == Web && n >= lanes:
			return
		default:
			t.Errorf("an authorization (%d) led to %s", n, answer)
			return
		}
		if !before {
			mu.Lock()
			late = late || n < lanes
			mu.Unlock()
		}
		switch answer = h.Redeem(client, answer.Code()); {
		case answer.Outcome() == OK && before:
			early.add(pairOf(answer))
		case answer.Outcome() != OK && answer.Outcome() != refused:
			t.Errorf("a redemption (%d) led to %s", n, answer)
		}
	})
	for _, p := range early.list {
		wants(t, "the API, with what began before the end", h.Call(p.access), "401 invalid_token")
		for _, client := range []string{Web, First} {
			wants(t, "the refresh token of what began before the end", h.Refresh(client, p.refresh), refused)
		}
	}
	if !late {
		if list := h.Browser(user).Consents(); strings.TrimSpace(list.Body) != "[]" {
			t.Errorf("consents after the end: %s", list.Body)
		}
		wants(t, "the next authorization", h.Browser(user).Authorize(Web), Asked)
	}
	alive(t, h.Site, h.tokens(t, user, First)) // the user can go on
}
