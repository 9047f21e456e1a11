package authz_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"encoding/base64"

	"crypto/elliptic"

	"github.com/grantor-oauth/grantor/authz"
)

func (s *server) revoke(t testing.TB, client, token string, edits ...edit) {
	t.Helper()
	if err := s.Revoke(t.Context(), request(client, form(edits, "token", token))); err != nil {
		t.Fatal(err)
	}
}

// An access token goes alone; a refresh token takes its grant with it. The hint is
// only a hint.
func TestRFC7009_Section2_1(t *testing.T) {
	hints := []string{"", "access_token", "refresh_token", "nonsense"}
	for _, format := range []string{"jwt", "opaque"} {
		for _, hint := range hints {
			for _, client := range []string{web, spa} {
				t.Run(format+" "+hint+" "+client, func(t *testing.T) {
					s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
					bystander := s.tokens(t, client, set("scope", "read offline_access"))
					one := s.tokens(t, client, set("scope", "read offline_access"))
					two := must(s.refresh(client, one.RefreshToken))(t)

					s.revoke(t, client, one.AccessToken, set("token_type_hint", hint))
					if s.live(one.AccessToken) {
						t.Error("a revoked access token opens things")
					}
					if !s.live(two.AccessToken) {
						t.Error("its successor died with it")
					}
					three := must(s.refresh(client, two.RefreshToken))(t)

					s.revoke(t, client, three.RefreshToken, set("token_type_hint", hint))
					for _, token := range []string{one.AccessToken, two.AccessToken, three.AccessToken} {
						if s.live(token) {
							t.Error("an access token outlived its grant")
						}
					}
					_, err := s.refresh(client, three.RefreshToken)
					wantRefusal(t, err, "invalid_grant grant_revoked")
					s.revoke(t, client, three.RefreshToken) // again is no error

					if !s.live(bystander.AccessToken) {
						t.Error("another grant died with it")
					}
					must(s.refresh(client, bystander.RefreshToken))(t)
				})
			}
		}
	}
}

// A refresh token that has been rotated still names its grant: whoever logs out with an
// old one means it.
func TestRFC7009_Section2_1_rotated_token(t *testing.T) {
	s := newServer(t)
	one := s.tokens(t, web)
	two := must(s.refresh(web, one.RefreshToken))(t)
	s.revoke(t, web, one.RefreshToken)
	if s.live(two.AccessToken) {
		t.Error("the grant lives")
	}
}

// What is not the client's, or nothing at all, is answered like a success and has no
// effect (RFC 7009 §2.2).
func TestRFC7009_Section2_2(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		tokens := s.tokens(t, web)
		own := must(s.own())(t)
		s.store.watch(-1)
		for _, client := range []string{first, spa, service, rs} {
			for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, "unknown", strings.Repeat("A", 51), "a.b.c", strings.Repeat("x", 8000)} {
				s.revoke(t, client, token)
			}
		}
		s.revoke(t, web, own.AccessToken)
		if _, commits := s.store.seen(); commits != 0 {
			t.Errorf("%d writes", commits)
		}
		for _, e := range s.heard() {
			if e.Type == authz.TokenRevoked || e.Type == authz.GrantRevoked {
				t.Errorf("event %+v", e)
			}
		}
		if !s.live(tokens.AccessToken) || !s.live(own.AccessToken) {
			t.Error("a stranger revoked it")
		}
		must(s.refresh(web, tokens.RefreshToken))(t)
	}
}

func TestRFC7009_Section2_1_refused(t *testing.T) {
	s := newServer(t)
	for _, test := range []struct {
		name string
		req  *authz.Request
		want string
	}{
		{"no token", request(web, form(nil)), "invalid_request token_missing"},
		{"empty token", request(web, form(nil, "token", "")), "invalid_request token_missing"},
		{"two tokens", request(web, form([]edit{set("token", "a", "b")})), "invalid_request parameter_repeated"},
		{"1 MB", request(web, form(nil, "token", strings.Repeat("x", 1<<20))), "invalid_request parameter_too_long"},
		{"nobody", &authz.Request{Parameters: form(nil, "token", "x")}, "invalid_client client_missing"},
		{"unknown client", &authz.Request{Parameters: form(nil, "token", "x", "client_id", "nobody")}, "invalid_client client_unknown"},
		{"no token before no client", &authz.Request{Parameters: form(nil)}, "invalid_client client_missing"},
	} {
		t.Run(test.name, func(t *testing.T) { wantRefusal(t, s.Revoke(t.Context(), test.req), test.want) })
	}
}

