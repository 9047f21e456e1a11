package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// The races run on stores that take their time, as real ones do; without that they are
// won by whoever comes first, and prove nothing. The time is synctest's, so it costs
// none, and every round of ours takes another course.

const racers = 64

// race runs f in parallel and returns the answers.
func race(n int, f func(i int) answer) []answer {
	answers := make([]answer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = f(i) })
	}
	all.Wait()
	return answers
}

// split returns the answers with tokens, and how often each error is among the others.
func split(answers []answer) (winners []answer, failures map[string]int) {
	failures = map[string]int{}
	for _, a := range answers {
		if a.status == http.StatusOK {
			winners = append(winners, a)
		} else {
			failures[a.failure()]++
		}
	}
	return winners, failures
}

// slow gives our server a store that takes up to two milliseconds for each call.
func slow(t testing.TB, configure ...func(*authz.Config)) *ours {
	s := newOurs(t, configure...)
	s.store.upTo = 2 * time.Millisecond
	return s
}

// dead checks that a token answer is worth nothing any more.
func dead(t *testing.T, s *ours, tokens answer) {
	t.Helper()
	if _, err := s.VerifyAccessToken(t.Context(), tokens.text("access_token")); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("the access token lives: %v", err)
	}
	want(t, s.token(t, refreshForm(publicID, tokens.text("refresh_token"))), http.StatusBadRequest, "invalid_grant")
}

func TestParallelCodeRedemption_RFC6749_4_1_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const rounds = 10
			lost := 0
			r := newRaw(t, newSlowStore(t).parallel())
			for range rounds {
				form := codeForm(publicID, r.code(t, publicID))
				if winners, _ := split(race(racers, func(int) answer { return r.token(t, form) })); len(winners) > 1 {
					lost++
				}
			}
			fact(t, lost > rounds/2, "the compare-and-consume of storage.Write", lost)
		})
	})
	// Storage that compares and sets has one winner. What it can say to the others is
	// translated into errors that clients take for something else.
	t.Run("fosite on compare-and-set", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newSlowStore(t)
			store.compareAndSet = true
			r := newRaw(t, store.parallel())
			form := codeForm(publicID, r.code(t, publicID))
			winners, failures := split(race(racers, func(int) answer { return r.token(t, form) }))
			fact(t, len(winners) == 1 && failures["server_error"] > 0, "ErrConsumed in redeemCode, authz/token.go", failures)
		})
	})
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slow(t)
			for range 10 {
				form := codeForm(publicID, s.code(t, publicID))
				winners, failures := split(race(racers, func(int) answer { return s.token(t, form) }))
				if len(winners) != 1 || failures["invalid_grant"] != racers-1 {
					t.Errorf("%d winners; the others got %v", len(winners), failures)
				}
				// A code that comes twice takes down what it yielded, however close together.
				for _, w := range winners {
					dead(t, s, w)
				}
			}
		})
	})
}

