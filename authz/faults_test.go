package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// flow is a step of the protocol that may meet a store that cannot tell. begin takes
// a fresh server to the moment before and returns the step, which says in a word what
// became of it.
type flow struct {
	name  string
	begin func(t *testing.T, s *server) (step func() string)
	want  string // without a fault
}

func outcomeOf(t *testing.T, err error) string {
	if err != nil {
		return refusedWith(t, err)
	}
	return "ok"
}

var flows = []flow{
	{"authorization, asked", func(t *testing.T, s *server) func() string {
		return func() string { response, err := s.authorize(web); return s.outcome(t, response, err) }
	}, "ask"},
	{"authorization, remembered", func(t *testing.T, s *server) func() string {
		s.code(t, web)
		return func() string { response, err := s.authorize(web); return s.outcome(t, response, err) }
	}, "code"},
	{"authorization, first party", func(t *testing.T, s *server) func() string {
		return func() string { response, err := s.authorize(first); return s.outcome(t, response, err) }
	}, "code"},
	{"approval", func(t *testing.T, s *server) func() string {
		sub := submission(s.page(t, web))
		return func() string { response, err := s.submit(sub); return s.outcome(t, response, err) }
	}, "code"},
	{"denial", func(t *testing.T, s *server) func() string {
		sub := submission(s.page(t, web))
		deny(sub)
		return func() string { response, err := s.submit(sub); return s.outcome(t, response, err) }
	}, "back: access_denied denied_by_user"},
	{"approval, again", func(t *testing.T, s *server) func() string {
		sub := submission(s.page(t, web))
		if _, err := s.submit(sub); err != nil {
			t.Fatal(err)
		}
		return func() string { response, err := s.submit(sub); return s.outcome(t, response, err) }
	}, "code"},
	{"push", func(t *testing.T, s *server) func() string {
		return func() string { _, err := s.push(web); return outcomeOf(t, err) }
	}, "ok"},
	{"pushed, shown", func(t *testing.T, s *server) func() string {
		params := referTo(web, must(s.push(web))(t))
		return func() string { return s.visited(t, params) }
	}, "ask"},
	{"pushed, first party", func(t *testing.T, s *server) func() string {
		params := referTo(first, must(s.push(first))(t))
		return func() string { return s.visited(t, params) }
	}, "code"},
	{"pushed, approval", func(t *testing.T, s *server) func() string {
		sub := submission(must(s.visit(referTo(web, must(s.push(web))(t))))(t).Consent)
		return func() string { response, err := s.submit(sub); return s.outcome(t, response, err) }
	}, "code"},
	{"code", func(t *testing.T, s *server) func() string {
		code := s.code(t, web)
		return func() string { _, err := s.redeem(web, code); return outcomeOf(t, err) }
	}, "ok"},
	{"code, replayed", func(t *testing.T, s *server) func() string {
		code := s.code(t, web)
		must(s.redeem(web, code))(t)
		return func() string { _, err := s.redeem(web, code); return outcomeOf(t, err) }
	}, "invalid_grant code_replayed"},
	{"refresh", func(t *testing.T, s *server) func() string {
		tokens := s.tokens(t, web)
		return func() string { _, err := s.refresh(web, tokens.RefreshToken); return outcomeOf(t, err) }
	}, "ok"},
	{"refresh, repeated", func(t *testing.T, s *server) func() string {
		tokens := s.tokens(t, web)
		must(s.refresh(web, tokens.RefreshToken))(t)
		return func() string { _, err := s.refresh(web, tokens.RefreshToken); return outcomeOf(t, err) }
	}, "ok"},
	{"refresh, replayed", func(t *testing.T, s *server) func() string {
		tokens := s.tokens(t, web)
		must(s.refresh(web, tokens.RefreshToken))(t)
		s.clock.Advance(time.Minute)
		return func() string { _, err := s.refresh(web, tokens.RefreshToken); return outcomeOf(t, err) }
	}, "invalid_grant refresh_token_replayed"},
	{"device authorization", func(t *testing.T, s *server) func() string {
		return func() string {
			_, err := s.AuthorizeDevice(t.Context(), request(tv, form(nil)))
			return outcomeOf(t, err)
		}
	}, "ok"},
	{"device page", func(t *testing.T, s *server) func() string {
		code := s.device(t, tv).UserCode
		return func() string { _, err := s.typed(code); return outcomeOf(t, err) }
	}, "ok"},
	{"device approval", func(t *testing.T, s *server) func() string {
		sub := s.asked(t, s.device(t, tv).UserCode)
		return func() string { _, err := s.SubmitDevice(t.Context(), sub); return outcomeOf(t, err) }
	}, "ok"},
	{"device denial", func(t *testing.T, s *server) func() string {
		sub := s.asked(t, s.device(t, tv).UserCode)
		sub.Approve = false
		return func() string { _, err := s.SubmitDevice(t.Context(), sub); return outcomeOf(t, err) }
	}, "ok"},
	{"device poll", func(t *testing.T, s *server) func() string {
		code := s.device(t, tv).DeviceCode
		return func() string { _, err := s.poll(tv, code); return outcomeOf(t, err) }
	}, "authorization_pending undecided"},
	{"device code", func(t *testing.T, s *server) func() string {
		d := s.device(t, tv)
		s.decide(s.asked(t, d.UserCode))
		return func() string { _, err := s.poll(tv, d.DeviceCode); return outcomeOf(t, err) }
	}, "ok"},
	{"own token", func(t *testing.T, s *server) func() string {
		return func() string { _, err := s.own(); return outcomeOf(t, err) }
	}, "ok"},
	{"introspection of an access token", func(t *testing.T, s *server) func() string {
		return introspecting(t, s, s.tokens(t, web).AccessToken)
	}, "true"},
	{"introspection of a refresh token", func(t *testing.T, s *server) func() string {
		return introspecting(t, s, s.tokens(t, web).RefreshToken)
	}, "true"},
	{"introspection of nothing", func(t *testing.T, s *server) func() string {
		return introspecting(t, s, strings.Repeat("A", 51))
	}, "false"},
	{"revocation of an access token", func(t *testing.T, s *server) func() string {
		tokens := s.tokens(t, web)
		return func() string {
			err := s.Revoke(context.Background(), request(web, form(nil, "token", tokens.AccessToken)))
			return outcomeOf(t, err)
		}
	}, "ok"},
	{"revocation of a refresh token", func(t *testing.T, s *server) func() string {
		tokens := s.tokens(t, web)
		return func() string {
			err := s.Revoke(context.Background(), request(web, form(nil, "token", tokens.RefreshToken)))
			return outcomeOf(t, err)
		}
	}, "ok"},
}

