package authz_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// newHybrid is a server with every response type there is, and web a client that may use them.
func newHybrid(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newOpenID(t, append([]func(*authz.Config){func(c *authz.Config) { c.ResponseTypes = []string{"id_token", "id_token code"} }}, configure...)...)
	s.change(t, web, func(c *authz.Client) {
		c.GrantTypes, c.ResponseTypes = []string{"authorization_code", "refresh_token", "implicit"}, []string{"code", "id_token", "code id_token"}
	})
	return s
}

// inFragment are the parameters that the client gets back in the fragment, and there alone.
func inFragment(t testing.TB, response *authz.AuthorizationResponse, err error) url.Values {
	t.Helper()
	if err != nil || response.Redirect == "" {
		t.Fatalf("%+v, %v, want a redirect", response, err)
	}
	to, fragment, found := strings.Cut(response.Redirect, "#")
	if !found || to != redirectOf[web] {
		t.Fatalf("redirect to %s", response.Redirect)
	}
	return must(url.ParseQuery(fragment))(t)
}

// answered takes ana through a request of web, approving everything.
func (s *server) answered(t testing.TB, responseType string, edits ...edit) (*authz.AuthorizationResponse, error) {
	t.Helper()
	response, err := s.authorize(web, append([]edit{set("response_type", responseType), set("scope", "openid email"), set("nonce", "n-1")}, edits...)...)
	if err == nil && response.Consent != nil {
		return s.submit(submission(response.Consent))
	}
	return response, err
}

func leftHalf(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) }

func TestOIDC_Core_Section3_2_2_5(t *testing.T) {
	s := newHybrid(t)
	response, err := s.answered(t, "id_token", drop("code_challenge"), drop("code_challenge_method"))
	got := inFragment(t, response, err)
	claims := s.idToken(t, got.Get("id_token"), "RS256")
	if len(got) != 3 || got.Get("state") != "xyz" || got.Get("iss") != issuer {
		t.Errorf("%v", got)
	}
	if claims["iss"] != issuer || claims["sub"] != "ana" || claims["aud"] != web || claims["nonce"] != "n-1" || claims["auth_time"] == nil || claims["exp"] == nil ||
		claims["at_hash"] != nil || claims["c_hash"] != nil {
		t.Errorf("%v", claims)
	}
	// §5.4: nobody can ask the UserInfo endpoint for the claims of scopes.
	if claims["email"] != "ana@example.com" || claims["email_verified"] != true || claims["name"] != nil {
		t.Errorf("%v", claims)
	}
	// The next time nobody is asked, and nothing is left behind.
	response, err = s.authorize(web, set("response_type", "id_token"), set("scope", "openid email"), set("nonce", "n-2"), set("prompt", "none"))
	if claims := s.idToken(t, inFragment(t, response, err).Get("id_token"), "RS256"); claims["nonce"] != "n-2" {
		t.Errorf("%v", claims)
	}
	for _, e := range s.heard() {
		if e.Type == authz.AuthorizationGranted && e.GrantID != "" {
			t.Errorf("a grant for an ID token: %+v", e)
		}
	}
}

func TestOIDC_Core_Section3_3_2_11(t *testing.T) {
	s := newHybrid(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "EdDSA"} })
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		s.change(t, web, func(c *authz.Client) { c.IDTokenSignedResponseAlg = alg })
		for _, responseType := range []string{"code id_token", "id_token code"} {
			response, err := s.answered(t, responseType)
			got := inFragment(t, response, err)
			claims := s.idToken(t, got.Get("id_token"), alg)
			sum := sha256.Sum256([]byte(got.Get("code")))
			want := leftHalf(sum[:])
			if alg == "EdDSA" {
				sum := sha512.Sum512([]byte(got.Get("code")))
				want = leftHalf(sum[:])
			}
			if len(got) != 4 || claims["c_hash"] != want || claims["at_hash"] != nil || claims["nonce"] != "n-1" || claims["email"] != nil {
				t.Errorf("%s, %s: %v: %v", responseType, alg, got, claims)
			}
			tokens := must(s.redeem(web, got.Get("code")))(t) // §3.3.3.6
			second := s.idToken(t, tokens.IDToken, alg)
			if second["sub"] != claims["sub"] || second["iss"] != claims["iss"] || second["nonce"] != "n-1" || second["at_hash"] == nil || second["c_hash"] != nil {
				t.Errorf("%v after %v", second, claims)
			}
		}
	}
}

