package authz_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// newSlowServer has a store in which every call takes a millisecond, as in a database
// in the same rack: long enough for every race to show.
func newSlowServer(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	store := newProbe(memory.New())
	s := newServerOn(t, store, configure...)
	store.latency = time.Millisecond
	return s
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			f(i)
		}()
	}
	close(start)
	wg.Wait()
}

// codeOf is the error code and reason without a test to fail.
func codeOf(err error) string {
	var e *authz.Error
	if !errors.As(err, &e) {
		return "not an *authz.Error"
	}
	return e.Code + " " + e.Reason
}

// One code, 64 redemptions at once: one wins, the others are told invalid_grant, and
// since it came twice what it yielded is dead (RFC 6749 §4.1.2, §10.5).
func TestRFC6749_Section10_5_at_once(t *testing.T) {
	for _, client := range []string{web, spa} {
		for _, format := range []string{"jwt", "opaque"} {
			for range 5 {
				s := newSlowServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
				code := s.code(t, client, set("scope", "read offline_access"))
				var mu sync.Mutex
				var won []*authz.TokenResponse
				together(64, func(int) {
					tokens, err := s.redeem(client, code)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won = append(won, tokens)
					case codeOf(err) != "invalid_grant code_replayed" && codeOf(err) != "invalid_grant grant_revoked":
						t.Errorf("a loser: %v", err)
					}
				})
				if len(won) > 1 {
					t.Fatalf("%d winners", len(won))
				}
				for _, tokens := range won {
					if s.live(tokens.AccessToken) {
						t.Error("the access token lives")
					}
					if _, err := s.refresh(client, tokens.RefreshToken); err == nil {
						t.Error("the refresh token lives")
					}
				}
				if len(won) == 0 {
					t.Error("no winner")
				}
			}
		}
	}
}

// One refresh token, 64 refreshes at once: inside the grace window all get the same
// pair; with none, at most one does and the grant is dead.
func TestRefresh_at_once(t *testing.T) {
	for range 5 {
		s := newSlowServer(t)
		old := s.tokens(t, web)
		pairs := make([]*authz.TokenResponse, 64)
		together(64, func(i int) {
			var err error
			if pairs[i], err = s.refresh(web, old.RefreshToken); err != nil {
				t.Errorf("refresh %d: %v", i, err)
			}
		})
		if t.Failed() {
			return
		}
		for _, p := range pairs {
			if p.RefreshToken != pairs[0].RefreshToken || p.AccessToken != pairs[0].AccessToken {
				t.Fatal("two families")
			}
		}
		must(s.refresh(web, pairs[0].RefreshToken))(t)
		s.clock.Advance(time.Minute)
		_, err := s.refresh(web, old.RefreshToken)
		wantRefusal(t, err, "invalid_grant refresh_token_replayed")
		if s.live(pairs[0].AccessToken) {
			t.Error("the grant lives after the window")
		}
	}
}

func TestRefresh_at_once_without_grace(t *testing.T) {
	for range 5 {
		s := newSlowServer(t, lifetimes(authz.Lifetimes{RefreshGrace: -1}))
		old := s.tokens(t, web)
		var mu sync.Mutex
		var won []*authz.TokenResponse
		together(64, func(int) {
			tokens, err := s.refresh(web, old.RefreshToken)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, tokens)
			} else if c := codeOf(err); c != "invalid_grant refresh_token_replayed" && c != "invalid_grant grant_revoked" {
				t.Errorf("a loser: %v", err)
			}
		})
		if len(won) > 1 {
			t.Fatalf("%d winners", len(won))
		}
		for _, tokens := range won {
			if s.live(tokens.AccessToken) {
				t.Error("the grant lives")
			}
		}
	}
}

// Different scopes at once are different requests: one is answered, and since the token
// came twice the grant is dead.
func TestRefresh_at_once_with_different_scopes(t *testing.T) {
	s := newSlowServer(t)
	old := s.tokens(t, web)
	var mu sync.Mutex
	refused := 0
	together(16, func(i int) {
		_, err := s.refresh(web, old.RefreshToken, set("scope", []string{"read", "write"}[i%2]))
		if err != nil {
			mu.Lock()
			refused++
			mu.Unlock()
		}
	})
	if refused < 8 {
		t.Errorf("only %d of 16 refused", refused)
	}
	_, err := s.refresh(web, old.RefreshToken, set("scope", "read"))
	wantRefusal(t, err, "invalid_grant grant_revoked")
}