func TestParallelRefresh_RFC9700_4_14_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const rounds = 10
			lost := 0
			r := newRaw(t, newSlowStore(t).parallel())
			for range rounds {
				form := refreshForm(publicID, r.tokens(t, publicID).text("refresh_token"))
				if winners, _ := split(race(racers, func(int) answer { return r.token(t, form) })); len(winners) > 1 {
					lost++
				}
			}
			fact(t, lost > rounds/2, "the compare-and-consume of storage.Write", lost)
		})
	})
	t.Run("fosite on compare-and-set", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newSlowStore(t)
			store.compareAndSet = true
			r := newRaw(t, store.parallel())
			form := refreshForm(publicID, r.tokens(t, publicID).text("refresh_token"))
			winners, failures := split(race(racers, func(int) answer { return r.token(t, form) }))
			fact(t, len(winners) == 1 && failures["invalid_request"] > 0, "ErrConsumed in authz/refresh.go", failures)
		})
	})
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slow(t)
			for range 10 {
				form := refreshForm(publicID, s.tokens(t, publicID).text("refresh_token"))
				winners, failures := split(race(racers, func(int) answer { return s.token(t, form) }))
				if len(winners) != racers {
					t.Fatalf("within the grace window, %d of %d were answered; the others got %v", len(winners), racers, failures)
				}
				for _, w := range winners {
					if w.text("access_token") != winners[0].text("access_token") || w.text("refresh_token") != winners[0].text("refresh_token") {
						t.Fatal("two pairs for one refresh token")
					}
				}
				wantOK(t, s.token(t, refreshForm(publicID, winners[0].text("refresh_token"))))
			}
		})
	})
	t.Run("ours without grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slow(t, func(c *authz.Config) { c.Lifetimes.RefreshGrace = -1 })
			for range 10 {
				form := refreshForm(publicID, s.tokens(t, publicID).text("refresh_token"))
				winners, failures := split(race(racers, func(int) answer { return s.token(t, form) }))
				if len(winners) != 1 || failures["invalid_grant"] != racers-1 {
					t.Errorf("%d winners; the others got %v", len(winners), failures)
				}
				for _, w := range winners {
					dead(t, s, w)
				}
			}
		})
	})
}

// A client signs out while another of its tabs refreshes. Once the revocation has been
// acknowledged nothing of the family may be alive.
func TestRevocationRacesRefresh_RFC7009_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const rounds = 20
			survived := 0
			store := newSlowStore(t)
			r := newRaw(t, store.parallel())
			for range rounds {
				token := r.tokens(t, publicID).text("refresh_token")
				family := familyOf(store, token)
				answers := race(2, func(i int) answer {
					time.Sleep(rand.N(2 * time.Millisecond))
					if i == 0 {
						return r.token(t, refreshForm(publicID, token))
					}
					return r.revoke(t, tokenForm(publicID, token))
				})
				if answers[1].status == http.StatusOK && store.live(family) > 0 {
					survived++
				}
			}
			fact(t, survived > rounds/4, "Write.Live, which makes every issue depend on the grant", survived)
		})
	})
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slow(t)
			for range 40 {
				token := s.tokens(t, publicID).text("refresh_token")
				var mu sync.Mutex
				var issued []answer
				answers := race(5, func(i int) answer {
					time.Sleep(rand.N(4 * time.Millisecond))
					if i == 0 {
						return s.revoke(t, tokenForm(publicID, token))
					}
					// Each tab goes on with what it got.
					for a := (answer{body: map[string]any{"refresh_token": token}}); ; {
						if a = s.token(t, refreshForm(publicID, a.text("refresh_token"))); a.status != http.StatusOK {
							return a
						}
						mu.Lock()
						issued = append(issued, a)
						mu.Unlock()
					}
				})
				wantOK(t, answers[0])
				for _, a := range answers[1:] {
					want(t, a, http.StatusBadRequest, "invalid_grant")
				}
				for _, a := range issued {
					dead(t, s, a)
				}
			}
		})
	})
}

// The same, with the revocation right between fosite's look at the credential and its
// writing: the tokens that follow belong to nothing that could be revoked again.
func TestRevocationBeforeIssue_RFC7009_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := &revokedMeanwhile{slowStore: newSlowStore(t)}
		r := newRaw(t, rawOptions{store: store})
		token := r.tokens(t, publicID).text("refresh_token")
		store.meanwhile = func() { wantOK(t, r.revoke(t, tokenForm(publicID, token))) }
		got := r.token(t, refreshForm(publicID, token))
		lives := r.token(t, refreshForm(publicID, got.text("refresh_token")))
		fact(t, got.status == http.StatusOK && lives.status == http.StatusOK, "Write.Live, which makes every issue depend on the grant", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		tokens := s.tokens(t, publicID)
		refreshed := refreshForm(publicID, tokens.text("refresh_token"))
		redeemed := codeForm(publicID, s.code(t, publicID))
		for _, form := range []url.Values{refreshed, redeemed} {
			s.store.meanwhile = func() {
				if err := s.RevokeUser(t.Context(), "ana"); err != nil {
					t.Error(err)
				}
			}
			got := s.token(t, form)
			want(t, got, http.StatusBadRequest, "invalid_grant")
			if got.reason != "grant_revoked" {
				t.Errorf("reason %s, want grant_revoked", got.reason)
			}
		}
		dead(t, s, tokens)
	})
}

