package authz_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// What an ID token says, in each algorithm, and that only openid asks for one.
func TestOpenIDConnectCore_Section2(t *testing.T) {
	for _, alg := range []string{"", "RS256", "ES256", "EdDSA"} {
		s := newOpenID(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "EdDSA"} })
		s.change(t, web, func(c *authz.Client) { c.IDTokenSignedResponseAlg = alg })
		if alg == "" {
			alg = "RS256"
		}
		s.clock.Advance(10 * time.Second)
		tokens := s.login(t, web, set("nonce", "n-0S6_WzA2Mj"), set("scope", "openid read"))
		at := float64(s.clock.Now().Unix())
		claims := s.idToken(t, tokens.IDToken, alg)
		if alg != "EdDSA" {
			sum := sha256.Sum256([]byte(tokens.AccessToken))
			if claims["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
				t.Errorf("%s: at_hash %v", alg, claims["at_hash"])
			}
		}
		delete(claims, "at_hash")
		want := map[string]any{"iss": issuer, "sub": "ana", "aud": web, "nonce": "n-0S6_WzA2Mj", "iat": at, "exp": at + 3600, "auth_time": at - 10}
		if !maps.Equal(claims, want) {
			t.Errorf("%s: %v, want %v", alg, claims, want)
		}
	}
	s := newOpenID(t)
	if tokens := must(s.token(redemption(web, s.code(t, web, set("nonce", "x")))))(t); tokens.IDToken != "" {
		t.Error("an ID token without openid")
	}
	if claims := s.idToken(t, s.login(t, web).IDToken, "RS256"); claims["nonce"] != nil {
		t.Errorf("a nonce that nobody sent: %v", claims)
	}
	// Who had signed in how.
	user := &authz.User{Subject: "ana", AuthTime: s.clock.Now().Add(-time.Hour), ACR: "urn:mfa", AMR: []string{"pwd", "otp"}}
	s = newOpenID(t, func(c *authz.Config) { c.Login = func(*http.Request) (*authz.User, error) { return user, nil } })
	claims := s.idToken(t, s.login(t, web).IDToken, "RS256")
	if claims["acr"] != "urn:mfa" || len(claims["amr"].([]any)) != 2 || claims["auth_time"] != float64(user.AuthTime.Unix()) {
		t.Errorf("%v", claims)
	}
}

// Without openid among the scopes there is nothing of it.
func TestOpenIDConnect_off(t *testing.T) {
	s := newServer(t)
	m := must(json.Marshal(s.Metadata()))(t)
	for _, member := range []string{"userinfo_endpoint", "subject_types_supported", "id_token_signing_alg_values_supported", "claims_parameter_supported"} {
		if strings.Contains(string(m), member) {
			t.Errorf("%s is there", member)
		}
	}
	if _, err := s.UserInfo(t.Context(), s.tokens(t, web).AccessToken); err == nil {
		t.Error("UserInfo answers")
	}
	if len(must(s.JWKS(t.Context()))(t).Keys) != 1 {
		t.Error("there is a key that nobody needs")
	}
	c := validConfig()
	c.UserClaims = func(context.Context, *authz.UserClaimsRequest) (map[string]any, error) { return nil, nil }
	if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), "add the scope openid") {
		t.Errorf("%v", err)
	}
}

// A refresh yields an ID token about the first sign-in, without the nonce.
func TestOpenIDConnectCore_Section12_2(t *testing.T) {
	for _, f := range bothFormats {
		s := newOpenID(t, format(f))
		tokens := s.login(t, web, set("nonce", "n"))
		before := s.idToken(t, tokens.IDToken, "RS256")
		s.clock.Advance(20 * time.Minute)
		again := must(s.token(refreshing(web, tokens.RefreshToken)))(t)
		after := s.idToken(t, again.IDToken, "RS256")
		for _, same := range []string{"iss", "sub", "aud", "auth_time"} {
			if before[same] != after[same] {
				t.Errorf("%s: %s was %v and is %v", f, same, before[same], after[same])
			}
		}
		if after["nonce"] != nil || after["iat"] != float64(s.clock.Now().Unix()) {
			t.Errorf("%s: %v", f, after)
		}
		// A repeat of the refresh gets the same one.
		if repeated := must(s.token(refreshing(web, tokens.RefreshToken)))(t); repeated.IDToken != again.IDToken {
			t.Errorf("%s: a repeated refresh has another ID token", f)
		}
		// Without openid there is none.
		narrowed := s.login(t, web, set("scope", "openid read"))
		if none := must(s.token(refreshing(web, narrowed.RefreshToken, set("scope", "read"))))(t); none.IDToken != "" {
			t.Errorf("%s: an ID token for the scope read", f)
		}
	}
}

