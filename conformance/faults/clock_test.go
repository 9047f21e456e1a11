package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	. "github.com/grantor-oauth/grantor/conformance/faults"
)

const year = 365 * 24 * time.Hour

// jumps are what a clock does at once, step after step, with requests at every stop.
var jumps = []struct {
	name  string
	steps []time.Duration
	ahead bool // it was ahead for a while: what had expired by then may have been swept
	far   bool // so far that even what is kept for longer, against that, may have been
}{
	{"an hour ahead", []time.Duration{time.Hour}, false, false},
	{"an hour back", []time.Duration{-time.Hour}, false, false},
	{"an hour back and ahead", []time.Duration{-time.Hour, time.Hour}, false, false},
	{"a day back", []time.Duration{-24 * time.Hour}, false, false},
	{"twenty hours ahead and back", []time.Duration{20 * time.Hour, -20 * time.Hour}, true, false},
	{"ten years ahead", []time.Duration{10 * year}, true, true},
	{"ten years ahead and back", []time.Duration{10 * year, -10 * year}, true, true},
	{"ten years and three days ahead, and back", []time.Duration{10 * year, 72 * time.Hour, -10*year - 72*time.Hour}, true, true},
	{"ten years back and ahead", []time.Duration{-10 * year, 10 * year}, false, false},
}

// remains are things that are used up, revoked or live, from before the clock jumps.
type remains struct {
	format                  string
	live, public            pair
	usedCode, rotated       string
	ofReplayed, ended, gone pair   // by a replay, by the host, by the client
	single                  pair   // its access token alone is revoked
	page                    func() // tries to answer an answered page

	// What is left to expire, and when the last of it has. Before that it may live.
	late      pair
	lateCode  string
	expiredAt time.Time
}

func leave(t *testing.T, h *host, format string) *remains {
	t.Helper()
	r := &remains{format: format, live: h.tokens(t, "live", Web), public: h.tokens(t, "live", SPA)}
	r.usedCode = h.code(t, "code", Web)
	issued(t, h.Redeem(Web, r.usedCode))
	r.rotated = h.tokens(t, "rotated", Web).refresh
	issued(t, h.Refresh(Web, r.rotated))

	code := h.code(t, "replayed", Web)
	r.ofReplayed = issued(t, h.Redeem(Web, code))
	wants(t, "a replay", h.Redeem(Web, code), refused)
	r.ended = h.tokens(t, "ended", Web)
	wants(t, "the end", h.Browser("ended").End(), OK)
	r.gone = h.tokens(t, "gone", Web)
	wants(t, "revocation", h.Revoke(Web, r.gone.refresh), OK)
	r.single = h.tokens(t, "single", Web)
	wants(t, "revocation", h.Revoke(Web, r.single.access), OK)

	b := h.Browser("page")
	page := b.Authorize(Web)
	wants(t, "denial", b.Decide(page, "deny"), "back: access_denied")
	r.page = func() {
		t.Helper()
		wants(t, "allowing what was denied", b.Decide(page, "allow"), "403")
	}
	r.late, r.lateCode = h.tokens(t, "late", Web), h.code(t, "late", Web)
	r.expiredAt = h.clock.Now().Add(time.Hour)
	h.clock.Advance(time.Minute) // out of the grace window
	wants(t, "the server, which sees that it is", h.Own(Service), OK)
	return r
}

// stay checks that none of it has come to life.
func (r *remains) stay(t *testing.T, h *host, far bool) {
	t.Helper()
	wants(t, "a used code", h.Redeem(Web, r.usedCode), refused)
	wants(t, "a rotated refresh token", h.Refresh(Web, r.rotated), refused)
	for _, p := range []pair{r.ofReplayed, r.ended, r.gone} {
		dead(t, h.Site, Web, p)
	}
	if !far || r.format == "opaque" {
		wants(t, "a revoked access token", h.Call(r.single.access), "401 invalid_token")
	}
	if !far {
		r.page()
	}
	if !h.clock.Now().Before(r.expiredAt) {
		wants(t, "an expired code", h.Redeem(Web, r.lateCode), refused)
		wants(t, "the API, with an expired access token", h.Call(r.late.access), "401 invalid_token")
		wants(t, "introspection of an expired access token", h.Introspect(API, r.late.access), Inactive)
	}
}

// life checks that everything works for somebody who comes now, and that nothing is born
// expired.
func life(t *testing.T, h *host, format, user string) {
	t.Helper()
	for _, client := range []string{Web, SPA, First} {
		answer := h.Redeem(client, h.code(t, user, client))
		p := issued(t, answer)
		lasts(t, answer)
		alive(t, h.Site, p)
		answer = h.Refresh(client, p.refresh)
		p = issued(t, answer)
		lasts(t, answer)
		alive(t, h.Site, p)
		if format == "jwt" {
			verifies(t, h, p.access)
		}
		if client != First {
			wants(t, "revocation", h.Revoke(client, p.refresh), OK)
			dead(t, h.Site, client, p)
		}
	}
	own := h.Own(Service)
	alive(t, h.Site, issued(t, own))
	lasts(t, own)
	wants(t, "the list", h.Browser(user).Consents(), OK)
	wants(t, "the end", h.Browser(user).End(), OK)
	wants(t, "the page, after the end", h.Browser(user).Authorize(SPA), Asked)
}