// Multiple Response Types §3, Form Post Response Mode §2, JARM §2.3.
func TestMultipleResponseTypes_modes(t *testing.T) {
	s := newHybrid(t)
	for _, responseType := range []string{"id_token", "code id_token"} {
		for mode, want := range map[string]string{
			"": "fragment", "fragment": "fragment", "form_post": "form", "jwt": "fragment.jwt", "fragment.jwt": "fragment.jwt", "form_post.jwt": "form.jwt",
			"query": "refused", "query.jwt": "refused", "FRAGMENT": "refused", ".jwt": "refused", "jwt.jwt": "refused",
		} {
			response, err := s.answered(t, responseType, set("response_mode", mode))
			var got url.Values
			if strings.HasPrefix(want, "form") {
				if err != nil || response.Form == nil || response.Redirect != "" {
					t.Fatalf("%s: %+v, %v", mode, response, err)
				}
				got = response.Form.Parameters
			} else {
				got = inFragment(t, response, err)
			}
			switch {
			case want == "refused":
				if got.Get("error") != "invalid_request" || s.lastReason() != "response_mode_not_supported" || got.Has("id_token") {
					t.Errorf("%s %s: %v", responseType, mode, got)
				}
				continue
			case strings.HasSuffix(want, "jwt"):
				got = url.Values{"id_token": {s.signedAnswer(t, got, "RS256")["id_token"].(string)}}
			}
			if s.idToken(t, got.Get("id_token"), "RS256")["sub"] != "ana" {
				t.Errorf("%s %s: %v", responseType, mode, got)
			}
		}
	}
	// A code may be had in the fragment, but goes in the query.
	response, err := s.answered(t, "code", set("response_mode", "fragment"))
	if got := inFragment(t, response, err); got.Get("code") == "" || got.Has("id_token") {
		t.Errorf("%v", got)
	}
	response, err = s.answered(t, "code")
	if got := back(t, response, err); got.Get("code") == "" || strings.Contains(response.Redirect, "#") {
		t.Errorf("%v", got)
	}
	// Errors of every kind go where the answer would.
	for want, edits := range map[string][]edit{
		"invalid_request nonce_missing":                         {drop("nonce")},
		"invalid_request openid_missing":                        {set("scope", "read")},
		"invalid_request parameter_repeated":                    {set("x", "1", "2")},
		"invalid_scope scope_not_allowed":                       {set("scope", "openid admin")},
		"consent_required consent_required":                     {set("prompt", "none"), set("scope", "openid read")},
		"invalid_request code_challenge_missing":                {drop("code_challenge"), set("response_type", "code id_token")},
		"invalid_request id_token_hint_invalid":                 {set("id_token_hint", "x")},
		"unsupported_response_type response_type_not_supported": {set("response_type", "id_token token")},
	} {
		response, err := s.answered(t, "id_token", edits...)
		got := inFragment(t, response, err)
		if got.Get("error")+" "+s.lastReason() != want || got.Get("iss") != issuer || got.Get("state") != "xyz" || got.Has("code") || got.Has("id_token") {
			t.Errorf("%v, %s, want %s", got, s.lastReason(), want)
		}
	}
	page, err := s.authorize(web, set("response_type", "id_token"), set("scope", "openid"), set("nonce", "n"), set("prompt", "consent"))
	if err != nil || page.Consent == nil {
		t.Fatal(page, err)
	}
	sub := submission(page.Consent)
	sub.Approve = false
	for range 2 { // a double click
		response, err = s.submit(sub)
		if got := inFragment(t, response, err); got.Get("error") != "access_denied" {
			t.Errorf("%v", got)
		}
	}
	s.host.SignIn("")
	response, err = s.authorize(web, set("response_type", "id_token"), set("scope", "openid"), set("nonce", "n"), set("prompt", "none"))
	if got := inFragment(t, response, err); got.Get("error") != "login_required" {
		t.Errorf("%v", got)
	}
}

