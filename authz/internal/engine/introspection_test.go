package engine_test

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

const apiID = "api" // a resource server

// withAPI adds a resource server, and makes tokens opaque where asked.
func withAPI(opaque bool) func(*authz.Config) {
	return func(c *authz.Config) {
		if opaque {
			c.AccessTokenFormat = "opaque"
		}
		c.Clients = append(c.Clients, authz.Client{
			ID: apiID, ResourceServer: true, Secrets: []storage.Secret{authz.HashSecret(secret)},
		})
	}
}

// formats runs a test for both kinds of access token.
func formats(t *testing.T, f func(t *testing.T, s *ours)) {
	for name, opaque := range map[string]bool{"ours, jwt": false, "ours, opaque": true} {
		t.Run(name, func(t *testing.T) { f(t, newOurs(t, withAPI(opaque))) })
	}
}

func askAbout(token string) url.Values { return url.Values{"token": {token}} }

// wantInactive checks that the answer is that, and nothing more (RFC 7662 §2.2).
func wantInactive(t *testing.T, got answer) {
	t.Helper()
	if got.status != http.StatusOK || len(got.body) != 1 || got.body["active"] != false {
		t.Errorf(`got %d %v, want 200 {"active": false}`, got.status, got.body)
	}
}

func wantActive(t *testing.T, got answer) {
	t.Helper()
	if got.status != http.StatusOK || got.body["active"] != true {
		t.Errorf("got %d %v (%s), want an active token", got.status, got.body, got.reason)
	}
}

// fosite lets in whoever has an access token: any user of any client.
func TestIntrospectionBearerToken_RFC7662_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		others := r.tokens(t, confidentialID).text("access_token")
		mine := r.tokens(t, publicID).text("access_token")
		got := r.introspect(t, askAbout(others), "Bearer "+mine)
		fact(t, got.body["active"] == true, "Introspect in authz/introspection.go", got)
	})
	formats(t, func(t *testing.T, s *ours) {
		others := s.tokens(t, confidentialID).text("access_token")
		mine := s.tokens(t, publicID).text("access_token")
		want(t, s.introspect(t, askAbout(others), "Bearer "+mine), http.StatusUnauthorized, "invalid_client")
		want(t, s.introspect(t, with(askAbout(others), "access_token", mine)), http.StatusUnauthorized, "invalid_client")
		want(t, s.introspect(t, askAbout(others)), http.StatusUnauthorized, "invalid_client")
		// A public client has nothing to show for itself.
		want(t, s.introspect(t, tokenForm(publicID, mine)), http.StatusUnauthorized, "invalid_client")
	})
}

// fosite tells every client everything about everybody's tokens.
func TestIntrospectionOfOthers_RFC7662_4(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		tokens := r.tokens(t, confidentialID)
		for _, name := range []string{"access_token", "refresh_token"} {
			got := r.introspect(t, askAbout(tokens.text(name)), credentialsOf(strangerID)...)
			fact(t, got.body["active"] == true && got.text("sub") == "ana", "Introspect in authz/introspection.go", got)
		}
	})
	formats(t, func(t *testing.T, s *ours) {
		tokens := s.tokens(t, confidentialID)
		for _, name := range []string{"access_token", "refresh_token"} {
			wantInactive(t, s.introspect(t, askAbout(tokens.text(name)), credentialsOf(strangerID)...))
			wantActive(t, s.introspect(t, askAbout(tokens.text(name)), credentialsOf(confidentialID)...))
		}
		wantActive(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...))
		wantInactive(t, s.introspect(t, askAbout(tokens.text("refresh_token")), credentialsOf(apiID)...))
		wantInactive(t, s.introspect(t, askAbout("anything"), credentialsOf(apiID)...))
	})
}