// id_token_hint: of this server, for this client, however old, by a key that has retired too.
func TestOpenIDConnectCore_Section3_1_2_1_hint(t *testing.T) {
	s := newOpenID(t, func(c *authz.Config) { c.KeyRotation = 30 * 24 * time.Hour })
	hint := s.login(t, web).IDToken
	access := s.login(t, web).AccessToken
	others := s.login(t, spa).IDToken
	for range 20 {
		s.clock.Advance(2 * 24 * time.Hour)
		must(s.JWKS(t.Context()))(t)
	}
	s.host.SignIn("ana")
	if id := s.login(t, web).IDToken; strings.Split(id, ".")[0] == strings.Split(hint, ".")[0] {
		t.Fatal("the key is still the same")
	}
	visit := func(edits ...edit) string {
		response, err := s.authorize(web, append([]edit{set("scope", "openid")}, edits...)...)
		return s.outcome(t, response, err)
	}
	for name, test := range map[string]struct{ hint, want string }{
		"good":            {hint, "code"},
		"another client":  {others, "back: invalid_request id_token_hint_invalid"},
		"an access token": {access, "back: invalid_request id_token_hint_invalid"},
		"rubbish":         {"x", "back: invalid_request id_token_hint_invalid"},
		"unsigned":        {encode(`{"alg":"none"}`) + "." + strings.Split(hint, ".")[1] + ".", "back: invalid_request id_token_hint_invalid"},
		"another key":     {s.assert(t, assertion{claims: map[string]any{"iss": issuer, "sub": "ana", "aud": web}}), "back: invalid_request id_token_hint_invalid"},
	} {
		if got := visit(set("id_token_hint", test.hint)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	// Of another user: silence fails, otherwise the host has them sign in, once.
	s.host.SignIn("ben")
	if got := visit(set("id_token_hint", hint), set("prompt", "none")); got != "back: login_required signed_in_as_another" {
		t.Error(got)
	}
	var again []bool
	s = newOpenID(t, func(c *authz.Config) {
		c.Login = func(r *http.Request) (*authz.User, error) {
			again = append(again, authz.MustSignInAgain(r))
			if authz.MustSignInAgain(r) {
				return nil, authz.RedirectToLogin("/login")
			}
			return &authz.User{Subject: "ben"}, nil
		}
	})
	response, err := s.authorize(web, set("scope", "openid"), set("claims", `{"id_token":{"sub":{"value":"ana"}}}`))
	if got := s.outcome(t, response, err); got != "login" || !slices.Equal(again, []bool{false, true}) {
		t.Fatalf("%s, asked %v", got, again)
	}
	_, back, _ := strings.Cut(response.Redirect, "return_to=")
	r := httptest.NewRequest("GET", "/login?return_to="+back, nil)
	to := must(http.NewRequest("GET", s.ReturnTo(r, "/"), nil))(t)
	response, err = s.visit(to.URL.Query())
	if got := s.outcome(t, response, err); got != "back: login_required signed_in_as_another" {
		t.Errorf("the second time: %s", got)
	}
}

// Without redirect_uri there is no OpenID Connect request, though OAuth takes one.
func TestOpenIDConnectCore_Section3_1_2_1(t *testing.T) {
	s := newOpenID(t)
	_, err := s.authorize(web, drop("redirect_uri"), set("scope", "openid"))
	wantRefusal(t, err, "invalid_request redirect_uri_missing")
	for nonce, want := range map[string]string{"a": "ask", strings.Repeat("x", 64): "ask", strings.Repeat("x", 2049): "back: invalid_request nonce_too_long"} {
		response, err := s.authorize(web, set("scope", "openid"), set("nonce", nonce))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("nonce of %d: %s, want %s", len(nonce), got, want)
		}
	}
	// The client's own max_age counts where the request has none.
	s.change(t, web, func(c *authz.Client) { c.DefaultMaxAge = time.Minute })
	s.clock.Advance(2 * time.Minute)
	for edits, want := range map[string]string{"": "back: login_required sign_in_too_old", "300": "ask"} {
		response, err := s.authorize(web, set("scope", "openid"), set("max_age", edits))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("max_age %q: %s, want %s", edits, got, want)
		}
	}
}