func introspecting(t *testing.T, s *server, token string) func() string {
	return func() string {
		answer, err := s.Introspect(context.Background(), request(web, form(nil, "token", token)))
		if err != nil {
			return refusedWith(t, err)
		}
		return fmt.Sprint(answer["active"])
	}
}

// Each store call of each flow fails once. The answer is 503, or the same for the client
// at the redirect URI; nothing is written; and trying again works, whether the failing
// call was the first or the last.
func TestStoreFaults(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		for _, f := range flows {
			t.Run(format+"/"+f.name, func(t *testing.T) {
				configure := func(c *authz.Config) { c.AccessTokenFormat = format; withDevices(c) }
				s := newServer(t, configure)
				step := f.begin(t, s)
				s.store.watch(-1)
				if got := step(); got != f.want {
					t.Fatalf("without a fault: %s, want %s", got, f.want)
				}
				calls, _ := s.store.seen()
				if len(calls) == 0 {
					t.Fatal("it does not use the store")
				}
				for i, call := range calls {
					s := newServer(t, configure)
					step := f.begin(t, s)
					s.store.watch(i)
					got := strings.TrimPrefix(strings.TrimPrefix(step(), "page: "), "back: ")
					if got != "temporarily_unavailable storage_failed" {
						t.Errorf("%s (call %d of %v) fails: %s", call, i, calls, got)
					}
					if _, commits := s.store.seen(); commits != 0 {
						t.Errorf("%s (call %d) fails: %d writes", call, i, commits)
					}
					s.store.watch(-1)
					if got := step(); got != f.want {
						t.Errorf("%s (call %d) failed, then a retry: %s, want %s", call, i, got, f.want)
					}
				}
			})
		}
	}
}

