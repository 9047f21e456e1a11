package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// people is what the host knows of its users.
var people = map[string]any{
	"name": "Ana Example", "given_name": "Ana", "email": "ana@example.com", "email_verified": true, "nickname": "",
	"phone_number": nil, "given_name#ja-Kana-JP": "アナ", "updated_at": 1700000000, "groups": []string{"staff"},
	"sub": "mallory", "iss": "https://evil.example", "SUB": "mallory",
}

// withOpenID turns OpenID Connect on.
func withOpenID(c *authz.Config) {
	c.Scopes = maps.Clone(c.Scopes)
	for _, scope := range []string{"openid", "profile", "email", "phone"} {
		c.Scopes[scope] = scope
	}
	c.UserClaims = func(_ context.Context, req *authz.UserClaimsRequest) (map[string]any, error) {
		if req.Subject != "ana" {
			return nil, errors.New("no such user")
		}
		return people, nil
	}
}

// newOpenID is a server whose clients may ask who the user is.
func newOpenID(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	return newOpenIDOn(t, newProbe(memory.New()), configure...)
}

func newOpenIDOn(t testing.TB, store *probe, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServerOn(t, store, append([]func(*authz.Config){withOpenID}, configure...)...)
	for _, id := range []string{web, spa, first} {
		s.change(t, id, func(c *authz.Client) { c.Scopes = append(c.Scopes, "openid", "profile", "email", "phone") })
	}
	return s
}

// idToken verifies an ID token with the published keys, as a client does, and returns its
// claims.
func (s *server) idToken(t testing.TB, token, algorithm string) map[string]any {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	set := must(s.JWKS(t.Context()))(t)
	keys := set.Key(jws.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("kid %q names %d keys", jws.Signatures[0].Header.KeyID, len(keys))
	}
	var claims map[string]any
	if err := json.Unmarshal(must(jws.Verify(keys[0]))(t), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// login takes ana through a request with the scope openid.
func (s *server) login(t testing.TB, client string, edits ...edit) *authz.TokenResponse {
	t.Helper()
	return must(s.token(redemption(client, s.code(t, client, append([]edit{set("scope", "openid")}, edits...)...))))(t)
}

func (s *server) userInfo(t testing.TB, token string) map[string]any {
	t.Helper()
	return must(s.UserInfo(t.Context(), token))(t).Claims
}

func names(claims map[string]any) string {
	list := slices.Collect(maps.Keys(claims))
	sort.Strings(list)
	return strings.Join(list, " ")
}
