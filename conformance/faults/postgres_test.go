package faults_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// openShared opens a store that several processes can have open.
func openShared(address string) (storage.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return postgres.Open(ctx, address)
}

// database is an empty one of the cluster.
func database(t *testing.T, c *postgrestest.Cluster) string {
	t.Helper()
	address, err := c.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Two processes serve one PostgreSQL, and the crowd is spread over both.
func TestPostgres_races(t *testing.T) {
	cluster := postgrestest.New(t)
	for i, race := range races {
		t.Run(race.name, func(t *testing.T) {
			h, other := twoProcesses(t, database(t, cluster), formats[i%len(formats)], true)
			a := &arena{t, []*Site{h.Site, other}, h.store}
			for round := range rounds(5, 1000) {
				if race.run(a, userOf(round), round); t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
		})
	}
	for _, grace := range []bool{true, false} {
		t.Run(fmt.Sprint("refresh, grace ", grace), func(t *testing.T) {
			h, other := twoProcesses(t, database(t, cluster), "opaque", grace)
			a := &arena{t, []*Site{h.Site, other}, h.store}
			for round := range rounds(5, 1000) {
				raceForRefresh(a, h.tokens(t, userOf(round), Web), grace)
			}
		})
	}
	// Without a grace window any second use is a replay, and the clock may go as it does in
	// the other process. So there is but one who refreshes.
	t.Run("refresh against reuse", func(t *testing.T) {
		h, other := twoProcesses(t, database(t, cluster), "jwt", false)
		a := &arena{t, []*Site{h.Site, other}, h.store}
		for round := range rounds(5, 1000) {
			old := h.tokens(t, userOf(round), Web)
			next := issued(t, other.Refresh(Web, old.refresh))
			if raceRefreshAgainstReuse(a, old, next, 1, round); t.Failed() {
				t.Fatalf("in round %d", round)
			}
		}
	})
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprint("authorization, all of the user's ", all), func(t *testing.T) {
			w := &witness{before: map[string]bool{}}
			h, other := twoProcesses(t, database(t, cluster), "jwt", true, func(c *authz.Config) { c.Login = w.login })
			end := func(b *Browser) *Answer { return other.Browser(b.User).End() }
			if !all {
				end = func(b *Browser) *Answer { return other.Browser(b.User).Disconnect(Web) }
			}
			for round := range rounds(5, 1000) {
				if raceForAuthorization(t, h, w, userOf(round), round, 3, all, end); t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
		})
	}
}

// Two stores on one database are one.
func TestPostgres_linearizable(t *testing.T) {
	address := postgrestest.New(t).URL()
	one, err := openShared(address)
	if err != nil {
		t.Fatal(err)
	}
	two, err := openShared(address)
	if err != nil {
		t.Fatal(err)
	}
	linearizable(t, &either{one, two})
}

// The database crashes under load and comes back. Meanwhile the answer is 503, in time;
// afterwards the server goes on by itself, and nothing acknowledged is missing.
func TestPostgres_crash(t *testing.T) {
	cluster := postgrestest.New(t)
	store, err := openShared(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, store, opaque, hurried)
	p, code := h.tokens(t, "ana", Web), h.code(t, "bob", Web)
	gone := h.tokens(t, "eve", Web)
	wants(t, "revocation", h.Revoke(Web, gone.refresh), OK)
	if err := cluster.Kill(); err != nil {
		t.Fatal(err)
	}
	together(60, func(i int) {
		sent := time.Now()
		answer := []func() *Answer{
			func() *Answer { return h.Refresh(Web, p.refresh) },
			func() *Answer { return h.Redeem(Web, code) },
			func() *Answer { return h.Revoke(Web, p.refresh) },
			func() *Answer { return h.Introspect(API, p.access) },
			func() *Answer { return h.Call(p.access) },
			func() *Answer { return h.Browser("ana").Authorize(Web) },
		}[i%6]()
		if err := answer.Unavailable(); err != nil {
			t.Error(err)
		}
		if took := time.Since(sent); took > hurry+time.Second {
			t.Errorf("the answer took %v", took)
		}
	})
	if err := cluster.Restart(); err != nil {
		t.Fatal(err)
	}
	alive(t, h.Site, p)
	dead(t, h.Site, Web, gone)
	alive(t, h.Site, issued(t, h.Refresh(Web, p.refresh)))
	wants(t, "a code from before", h.Redeem(Web, code), OK)
}
