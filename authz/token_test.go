package authz_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// The authorization code grant. Every refusal leaves the code as it was: the right
// request still works afterwards.
func TestRFC6749_Section4_1_3(t *testing.T) {
	for _, test := range []struct {
		name   string
		client string // who asks; the code is web's
		edits  []edit
		want   string
	}{
		{"code_missing", web, []edit{drop("code")}, "invalid_request code_missing"},
		{"code_empty", web, []edit{set("code", "")}, "invalid_request code_missing"},
		{"code_twice", web, []edit{set("code", "a", "b")}, "invalid_request parameter_repeated"},
		{"code_unknown", web, []edit{set("code", strings.Repeat("A", 51))}, "invalid_grant code_unknown"},
		{"code_too_short", web, []edit{set("code", "abc")}, "invalid_grant code_unknown"},
		{"code_of_1_MB", web, []edit{set("code", strings.Repeat("A", 1<<20))}, "invalid_request parameter_too_long"},
		{"code_not_text", web, []edit{set("code", "\x00\r\n")}, "invalid_request parameter_not_text"},
		{"code_of_another_client/public", spa, []edit{set("redirect_uri", redirectOf[web])}, "invalid_grant code_of_another_client"},
		{"code_of_another_client/confidential", first, []edit{set("redirect_uri", redirectOf[web])}, "invalid_grant code_of_another_client"},
		{"client_without_the_grant", service, nil, "unauthorized_client grant_type_not_allowed"},
		{"client_id_of_another_client", web, []edit{set("client_id", spa)}, "invalid_request two_clients"},
		{"redirect_uri_missing", web, []edit{drop("redirect_uri")}, "invalid_grant redirect_uri_mismatch"},
		{"redirect_uri_empty", web, []edit{set("redirect_uri", "")}, "invalid_grant redirect_uri_mismatch"},
		{"redirect_uri_of_another_client", web, []edit{set("redirect_uri", redirectOf[spa])}, "invalid_grant redirect_uri_mismatch"},
		{"redirect_uri_with_a_slash_more", web, []edit{set("redirect_uri", redirectOf[web]+"/")}, "invalid_grant redirect_uri_mismatch"},
		{"redirect_uri_twice", web, []edit{set("redirect_uri", redirectOf[web], redirectOf[web])}, "invalid_request parameter_repeated"},
		{"resource_unknown", web, []edit{set("resource", "https://other.example")}, "invalid_target resource_unknown"},
		{"unknown_parameter_twice", web, []edit{set("x", "1", "2")}, "invalid_request parameter_repeated"},
		{"grant_type_missing", web, []edit{drop("grant_type")}, "invalid_request grant_type_missing"},
		{"grant_type_empty", web, []edit{set("grant_type", "")}, "invalid_request grant_type_missing"},
		{"grant_type_password", web, []edit{set("grant_type", "password")}, "unsupported_grant_type grant_type_not_supported"},
		{"grant_type_implicit", web, []edit{set("grant_type", "implicit")}, "unsupported_grant_type grant_type_not_supported"},
		{"grant_type_in_upper_case", web, []edit{set("grant_type", "AUTHORIZATION_CODE")}, "unsupported_grant_type grant_type_not_supported"},
		{"grant_type_with_another", web, []edit{set("grant_type", "authorization_code refresh_token")}, "unsupported_grant_type grant_type_not_supported"},
		{"code_as_refresh_token", web, []edit{set("grant_type", "refresh_token"), set("refresh_token", "CODE")}, "invalid_grant refresh_token_unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			code := s.code(t, web)
			req := redemption(test.client, code, test.edits...)
			if req.Parameters.Get("refresh_token") == "CODE" {
				req.Parameters.Set("refresh_token", code)
			}
			s.store.watch(-1)
			for range 2 {
				_, err := s.Token(t.Context(), req)
				wantRefusal(t, err, test.want)
			}
			if _, commits := s.store.seen(); commits != 0 {
				t.Errorf("%d writes", commits)
			}
			tokens := must(s.redeem(web, code))(t)
			if !s.live(tokens.AccessToken) {
				t.Error("the right request afterwards yields a dead token")
			}
		})
	}
}

// A successful answer (RFC 6749 §5.1).
func TestRFC6749_Section5_1(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web)
	if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 3600 || tokens.Scope != "read write" || tokens.RefreshToken == "" || tokens.AccessToken == "" {
		t.Errorf("%+v", tokens)
	}
	// A public client gets a refresh token with offline_access alone.
	if s.tokens(t, spa).RefreshToken != "" {
		t.Error("a refresh token for a public client that did not ask for one")
	}
	if s.tokens(t, spa, set("scope", "read offline_access")).RefreshToken == "" {
		t.Error("no refresh token for offline_access")
	}
	// redirect_uri only has to be repeated if it was sent.
	if _, err := s.redeem(web, s.code(t, web, drop("redirect_uri")), drop("redirect_uri")); err != nil {
		t.Errorf("redirect_uri in neither request: %v", err)
	}
	if _, err := s.redeem(web, s.code(t, web), set("resource", issuer)); err != nil {
		t.Errorf("with resource: %v", err)
	}
	if _, err := s.redeem(web, s.code(t, web), set("resource", "")); err != nil {
		t.Errorf("with resource without a value: %v", err)
	}
}

