package authz_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// What ends between question and answer: the user's authorizations, the client, the host's mind.
func TestCIBA_8_meanwhile(t *testing.T) {
	deny := false
	s, p := newBackchannel(t, func(c *authz.Config) {
		c.Consent = func(_ context.Context, req *authz.ConsentRequest) (authz.Decision, error) {
			if deny {
				return authz.Deny, nil
			}
			return authz.Allow, nil
		}
	})
	var e *authz.Error
	// A phone that is lost is answered on no more.
	r := must(s.backchannel(desk))(t)
	s.clock.Advance(time.Second)
	if err := s.RevokeUser(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Second)
	if err := s.answers(p.last(t).ID, true); !errors.As(err, &e) || e.Reason != "ended_meanwhile" {
		t.Errorf("%v", err)
	}
	_, err := s.collect(desk, r.AuthReqID)
	wantRefusal(t, err, "access_denied denied_by_user")
	r = must(s.backchannel(desk))(t) // and what begins later is
	if err := s.answers(p.last(t).ID, true); err != nil {
		t.Error(err)
	}
	must(s.collect(desk, r.AuthReqID))(t)

	deny = true
	r = must(s.backchannel(desk))(t)
	if err := s.answers(p.last(t).ID, true); !errors.As(err, &e) || e.Reason != "denied_by_host" {
		t.Errorf("%v", err)
	}
	_, err = s.collect(desk, r.AuthReqID)
	wantRefusal(t, err, "access_denied denied_by_user")
}

// A prompt that could not be sent is not answered by anybody, and its client is told.
func TestCIBA_prompt_fails(t *testing.T) {
	s, p := newBackchannel(t)
	p.broken = errors.New("no signal")
	_, err := s.backchannel(desk)
	wantRefusal(t, err, "server_error backchannel_hook_failed")
	wantRefusal(t, s.answers(p.last(t).ID, true), "invalid_request backchannel_answered")
}

// 32 polls, approvals and denials of one request at once, at two servers on one store: one answer
// counts, and one poll gets the tokens.
func TestCIBA_at_once(t *testing.T) {
	for name, store := range map[string]func() storage.Store{
		"memory": func() storage.Store { return memory.New() },
		"bolt":   func() storage.Store { return must(bolt.Open(t.TempDir() + "/a.db"))(t) },
	} {
		t.Run(name, func(t *testing.T) {
			shared := newProbe(store())
			t.Cleanup(func() { shared.Close() })
			p := new(phones)
			free := func(c *authz.Config) { c.Limits.BackchannelPrompts.Burst = -1 }
			servers := []*server{newServerOn(t, shared, p.configure, free), newServerOn(t, shared, p.configure, free)}
			shared.latency = time.Millisecond
			for round := range 8 {
				r := must(servers[0].backchannel(desk))(t)
				id := p.last(t).ID
				var mu sync.Mutex
				counted, won := map[bool]int{}, 0
				collect := func(i int) {
					tokens, err := servers[i%2].collect(desk, r.AuthReqID)
					mu.Lock()
					defer mu.Unlock()
					switch code, _, _ := strings.Cut(codeOf(err), " "); {
					case err == nil && tokens.AccessToken != "":
						won++
					case !slices.Contains([]string{"authorization_pending", "slow_down", "invalid_grant", "access_denied"}, code):
						t.Errorf("%v", err)
					}
				}
				together(48, func(i int) {
					if i%3 == 0 {
						collect(i)
						return
					}
					approve := i%3 == 1 && round%2 == 0 || i%2 == 0
					err := servers[i%2].answers(id, approve, "read")
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						counted[approve]++
					} else if got := codeOf(err); got != "invalid_request backchannel_answered" {
						t.Error(got)
					}
				})
				if counted[true]+counted[false] != 1 {
					t.Fatalf("%v answers counted", counted)
				}
				together(16, collect)
				if won != counted[true] {
					t.Fatalf("%d polls got tokens, %d approvals counted", won, counted[true])
				}
			}
		})
	}
}