// Once a revocation is acknowledged no token of the grant is live, whatever was on its
// way at that moment (RFC 7009 §2.1).
func TestRFC7009_Section2_1_races_refresh(t *testing.T) {
	ends := map[string]func(s *server, tokens *authz.TokenResponse) error{
		"client": func(s *server, tokens *authz.TokenResponse) error {
			return s.Revoke(context.Background(), request(web, form(nil, "token", tokens.RefreshToken)))
		},
		"user": func(s *server, _ *authz.TokenResponse) error { return s.RevokeUser(context.Background(), "ana") },
	}
	for name, end := range ends {
		for _, format := range []string{"jwt", "opaque"} {
			t.Run(name+" "+format, func(t *testing.T) {
				for round := range 12 {
					s := newSlowServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
					tokens, code := s.tokens(t, web), s.code(t, web)
					var mu sync.Mutex
					var issued []*authz.TokenResponse
					add := func(tokens *authz.TokenResponse) {
						mu.Lock()
						defer mu.Unlock()
						issued = append(issued, tokens)
					}
					together(9, func(i int) {
						switch {
						case i == 0:
							time.Sleep(time.Duration(round) * 700 * time.Microsecond)
							if err := end(s, tokens); err != nil {
								t.Error(err)
							}
						case i == 1 && name == "user":
							if tokens, err := s.redeem(web, code); err == nil {
								add(tokens)
							}
						default:
							for next, err := s.refresh(web, tokens.RefreshToken); err == nil; next, err = s.refresh(web, next.RefreshToken) {
								add(next)
								if len(next.RefreshToken) == 0 {
									return
								}
							}
						}
					})
					for _, tokens := range issued {
						if s.live(tokens.AccessToken) {
							t.Fatal("an access token outlived the acknowledged revocation")
						}
						if _, err := s.refresh(web, tokens.RefreshToken); err == nil {
							t.Fatal("a refresh token outlived the acknowledged revocation")
						}
					}
				}
			})
		}
	}
}

// One page, many answers at once: one grant, and one place to go.
func TestInteraction_at_once(t *testing.T) {
	s := newSlowServer(t)
	sub := submission(s.page(t, web))
	redirects := make([]string, 32)
	together(len(redirects), func(i int) {
		mine := *sub
		response, err := s.submit(&mine)
		if err != nil {
			t.Error(err)
			return
		}
		redirects[i] = response.Redirect
	})
	for _, r := range redirects {
		if r != redirects[0] || !strings.Contains(r, "code=") {
			t.Fatalf("%q and %q", r, redirects[0])
		}
	}
	if n := len(must(s.store.ListGrants(t.Context(), "ana", "", 10))(t)); n != 1 {
		t.Errorf("%d grants", n)
	}
}

// Approving and denying at once: exactly one of them counts.
func TestInteraction_approve_and_deny_at_once(t *testing.T) {
	for range 5 {
		s := newSlowServer(t)
		sub := submission(s.page(t, web))
		var mu sync.Mutex
		seen := map[string]bool{}
		together(16, func(i int) {
			mine := *sub
			mine.Approve = i%2 == 0
			response, err := s.submit(&mine)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				seen[response.Redirect] = true
			case codeOf(err) != "invalid_request interaction_answered":
				t.Errorf("a loser: %v", err)
			}
		})
		if len(seen) != 1 {
			t.Errorf("%d different answers: %v", len(seen), seen)
		}
	}
}

// The narrowest of races, made certain: something happens between the look at a code or
// token and the commit that relies on it.
func TestRaces_between_look_and_commit(t *testing.T) {
	revokeUser := func(s *server, _ *authz.TokenResponse, _ string) { _ = s.RevokeUser(context.Background(), "ana") }
	replaced := "refreshed meanwhile: the same pair"
	for _, test := range []struct {
		name      string
		meanwhile func(s *server, tokens *authz.TokenResponse, code string)
		refresh   bool
		want      string
		dead      bool
	}{
		{"code, user revoked", revokeUser, false, "invalid_grant grant_revoked", true},
		{"code, redeemed", func(s *server, _ *authz.TokenResponse, code string) { _, _ = s.redeem(web, code) }, false, "invalid_grant code_replayed", true},
		{"code, store down", func(s *server, _ *authz.TokenResponse, _ string) { s.store.breakDown(true) }, false, "temporarily_unavailable storage_failed", false},
		{"refresh, user revoked", revokeUser, true, "invalid_grant grant_revoked", true},
		{"refresh, refreshed", func(s *server, tokens *authz.TokenResponse, _ string) { _, _ = s.refresh(web, tokens.RefreshToken) }, true, replaced, false},
		{"refresh, refreshed otherwise", func(s *server, tokens *authz.TokenResponse, _ string) {
			_, _ = s.refresh(web, tokens.RefreshToken, set("scope", "read"))
		}, true, "invalid_grant refresh_token_replayed", true},
		{"refresh, refreshed long ago by another clock", func(s *server, tokens *authz.TokenResponse, _ string) {
			_, _ = s.replica.refresh(web, tokens.RefreshToken)
		}, true, "invalid_grant refresh_token_replayed", true},
		{"refresh, store down", func(s *server, _ *authz.TokenResponse, _ string) { s.store.breakDown(true) }, true, "temporarily_unavailable storage_failed", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.replica = newServerOn(t, s.store)
			s.clock.Advance(time.Hour) // so that the replica's is behind
			tokens, code := s.tokens(t, web), s.code(t, web)
			s.store.watch(-1)
			s.store.meanwhile = func() { test.meanwhile(s, tokens, code) }
			var got *authz.TokenResponse
			var err error
			if test.refresh {
				got, err = s.refresh(web, tokens.RefreshToken)
			} else {
				got, err = s.redeem(web, code)
			}
			s.store.breakDown(false)
			switch {
			case test.want != replaced:
				wantRefusal(t, err, test.want)
			case err != nil:
				t.Fatal(err)
			default:
				if again := must(s.refresh(web, tokens.RefreshToken))(t); again.RefreshToken != got.RefreshToken {
					t.Error("two pairs")
				}
			}
			if test.refresh {
				if _, err = s.refresh(web, tokens.RefreshToken); (err != nil) != test.dead {
					t.Errorf("afterwards: %v", err)
				}
			} else if _, err = s.redeem(web, code); (err != nil) != test.dead {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