// IssueRefreshToken replaces the refresh rule.
func TestIssueRefreshToken(t *testing.T) {
	s := newServer(t, func(c *authz.Config) {
		c.IssueRefreshToken = func(c *authz.Client, scopes []string) bool { return c.ID == spa && slices.Contains(scopes, "write") }
	})
	for _, test := range []struct {
		client, scope string
		want          bool
	}{
		{web, "read write offline_access", false}, {spa, "read offline_access", false}, {spa, "write", true},
	} {
		if got := s.tokens(t, test.client, set("scope", test.scope)).RefreshToken != ""; got != test.want {
			t.Errorf("%s with %s: refresh token %v", test.client, test.scope, got)
		}
	}
	// It cannot give one to a client that may not use the grant.
	s.change(t, spa, func(c *authz.Client) { c.GrantTypes = []string{"authorization_code"} })
	if s.tokens(t, spa, set("scope", "write")).RefreshToken != "" {
		t.Error("a refresh token for a client without that grant type")
	}
}

// A code lives for as long as it says, by the server's clock (RFC 6749 §4.1.2).
func TestRFC6749_Section4_1_2_lifetime(t *testing.T) {
	for _, lifetime := range []time.Duration{time.Second, time.Minute, 10 * time.Minute} {
		s := newServer(t, lifetimes(authz.Lifetimes{AuthorizationCode: lifetime}))
		code, late := s.code(t, web), s.code(t, web)
		s.clock.Advance(lifetime - aMoment)
		must(s.redeem(web, code))(t)
		s.clock.Advance(aMoment)
		_, err := s.redeem(web, late)
		wantRefusal(t, err, "invalid_grant code_expired")
		s.clock.Advance(366 * 24 * time.Hour)
		s.tokens(t, web) // sweeps
		_, err = s.redeem(web, late)
		wantRefusal(t, err, "invalid_grant code_unknown")
	}
}

// A code used twice takes down everything it yielded, refreshed tokens too (RFC 6749
// §4.1.2, §10.5).
func TestRFC6749_Section10_5(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
			bystander := s.tokens(t, web)
			code := s.code(t, web)
			one := must(s.redeem(web, code))(t)
			two := must(s.refresh(web, one.RefreshToken))(t)
			s.clock.Advance(59 * time.Minute)

			// Nobody but its client can do that.
			_, err := s.redeem(spa, code, set("redirect_uri", redirectOf[web]))
			wantRefusal(t, err, "invalid_grant code_of_another_client")
			if !s.live(one.AccessToken) || !s.live(two.AccessToken) {
				t.Fatal("another client's replay killed the grant")
			}
			// The rest of the request does not matter any more.
			_, err = s.redeem(web, code, set("code_verifier", strings.Repeat("x", 43)), drop("redirect_uri"))
			wantRefusal(t, err, "invalid_grant code_replayed")
			if s.live(one.AccessToken) || s.live(two.AccessToken) {
				t.Error("an access token outlived the replay")
			}
			for _, token := range []string{one.RefreshToken, two.RefreshToken} {
				_, err = s.refresh(web, token)
				wantRefusal(t, err, "invalid_grant grant_revoked")
			}
			_, err = s.redeem(web, code)
			wantRefusal(t, err, "invalid_grant code_replayed")
			if !s.live(bystander.AccessToken) {
				t.Error("another grant died with it")
			}
			must(s.refresh(web, bystander.RefreshToken))(t)
		})
	}
}

// What happened between code and token counts.
func TestRFC6749_Section4_1_3_in_between(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*testing.T, *server)
		want string
	}{
		{"user revoked", func(t *testing.T, s *server) {
			if err := s.RevokeUser(t.Context(), "ana"); err != nil {
				t.Fatal(err)
			}
		}, "invalid_grant grant_revoked"},
		{"disconnected", func(t *testing.T, s *server) {
			if err := s.Disconnect(t.Context(), "ana", web); err != nil {
				t.Fatal(err)
			}
		}, "invalid_grant grant_revoked"},
		{"grant revoked", func(t *testing.T, s *server) {
			grants := must(s.store.ListGrants(t.Context(), "ana", "", 10))(t)
			if err := s.RevokeGrant(t.Context(), grants[0].ID); err != nil {
				t.Fatal(err)
			}
		}, "invalid_grant grant_revoked"},
		{"client deleted", func(t *testing.T, s *server) {
			if err := s.store.DeleteClient(t.Context(), web); err != nil {
				t.Fatal(err)
			}
		}, "invalid_client client_unknown"},
		{"client disabled", func(t *testing.T, s *server) {
			s.change(t, web, func(c *authz.Client) { c.Disabled = true })
		}, "invalid_client client_unknown"},
		{"grant type taken away", func(t *testing.T, s *server) {
			s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"refresh_token"} })
		}, "unauthorized_client grant_type_not_allowed"},
		{"secret replaced", func(t *testing.T, s *server) {
			s.change(t, web, func(c *authz.Client) { c.Secrets = liveSecrets[first] })
		}, "invalid_client secret_mismatch"},
		{"another user's sessions ended", func(t *testing.T, s *server) {
			if err := s.RevokeUser(t.Context(), "ben"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"another client disconnected", func(t *testing.T, s *server) {
			if err := s.Disconnect(t.Context(), "ana", spa); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			code := s.code(t, web)
			test.do(t, s)
			_, err := s.redeem(web, code)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, test.want)
		})
	}
}

