package authz_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// panics reports whether f panics.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return
}

// A hook that panics ends its own request, which whatever carries it has to survive.
// Nothing is half done by it, no lock stays held, and the next try works.
func TestHooks_panic(t *testing.T) {
	var armed string
	explode := func(hook string) {
		if armed == hook {
			panic("canary: " + hook)
		}
	}
	newArmed := func() *server {
		armed = ""
		return newServer(t, opaque, func(c *authz.Config) {
			c.Login = func(*http.Request) (*authz.User, error) { explode("Login"); return &authz.User{Subject: "ana"}, nil }
			c.Consent = func(_ context.Context, r *authz.ConsentRequest) (authz.Decision, error) {
				explode("Consent")
				return r.Default, nil
			}
			c.Claims = func(context.Context, *authz.ClaimsRequest) (map[string]any, error) {
				explode("Claims")
				return nil, nil
			}
			c.IssueRefreshToken = func(*authz.Client, []string) bool { explode("IssueRefreshToken"); return true }
		})
	}
	for _, test := range []struct {
		hook  string
		begin func(s *server) func() error
	}{
		{"Login", func(s *server) func() error { return func() error { _, err := s.authorize(web); return err } }},
		{"Consent", func(s *server) func() error { return func() error { _, err := s.authorize(web); return err } }},
		{"IssueRefreshToken", func(s *server) func() error { return func() error { _, err := s.authorize(first); return err } }},
		{"Login", func(s *server) func() error {
			sub := submission(s.page(t, web))
			return func() error { _, err := s.submit(sub); return err }
		}},
		{"Consent", func(s *server) func() error {
			sub := submission(s.page(t, web))
			return func() error { _, err := s.submit(sub); return err }
		}},
		{"Claims", func(s *server) func() error {
			code := s.code(t, web)
			return func() error { _, err := s.redeem(web, code); return err }
		}},
		{"IssueRefreshToken", func(s *server) func() error {
			code := s.code(t, web)
			return func() error { _, err := s.redeem(web, code); return err }
		}},
		{"Claims", func(s *server) func() error {
			tokens := s.tokens(t, web)
			return func() error { _, err := s.refresh(web, tokens.RefreshToken); return err }
		}},
		{"Claims", func(s *server) func() error { return func() error { _, err := s.own(); return err } }},
	} {
		t.Run(test.hook, func(t *testing.T) {
			s := newArmed()
			step := test.begin(s)
			s.store.watch(-1)
			for range 3 {
				armed = test.hook
				panics(func() {
					if err := step(); err == nil {
						t.Error("succeeded")
					}
				})
			}
			if _, commits := s.store.seen(); commits != 0 {
				t.Errorf("%d writes", commits)
			}
			armed = ""
			if err := step(); err != nil {
				t.Errorf("the next try: %v", err)
			}
		})
	}
}

// A hook that keeps what it was given does not hold a part of the server.
func TestHooks_get_copies_of_the_user(t *testing.T) {
	person := &authz.User{Subject: "ana", AMR: []string{"pwd"}}
	s := newServer(t, func(c *authz.Config) {
		c.Login = func(*http.Request) (*authz.User, error) { return person, nil }
		c.Consent = func(_ context.Context, r *authz.ConsentRequest) (authz.Decision, error) {
			r.User.Subject = "admin"
			return authz.Allow, nil
		}
	})
	tokens := s.tokens(t, web)
	if v := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t); v.Subject != "ana" {
		t.Errorf("subject %q", v.Subject)
	}
	if person.Subject != "ana" {
		t.Error("the hook changed what Login returned")
	}
}

// A hook's own refusal goes over the wire as it is, so it has to be one that can.
func TestHooks_refusal_is_fit_for_the_wire(t *testing.T) {
	for name, given := range map[string]*authz.Error{
		"code alone":     {Code: "invalid_grant"},
		"status of zero": {Code: "invalid_grant", Description: "The account is closed."},
		"description":    {Code: "invalid_grant", Status: 400, Description: "caf\u00e9 \"\\\r\n"},
		"nothing":        {},
		"odd code":       {Code: "closed\r\n", Status: 400},
		"status of 200":  {Code: "invalid_grant", Status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(c *authz.Config) {
				c.Claims = func(context.Context, *authz.ClaimsRequest) (map[string]any, error) { return nil, given }
			})
			_, err := s.own()
			e := refusal(t, err)
			if e.Status < 400 || e.Status > 599 || e.Code == "" {
				t.Errorf("%q with status %d", e.Code, e.Status)
			}
			checkDescription(t, e.Code)
			if e.Description != "" {
				checkDescription(t, e.Description)
			}
		})
	}
}
