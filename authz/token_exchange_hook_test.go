package authz_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// What ends the grant, or its client, ends what was exchanged for it.
func TestTokenExchange_dies_with_the_grant(t *testing.T) {
	for _, f := range bothFormats {
		for name, end := range map[string]func(s *server, tokens *authz.TokenResponse){
			"revocation": func(s *server, tokens *authz.TokenResponse) { s.revoke(t, web, tokens.RefreshToken) },
			"replay": func(s *server, tokens *authz.TokenResponse) {
				must(s.refresh(web, tokens.RefreshToken))(t)
				s.clock.Advance(time.Minute)
				s.refresh(web, tokens.RefreshToken)
			},
			"the user's client": func(s *server, _ *authz.TokenResponse) {
				s.change(t, web, func(c *authz.Client) { c.Disabled = true })
			},
			"the client that exchanged": func(s *server, _ *authz.TokenResponse) {
				s.change(t, service, func(c *authz.Client) { c.Disabled = true })
			},
		} {
			s := newExchange(t, format(f))
			tokens := s.tokens(t, web)
			exchanged := must(s.exchange(tokens.AccessToken))(t).AccessToken
			again := must(s.exchange(exchanged))(t).AccessToken
			end(s, tokens)
			if s.live(exchanged) || s.live(again) {
				t.Errorf("%s, %s: it lives", f, name)
			}
			if name == "revocation" || name == "replay" {
				_, err := s.exchange(tokens.AccessToken)
				wantRefusal(t, err, "invalid_request subject_token_invalid")
			}
		}
	}
}

// The grant ends between the look at the token and the commit.
func TestTokenExchange_grant_revoked_meanwhile(t *testing.T) {
	s := newExchange(t, opaque)
	tokens := s.tokens(t, web)
	s.store.meanwhile = func() { s.revoke(t, web, tokens.RefreshToken) }
	_, err := s.exchange(tokens.AccessToken)
	wantRefusal(t, err, "invalid_request subject_token_invalid")
}

// A token that no user stands behind can be exchanged; each of the two is ended by itself.
func TestTokenExchange_without_a_grant(t *testing.T) {
	for _, f := range bothFormats {
		s := newExchange(t, format(f))
		exchanged := must(s.exchange(must(s.own())(t).AccessToken))(t).AccessToken
		if got := must(s.VerifyAccessToken(t.Context(), exchanged))(t); got.Subject != service || got.ClientID != service {
			t.Errorf("%s: %+v", f, got)
		}
		s.revoke(t, service, exchanged)
		if s.live(exchanged) {
			t.Errorf("%s: it outlives its revocation", f)
		}
	}
}

