package authz_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

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
