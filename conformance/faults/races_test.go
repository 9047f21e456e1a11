package faults_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
)

// crowd is how many are at it at once.
const crowd = 64

// backends are the stores on which races are run, with how often: in each, a call takes a
// millisecond longer than it does by itself, as if it were in the same rack.
var backends = []struct {
	name            string
	open            func(testing.TB) storage.Store
	short, thorough int
}{
	{"memory", openMemory, 30, 1000},
	{"bolt", openBolt, 4, 1000},
}

// arena is where a race is run: one or more sites that serve one store.
type arena struct {
	testing.TB
	sites []*Site
	store *Store // that is slow during a race; nil if it always is
}

// race runs f n times at once, on a slow store.
func (a *arena) race(n int, f func(i int)) {
	if a.store != nil {
		a.store.Slow(time.Millisecond)
		defer a.store.Slow(0)
	}
	together(n, f)
}

// site spreads a crowd over the processes.
func (a *arena) site(i int) *Site { return a.sites[i%len(a.sites)] }

// races are run in every arena: within one process here, and over two in postgres_test.go.
var races = []struct {
	name string
	run  func(a *arena, user string, round int)
}{
	{"one code", raceForCode},
	{"replay against redemption", raceReplayAgainstRedemption},
	{"refresh against revocation", raceRefreshAgainst(func(a *arena, _ string, p pair) *Answer { return a.site(1).Revoke(Web, p.refresh) })},
	{"refresh against the end of all", raceRefreshAgainst(func(a *arena, user string, _ pair) *Answer { return a.site(1).Browser(user).End() })},
	{"refresh against disconnecting", raceRefreshAgainst(func(a *arena, user string, _ pair) *Answer { return a.site(1).Browser(user).Disconnect(Web) })},
}

func TestRaces(t *testing.T) {
	for _, b := range backends {
		for i, race := range races {
			t.Run(b.name+"/"+race.name, func(t *testing.T) {
				t.Parallel()
				h := newHost(t, b.open(t), formatted(formats[i%len(formats)]), realClock)
				a := &arena{t, []*Site{h.Site}, h.store}
				for round := range rounds(b.short, b.thorough) {
					if race.run(a, userOf(round), round); t.Failed() {
						t.Fatalf("in round %d", round)
					}
				}
			})
		}
	}
}

// refused is the only thing that may be said to whoever loses.
const refused = "400 invalid_grant"

// sort checks the outcomes of a race, and returns who was given tokens.
func (a *arena) sort(answers []*Answer) (won []pair) {
	a.Helper()
	for _, answer := range answers {
		switch answer.Outcome() {
		case OK:
			won = append(won, pairOf(answer))
		case refused:
		default:
			a.Errorf("somebody was told %s", answer)
		}
	}
	return won
}

// raceForCode: one code, redeemed by a crowd at once. One wins, and since the code came
// twice what it yielded is dead (RFC 6749 §4.1.2, §10.5).
func raceForCode(a *arena, user string, _ int) {
	code := codeAt(a, a.site(0), user, Web)
	answers := make([]*Answer, crowd)
	a.race(crowd, func(i int) { answers[i] = a.site(i).Redeem(Web, code) })
	won := a.sort(answers)
	if len(won) != 1 {
		a.Fatalf("%d winners", len(won))
	}
	dead(a, a.site(1), Web, won[0])
}

// raceReplayAgainstRedemption: a code is replayed while it is being redeemed, and while
// the winner is using what it got. Whatever came of it is dead after both are answered.
func raceReplayAgainstRedemption(a *arena, user string, round int) {
	code := codeAt(a, a.site(0), user, Web)
	var pairs collection[pair]
	a.race(2, func(i int) {
		if i == 1 {
			time.Sleep(time.Duration(round%12) * 500 * time.Microsecond)
		}
		answer := a.site(i).Redeem(Web, code)
		for answer.Outcome() == OK {
			pairs.add(pairOf(answer))
			answer = a.site(i).Refresh(Web, answer.Refresh())
		}
		if answer.Outcome() != refused {
			a.Errorf("somebody was told %s", answer)
		}
	})
	if len(pairs.list) == 0 {
		a.Error("nobody won")
	}
	allDead(a, a.site(0), Web, pairs.list)
}

