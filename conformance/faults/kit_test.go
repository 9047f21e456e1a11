package faults_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// host is a Host for a test, on a store that can be broken, with a clock that can be moved.
type host struct {
	*Host
	store *Store
	clock *authztest.Clock
}

// newHost starts a host on a store of its own.
func newHost(t testing.TB, inner storage.Store, configure ...func(*authz.Config)) *host {
	t.Helper()
	h := &host{store: NewStore(inner), clock: authztest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	var err error
	h.Host, err = Open(h.store, append([]func(*authz.Config){func(c *authz.Config) { c.Clock = h.clock.Now }}, configure...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.store.Mend()
		h.Close()
		h.store.Close()
	})
	register(t, h.Host)
	return h
}

func register(t testing.TB, h *Host) {
	t.Helper()
	for _, c := range Clients() {
		if err := h.AS.RegisterClient(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func opaque(c *authz.Config)    { c.AccessTokenFormat = "opaque" }
func realClock(c *authz.Config) { c.Clock = nil }
func noGrace(c *authz.Config)   { c.Lifetimes.RefreshGrace = -1 }
func withGrace(*authz.Config)   {} // the default
func formatted(format string) func(*authz.Config) {
	return func(c *authz.Config) { c.AccessTokenFormat = format }
}

// formats are those of access tokens.
var formats = []string{"jwt", "opaque"}

func openBolt(t testing.TB) storage.Store {
	t.Helper()
	db, err := bolt.Open(t.TempDir() + "/authz.db")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openMemory(testing.TB) storage.Store { return memory.New() }

// long reports whether this is the long form.
func long() bool { return os.Getenv("GRANTOR_LONG") == "1" }

// rounds is how often something is repeated.
func rounds(short, thorough int) int {
	if long() {
		return thorough
	}
	return short
}

// lacking ends a test that needs something the machine does not have.
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("GRANTOR_REQUIRE_ALL") == "1" {
		t.Fatalf("GRANTOR_REQUIRE_ALL is set, but "+format, args...)
	}
	t.Skipf(format, args...)
}

// code connects a user to a client.
func (h *host) code(t testing.TB, user, client string) string {
	t.Helper()
	return codeAt(t, h.Site, user, client)
}

func codeAt(t testing.TB, s *Site, user, client string) string {
	t.Helper()
	answer := s.Browser(user).Connect(client)
	if answer.Outcome() != Coded {
		t.Fatalf("connecting %s to %s: %s", user, client, answer)
	}
	return answer.Code()
}

// tokens connects a user to a client and gets its tokens.
func (h *host) tokens(t testing.TB, user, client string) pair {
	t.Helper()
	return tokensAt(t, h.Site, user, client)
}

func tokensAt(t testing.TB, s *Site, user, client string) pair {
	t.Helper()
	return issued(t, s.Redeem(client, codeAt(t, s, user, client)))
}

// pair is an access token and a refresh token.
type pair struct{ access, refresh string }

func pairOf(a *Answer) pair { return pair{a.Access(), a.Refresh()} }

func issued(t testing.TB, a *Answer) pair {
	t.Helper()
	if a.Outcome() != OK || a.Access() == "" {
		t.Fatalf("no tokens but %s", a)
	}
	return pairOf(a)
}

// wants checks an outcome.
func wants(t testing.TB, what string, a *Answer, want string) {
	t.Helper()
	if got := a.Outcome(); got != want {
		t.Errorf("%s: got %s, want %s", what, a, want)
	}
}

// dead checks that nothing of a pair opens anything, in the three ways to ask.
func dead(t testing.TB, s *Site, client string, p pair) {
	t.Helper()
	wants(t, "the API, with a dead access token", s.Call(p.access), "401 invalid_token")
	wants(t, "introspection of a dead access token", s.Introspect(API, p.access), Inactive)
	if p.refresh != "" {
		wants(t, "a dead refresh token", s.Refresh(client, p.refresh), "400 invalid_grant")
	}
}

// allDead checks that nothing of several pairs opens anything. What changes nothing is
// asked first, so that the replay of one pair does not kill the next before it is looked
// at; and of the refresh tokens the newest comes first.
func allDead(t testing.TB, s *Site, client string, pairs []pair) {
	t.Helper()
	for _, p := range pairs {
		wants(t, "the API, with a dead access token", s.Call(p.access), "401 invalid_token")
		if client != SPA {
			wants(t, "introspection of a dead refresh token", s.Introspect(client, p.refresh), Inactive)
		}
	}
	for _, p := range slices.Backward(pairs) {
		dead(t, s, client, p)
	}
}

// alive checks that an access token opens the API.
func alive(t testing.TB, s *Site, p pair) {
	t.Helper()
	wants(t, "the API", s.Call(p.access), OK)
	wants(t, "introspection", s.Introspect(API, p.access), Active)
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		done.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	done.Wait()
}

// collection is what many goroutines found.
type collection[V comparable] struct {
	mu   sync.Mutex
	list []V
}

func (c *collection[V]) add(v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, v)
}

// distinct is what was found, each once, in the order in which it was.
func (c *collection[V]) distinct() []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	var once []V
	for _, v := range c.list {
		if !slices.Contains(once, v) {
			once = append(once, v)
		}
	}
	return once
}

// userOf names the user of a round.
func userOf(round int) string { return fmt.Sprintf("user-%d", round) }

// The host works at all: every endpoint, without a fault.
func TestHost(t *testing.T) {
	for _, format := range formats {
		h := newHost(t, openMemory(t), formatted(format))
		for _, client := range []string{Web, SPA, First} {
			p := h.tokens(t, "ana", client)
			alive(t, h.Site, p)
			next := issued(t, h.Refresh(client, p.refresh))
			alive(t, h.Site, next)
			wants(t, "revocation", h.Revoke(client, next.refresh), OK)
			dead(t, h.Site, client, next)
		}
		alive(t, h.Site, issued(t, h.Own(Service)))
		wants(t, "JWKS", h.Get(JWKSPath), OK)
		wants(t, "metadata", h.Get(MetadataPath), OK)
		p := h.tokens(t, "bob", Web)
		wants(t, "the list", h.Browser("bob").Consents(), OK)
		wants(t, "disconnecting", h.Browser("bob").Disconnect(Web), OK)
		dead(t, h.Site, Web, p)
		p = h.tokens(t, "bob", Web)
		wants(t, "ending all", h.Browser("bob").End(), OK)
		dead(t, h.Site, Web, p)
	}
}