// A signed token is stored nowhere; revoked, it is refused at once, and every spelling
// of it with it: the other signature that fits (ECDSA has two), spare bits of base64.
func TestRFC7009_Section2_1_signed_token(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, web).AccessToken
	own := must(s.own())(t).AccessToken
	other := otherSignature(t, token)
	if !s.live(other) {
		t.Log("the other signature is not accepted to begin with")
	}
	s.revoke(t, web, token)
	s.revoke(t, service, own)
	for _, v := range []string{token, own, other} {
		if s.live(v) {
			t.Error("a revoked token opens things")
		}
		if s.introspect(t, rs, v)["active"] != false {
			t.Error("a revoked token is active")
		}
	}
	// It stays dead for its whole life, and its mark goes when it would have expired.
	s.clock.Advance(time.Hour - aMoment)
	s.tokens(t, web) // sweeps
	if s.live(token) || s.live(own) {
		t.Error("came back")
	}
}

// otherSignature is the same ES256 token with (r, n-s) in place of (r, s).
func otherSignature(t testing.TB, token string) string {
	t.Helper()
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(sig) != 64 {
		t.Fatalf("signature of %d bytes, %v", len(sig), err)
	}
	n := elliptic.P256().Params().N
	new(big.Int).Sub(n, new(big.Int).SetBytes(sig[32:])).FillBytes(sig[32:])
	return token[:i+1] + base64.RawURLEncoding.EncodeToString(sig)
}

// What the host can end.
func TestServer_revocations(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(t *testing.T, s *server) error
		dead []string // of "ana web", "ana spa", "ben web"
	}{
		"RevokeUser":       {func(t *testing.T, s *server) error { return s.RevokeUser(t.Context(), "ana") }, []string{"ana web", "ana spa"}},
		"Disconnect":       {func(t *testing.T, s *server) error { return s.Disconnect(t.Context(), "ana", web) }, []string{"ana web"}},
		"unknown user":     {func(t *testing.T, s *server) error { return s.RevokeUser(t.Context(), "nobody") }, nil},
		"unknown client":   {func(t *testing.T, s *server) error { return s.Disconnect(t.Context(), "ana", "nobody") }, nil},
		"unknown grant":    {func(t *testing.T, s *server) error { return s.RevokeGrant(t.Context(), strings.Repeat("0", 32)) }, nil},
		"user with a star": {func(t *testing.T, s *server) error { return s.RevokeUser(t.Context(), "*") }, nil},
		"RevokeGrant": {func(t *testing.T, s *server) error {
			return s.RevokeGrant(t.Context(), must(s.store.ListGrants(t.Context(), "ben", "", 1))(t)[0].ID)
		}, []string{"ben web"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			tokens := map[string]*authz.TokenResponse{
				"ana web": s.tokens(t, web, set("scope", "offline_access")),
				"ana spa": s.tokens(t, spa, set("scope", "offline_access")),
			}
			s.host.SignIn("ben")
			tokens["ben web"] = s.tokens(t, web, set("scope", "offline_access"))
			if err := test.do(t, s); err != nil {
				t.Fatal(err)
			}
			for who, token := range tokens {
				dead := strings.Contains(strings.Join(test.dead, ","), who)
				if s.live(token.AccessToken) == dead {
					t.Errorf("%s: dead is %v", who, !dead)
				}
				_, err := s.refresh(strings.Fields(who)[1], token.RefreshToken)
				if (err != nil) != dead {
					t.Errorf("%s: refresh: %v", who, err)
				}
			}
			forgotten := name == "RevokeUser"
			if got := len(must(s.Consents(t.Context(), "ana", "", 10))(t)); got != map[bool]int{true: 0, false: 2}[forgotten] && name != "Disconnect" {
				t.Errorf("%d consents remembered", got)
			}
		})
	}
	s := newServer(t)
	for name, err := range map[string]error{
		"RevokeUser": s.RevokeUser(t.Context(), ""), "RevokeGrant": s.RevokeGrant(t.Context(), ""),
		"Disconnect from nothing": s.Disconnect(t.Context(), "ana", ""), "Disconnect nobody": s.Disconnect(t.Context(), "", web),
	} {
		if err == nil {
			t.Errorf("%s with an empty name succeeded", name)
		}
	}
}

func TestServer_Consents(t *testing.T) {
	s := newServer(t)
	s.code(t, spa)
	s.code(t, web)
	s.host.SignIn("ben")
	s.code(t, web)
	one := must(s.Consents(t.Context(), "ana", "", 1))(t)
	two := must(s.Consents(t.Context(), "ana", one[0].ClientID, 10))(t)
	if len(one) != 1 || len(two) != 1 || one[0].ClientID != spa || two[0].ClientID != web || two[0].Subject != "ana" || !two[0].GrantedAt.Equal(s.clock.Now()) {
		t.Errorf("%+v, %+v", one, two)
	}
}