// Response types that the host, the client's registration or common sense does not allow.
func TestRFC6749_Section3_1_1_response_types(t *testing.T) {
	s := newHybrid(t)
	for _, refused := range []string{"token", "id_token token", "code token", "code id_token token", "none", "code code", "id_token id_token", "Code", "code,id_token"} {
		response, err := s.answered(t, refused)
		if err != nil || !strings.Contains(response.Redirect, "error=unsupported_response_type") || strings.Contains(response.Redirect, "token=") {
			t.Errorf("%s: %+v, %v", refused, response, err)
		}
	}
	for _, test := range []struct {
		change func(*authz.Client)
		asked  string
		want   string
	}{
		{func(c *authz.Client) { c.ResponseTypes = nil }, "id_token", "response_type_not_allowed"},
		{func(c *authz.Client) { c.ResponseTypes = []string{"code", "id_token"} }, "code id_token", "response_type_not_allowed"},
		{func(c *authz.Client) { c.ResponseTypes = []string{"id_token"} }, "code", "response_type_not_allowed"},
		{func(c *authz.Client) { c.GrantTypes = []string{"authorization_code"} }, "id_token", "grant_type_not_allowed"},
		{func(c *authz.Client) { c.GrantTypes = []string{"implicit"} }, "code id_token", "grant_type_not_allowed"},
		{func(c *authz.Client) { c.GrantTypes = []string{"implicit"} }, "code", "grant_type_not_allowed"},
	} {
		s := newHybrid(t)
		s.change(t, web, test.change)
		response, err := s.answered(t, test.asked)
		if err != nil || !strings.Contains(response.Redirect, "error=unauthorized_client") || s.lastReason() != test.want {
			t.Errorf("%s: %+v, %s, want %s", test.asked, response, s.lastReason(), test.want)
		}
	}
	// implicit is nothing that the token endpoint knows.
	_, err := s.token(request(web, form(nil, "grant_type", "implicit")))
	wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")
	// Without a word from the host there is nothing but code.
	s = newOpenID(t)
	s.change(t, web, func(c *authz.Client) {
		c.GrantTypes, c.ResponseTypes = []string{"authorization_code", "implicit"}, []string{"code", "id_token"}
	})
	response, err := s.answered(t, "id_token")
	if got := s.outcome(t, response, err); got != "back: unsupported_response_type response_type_not_supported" {
		t.Error(got)
	}
	response, err = s.answered(t, "code", set("response_mode", "fragment"))
	if got := s.outcome(t, response, err); got != "back: invalid_request response_mode_not_supported" {
		t.Error(got)
	}
	if m := s.Metadata(); !slices.Equal(m.ResponseTypesSupported, []string{"code"}) || slices.Contains(m.GrantTypesSupported, "implicit") || slices.Contains(m.ResponseModesSupported, "fragment") {
		t.Errorf("%+v", m)
	}
	m := newHybrid(t).Metadata()
	if !slices.Equal(m.ResponseTypesSupported, []string{"code", "id_token", "code id_token"}) || !slices.Contains(m.GrantTypesSupported, "implicit") ||
		!slices.Equal(m.ResponseModesSupported, strings.Fields("query fragment form_post jwt query.jwt fragment.jwt form_post.jwt")) {
		t.Errorf("%+v", m)
	}
}

