package authz_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// What has expired stays so when the clock is set back, and what is issued then has its
// whole life.
func TestClock_set_back(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		for _, back := range []time.Duration{time.Second, time.Hour, 24 * time.Hour} {
			t.Run(format+"/"+back.String(), func(t *testing.T) {
				s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
				code, tokens := s.code(t, web), s.tokens(t, web)
				s.clock.Advance(2 * time.Hour)
				if s.live(tokens.AccessToken) {
					t.Fatal("the access token does not expire")
				}
				s.clock.Advance(-back)
				if s.live(tokens.AccessToken) {
					t.Error("an expired access token came to life")
				}
				_, err := s.redeem(web, code)
				wantRefusal(t, err, "invalid_grant code_expired")
				fresh := s.tokens(t, web)
				if !s.live(fresh.AccessToken) || fresh.ExpiresIn < 3599 {
					t.Errorf("issued with %d s to live", fresh.ExpiresIn)
				}
				s.clock.Advance(back)
				if !s.live(fresh.AccessToken) {
					t.Error("it died when the clock was set right")
				}
				s.clock.Advance(time.Hour + time.Second)
				if s.live(fresh.AccessToken) {
					t.Error("it does not expire")
				}
			})
		}
	}
}

// A clock that had been ahead by more than a day was wrong, and the server comes back from
// there with it.
func TestClock_wrong_by_years(t *testing.T) {
	s := newServer(t)
	s.clock.Advance(10 * 365 * 24 * time.Hour)
	s.tokens(t, web)
	s.clock.Advance(-10 * 365 * 24 * time.Hour)
	right := s.clock.Now()
	token := must(s.VerifyAccessToken(t.Context(), s.tokens(t, web).AccessToken))(t)
	if got := token.ExpiresAt.Sub(right); got > time.Hour {
		t.Errorf("issued for %v", got)
	}
}

// Others, whose clocks are right, never see a token of the future: where the server's
// clock was ahead and has been set right, iat follows at once (RFC 9068 §2.2).
func TestClock_iat(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = "jwt" })
	s.clock.Advance(time.Hour)
	s.tokens(t, web)
	s.clock.Advance(-time.Hour)
	token := must(s.VerifyAccessToken(t.Context(), s.tokens(t, web).AccessToken))(t)
	if now := s.clock.Now(); token.IssuedAt.After(now) {
		t.Errorf("iat is %v ahead", token.IssuedAt.Sub(now))
	}
}

// While the host's clock is behind, time passes all the same.
func TestClock_goes_on(t *testing.T) {
	s := newServer(t, lifetimes(authz.Lifetimes{AuthorizationCode: time.Second}))
	s.clock.Advance(-time.Hour)
	code := s.code(t, web)
	time.Sleep(1350 * time.Millisecond) // the clock that the host gave stands still
	_, err := s.redeem(web, code)
	wantRefusal(t, err, "invalid_grant code_expired")
}

// The server's clock does not stay ahead of a host's clock that goes on as usual.
func TestClock_is_caught_up_with(t *testing.T) {
	var offset atomic.Int64
	s := newServer(t, func(c *authz.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	})
	var last time.Time
	ahead := func() time.Duration {
		t.Helper()
		began := time.Now()
		s.tokens(t, web)
		events := s.heard()
		at := events[len(events)-1].At
		if at.Before(last) {
			t.Fatalf("the clock ran backwards, by %v", last.Sub(at))
		}
		last = at
		return at.Sub(began)
	}
	offset.Store(int64(200 * time.Millisecond))
	ahead()
	offset.Store(0)
	if got := ahead(); got < 50*time.Millisecond {
		t.Fatalf("it is ahead by %v only", got)
	}
	for end := time.Now().Add(10 * time.Second); ahead() > 50*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it stays ahead")
		}
	}
}
