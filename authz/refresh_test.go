package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

const day = 24 * time.Hour

func TestRFC6749_Section6(t *testing.T) {
	for _, test := range []struct {
		name   string
		client string // who asks; the token is web's
		edits  []edit
		want   string
	}{
		{"token_missing", web, []edit{drop("refresh_token")}, "invalid_request refresh_token_missing"},
		{"token_empty", web, []edit{set("refresh_token", "")}, "invalid_request refresh_token_missing"},
		{"token_twice", web, []edit{set("refresh_token", "a", "b")}, "invalid_request parameter_repeated"},
		{"token_unknown", web, []edit{set("refresh_token", strings.Repeat("A", 51))}, "invalid_grant refresh_token_unknown"},
		{"token_of_1_MB", web, []edit{set("refresh_token", strings.Repeat("A", 1<<20))}, "invalid_request parameter_too_long"},
		{"access_token", web, []edit{set("refresh_token", "ACCESS")}, "invalid_grant refresh_token_unknown"},
		{"of_another_client/public", spa, nil, "invalid_grant refresh_token_of_another_client"},
		{"of_another_client/confidential", first, nil, "invalid_grant refresh_token_of_another_client"},
		{"client_without_the_grant", service, nil, "unauthorized_client grant_type_not_allowed"},
		{"scope_wider", web, []edit{set("scope", "read write offline_access")}, "invalid_scope scope_not_granted"},
		{"scope_other", web, []edit{set("scope", "offline_access")}, "invalid_scope scope_not_granted"},
		{"scope_unknown", web, []edit{set("scope", "nope")}, "invalid_scope scope_not_granted"},
		{"scope_malformed", web, []edit{set("scope", "read  write")}, "invalid_scope scope_malformed"},
		{"resource_unknown", web, []edit{set("resource", "https://other.example")}, "invalid_target resource_unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, opaque)
			tokens := s.tokens(t, web)
			req := request(test.client, form(test.edits, "grant_type", "refresh_token", "refresh_token", tokens.RefreshToken))
			if test.name == "token_missing" {
				req.Parameters.Del("refresh_token")
			}
			if req.Parameters.Get("refresh_token") == "ACCESS" {
				req.Parameters.Set("refresh_token", tokens.AccessToken)
			}
			for _, e := range test.edits {
				if test.name != "access_token" {
					e(req.Parameters)
				}
			}
			s.store.watch(-1)
			for range 2 {
				_, err := s.Token(t.Context(), req)
				wantRefusal(t, err, test.want)
			}
			if _, commits := s.store.seen(); commits != 0 {
				t.Errorf("%d writes", commits)
			}
			must(s.refresh(web, tokens.RefreshToken))(t)
		})
	}
}

// One access token may have less; the authorization stays what it is (RFC 6749 §6).
func TestRFC6749_Section6_narrowing(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web, set("scope", "read write offline_access"))
	for _, test := range []struct{ ask, want string }{
		{"read", "read"}, {"", "read write offline_access"}, {"write read", "read write"}, {"read read", "read"}, {"offline_access", "offline_access"}, {"", "read write offline_access"},
	} {
		tokens = must(s.refresh(web, tokens.RefreshToken, set("scope", test.ask)))(t)
		if tokens.Scope != test.want {
			t.Errorf("asked for %q: got %q, want %q", test.ask, tokens.Scope, test.want)
		}
		v := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
		if got := strings.Join(v.Scopes, " "); got != test.want {
			t.Errorf("asked for %q: the token has %q", test.ask, got)
		}
	}
}

// Rotation: each use yields a new token (RFC 9700 §4.14.2), for public and confidential
// clients, and using an old one again ends the grant, from wherever in the chain.
func TestRFC9700_Section4_14_2(t *testing.T) {
	for _, client := range []string{web, spa} {
		for _, age := range []int{1, 2, 5} {
			s := newServer(t)
			tokens := s.tokens(t, client, set("scope", "read offline_access"))
			chain := []string{tokens.RefreshToken}
			access := []string{tokens.AccessToken}
			for range age {
				s.clock.Advance(time.Minute)
				tokens = must(s.refresh(client, tokens.RefreshToken))(t)
				chain, access = append(chain, tokens.RefreshToken), append(access, tokens.AccessToken)
			}
			s.clock.Advance(time.Minute)
			_, err := s.refresh(client, chain[0])
			wantRefusal(t, err, "invalid_grant refresh_token_replayed")
			for _, token := range chain {
				_, err := s.refresh(client, token)
				wantRefusal(t, err, "invalid_grant grant_revoked")
			}
			for _, token := range access {
				if s.live(token) {
					t.Errorf("%s, %d steps: an access token outlived the replay", client, age)
				}
			}
		}
	}
}