// raceRefreshAgainst: refresh after refresh, and an end in the middle of it. Once the end
// is acknowledged nothing of the grant is live (RFC 7009 §2.1).
func raceRefreshAgainst(end func(a *arena, user string, p pair) *Answer) func(*arena, string, int) {
	return func(a *arena, user string, round int) {
		first := tokensAt(a, a.site(0), user, Web)
		pairs := collection[pair]{list: []pair{first}}
		a.race(9, func(i int) {
			if i == 0 {
				time.Sleep(time.Duration(round%16) * 700 * time.Microsecond)
				wants(a, "the end", end(a, user, first), OK)
				// Acknowledged: from here on nobody gets anything.
				dead(a, a.site(0), Web, first)
				return
			}
			answer := a.site(i).Refresh(Web, first.refresh)
			for answer.Outcome() == OK {
				pairs.add(pairOf(answer))
				answer = a.site(i).Refresh(Web, answer.Refresh())
			}
			if answer.Outcome() != refused {
				a.Errorf("somebody was told %s", answer)
			}
		})
		allDead(a, a.site(round), Web, pairs.distinct())
	}
}

// One refresh token, used by a crowd at once. Within the grace window all get the same
// pair; without one, a single one wins and the grant is dead.
func TestRaces_refresh(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name+"/grace", func(t *testing.T) {
			t.Parallel()
			h := newHost(t, b.open(t))
			a := &arena{t, []*Site{h.Site}, h.store}
			for round := range rounds(b.short, b.thorough) {
				old := h.tokens(t, userOf(round), Web)
				raceForRefresh(a, old, true)
				h.clock.Advance(time.Minute)
				wants(t, "a replay, later", h.Refresh(Web, old.refresh), refused)
			}
		})
		t.Run(b.name+"/no grace", func(t *testing.T) {
			t.Parallel()
			h := newHost(t, b.open(t), noGrace, opaque)
			a := &arena{t, []*Site{h.Site}, h.store}
			for round := range rounds(b.short, b.thorough) {
				raceForRefresh(a, h.tokens(t, userOf(round), Web), false)
			}
		})
	}
}

func raceForRefresh(a *arena, old pair, grace bool) {
	answers := make([]*Answer, crowd)
	a.race(crowd, func(i int) { answers[i] = a.site(i).Refresh(Web, old.refresh) })
	won := a.sort(answers)
	distinct := map[pair]bool{}
	for _, p := range won {
		distinct[p] = true
	}
	switch {
	case len(distinct) != 1:
		a.Fatalf("%d different pairs", len(distinct))
	case grace && len(won) != crowd:
		a.Fatalf("%d of %d were answered", len(won), crowd)
	case grace:
		alive(a, a.site(1), won[0])
		alive(a, a.site(0), issued(a, a.site(1).Refresh(Web, won[0].refresh)))
	case len(won) != 1:
		a.Fatalf("%d winners", len(won))
	default:
		dead(a, a.site(1), Web, won[0])
	}
}

// A used refresh token comes back after the grace window, while its successor is being
// used.
func TestRaces_refresh_against_reuse(t *testing.T) {
	for _, b := range backends {
		for _, format := range formats {
			t.Run(fmt.Sprint(b.name, "/", format), func(t *testing.T) {
				t.Parallel()
				h := newHost(t, b.open(t), formatted(format))
				a := &arena{t, []*Site{h.Site}, h.store}
				for round := range rounds(b.short, b.thorough) {
					old := h.tokens(t, userOf(round), Web)
					next := issued(t, h.Refresh(Web, old.refresh))
					h.clock.Advance(time.Minute)
					if raceRefreshAgainstReuse(a, old, next, 4, round); t.Failed() {
						t.Fatalf("in round %d", round)
					}
				}
			})
		}
	}
}

// raceRefreshAgainstReuse: old was used, and replaying it is told from repeating it. Once
// the replay has been refused nothing of the grant is live (RFC 9700 §4.14.2).
func raceRefreshAgainstReuse(a *arena, old, next pair, refreshers, round int) {
	pairs := collection[pair]{list: []pair{old, next}}
	a.race(1+refreshers, func(i int) {
		if i == 0 {
			time.Sleep(time.Duration(round%12) * 700 * time.Microsecond)
			wants(a, "the replay", a.site(round).Refresh(Web, old.refresh), refused)
			dead(a, a.site(round+1), Web, next)
			return
		}
		// On another site than the replay, where there is one.
		answer := a.site(round+i).Refresh(Web, next.refresh)
		for answer.Outcome() == OK {
			pairs.add(pairOf(answer))
			answer = a.site(round+i).Refresh(Web, answer.Refresh())
		}
		if answer.Outcome() != refused {
			a.Errorf("somebody was told %s", answer)
		}
	})
	allDead(a, a.site(round), Web, pairs.distinct())
}