// UserInfo answers for users' tokens with openid, and no others.
func TestOpenIDConnectCore_Section5_3(t *testing.T) {
	for _, f := range bothFormats {
		s := newOpenID(t, format(f), withExchange)
		s.change(t, service, func(c *authz.Client) {
			c.Scopes = append(c.Scopes, "openid")
			c.GrantTypes = append(c.GrantTypes, exchangeGrant)
		})
		for name, test := range map[string]struct{ token, want string }{
			"without openid":  {s.tokens(t, web).AccessToken, "insufficient_scope openid_not_granted"},
			"a client's own":  {must(s.own(set("scope", "openid")))(t).AccessToken, "insufficient_scope openid_not_granted"},
			"a refresh token": {s.login(t, web).RefreshToken, "invalid_token access_token_invalid"},
			"an ID token":     {s.login(t, web).IDToken, "invalid_token access_token_invalid"},
			"rubbish":         {"x", "invalid_token access_token_invalid"},
			"one of somebody who is not known to the hook": {func() string {
				s.host.SignIn("ben")
				defer s.host.SignIn("ana")
				return s.login(t, web, set("scope", "openid email")).AccessToken
			}(), "server_error user_claims_hook_failed"},
		} {
			_, err := s.UserInfo(t.Context(), test.token)
			var e *authz.Error
			if !errors.As(err, &e) || e.Code+" "+e.Reason != test.want {
				t.Errorf("%s, %s: %v, want %s", f, name, err, test.want)
			}
		}
		// What was exchanged says who the user is, and no more than its scopes.
		tokens := s.login(t, web, set("scope", "openid"), set("claims", `{"userinfo":{"email":null}}`))
		exchanged := must(s.exchange(tokens.AccessToken))(t).AccessToken
		if got := names(s.userInfo(t, exchanged)); got != "sub" {
			t.Errorf("%s: an exchanged token tells %s", f, got)
		}
		s.revoke(t, web, tokens.RefreshToken)
		if _, err := s.UserInfo(t.Context(), tokens.AccessToken); err == nil {
			t.Errorf("%s: a revoked token tells", f)
		}
	}
	// Signed, if the client has registered for that.
	s := newOpenID(t)
	s.change(t, web, func(c *authz.Client) { c.UserInfoSignedResponseAlg = "ES256" })
	info := must(s.UserInfo(t.Context(), s.login(t, web, set("scope", "openid email")).AccessToken))(t)
	if claims := s.idToken(t, info.JWT, "ES256"); claims["iss"] != issuer || claims["aud"] != web || claims["email"] != "ana@example.com" {
		t.Errorf("%v", claims)
	}
	response, err := s.authorize(web, set("scope", "openid"), set("id_token_hint", info.JWT))
	if got := s.outcome(t, response, err); got != "back: invalid_request id_token_hint_invalid" {
		t.Errorf("a signed answer as a hint: %s", got)
	}
}

// Scopes of OpenID Connect mean something whatever the resource.
func TestOpenIDConnect_resources(t *testing.T) {
	s := newOpenID(t, withResources)
	tokens := s.login(t, web, set("scope", "openid email read"), set("resource", mail))
	if tokens.IDToken == "" || tokens.Scope != "openid email read" {
		t.Errorf("%q", tokens.Scope)
	}
	if got := names(s.userInfo(t, tokens.AccessToken)); got != "email email_verified sub" {
		t.Error(got)
	}
}