// The grace window: an answer that got lost is given again (ATTACKS F4).
func TestRefreshGrace(t *testing.T) {
	const replayed = "invalid_grant refresh_token_replayed"
	for _, test := range []struct {
		name  string
		grace time.Duration
		wait  time.Duration
		first []edit
		again []edit
		want  string // "" for the same pair
	}{
		{"at once", 0, 0, nil, nil, ""},
		{"just in time", 0, 30*time.Second - aMoment, nil, nil, ""},
		{"too late", 0, 30 * time.Second, nil, nil, replayed},
		{"long window", 5 * time.Minute, 5*time.Minute - aMoment, nil, nil, ""},
		{"short window", time.Second, time.Second, nil, nil, replayed},
		{"switched off", -1, 0, nil, nil, replayed},
		{"narrower", 0, 0, nil, []edit{set("scope", "read")}, replayed},
		{"narrower to begin with", 0, 0, []edit{set("scope", "read")}, nil, replayed},
		{"other scope", 0, 0, []edit{set("scope", "read")}, []edit{set("scope", "write")}, replayed},
		{"same scope", 0, 0, []edit{set("scope", "read")}, []edit{set("scope", "read")}, ""},
		{"same scopes in another order", 0, 0, []edit{set("scope", "read write")}, []edit{set("scope", "write read")}, ""},
		{"other resource", 0, 0, nil, []edit{set("resource", issuer)}, replayed},
		{"clock set back", 0, -time.Hour, nil, nil, ""}, // no time has passed
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, lifetimes(authz.Lifetimes{RefreshGrace: test.grace}))
			old := s.tokens(t, web)
			one := must(s.refresh(web, old.RefreshToken, test.first...))(t)
			s.clock.Advance(test.wait)
			s.store.watch(-1)
			two, err := s.refresh(web, old.RefreshToken, test.again...)
			if test.want != "" {
				wantRefusal(t, err, test.want)
				if s.live(one.AccessToken) {
					t.Error("the grant lives")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if two.AccessToken != one.AccessToken || two.RefreshToken != one.RefreshToken || two.Scope != one.Scope {
				t.Errorf("another pair:\n%+v\n%+v", one, two)
			}
			left := one.ExpiresIn - int64((test.wait+time.Second-1)/time.Second)
			if test.wait >= 0 && (two.ExpiresIn < left || two.ExpiresIn > left+1) {
				t.Errorf("expires_in %d, want %d", two.ExpiresIn, left)
			}
			if _, commits := s.store.seen(); commits != 0 {
				t.Errorf("repeating wrote something")
			}
		})
	}
}

// Repeating does not extend the window, and a stranger gets nothing in it.
func TestRefreshGrace_is_not_extended(t *testing.T) {
	s := newServer(t)
	old := s.tokens(t, web)
	must(s.refresh(web, old.RefreshToken))(t)
	for range 29 {
		s.clock.Advance(time.Second)
		must(s.refresh(web, old.RefreshToken))(t)
	}
	_, err := s.refresh(spa, old.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_of_another_client")
	must(s.refresh(web, old.RefreshToken))(t) // the stranger did no harm
	s.clock.Advance(time.Second)
	_, err = s.refresh(web, old.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_replayed")
}

// In the window, what happened meanwhile counts.
func TestRefreshGrace_after_revocation(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(t *testing.T, s *server, successor string)
		want string
	}{
		"user": {func(t *testing.T, s *server, _ string) {
			if err := s.RevokeUser(t.Context(), "ana"); err != nil {
				t.Fatal(err)
			}
		}, "invalid_grant grant_revoked"},
		"successor": {func(t *testing.T, s *server, successor string) {
			if err := s.Revoke(t.Context(), request(web, form(nil, "token", successor))); err != nil {
				t.Fatal(err)
			}
		}, "invalid_grant grant_revoked"},
		"client": {func(t *testing.T, s *server, _ string) {
			s.change(t, web, func(c *authz.Client) { c.Disabled = true })
		}, "invalid_client client_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			old := s.tokens(t, web)
			next := must(s.refresh(web, old.RefreshToken))(t)
			test.do(t, s, next.RefreshToken)
			_, err := s.refresh(web, old.RefreshToken)
			wantRefusal(t, err, test.want)
		})
	}
}