// A client that lost a scope, or the refresh grant, does not get it with an old code.
func TestRFC6749_Section4_1_3_registration_reduced(t *testing.T) {
	s := newServer(t)
	code := s.code(t, web)
	s.change(t, web, func(c *authz.Client) { c.Scopes = []string{"read"} })
	tokens := must(s.redeem(web, code))(t)
	if tokens.Scope != "read" {
		t.Errorf("scope %q", tokens.Scope)
	}
	if v := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t); !slices.Equal(v.Scopes, []string{"read"}) {
		t.Errorf("token has %q", v.Scopes)
	}

	code = s.code(t, web, set("scope", "read"))
	s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"authorization_code"} })
	if must(s.redeem(web, code))(t).RefreshToken != "" {
		t.Error("a refresh token for a client that may not use it any more")
	}

	code = s.code(t, spa, set("scope", "read offline_access"))
	s.change(t, spa, func(c *authz.Client) { c.Scopes = []string{"read"} })
	if must(s.redeem(spa, code))(t).RefreshToken != "" {
		t.Error("a refresh token for a public client that may not have offline_access any more")
	}
}

// The client's own token (RFC 6749 §4.4).
func TestRFC6749_Section4_4(t *testing.T) {
	s := newServer(t)
	tokens := must(s.own())(t)
	if tokens.RefreshToken != "" || tokens.Scope != "read" || tokens.TokenType != "Bearer" || tokens.ExpiresIn != 3600 {
		t.Errorf("%+v", tokens)
	}
	v := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
	if v.Subject != service || v.ClientID != service || !v.AuthTime.IsZero() {
		t.Errorf("%+v", v)
	}
	for client, want := range map[string]string{
		web: "unauthorized_client grant_type_not_allowed", spa: "unauthorized_client grant_type_not_allowed", rs: "unauthorized_client grant_type_not_allowed",
	} {
		_, err := s.Token(t.Context(), request(client, form(nil, "grant_type", "client_credentials")))
		wantRefusal(t, err, want)
	}
	// Whatever the host's storage says, a client without a secret has no token of its own.
	s.change(t, service, func(c *authz.Client) { c.Secrets = nil })
	_, err := s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials", "client_id", service)})
	wantRefusal(t, err, "unauthorized_client public_client")

	// Refused all the same when its token has to be stored.
	s = newServer(t, opaque)
	if must(s.own())(t).AccessToken == "" {
		t.Error("no token")
	}
	s.change(t, service, func(c *authz.Client) { c.Secrets = []storage.Secret{} })
	_, err = s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials", "client_id", service)})
	wantRefusal(t, err, "unauthorized_client public_client")
}

// A credential is 51 characters and none of them can be changed, the spare bits of the
// last one included.
func TestCredential_is_exact(t *testing.T) {
	s := newServer(t, opaque)
	code := s.code(t, web)
	tokens := s.tokens(t, web)
	if len(code) != 51 || len(tokens.AccessToken) != 51 || len(tokens.RefreshToken) != 51 {
		t.Errorf("lengths %d, %d, %d", len(code), len(tokens.AccessToken), len(tokens.RefreshToken))
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	variants := func(credential string) (v []string) {
		for _, i := range []int{0, 5, 7, 8, 9, 25, 49, 50} {
			for _, c := range alphabet {
				if other := credential[:i] + string(c) + credential[i+1:]; other != credential {
					v = append(v, other)
				}
			}
		}
		return append(v, credential+"=", credential+"A", credential+"\n", credential+" ", credential[1:], strings.ToUpper(credential))
	}
	for _, other := range variants(tokens.AccessToken) {
		if s.live(other) {
			t.Errorf("%q opens what %q does", other, tokens.AccessToken)
		}
	}
	for _, other := range variants(tokens.RefreshToken) {
		if _, err := s.refresh(web, other); err == nil {
			t.Errorf("%q refreshes what %q does", other, tokens.RefreshToken)
		}
		if err := s.Revoke(t.Context(), request(web, form(nil, "token", other))); err != nil && !strings.Contains(err.Error(), "not_text") {
			t.Error(err)
		}
	}
	for _, other := range variants(code) {
		if _, err := s.redeem(web, other); err == nil {
			t.Errorf("%q redeems what %q does", other, code)
		}
	}
	must(s.redeem(web, code))(t)
	must(s.refresh(web, tokens.RefreshToken))(t) // none of that revoked it
	if !s.live(tokens.AccessToken) {
		t.Error("none of that revoked it")
	}
}