// A hook or a store that fails uses nothing up.
func TestOpenIDConnect_failures(t *testing.T) {
	fail := true
	s := newOpenID(t, func(c *authz.Config) {
		c.UserClaims = func(context.Context, *authz.UserClaimsRequest) (map[string]any, error) {
			if fail {
				return nil, errors.New("no database")
			}
			return map[string]any{"email": strings.Repeat("x", 100)}, nil
		}
	})
	code := s.code(t, web, set("scope", "openid"), set("claims", `{"id_token":{"email":null}}`))
	_, err := s.token(redemption(web, code))
	wantRefusal(t, err, "server_error user_claims_hook_failed")
	fail = false
	if tokens := must(s.token(redemption(web, code)))(t); s.idToken(t, tokens.IDToken, "RS256")["email"] == nil {
		t.Error("the code is used up, or the claim is lost")
	}
	s.change(t, web, func(c *authz.Client) { c.IDTokenSignedResponseAlg = "PS512" }) // from a host's own storage
	_, err = s.token(redemption(web, s.code(t, web, set("scope", "openid"))))
	wantRefusal(t, err, "server_error id_token_alg_gone")
}

// An algorithm that the host has given up is used no more, even while its key is still published,
// nor is an answer that was to be signed given without.
func TestOpenIDConnect_algorithmGone(t *testing.T) {
	before := newOpenID(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "EdDSA"} })
	before.change(t, web, func(c *authz.Client) { c.AccessTokenSigningAlg, c.UserInfoSignedResponseAlg = "EdDSA", "EdDSA" })
	token := before.login(t, web, set("scope", "openid")).AccessToken
	after, err := authz.New(authz.Config{
		Issuer: issuer, Storage: before.store, Scopes: authz.Scopes{"openid": "openid", "read": "Read"}, SigningAlgorithms: []string{"ES256"},
		Login: nobody, Clock: before.clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = after.UserInfo(t.Context(), token)
	wantRefusal(t, err, "server_error userinfo_alg_gone")
	_, err = after.Token(t.Context(), redemption(web, before.code(t, web)))
	wantRefusal(t, err, "server_error access_token_alg_gone")
}

// What OpenID Connect Registration §2 adds; a server without it ignores that.
func TestOpenIDConnectRegistration_Section2(t *testing.T) {
	s := newOpenID(t, open())
	info := must(s.introduce("id_token_signed_response_alg", `"ES256"`, "userinfo_signed_response_alg", `"RS256"`, "default_max_age", "60", "subject_type", `"public"`))(t)
	if info.IDTokenSignedResponseAlg != "ES256" || info.UserInfoSignedResponseAlg != "RS256" || info.DefaultMaxAge != 60 || info.SubjectType != "public" {
		t.Errorf("%+v", info)
	}
	if info := must(s.introduce())(t); info.IDTokenSignedResponseAlg != "RS256" {
		t.Errorf("%+v", info)
	}
	for member, value := range map[string]string{
		"id_token_signed_response_alg": `"none"`, "userinfo_signed_response_alg": `"HS256"`, "subject_type": `"pairwise"`,
		"default_max_age": `"x"`,
	} {
		_, err := s.introduce(member, value)
		registrationRefused(t, err, "400 invalid_client_metadata "+member+"_invalid")
	}
	off := newServer(t, open())
	if info := must(off.introduce("id_token_signed_response_alg", `"HS256"`, "subject_type", `"pairwise"`))(t); info.IDTokenSignedResponseAlg != "" || info.SubjectType != "" {
		t.Errorf("%+v", info)
	}
}

// The consent page does not ask whether the client may know who the user is: that is what
// connecting an account means.
func TestOpenIDConnect_consent(t *testing.T) {
	s := newOpenID(t)
	prompt := s.page(t, web, set("scope", "openid email read"))
	if len(prompt.Scopes) != 2 || prompt.Scopes[0].Name != "email" || prompt.Scopes[1].Name != "read" {
		t.Errorf("the page lists %+v", prompt.Scopes)
	}
	sub := submission(prompt)
	sub.Scopes = nil
	code := back(t, must(s.submit(sub))(t), nil).Get("code")
	if tokens := must(s.token(redemption(web, code)))(t); tokens.Scope != "openid" || tokens.IDToken == "" {
		t.Errorf("%+v", tokens.Scope)
	}
	if response, err := s.authorize(web, set("scope", "openid")); s.outcome(t, response, err) != "code" {
		t.Error("it is not remembered")
	}
	if prompt := s.page(t, spa, set("scope", "openid")); len(prompt.Scopes) != 0 {
		t.Errorf("the page lists %+v", prompt.Scopes)
	}
	if code := s.code(t, spa, set("scope", "openid")); code == "" {
		t.Error("no code")
	}
}