// lasts checks that an access token has some time left.
func lasts(t *testing.T, answer *Answer) {
	t.Helper()
	var members struct {
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &members); err != nil || members.ExpiresIn < 1 {
		t.Errorf("expires_in is %d, %v", members.ExpiresIn, err)
	}
}

// verifies checks that a signed token verifies with the key set that anybody can read.
func verifies(t *testing.T, h *host, token string) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(h.Get(JWKSPath).Body), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Errorf("the key that signed is there %d times in the key set", len(keys))
		return
	}
	if _, err := signed.Verify(keys[0].Key); err != nil {
		t.Errorf("the published key does not verify: %v", err)
	}
}

// The clock jumps. What is used up or revoked stays so; what is issued is good and verifies
// with the published keys; everybody is answered.
func TestClock(t *testing.T) {
	for _, b := range backends {
		for _, format := range formats {
			for _, jump := range jumps {
				t.Run(strings.Join([]string{b.name, format, jump.name}, "/"), func(t *testing.T) {
					h := newHost(t, b.open(t), formatted(format))
					r := leave(t, h, format)
					total := time.Duration(0)
					for i, step := range jump.steps {
						h.clock.Advance(step)
						total += step
						for n := range 4 { // which sweep what is dead by this clock
							life(t, h, format, fmt.Sprint("newcomer ", i, n))
						}
						r.stay(t, h, jump.far)
					}
					live := h.Refresh(Web, r.live.refresh)
					switch {
					case !jump.far:
						if total <= 0 && !jump.ahead {
							alive(t, h.Site, r.live)
							alive(t, h.Site, r.public)
						}
						alive(t, h.Site, issued(t, live))
						alive(t, h.Site, issued(t, h.Refresh(SPA, r.public.refresh)))
					case live.Outcome() != OK && live.Outcome() != refused:
						t.Errorf("a refresh token from before: %s", live)
					}
					if format == "jwt" && !jump.far {
						verifies(t, h, r.live.access)
					}
				})
			}
		}
	}
}

// What has expired stays so when the clock is set back, by up to a day.
func TestClock_expired(t *testing.T) {
	for _, b := range backends {
		for _, format := range formats {
			for _, back := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
				t.Run(strings.Join([]string{b.name, format, back.String()}, "/"), func(t *testing.T) {
					h := newHost(t, b.open(t), formatted(format))
					p, code := h.tokens(t, "ana", Web), h.code(t, "ana", Web)
					gone := func(when string) {
						t.Helper()
						wants(t, when+", the code", h.Redeem(Web, code), refused)
						wants(t, when+", the API", h.Call(p.access), "401 invalid_token")
						wants(t, when+", introspection", h.Introspect(API, p.access), Inactive)
					}
					h.clock.Advance(2 * time.Hour)
					gone("expired")
					for n := range 4 {
						h.clock.Advance(-back / 4)
						gone("set back")
						life(t, h, format, fmt.Sprint("newcomer ", n))
					}
					h.clock.Advance(back)
					gone("set right")
					life(t, h, format, "newcomer")
				})
			}
		}
	}
}

// The clock is mad. All flows lead where they should at any time, nothing that was used up
// or revoked comes back, and nobody ever hears of a failure.
func TestClock_mad(t *testing.T) {
	for _, format := range formats {
		h := newHost(t, openMemory(t), formatted(format))
		r := leave(t, h, format)
		r.stay(t, h, true) // while it is known that the grace window is over
		list := slices.DeleteFunc(flows(), func(f flow) bool {
			// They wait for a time to pass, by a clock that may be behind the server's.
			return f.name == "JWKS, rotation due" || f.name == "refresh, replayed"
		})
		for round := range rounds(60, 2000) {
			jump := []time.Duration{time.Hour, 24 * time.Hour, 10 * year, time.Minute, 90 * 24 * time.Hour}[rand.IntN(5)]
			if h.clock.Now().Year() > 2050 || h.clock.Now().Year() > 2000 && rand.IntN(2) == 0 {
				jump = -jump
			}
			h.clock.Advance(jump)
			f := list[rand.IntN(len(list))]
			step := f.begin(t, h, userOf(round))
			wants(t, fmt.Sprint(f.name, " at ", h.clock.Now()), step(), f.want)
			if format == "jwt" {
				verifies(t, h, issued(t, h.Own(Service)).access)
			}
			r.stay(t, h, true)
			if t.Failed() {
				t.Fatalf("in round %d, after a jump of %v", round, jump)
			}
		}
	}
}
