package authz_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// What somebody else vouches for, as a grant (RFC 7523) and exchanged (RFC 8693): the ways in
// which one issuer's words could be taken for more than they say.

// RFC 7800 §3: an assertion that is bound to a key is good in the hands of who proves to hold
// that key, and what it yields is bound to the key as well.
func TestRFC7800_Section3_grants(t *testing.T) {
	key, other := authztest.NewDPoPKey(), authztest.NewDPoPKey()
	for _, f := range bothFormats {
		s := newBearer(t, withDPoP, format(f))
		bound := s.foreign(t, map[string]any{"cnf": map[string]any{"jkt": key.JKT()}})
		for name, req := range map[string]*authz.Request{
			"no proof":    bearing(service, bound),
			"another key": s.proven(other, bearing(service, bound)),
			"an unknown way": s.proven(key, bearing(service, s.foreign(t, map[string]any{
				"cnf": map[string]any{"jkt": key.JKT(), "kid": "x"},
			}))),
			"cnf, null": bearing(service, s.foreign(t, map[string]any{"cnf": (*int)(nil)})),
		} {
			_, err := s.token(req)
			if err == nil {
				t.Errorf("%s, %s: it yields a token", f, name)
				continue
			}
			wantRefusal(t, err, "invalid_grant assertion_bound_to_another_key")
		}
		// None of that has used it up.
		s.boundTo(t, must(s.token(s.proven(key, bearing(service, bound))))(t), key)
	}
}

// vouching trusts idp for both, about a user of the hook's choice.
func vouching(user func() authz.User) func(*authz.Config) {
	return func(c *authz.Config) {
		c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: idp, JWKS: jwks(p256)}}
		c.JWTBearer = func(_ context.Context, req *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return req.Grant(user())
		}
		c.TokenExchange = func(_ context.Context, req *authz.ExchangeRequest) (*authz.Exchange, error) {
			granted, err := req.Grant()
			if granted != nil && req.Subject.Issuer == idp {
				granted.User = user()
			}
			return granted, err
		}
	}
}

// newVouching is a server at which service may have both.
func newVouching(t testing.TB, user func() authz.User, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, append([]func(*authz.Config){vouching(user)}, configure...)...)
	s.change(t, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, bearerGrant, exchangeGrant) })
	return s
}

// vouched asks for a token in either way.
func (s *server) vouched(t testing.TB, way string, claims map[string]any) (*authz.TokenResponse, error) {
	t.Helper()
	if way == bearerGrant {
		return s.token(bearing(service, s.foreign(t, claims)))
	}
	return s.exchange(s.foreign(t, claims), set("subject_token_type", jwtType), set("scope", "read"))
}

// F11, F14: authorizations that are ended while the host is asked stay ended.
func TestF14_vouched_for(t *testing.T) {
	for way, want := range map[string]string{
		bearerGrant:   "invalid_grant grant_revoked",
		exchangeGrant: "invalid_request subject_token_invalid",
	} {
		for _, f := range bothFormats {
			for name, end := range map[string]func(*server) error{
				"user":       func(s *server) error { return s.RevokeUser(t.Context(), "ana") },
				"connection": func(s *server) error { return s.Disconnect(t.Context(), "ana", service) },
			} {
				var s *server
				s = newVouching(t, func() authz.User {
					s.clock.Advance(time.Millisecond)
					wantNil(t, end(s))
					return authz.User{Subject: "ana"}
				}, format(f))
				tokens, err := s.vouched(t, way, nil)
				if err == nil {
					t.Errorf("%s, %s, %s: a token, live: %v", way, f, name, s.live(tokens.AccessToken))
					continue
				}
				wantRefusal(t, err, want)
			}
		}
	}
}

// What a hook calls a user has to be what the Login hook could have called them.
func TestVouched_subject_is_text(t *testing.T) {
	for way, want := range map[string]string{
		bearerGrant:   "server_error jwt_bearer_hook_failed",
		exchangeGrant: "server_error token_exchange_hook_failed",
	} {
		for _, subject := range []string{"", "a\x00b", "a\xffb", "a\nb"} {
			s := newVouching(t, func() authz.User { return authz.User{Subject: subject} })
			_, err := s.vouched(t, way, nil)
			if got := outcomeOf(t, err); got != want {
				t.Errorf("%q, %q: %s", way, subject, got)
			}
		}
	}
}