// The hook: what it is told, and what it may do.
func TestTokenExchange_hook(t *testing.T) {
	var told *authz.ExchangeRequest
	var answer func(*authz.ExchangeRequest) (*authz.Exchange, error)
	s := newExchange(t, withResources, func(c *authz.Config) {
		c.TokenExchange = func(_ context.Context, req *authz.ExchangeRequest) (*authz.Exchange, error) {
			told = req
			return answer(req)
		}
	})
	subject := s.tokens(t, web, set("scope", "read")).AccessToken
	for _, test := range []struct {
		name   string
		answer func(*authz.ExchangeRequest) (*authz.Exchange, error)
		edits  []edit
		want   string
	}{
		{"a name for a resource", func(r *authz.ExchangeRequest) (*authz.Exchange, error) {
			return &authz.Exchange{Scopes: r.Scopes, Resources: []string{files}}, nil
		}, []edit{set("audience", "the files")}, files + ": read"},
		{"more than the subject's token has", func(r *authz.ExchangeRequest) (*authz.Exchange, error) {
			return &authz.Exchange{Scopes: r.Requested, Resources: r.Resources}, nil
		}, []edit{set("scope", "write"), set("resource", files)}, files + ": write"},
		{"a refusal", func(*authz.ExchangeRequest) (*authz.Exchange, error) {
			return nil, &authz.Error{Code: "invalid_target", Reason: "no", Status: 400, Description: "No."}
		}, nil, "invalid_target no"},
		{"a failure", func(*authz.ExchangeRequest) (*authz.Exchange, error) { return nil, errors.New("x") }, nil, "server_error token_exchange_hook_failed"},
		{"nothing", func(*authz.ExchangeRequest) (*authz.Exchange, error) { return nil, nil }, nil, "server_error token_exchange_hook_failed"},
		{"no resource", func(r *authz.ExchangeRequest) (*authz.Exchange, error) { return &authz.Exchange{Scopes: r.Scopes}, nil }, nil, "server_error token_exchange_hook_failed"},
		{"unknown resource", func(r *authz.ExchangeRequest) (*authz.Exchange, error) {
			return &authz.Exchange{Resources: []string{"x"}}, nil
		}, nil, "server_error token_exchange_hook_failed"},
		{"a scope that is not the client's", func(r *authz.ExchangeRequest) (*authz.Exchange, error) {
			return &authz.Exchange{Scopes: []string{"admin"}, Resources: r.Resources}, nil
		}, nil, "server_error token_exchange_hook_failed"},
	} {
		answer = test.answer
		response, err := s.exchange(subject, test.edits...)
		var got string
		if err != nil {
			got = refusedWith(t, err)
		} else {
			got = s.audienceOf(t, response.AccessToken)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	answer = func(r *authz.ExchangeRequest) (*authz.Exchange, error) { return r.Grant() }
	must(s.exchange(subject, set("actor_token", must(s.own())(t).AccessToken), set("actor_token_type", accessType), set("scope", "read write")))(t)
	if told.Client.ID != service || told.Subject.Subject != "ana" || told.Subject.ClientID != web || told.Actor.Subject != service ||
		!slices.Equal(told.Requested, []string{"read", "write"}) || !slices.Equal(told.Scopes, []string{"read"}) || !slices.Equal(told.Resources, []string{issuer}) {
		t.Errorf("told %+v", told)
	}
	// What it does to what it was told changes nothing.
	answer = func(r *authz.ExchangeRequest) (*authz.Exchange, error) {
		r.Client.Scopes, r.Subject.Subject, r.Subject.ExpiresAt = []string{"admin"}, "root", time.Time{}
		return r.Grant()
	}
	if got := must(s.VerifyAccessToken(t.Context(), must(s.exchange(subject))(t).AccessToken))(t); got.Subject != "ana" {
		t.Errorf("subject %q", got.Subject)
	}
}

// A store that cannot tell is 503, at whichever call.
func TestTokenExchange_store_fails(t *testing.T) {
	for _, f := range bothFormats {
		for at := 0; ; at++ {
			s := newExchange(t, format(f))
			subject := s.tokens(t, web).AccessToken
			s.store.watch(at)
			_, err := s.exchange(subject)
			calls, commits := s.store.seen()
			if at >= len(calls) {
				if err != nil || at == 0 {
					t.Errorf("%s: %d calls, %v", f, at, err)
				}
				break
			}
			wantRefusal(t, err, "temporarily_unavailable storage_failed")
			if commits != 0 {
				t.Errorf("%s: call %d failed, and something was stored", f, at)
			}
		}
	}
}

// Exchanges that run into a revocation: what they yield is dead once it is acknowledged.
func TestTokenExchange_races_revocation(t *testing.T) {
	for _, f := range bothFormats {
		s := newSlowServer(t, withExchange, format(f))
		s.change(t, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, exchangeGrant) })
		tokens := s.tokens(t, web)
		yielded := make([]string, 64)
		var refused atomic.Int32
		together(64, func(i int) {
			if i == 0 {
				s.revoke(t, web, tokens.RefreshToken)
				return
			}
			answer, err := s.exchange(tokens.AccessToken)
			if err != nil {
				refused.Add(1)
				if got := codeOf(err); got != "invalid_request subject_token_invalid" {
					t.Errorf("a loser: %s", got)
				}
				return
			}
			yielded[i] = answer.AccessToken
		})
		for _, token := range yielded {
			if token != "" && s.live(token) {
				t.Fatalf("%s: a token of a revoked grant lives (%d refused)", f, refused.Load())
			}
		}
	}
}