// revokedMeanwhile does something once, before the first write of a refresh.
type revokedMeanwhile struct {
	*slowStore
	meanwhile func()
}

func (s *revokedMeanwhile) RotateRefreshToken(ctx context.Context, requestID, signature string) error {
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return s.slowStore.RotateRefreshToken(ctx, requestID, signature)
}

// familyOf is the request ID that fosite's storage has a refresh token under.
func familyOf(s *slowStore, token string) string {
	for signature, r := range s.refresh {
		if strings.HasSuffix(token, signature) {
			return r.ID
		}
	}
	return "unknown"
}

// fosite's MemoryStore gives the same record to everybody. Its maps are then written in
// parallel, which ends the process, so this only shows that they are the same.
func TestSharedRecords(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		token := r.tokens(t, publicID).text("refresh_token")
		_, signature, _ := strings.Cut(token, ".")
		at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		one, err1 := r.memory.GetRefreshTokenSession(t.Context(), signature, nil)
		two, err2 := r.memory.GetRefreshTokenSession(t.Context(), signature, nil)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		one.GetSession().SetExpiresAt(fosite.RefreshToken, at)
		got := two.GetSession().GetExpiresAt(fosite.RefreshToken)
		fact(t, got.Equal(at), "nothing, but it could be used in parallel tests", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		s.tokens(t, publicID)
		read := func() storage.Grant {
			grants, err := s.Store.ListGrants(t.Context(), "ana", "", 1)
			if err != nil || len(grants) != 1 {
				t.Fatal(grants, err)
			}
			return grants[0]
		}
		one, before := read(), slices.Clone(read().Scopes)
		one.Scopes[0] = "changed"
		if two := read(); !slices.Equal(two.Scopes, before) {
			t.Errorf("a caller's record is the store's: %v", two.Scopes)
		}
	})
}

// fosite finds out by type assertion whether storage has transactions. Wrapped once, to
// log or to measure, it has none, and nobody is told.
func TestWrapperLosesTransactions(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		bare := &transactional{rawStorage: newSlowStore(t)}
		newRaw(t, rawOptions{store: bare}).tokens(t, publicID)
		wrapped := &transactional{rawStorage: newSlowStore(t)}
		newRaw(t, rawOptions{store: struct{ rawStorage }{wrapped}}).tokens(t, publicID)
		fact(t, bare.begun == 1 && wrapped.begun == 0, "nothing: our storage has one way to write", []int{bare.begun, wrapped.begun})
	})
	t.Run("ours", func(t *testing.T) {
		// The server of these tests runs on a wrapper; wrap it twice more.
		s := newOurs(t, func(c *authz.Config) {
			c.Storage = struct{ storage.Store }{struct{ storage.Store }{c.Storage}}
		})
		code := s.code(t, publicID)
		before := s.store.commits
		tokens := s.token(t, codeForm(publicID, code))
		wantOK(t, tokens)
		wantOK(t, s.token(t, refreshForm(publicID, tokens.text("refresh_token"))))
		if n := s.store.commits - before; n != 2 {
			t.Errorf("%d commits for a redemption and a refresh, want one each", n)
		}
	})
}

// transactional counts the transactions that fosite begins.
type transactional struct {
	rawStorage
	begun int
}

func (s *transactional) BeginTX(ctx context.Context) (context.Context, error) {
	s.begun++
	return ctx, nil
}
func (s *transactional) Commit(context.Context) error   { return nil }
func (s *transactional) Rollback(context.Context) error { return nil }
