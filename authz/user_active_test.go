package authz_test

import (
	"context"
	"errors"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// A user who is not active any more: RFC 6749 §6, OpenID Connect Core §5.3.3, RFC 8693 §2.2.2. The
// grant dies with the first thing that is refused.
func TestUserActive(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(s *server, tokens *authz.TokenResponse) error
		want string
	}{
		"refresh": {func(s *server, tokens *authz.TokenResponse) error {
			_, err := s.refresh(web, tokens.RefreshToken)
			return err
		}, "invalid_grant user_inactive"},
		"the same refresh again": {func(s *server, tokens *authz.TokenResponse) error {
			_, err := s.refresh(web, tokens.RefreshToken)
			return err
		}, "invalid_grant user_inactive"},
		"token exchange": {func(s *server, tokens *authz.TokenResponse) error {
			_, err := s.Token(context.Background(), request(web, form(nil, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange",
				"subject_token", tokens.AccessToken, "subject_token_type", "urn:ietf:params:oauth:token-type:access_token")))
			return err
		}, "invalid_request subject_token_user_inactive"},
		"UserInfo": {func(s *server, tokens *authz.TokenResponse) error {
			_, err := s.UserInfo(context.Background(), tokens.AccessToken)
			return err
		}, "invalid_token user_inactive"},
	} {
		t.Run(name, func(t *testing.T) {
			active, fails := true, error(nil)
			s := newOpenID(t, func(c *authz.Config) {
				c.TokenExchange = func(_ context.Context, r *authz.ExchangeRequest) (*authz.Exchange, error) { return r.Grant() }
				c.UserActive = func(_ context.Context, subject string) (bool, error) {
					if subject != "ana" {
						t.Errorf("asked about %q", subject)
					}
					return active, fails
				}
			})
			s.change(t, web, func(c *authz.Client) {
				c.GrantTypes = []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"}
			})
			tokens := s.login(t, web)
			other := s.login(t, web)
			if name == "the same refresh again" {
				must(s.refresh(web, tokens.RefreshToken))(t)
			} else if err := test.do(s, s.login(t, web)); err != nil {
				t.Fatalf("of an active user: %v", err)
			}
			fails = errors.New("the database is down")
			err := test.do(s, tokens)
			wantRefusal(t, err, "server_error user_active_hook_failed")
			active, fails = false, nil
			var e *authz.Error
			if err := test.do(s, tokens); !errors.As(err, &e) || e.Code+" "+e.Reason != test.want {
				t.Errorf("%v %+v, want %s", err, e, test.want)
			}
			if s.live(tokens.AccessToken) {
				t.Error("its access token lives")
			}
			revoked := false
			for _, e := range s.heard() {
				revoked = revoked || e.Type == authz.GrantRevoked && e.Reason == "user_inactive" && e.Subject == "ana"
			}
			if !revoked {
				t.Error("nobody heard of the end of the grant")
			}
			if !s.live(other.AccessToken) {
				t.Error("what nobody has asked about is dead too")
			}
			// Whoever comes back begins anew: what is dead stays so.
			active = true
			_, err = s.refresh(web, tokens.RefreshToken)
			wantRefusal(t, err, "invalid_grant grant_revoked")
		})
	}
}

// If the end of the grant cannot be stored, the answer is 503, and the next try ends it.
func TestUserActive_store_fails(t *testing.T) {
	active := true
	s := newOpenID(t, func(c *authz.Config) {
		c.UserActive = func(context.Context, string) (bool, error) { return active, nil }
	})
	tokens := s.login(t, web)
	active = false
	s.store.watch(-1)
	_, err := s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_grant user_inactive")
	calls, _ := s.store.seen()
	for i, call := range calls {
		active = true
		tokens := s.login(t, web)
		active = false
		s.store.watch(i)
		_, err := s.refresh(web, tokens.RefreshToken)
		if refusedWith(t, err) != "temporarily_unavailable storage_failed" {
			t.Errorf("call %d, %s: %v", i, call, err)
		}
		s.store.watch(-1)
		_, err = s.refresh(web, tokens.RefreshToken)
		wantRefusal(t, err, "invalid_grant user_inactive")
	}
}
