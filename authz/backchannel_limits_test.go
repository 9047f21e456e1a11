package authz_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// Limits: nobody is asked without end, by one client or by many, and nobody tries who is there.
func TestCIBA_14_limits(t *testing.T) {
	s, p := newBackchannel(t)
	for range 5 {
		must(s.backchannel(desk))(t)
	}
	_, err := s.backchannel(desk)
	if got := codeOf(err); got != "temporarily_unavailable too_many_backchannel_prompts" || p.count() != 5 {
		t.Errorf("%s, asked %d times", got, p.count())
	}
	must(s.backchannel(desk, set("login_hint", "ben")))(t)
	must(s.backchannel(till, set("client_notification_token", token)))(t)
	s.clock.Advance(time.Minute)
	must(s.backchannel(desk))(t)

	from := func(hint string) string {
		req := request(desk, form(nil, "scope", "openid", "login_hint", hint))
		req.Address = netip.MustParseAddr("192.0.2.9")
		_, err := s.AuthenticateBackchannel(t.Context(), req)
		return codeOf(err)
	}
	for range 30 {
		if got := from("eve"); got != "unknown_user_id user_unknown" {
			t.Fatal(got)
		}
	}
	for _, hint := range []string{"eve", "ana"} { // who is there is not told any more
		if got := from(hint); got != "temporarily_unavailable too_many_unknown_users" {
			t.Errorf("%s: %s", hint, got)
		}
	}
	s.clock.Advance(10 * time.Second)
	if got := from("eve"); got != "unknown_user_id user_unknown" {
		t.Error(got)
	}
	many, q := newBackchannel(t, func(c *authz.Config) {
		c.Limits.BackchannelAuthentications = authz.Limit{Burst: 1, Every: time.Minute}
		c.Limits.BackchannelPrompts = authz.Limit{Burst: -1}
	})
	for i := range 2 {
		req := request(desk, form(nil, "scope", "openid", "login_hint", "ana"))
		req.Address = netip.MustParseAddr("192.0.2.9")
		_, err := many.AuthenticateBackchannel(t.Context(), req)
		if want := map[int]string{1: "temporarily_unavailable too_many_backchannel_authentications"}[i]; i == 1 && codeOf(err) != want || i == 0 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if q.count() != 1 {
		t.Errorf("asked %d times", q.count())
	}
	for range 20 {
		must(many.backchannel(desk))(t)
	}
}

// Requests that come at once all find the same left in the bucket, the more so if replicas share it
// over a network. The user is asked no more often for that.
func TestCIBA_14_limits_at_once(t *testing.T) {
	var mu sync.Mutex
	left := map[authz.LimitKey]int{}
	s, p := newBackchannel(t, func(c *authz.Config) {
		c.Limits.Limiter = limiterFunc(func(key authz.LimitKey, limit authz.Limit, n int) (time.Duration, error) {
			time.Sleep(5 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if _, known := left[key]; !known {
				left[key] = limit.Burst
			}
			left[key] -= n
			return time.Duration(max(0, 1-left[key])) * limit.Every, nil
		})
	})
	var all sync.WaitGroup
	var mine atomic.Int32
	for range 40 {
		all.Go(func() {
			switch _, err := s.backchannel(desk); {
			case err == nil:
				mine.Add(1)
			case codeOf(err) != "temporarily_unavailable too_many_backchannel_prompts":
				t.Error(err)
			}
		})
	}
	all.Wait()
	if mine.Load() != 5 || p.count() != 5 {
		t.Errorf("asked %d times, %d requests went through, want 5", p.count(), mine.Load())
	}
}

// A limit that is switched off is none.
func TestCIBA_14_without_limits(t *testing.T) {
	none := authz.Limit{Burst: -1}
	s, p := newBackchannel(t, withUserCodes, func(c *authz.Config) {
		c.Limits = authz.Limits{UserCodes: none, BackchannelAuthentications: none, BackchannelPrompts: none, UnknownUsers: none}
	})
	for range 60 {
		_, err := s.backchannel(desk, set("user_code", "code-0815"))
		wantRefusal(t, err, "invalid_user_code user_code_wrong")
		_, err = s.backchannel(desk, set("login_hint", "eve"))
		wantRefusal(t, err, "unknown_user_id user_unknown")
		must(s.backchannel(desk, set("user_code", "code-4711")))(t)
	}
	if p.count() != 60 {
		t.Errorf("asked %d times", p.count())
	}
}