// At the moment of expiry an answer counts or does not, and the tokens follow it.
func TestCIBA_races_expiry(t *testing.T) {
	s, p := newBackchannel(t)
	for range 50 {
		r := must(s.backchannel(desk))(t)
		id := p.last(t).ID
		s.clock.Advance(5*time.Minute - time.Millisecond)
		var answered, collected error
		together(3, func(i int) {
			switch i {
			case 0:
				answered = s.answers(id, true, "read")
			case 1:
				_, collected = s.collect(desk, r.AuthReqID)
			case 2:
				s.clock.Advance(time.Millisecond)
			}
		})
		if collected == nil && answered != nil {
			t.Fatal("tokens without an answer")
		}
		if got := codeOf(answered); answered != nil && got != "invalid_request backchannel_answered" {
			t.Fatal(got)
		}
		_, err := s.collect(desk, r.AuthReqID)
		wantRefusal(t, err, "expired_token auth_req_id_expired")
	}
}

// Whatever call of the store fails, nothing is half done: the user is asked if and only if the
// client has its auth_req_id.
func TestCIBA_faults(t *testing.T) {
	for i := 0; ; i++ {
		s, p := newBackchannel(t)
		s.store.watch(i)
		r, err := s.backchannel(desk)
		calls, _ := s.store.seen()
		if err == nil {
			if i < len(calls) || p.count() != 1 || r.AuthReqID == "" {
				t.Fatalf("call %d of %q failed, and all was well", i, calls)
			}
			break
		}
		if code, _, _ := strings.Cut(codeOf(err), " "); code != "temporarily_unavailable" || p.count() != 0 {
			t.Fatalf("call %d of %q: %v, asked %d times", i, calls, err, p.count())
		}
	}
}

// Nothing that opens anything is in the store or the log.
func TestCIBA_secrets(t *testing.T) {
	s, p := newBackchannel(t, withUserCodes)
	r := must(s.backchannel(till, set("client_notification_token", token), set("login_hint", "ben")))(t)
	must(s.backchannel(desk, set("user_code", "code-4711")))(t)
	s.backchannel(desk, set("user_code", "code-0815"))
	stored := s.dump(t)
	for what, secret := range map[string]string{"auth_req_id": r.AuthReqID, "client_notification_token": token, "handle": p.asked[0].ID, "user code": "code-4711", "wrong user code": "code-0815"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has the %s", what)
		}
		if strings.Contains(stored, secret) {
			t.Errorf("the store has the %s", what)
		}
	}
}

// Whatever call of the store fails while an answer is filed or fetched, it can be done again.
func TestCIBA_faults_answer(t *testing.T) {
	const down = "temporarily_unavailable storage_failed"
	s, p := newBackchannel(t, func(c *authz.Config) { c.Limits.BackchannelPrompts.Burst = -1 })
	for _, approve := range []bool{true, false} {
		for i := 0; ; i++ {
			r := must(s.backchannel(desk))(t)
			s.store.watch(i)
			failed := s.answers(p.last(t).ID, approve, "read")
			s.store.watch(-1)
			if failed != nil {
				wantRefusal(t, failed, down)
				if err := s.answers(p.last(t).ID, approve, "read"); err != nil {
					t.Fatalf("call %d: the answer got lost: %v", i, err)
				}
			}
			for j := 0; approve; j++ {
				s.store.watch(j)
				_, err := s.collect(desk, r.AuthReqID)
				s.store.watch(-1)
				if err == nil {
					break
				}
				wantRefusal(t, err, down)
			}
			_, err := s.collect(desk, r.AuthReqID)
			wantRefusal(t, err, map[bool]string{true: "invalid_grant auth_req_id_used", false: "access_denied denied_by_user"}[approve])
			if failed == nil {
				break
			}
		}
	}
}
