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
	"sort"
	"strings"
	"testing"
	"time"

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

func (s *server) userInfo(t testing.TB, token string) map[string]any {
	t.Helper()
	return must(s.UserInfo(t.Context(), token))(t).Claims
}

func names(claims map[string]any) string {
	list := slices.Collect(maps.Keys(claims))
	sort.Strings(list)
	return strings.Join(list, " ")
}

// The claims of scopes, and nothing that the host said beyond them.
func TestOpenIDConnectCore_Section5_4(t *testing.T) {
	for _, f := range bothFormats {
		s := newOpenID(t, format(f))
		for scope, want := range map[string]string{
			"openid":               "sub",
			"openid email":         "email email_verified sub",
			"openid profile":       "given_name given_name#ja-Kana-JP name sub updated_at",
			"openid phone":         "sub",
			"openid email profile": "email email_verified given_name given_name#ja-Kana-JP name sub updated_at",
		} {
			tokens := s.login(t, web, set("scope", scope))
			claims := s.userInfo(t, tokens.AccessToken)
			if names(claims) != want || claims["sub"] != "ana" {
				t.Errorf("%s, %s: %v, want %s", f, scope, claims, want)
			}
			if got := names(s.idToken(t, tokens.IDToken, "RS256")); got != "at_hash aud auth_time exp iat iss sub" {
				t.Errorf("%s, %s: the ID token has %s", f, scope, got)
			}
		}
	}
}

// The claims parameter: what it may ask, of whom, and what the hook is told.
func TestOpenIDConnectCore_Section5_5(t *testing.T) {
	var told []authz.UserClaimsRequest
	s := newOpenID(t, func(c *authz.Config) {
		hook := c.UserClaims
		c.UserClaims = func(ctx context.Context, req *authz.UserClaimsRequest) (map[string]any, error) {
			told = append(told, *req)
			return hook(ctx, req)
		}
	})
	tokens := s.login(t, web, set("claims", `{"id_token":{"email":{"essential":true},"groups":null,"iss":null},"userinfo":{"given_name":{"values":["Ana","Eva"]},"picture":null},"other":1}`),
		set("claims_locales", "ja en"))
	if got := names(s.idToken(t, tokens.IDToken, "RS256")); got != "at_hash aud auth_time email exp groups iat iss sub" {
		t.Errorf("ID token: %s", got)
	}
	if got := names(s.userInfo(t, tokens.AccessToken)); got != "given_name given_name#ja-Kana-JP sub" {
		t.Errorf("UserInfo: %s", got)
	}
	if len(told) != 2 || !told[0].IDToken || told[1].IDToken || told[0].Client.ID != web || !slices.Equal(told[1].Locales, []string{"ja", "en"}) ||
		!told[0].Wants("email") || !told[0].Claims[0].Essential || told[0].Wants("iss") || !told[1].Wants("picture") || len(told[1].Claims[0].Values) != 2 {
		t.Errorf("told %+v", told)
	}
	// It holds for refreshed tokens too.
	again := must(s.token(refreshing(web, tokens.RefreshToken)))(t)
	if claims := s.idToken(t, again.IDToken, "RS256"); claims["email"] != "ana@example.com" {
		t.Errorf("refreshed: %v", claims)
	}
	for claims, want := range map[string]string{
		`x`: "back: invalid_request claims_malformed", `[]`: "back: invalid_request claims_malformed", `null`: "back: invalid_request claims_malformed",
		`{"id_token":1}`:                                                   "back: invalid_request claims_malformed",
		`{"id_token":{"a":1}}`:                                             "back: invalid_request claims_malformed",
		`{"id_token":{"a":null,"a":null}}`:                                 "back: invalid_request claims_malformed",
		`{"id_token":` + strings.Repeat(`{"a":`, 500):                      "back: invalid_request claims_malformed",
		`{"userinfo":{"a":{"value":"` + strings.Repeat("x", 4096) + `"}}}`: "back: invalid_request claims_malformed",
		`{}`: "ask", `{"unknown":[]}`: "ask", `{"id_token":null,"userinfo":{}}`: "ask",
		`{"id_token":{"sub":{"value":"ana"}}}`: "ask",
		`{"id_token":{"sub":{"value":"ben"}}}`: "back: login_required signed_in_as_another",
	} {
		response, err := s.authorize(web, set("scope", "openid profile"), set("claims", claims))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%.40s: %s, want %s", claims, got, want)
		}
	}
	// Without openid it is nobody's.
	response, err := s.authorize(web, set("claims", "x"))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Error(got)
	}
}

// An essential acr that is not met is an error, and not a weaker sign-in.
func TestOpenIDConnectCore_Section5_5_1_1(t *testing.T) {
	user := &authz.User{Subject: "ana", ACR: "urn:bronze"}
	s := newOpenID(t, func(c *authz.Config) { c.Login = func(*http.Request) (*authz.User, error) { return user, nil } })
	for claims, want := range map[string]string{
		`{"id_token":{"acr":{"essential":true,"values":["urn:gold","urn:silver"]}}}`: "back: unmet_authentication_requirements acr_not_met",
		`{"id_token":{"acr":{"essential":true,"value":"urn:gold"}}}`:                 "back: unmet_authentication_requirements acr_not_met",
		`{"id_token":{"acr":{"essential":true,"values":["urn:gold","urn:bronze"]}}}`: "ask",
		`{"id_token":{"acr":{"values":["urn:gold"]}}}`:                               "ask",
	} {
		response, err := s.authorize(web, set("scope", "openid"), set("claims", claims))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%s: %s, want %s", claims, got, want)
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

// FuzzClaimsParameter: whatever it says, it is taken or refused.
func FuzzClaimsParameter(f *testing.F) {
	s := newOpenID(f, quiet)
	for _, seed := range []string{"", "{}", `{"id_token":{"acr":{"essential":true,"values":["a"]}}}`, `{"userinfo":{"a":null}}`, `{"id_token":{"sub":{"value":"ana"}}}`, "[", `{"id_token":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		response, err := s.authorize(web, set("scope", "openid"), set("claims", claims))
		got := s.outcome(t, response, err)
		switch code, _, _ := strings.Cut(strings.TrimPrefix(got, "back: "), " "); code {
		case "ask", "invalid_request", "login_required", "unmet_authentication_requirements":
		default:
			t.Errorf("%q: %s", claims, got)
		}
	})
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