// Pushed or signed, the response type is what was pushed or signed.
func TestRFC9126_response_types(t *testing.T) {
	s := newHybrid(t)
	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(p256) })
	object := s.requestObject(t, assertion{claims: map[string]any{"response_type": "code id_token", "scope": "openid", "nonce": "n"}})
	for what, params := range map[string]url.Values{
		"pushed": referTo(web, must(s.push(web, set("response_type", "code id_token"), set("scope", "openid"), set("nonce", "n")))(t)),
		"signed": signed(object, set("response_type", "code"), set("response_mode", "query")),
	} {
		response, err := s.visit(params)
		if err == nil && response.Consent != nil {
			response, err = s.submit(submission(response.Consent))
		}
		if got := inFragment(t, response, err); got.Get("code") == "" || got.Get("id_token") == "" {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// RFC 7591 §2.1, OpenID Connect Registration §2: response types fit the grant types.
func TestRFC7591_Section2_1_response_types(t *testing.T) {
	s := newHybrid(t, func(c *authz.Config) {
		c.Registration = &authz.Registration{Open: true, Scopes: []string{"openid"}, GrantTypes: []string{"authorization_code", "refresh_token", "implicit"}}
	})
	for _, test := range []struct{ grants, responses, want string }{
		{`["authorization_code"]`, ``, "code"},
		{`["authorization_code","implicit"]`, `["code id_token"]`, "code id_token"},
		{`["authorization_code","implicit"]`, `["id_token code","code","code id_token"]`, "code id_token,code"},
		{`["implicit"]`, `["id_token"]`, "id_token"},
		{`["authorization_code"]`, `["code","id_token"]`, "code"}, // what does not fit is left out
		{`["authorization_code","implicit"]`, `["code","token"]`, "code"},
		{`["authorization_code"]`, `["code id_token"]`, "refused"},
		{`["authorization_code"]`, `["token"]`, "refused"},
		{`["authorization_code","implicit"]`, `["id_token"]`, "refused"},
		{`["implicit"]`, `["token"]`, "refused"},
		{`["implicit"]`, ``, "refused"},
	} {
		pairs := []string{"grant_types", test.grants}
		if test.responses != "" {
			pairs = append(pairs, "response_types", test.responses)
		}
		i, err := s.introduce(pairs...)
		if test.want == "refused" {
			registrationRefused(t, err, "400 invalid_client_metadata response_types_invalid")
		} else if err != nil || strings.Join(i.ResponseTypes, ",") != test.want {
			t.Errorf("%s %s: %+v, %v, want %s", test.grants, test.responses, i, err, test.want)
		}
	}
	// What a client did not register for it does not get, whatever the server can do.
	i := must(s.introduce("grant_types", `["implicit"]`, "response_types", `["id_token"]`, "redirect_uris", `["`+redirectOf[web]+`"]`))(t)
	response, err := s.authorize(i.ClientID, set("redirect_uri", redirectOf[web]), set("scope", "openid"), set("nonce", "n"))
	if got := s.outcome(t, response, err); got != "back: unauthorized_client grant_type_not_allowed" {
		t.Error(got)
	}
	for want, c := range map[string]authz.Client{
		"":                             {ResponseTypes: []string{"code"}},
		`"id_token" needs implicit in`: {ResponseTypes: []string{"code", "id_token"}},
		`"token" is none of`:           {ResponseTypes: []string{"token"}},
		`needs authorization_code in`:  {ResponseTypes: []string{"code"}, GrantTypes: []string{"implicit"}},
		"RedirectURIs: is empty":       {ResponseTypes: []string{"id_token"}, GrantTypes: []string{"implicit"}, RedirectURIs: []string{}},
	} {
		c.ID = "c"
		if c.RedirectURIs == nil {
			c.RedirectURIs = []string{"https://c.example/cb"}
		}
		if err := s.RegisterClient(t.Context(), c); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestConfig_ResponseTypes(t *testing.T) {
	for want, c := range map[string]authz.Config{
		"":                         {ResponseTypes: []string{"code", "id_token", "code id_token", "id_token code"}, Scopes: authz.Scopes{"openid": ""}},
		`"token" is not supported`: {ResponseTypes: []string{"token"}, Scopes: authz.Scopes{"openid": ""}},
		"needs OpenID Connect":     {ResponseTypes: []string{"id_token"}},
		"not allowed by Config.FAPI2": func() authz.Config {
			c := authz.ProfileFAPI2()
			c.Scopes, c.ResponseTypes = authz.Scopes{"openid": ""}, []string{"code id_token"}
			return c
		}(),
	} {
		c.Issuer, c.Storage, c.Login = issuer, memory.New(), func(*http.Request) (*authz.User, error) { return nil, nil }
		if _, err := authz.New(c); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