// A commit whose answer got lost may have happened. Whatever it was, trying again never
// makes two of it, and a refresh gets its pair.
func TestStoreFaults_lost_answer(t *testing.T) {
	for name, want := range map[string]string{
		"code":                          "invalid_grant code_replayed", // may cost a new sign-in
		"refresh":                       "ok",
		"approval":                      "code",
		"denial":                        "back: access_denied",
		"own token":                     "ok",
		"revocation of a refresh token": "ok",
	} {
		for _, f := range flows {
			if f.name != name {
				continue
			}
			t.Run(name, func(t *testing.T) {
				s := newServer(t, opaque)
				step := f.begin(t, s)
				s.store.watch(-1)
				step()
				calls, _ := s.store.seen()
				last := len(calls) - 1
				for calls[last] != "Commit" {
					last--
				}
				s = newServer(t, opaque)
				step = f.begin(t, s)
				s.store.watch(last)
				s.store.after = true
				if got := strings.TrimPrefix(step(), "back: "); got != "temporarily_unavailable storage_failed" {
					t.Errorf("the answer of the commit is lost: %s", got)
				}
				if _, commits := s.store.seen(); commits != 1 {
					t.Fatalf("%d writes", commits)
				}
				s.store.watch(-1)
				if got := step(); !strings.HasPrefix(got, want) {
					t.Errorf("again: %s, want %s", got, want)
				}
			})
		}
	}
}

// A resource server in the same process is told that the server could not find out,
// and not that the token is bad.
func TestStoreFaults_VerifyAccessToken(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		token := s.tokens(t, web).AccessToken
		s.store.watch(-1)
		s.live(token)
		calls, _ := s.store.seen()
		for i, call := range calls {
			s.change(t, first, func(*authz.Client) {}) // so that it must be looked up again
			s.store.watch(i)
			if _, err := s.VerifyAccessToken(t.Context(), token); err == nil || errors.Is(err, resource.ErrInvalidToken) {
				t.Errorf("%s: %s fails: %v", format, call, err)
			}
		}
	}
}

// Errors of the host's own methods, and of New.
func TestStoreFaults_host(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web)
	s.store.breakDown(true)
	for name, err := range map[string]error{
		"RevokeUser": s.RevokeUser(t.Context(), "ana"), "RevokeGrant": s.RevokeGrant(t.Context(), "x"), "Disconnect": s.Disconnect(t.Context(), "ana", web),
	} {
		if !errors.Is(err, errDown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Consents(t.Context(), "ana", "", 1); !errors.Is(err, errDown) {
		t.Errorf("Consents: %v", err)
	}
	config := validConfig()
	config.Storage = s.store
	if _, err := authz.New(config); !errors.Is(err, errDown) {
		t.Errorf("New: %v", err)
	}
	// The keys are held for a while; after that nobody can know which still count.
	s.clock.Advance(20 * time.Minute)
	must(s.JWKS(t.Context()))(t)
	s.clock.Advance(2 * time.Hour)
	_, err := s.JWKS(t.Context())
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	for _, e := range s.heard() {
		if e.Type == authz.GrantRevoked {
			t.Errorf("event of something that did not happen: %+v", e)
		}
	}
	s.store.breakDown(false)
	must(s.JWKS(t.Context()))(t)
	must(s.refresh(web, tokens.RefreshToken))(t)
}

// A request whose caller has gone is not answered with a statement about a credential.
func TestContextEnds(t *testing.T) {
	s := newServer(t)
	tokens, code := s.tokens(t, web), s.code(t, web)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Token(ctx, redemption(web, code))
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	_, err = s.Introspect(ctx, request(rs, form(nil, "token", tokens.AccessToken)))
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	wantRefusal(t, s.Revoke(ctx, request(web, form(nil, "token", tokens.RefreshToken))), "temporarily_unavailable storage_failed")
	if _, err := s.VerifyAccessToken(ctx, tokens.AccessToken); !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyAccessToken: %v", err)
	}
	must(s.redeem(web, code))(t)
	must(s.refresh(web, tokens.RefreshToken))(t)
}

// A restart on the same store changes nothing for anybody.
func TestRestart(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		store := newProbe(memory.New())
		configure := func(c *authz.Config) { c.AccessTokenFormat = format }
		one := newServerOn(t, store, configure)
		tokens, code, sub := one.tokens(t, web), one.code(t, web), submission(one.page(t, spa))
		must(one.refresh(web, tokens.RefreshToken))(t)
		two := newServerOn(t, store, configure)
		if !two.live(tokens.AccessToken) {
			t.Error("an access token did not survive")
		}
		again := must(two.refresh(web, tokens.RefreshToken))(t) // within the grace window
		if !one.live(again.AccessToken) {
			t.Error("one does not know the other's token")
		}
		must(two.redeem(web, code))(t)
		response, err := two.submit(sub)
		if got := two.outcome(t, response, err); got != "code" {
			t.Errorf("a page of the server before: %s", got)
		}
	}
}