// The answer that waits in the store for a repeat opens with the old token alone.
func TestRefreshGrace_answer_is_sealed(t *testing.T) {
	s := newServer(t, opaque)
	old := s.tokens(t, web)
	next := must(s.refresh(web, old.RefreshToken))(t)
	store := s.dump(t)
	for name, secret := range map[string]string{"old refresh token": old.RefreshToken, "new refresh token": next.RefreshToken, "new access token": next.AccessToken} {
		if strings.Contains(store, secret) {
			t.Errorf("the %s stands in the store", name)
		}
	}
}

// Idle and absolute limits (RFC 9700 §4.14.2).
func TestRefresh_lifetimes(t *testing.T) {
	limits := lifetimes(authz.Lifetimes{RefreshTokenIdle: 10 * day, RefreshToken: 25 * day})
	s := newServer(t, limits)
	tokens := s.tokens(t, web)
	s.clock.Advance(10*day - aMoment)
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	s.clock.Advance(10 * day)
	_, err := s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_expired")

	s = newServer(t, limits)
	tokens = s.tokens(t, web)
	for range 24 {
		s.clock.Advance(day)
		tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	}
	s.clock.Advance(day - 30*time.Minute)
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	if tokens.ExpiresIn != 30*60 {
		t.Errorf("expires_in %d: the access token outlives its grant", tokens.ExpiresIn)
	}
	s.clock.Advance(30*time.Minute - aMoment)
	last := must(s.refresh(web, tokens.RefreshToken))(t)
	s.clock.Advance(aMoment)
	if s.live(tokens.AccessToken) || s.live(last.AccessToken) {
		t.Error("an access token outlives its grant")
	}
	_, err = s.refresh(web, last.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_expired")
}

// A client's own limits, also those that nobody checked.
func TestRefresh_lifetimes_of_a_client(t *testing.T) {
	s := newServer(t)
	s.change(t, web, func(c *authz.Client) {
		c.RefreshTokenIdle, c.RefreshTokenLifetime, c.AccessTokenLifetime = day, 36*time.Hour, 2*time.Minute
	})
	tokens := s.tokens(t, web)
	if tokens.ExpiresIn != 120 {
		t.Errorf("expires_in %d", tokens.ExpiresIn)
	}
	s.clock.Advance(day - aMoment)
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	s.clock.Advance(12*time.Hour + aMoment)
	_, err := s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_expired")

	s.change(t, web, func(c *authz.Client) { c.AccessTokenLifetime = 1000 * day })
	if got := s.tokens(t, web).ExpiresIn; got != 24*3600 {
		t.Errorf("expires_in %d, want at most 24 h", got)
	}
	s.change(t, web, func(c *authz.Client) { c.AccessTokenLifetime = -time.Hour })
	if got := s.tokens(t, web).ExpiresIn; got != 3600 {
		t.Errorf("expires_in %d, want the server's hour", got)
	}
}

// A client whose registration was reduced gets no more than it has now, and the old
// again once it has it back (ATTACKS F16).
func TestRefresh_registration_reduced(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web)
	s.change(t, web, func(c *authz.Client) { c.Scopes = []string{"read"} })
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	if tokens.Scope != "read" {
		t.Errorf("scope %q", tokens.Scope)
	}
	_, err := s.refresh(web, tokens.RefreshToken, set("scope", "write"))
	wantRefusal(t, err, "invalid_scope scope_not_granted")
	s.change(t, web, func(c *authz.Client) { c.Scopes = []string{"read", "write"} })
	if got := must(s.refresh(web, tokens.RefreshToken))(t).Scope; got != "read write" {
		t.Errorf("scope %q", got)
	}
	s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"authorization_code"} })
	_, err = s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
}