// fosite works out the type of the token and leaves it out of its answer.
func TestIntrospectionMembers_RFC7662_2_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.introspect(t, askAbout(r.tokens(t, publicID).text("access_token")), credentialsOf(confidentialID)...)
		_, there := got.body["token_type"]
		fact(t, got.body["active"] == true && !there && got.body["iss"] == nil, "describe in authz/introspection.go", got)
	})
	formats(t, func(t *testing.T, s *ours) {
		now := s.Clock.Now()
		s.Clock.Advance(time.Second)
		tokens := s.tokens(t, publicID)
		got := s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...)
		wantActive(t, got)
		for name, want := range map[string]any{
			"token_type": "Bearer", "iss": issuer, "aud": issuer, "sub": "ana", "client_id": publicID, "scope": allScopes,
			"iat": float64(now.Unix() + 1), "exp": float64(now.Unix() + 3601), "auth_time": float64(now.Unix()),
		} {
			if got.body[name] != want {
				t.Errorf("%s is %v, want %v", name, got.body[name], want)
			}
		}
	})
}

// Of a refresh token fosite tells when the access token expires.
func TestIntrospectionOfRefreshToken_RFC7662_2_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		tokens := r.tokens(t, confidentialID)
		access := r.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(confidentialID)...)
		refresh := r.introspect(t, askAbout(tokens.text("refresh_token")), credentialsOf(confidentialID)...)
		fact(t, refresh.body["exp"] != nil && refresh.body["exp"] == access.body["exp"], "introspectRefreshToken in authz/introspection.go", refresh)
	})
	formats(t, func(t *testing.T, s *ours) {
		tokens := s.tokens(t, confidentialID)
		got := s.introspect(t, askAbout(tokens.text("refresh_token")), credentialsOf(confidentialID)...)
		wantActive(t, got)
		if want := float64(s.Clock.Now().Add(90 * day).Unix()); got.body["exp"] != want {
			t.Errorf("exp %v, want %v", got.body["exp"], want)
		}
		if _, there := got.body["token_type"]; there {
			t.Error("a refresh token has no token_type: it cannot be sent to an API")
		}
		s.token(t, refreshForm(confidentialID, tokens.text("refresh_token")), credentialsOf(confidentialID)...)
		wantInactive(t, s.introspect(t, askAbout(tokens.text("refresh_token")), credentialsOf(confidentialID)...))
	})
}

// A client authenticates here as it registered; fosite takes Basic only.
func TestIntrospectionClientSecretPost_RFC7662_2_1(t *testing.T) {
	post := []string{"client_id", confidentialID, "client_secret", secret}
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.introspect(t, with(askAbout(r.tokens(t, confidentialID).text("access_token")), post...))
		fact(t, got.status == http.StatusUnauthorized, "authenticateClient at introspection", got)
	})
	formats(t, func(t *testing.T, s *ours) {
		wantActive(t, s.introspect(t, with(askAbout(s.tokens(t, confidentialID).text("access_token")), post...)))
	})
}

func TestIntrospectionWithoutToken_RFC7662_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).introspect(t, url.Values{"a": {"b"}}, credentialsOf(confidentialID)...)
		fact(t, got.status == http.StatusOK, "token_missing in authz/introspection.go", got)
	})
	formats(t, func(t *testing.T, s *ours) {
		want(t, s.introspect(t, url.Values{"a": {"b"}}, credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_request")
		want(t, s.introspect(t, askAbout(""), credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_request")
	})
}

// noReads is a store that cannot find tokens.
type noReads struct{ rawStorage }

func (noReads) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errDown
}

func (noReads) GetRefreshTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errDown
}

// "Not active" is an answer that resource servers act on, and may keep.
func TestStoreFailureAtIntrospection_RFC7662_2_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := newSlowStore(t)
		token := newRaw(t, rawOptions{store: store}).tokens(t, publicID).text("access_token")
		got := newRaw(t, rawOptions{store: noReads{store}}).introspect(t, askAbout(token), credentialsOf(confidentialID)...)
		fact(t, got.status == http.StatusOK && got.body["active"] == false, "unavailable in authz/error.go", got)
	})
	formats(t, func(t *testing.T, s *ours) {
		tokens := s.tokens(t, confidentialID)
		// The resource server is known without the store; the token's client is not.
		for _, call := range []string{"Token", "Grant", "Client"} {
			s.store.fail(call)
			wantUnavailable(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...))
		}
		s.store.fail("Token")
		wantUnavailable(t, s.introspect(t, askAbout("unknown"), credentialsOf(apiID)...))
		s.store.mend()
		got := s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...)
		wantActive(t, got)
		if names := slices.Sorted(maps.Keys(got.body)); len(names) < 9 {
			t.Errorf("only %v", names)
		}
	})
}