// RFC 7523 §3, item 7: that it is the assertion that came again is said, whichever of two with
// one jti came first.
func TestRFC7523_Section3_which_was_used(t *testing.T) {
	s := newBearer(t, withDPoP, func(c *authz.Config) {
		c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: idp, JWKS: jwks(p256), MaxLifetime: 2 * time.Hour}}
	})
	key := authztest.NewDPoPKey()
	until := s.clock.Now().Truncate(4 * time.Hour).Add(4 * time.Hour) // where the window of the marks ends
	s.clock.Advance(until.Add(-time.Minute).Sub(s.clock.Now()))
	for i, exp := range []time.Duration{30 * time.Minute, 30 * time.Second} {
		jwt := s.foreign(t, map[string]any{"jti": "one", "exp": until.Add(exp).Add(-time.Minute * time.Duration(i)).Unix()})
		_, err := s.token(s.proven(key, bearing(service, jwt)))
		if got, want := outcomeOf(t, err), []string{"ok", "invalid_grant assertion_replayed"}[i]; got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

// RFC 8693 §4.4: may_act in the JWT of another issuer names somebody as that issuer knows them,
// unless it says whose name it is. A client here that happens to be called the same is not them.
func TestRFC8693_Section4_4_foreign(t *testing.T) {
	s := newVouching(t, func() authz.User { return authz.User{Subject: "ana"} })
	for name, test := range map[string]struct {
		mayAct map[string]any
		want   string
	}{
		"a name of theirs":              {map[string]any{"sub": service}, "invalid_request actor_not_allowed"},
		"a name of theirs, said so":     {map[string]any{"sub": service, "iss": idp}, "invalid_request actor_not_allowed"},
		"a client_id of theirs":         {map[string]any{"client_id": service}, "invalid_request actor_not_allowed"},
		"a name of ours":                {map[string]any{"sub": service, "iss": issuer}, "ok"},
		"another name of ours":          {map[string]any{"sub": web, "iss": issuer}, "invalid_request actor_not_allowed"},
		"whoever has a token from here": {map[string]any{"iss": issuer}, "ok"},
	} {
		_, err := s.vouched(t, exchangeGrant, map[string]any{"may_act": test.mayAct})
		if got := outcomeOf(t, err); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// RFC 8693 §4.1: so does act, and in a token of ours it would be read as ours.
func TestRFC8693_Section4_1_foreign(t *testing.T) {
	s := newVouching(t, func() authz.User { return authz.User{Subject: "ana"} })
	act := func(of ...any) map[string]any {
		var inner map[string]any
		for i := len(of) - 2; i >= 0; i -= 2 {
			outer := map[string]any{"sub": of[i]}
			if of[i+1] != nil {
				outer["iss"] = of[i+1]
			}
			if inner != nil {
				outer["act"] = inner
			}
			inner = outer
		}
		return inner
	}
	claims := map[string]any{"act": act(service, nil, "robot", "https://other.example", "batch", nil)}
	before := maps.Clone(claims["act"].(map[string]any))
	tokens := must(s.vouched(t, exchangeGrant, claims))(t)
	got := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t).Claims["act"]
	if want := act(service, idp, "robot", "https://other.example", "batch", idp); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v became %v, want %v", before, got, want)
	}
	// Whoever acts for them now is one of ours, by our name.
	actor := must(s.own())(t).AccessToken
	tokens = must(s.exchange(s.foreign(t, claims), set("subject_token_type", jwtType), set("scope", "read"),
		set("actor_token", actor), set("actor_token_type", accessType)))(t)
	got = must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t).Claims["act"]
	if want := act(service, nil, service, idp, "robot", "https://other.example", "batch", idp); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("acted for: %v, want %v", got, want)
	}
}
