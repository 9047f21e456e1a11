package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// The token dies with what the host ends: the user, the connection, the client.
func TestJWTBearer_revocation(t *testing.T) {
	for _, f := range bothFormats {
		for name, end := range map[string]func(s *server, token string){
			"user":       func(s *server, _ string) { wantNil(t, s.RevokeUser(t.Context(), "ana")) },
			"connection": func(s *server, _ string) { wantNil(t, s.Disconnect(t.Context(), "ana", service)) },
			"token":      func(s *server, token string) { s.revoke(t, service, token) },
			"client":     func(s *server, _ string) { s.change(t, service, func(c *authz.Client) { c.Disabled = true }) },
			"time":       func(s *server, _ string) { s.clock.Advance(time.Hour) },
		} {
			s := newBearer(t, format(f))
			token := must(s.token(bearing(service, s.foreign(t, nil))))(t).AccessToken
			if !s.live(token) {
				t.Fatal("not live")
			}
			if end(s, token); s.live(token) {
				t.Errorf("%s, %s: it lives", f, name)
			}
		}
	}
}

// The hook: what it is told, and what it may do.
func TestJWTBearer_hook(t *testing.T) {
	var told *authz.AssertionRequest
	var answer func(*authz.AssertionRequest) (*authz.AssertionGrant, error)
	s := newBearer(t, withResources, func(c *authz.Config) {
		c.JWTBearer = func(_ context.Context, req *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			told = req
			return answer(req)
		}
	})
	ana := authz.User{Subject: "ana"}
	for _, test := range []struct {
		name   string
		answer func(*authz.AssertionRequest) (*authz.AssertionGrant, error)
		want   string
	}{
		{"as asked", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) { return r.Grant(ana) }, files + ": read write"},
		{"less", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return &authz.AssertionGrant{User: ana, Scopes: r.Scopes[:1], Resources: r.Resources}, nil
		}, files + ": read"},
		{"more", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return &authz.AssertionGrant{User: ana, Scopes: []string{"admin"}, Resources: r.Resources}, nil
		}, "server_error jwt_bearer_hook_failed"},
		{"elsewhere", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return &authz.AssertionGrant{User: ana, Scopes: r.Scopes, Resources: []string{mail}}, nil
		}, "server_error jwt_bearer_hook_failed"},
		{"nowhere", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return &authz.AssertionGrant{User: ana, Scopes: r.Scopes}, nil
		}, "server_error jwt_bearer_hook_failed"},
		{"nobody", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) { return r.Grant(authz.User{}) }, "server_error jwt_bearer_hook_failed"},
		{"details of no type", func(r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
			return &authz.AssertionGrant{User: ana, Resources: r.Resources, AuthorizationDetails: json.RawMessage(`[{"type":"x"}]`)}, nil
		}, "server_error jwt_bearer_hook_failed"},
		{"nothing", func(*authz.AssertionRequest) (*authz.AssertionGrant, error) { return nil, nil }, "server_error jwt_bearer_hook_failed"},
		{"a failure", func(*authz.AssertionRequest) (*authz.AssertionGrant, error) { return nil, errors.New("x") }, "server_error jwt_bearer_hook_failed"},
		{"a refusal", func(*authz.AssertionRequest) (*authz.AssertionGrant, error) { return nil, errStranger }, "invalid_grant stranger"},
	} {
		answer = test.answer
		response, err := s.token(bearing(service, s.foreign(t, map[string]any{"email": "ana@idp.example"}), set("scope", "read write"), set("resource", files)))
		got := outcomeOf(t, err)
		if err == nil {
			got = s.audienceOf(t, response.AccessToken)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if told.Client.ID != service || told.Issuer != idp || told.Subject != "u-1" || told.Claims["email"] != "ana@idp.example" ||
		!slices.Equal(told.Scopes, []string{"read", "write"}) || !slices.Equal(told.Resources, []string{files}) {
		t.Errorf("told %+v", told)
	}
}

// A store that cannot tell is 503, at whichever call, and the retry works.
func TestJWTBearer_store_fails(t *testing.T) {
	for _, f := range bothFormats {
		for at := 0; ; at++ {
			s := newBearer(t, withDPoP, format(f))
			jwt, key := s.foreign(t, nil), authztest.NewDPoPKey()
			s.store.watch(at)
			_, err := s.token(s.proven(key, bearing(service, jwt)))
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
			s.store.watch(-1)
			must(s.token(s.proven(key, bearing(service, jwt))))(t)
		}
	}
}

// Nothing of an assertion reaches the log.
func TestJWTBearer_log(t *testing.T) {
	s := newBearer(t)
	jwt := s.foreign(t, map[string]any{"sub": "u-9", "jti": "the-jti"})
	s.bear(t, jwt)
	if text := s.log.String(); strings.Contains(text, jwt[:40]) || strings.Contains(text, "the-jti") {
		t.Error(text)
	}
}
