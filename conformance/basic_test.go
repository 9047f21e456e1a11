package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// scopeClaims are the claims that a scope asks for (OpenID Connect Core §5.4).
var scopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
}

// basicOP are the modules of the plans for Basic OP and Form Post Basic OP, by the names that
// CERTIFICATION.md gives them: what each does, without its text.
var basicOP = map[string]func(t *testing.T, p *provider, mode string){
	"OIDCCServerTest": func(t *testing.T, p *provider, mode string) {
		s := p.login(t, mode)
		if s.id.Issuer != p.URL || !reflect.DeepEqual(s.id.Audience, []string{"client"}) || s.TokenType != "Bearer" || s.Expiry.IsZero() {
			t.Errorf("%+v, %+v", s.id, s.Token)
		}
	},
	"OIDCCServerTestClientSecretPost": func(t *testing.T, p *provider, mode string) {
		params := request(mode)
		p.redeem(t, params, p.answer(t, params), oauth2.AuthStyleInParams)
	},
	"OIDCCResponseTypeMissing": func(t *testing.T, p *provider, mode string) {
		got := p.answer(t, request(mode, "response_type", ""))
		if e := got.Get("error"); e != "invalid_request" && e != "unsupported_response_type" || got.Has("code") {
			t.Errorf("%v", got)
		}
	},
	"OIDCCIdTokenSignature": func(t *testing.T, p *provider, mode string) {
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(p.login(t, mode).raw, ".")[0])
		var said struct{ Alg, Kid string }
		if err := errors.Join(err, json.Unmarshal(header, &said)); err != nil {
			t.Fatal(err)
		}
		var metadata struct {
			JWKSURI string `json:"jwks_uri"`
		}
		if err := p.found.Claims(&metadata); err != nil {
			t.Fatal(err)
		}
		answer, err := http.Get(metadata.JWKSURI)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var set struct{ Keys []struct{ Kid, Alg string } }
		if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		if n := slices.IndexFunc(set.Keys, func(k struct{ Kid, Alg string }) bool { return k.Kid == said.Kid && k.Alg == "RS256" }); n < 0 || said.Alg != "RS256" {
			t.Errorf("signed with %+v, of %+v", said, set)
		}
	},
	"OIDCCUserInfoGet":        func(t *testing.T, p *provider, mode string) { tells(t, p, mode, http.MethodGet, false) },
	"OIDCCUserInfoPostHeader": func(t *testing.T, p *provider, mode string) { tells(t, p, mode, http.MethodPost, false) },
	"OIDCCUserInfoPostBody":   func(t *testing.T, p *provider, mode string) { tells(t, p, mode, http.MethodPost, true) },
	"OIDCCEnsureRequestWithoutNonceSucceedsForCodeFlow": func(t *testing.T, p *provider, mode string) {
		if s := p.login(t, mode, "nonce", ""); s.all["nonce"] != nil {
			t.Errorf("a nonce: %v", s.all)
		}
	},
	"OIDCCScopeProfile": func(t *testing.T, p *provider, mode string) { scoped(t, p, mode, "openid profile") },
	"OIDCCScopeEmail":   func(t *testing.T, p *provider, mode string) { scoped(t, p, mode, "openid email") },
	"OIDCCScopeAddress": func(t *testing.T, p *provider, mode string) { scoped(t, p, mode, "openid address") },
	"OIDCCScopePhone":   func(t *testing.T, p *provider, mode string) { scoped(t, p, mode, "openid phone") },
	"OIDCCScopeAll": func(t *testing.T, p *provider, mode string) {
		scoped(t, p, mode, "openid profile email address phone")
	},
	"OIDCEnsureOtherScopeOrderSucceeds": func(t *testing.T, p *provider, mode string) { scoped(t, p, mode, "email openid") },
	"OIDCCDisplayPage":                  accepted("display", "page"),
	"OIDCCDisplayPopup":                 accepted("display", "popup"),
	"OIDCCPromptLogin": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode)
		p.clock.Advance(2 * time.Second)
		if after := p.login(t, mode, "prompt", "login"); !after.authTime().After(before.authTime()) {
			t.Error("nobody signed in again")
		}
	},
	"OIDCCPromptNoneNotLoggedIn": func(t *testing.T, p *provider, mode string) {
		p.signedInAt.Store(nil)
		if got := p.answer(t, request(mode, "prompt", "none")); got.Get("error") != "login_required" || got.Has("code") {
			t.Errorf("%v", got)
		}
	},
	"OIDCCPromptNoneLoggedIn": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode)
		p.clock.Advance(2 * time.Second)
		if after := p.login(t, mode, "prompt", "none"); after.id.Subject != before.id.Subject || !after.authTime().Equal(before.authTime()) {
			t.Errorf("%v, before it %v", after.all, before.all)
		}
	},
	"OIDCCMaxAge1": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode)
		p.clock.Advance(2 * time.Second)
		if after := p.login(t, mode, "max_age", "1"); !after.authTime().After(before.authTime()) {
			t.Errorf("auth_time %v, before it %v", after.authTime(), before.authTime())
		}
	},
	"OIDCCMaxAge10000": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode)
		p.clock.Advance(2 * time.Second)
		if after := p.login(t, mode, "max_age", "10000"); !after.authTime().Equal(before.authTime()) {
			t.Errorf("auth_time %v, before it %v", after.authTime(), before.authTime())
		}
	},
	"OIDCCEnsureRequestWithUnknownParameterSucceeds": accepted("extra", "foobar"),
	"OIDCCIdTokenHint": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode)
		if after := p.login(t, mode, "prompt", "none", "id_token_hint", before.raw); after.id.Subject != before.id.Subject {
			t.Errorf("%v", after.all)
		}
	},
	"OIDCCLoginHint":                          accepted("login_hint", "ana@example.com"),
	"OIDCCUiLocales":                          accepted("ui_locales", "se it"),
	"OIDCCClaimsLocales":                      accepted("claims_locales", "se it"),
	"OIDCCEnsureRequestWithAcrValuesSucceeds": accepted("acr_values", "1 2"),
	"OIDCCAuthCodeReuse": func(t *testing.T, p *provider, mode string) {
		reused(t, p, mode, 0)
	},
	"OIDCCAuthCodeReuseAfter30Seconds": func(t *testing.T, p *provider, mode string) {
		reused(t, p, mode, 30*time.Second)
	},
	"OIDCCEnsureRegisteredRedirectUri": func(t *testing.T, p *provider, mode string) {
		for _, uri := range []string{redirectURI + "/x", redirectURI + "?x=1", "https://client.example/"} {
			if got, status := p.visit(t, http.MethodGet, request(mode, "redirect_uri", uri)); got != nil || status != http.StatusBadRequest {
				t.Errorf("%s: %v, %d", uri, got, status)
			}
		}
	},
	"OIDCCEnsurePostRequestSucceeds": func(t *testing.T, p *provider, mode string) {
		params := request(mode)
		got, status := p.visit(t, http.MethodPost, params)
		if got == nil {
			t.Fatalf("a page with status %d", status)
		}
		p.redeem(t, params, got, oauth2.AuthStyleInHeader)
	},
	"OIDCCRequestUriUnsignedSupportedCorrectlyOrRejectedAsUnsupported": func(t *testing.T, p *provider, mode string) {
		if got := p.answer(t, request(mode, "request_uri", "https://client.example/request.jwt")); got.Get("error") != "request_uri_not_supported" {
			t.Errorf("%v", got)
		}
	},
	// The suite skips it where the metadata has no alg none. What else there is to it, is that
	// such an object is not passed over.
	"OIDCCUnsignedRequestObjectSupportedCorrectlyOrRejectedAsUnsupported": func(t *testing.T, p *provider, mode string) {
		var metadata struct {
			Algorithms []string `json:"request_object_signing_alg_values_supported"`
		}
		if err := p.found.Claims(&metadata); err != nil || slices.Contains(metadata.Algorithms, "none") {
			t.Errorf("%v, %v", metadata, err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		object := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"iss":"client","client_id":"client","aud":"`+p.URL+`"}`)) + "."
		if got, status := p.visit(t, http.MethodGet, request(mode, "request", object)); got != nil || status != http.StatusBadRequest {
			t.Errorf("%v, %d", got, status)
		}
	},
	"OIDCCClaimsEssential": func(t *testing.T, p *provider, mode string) {
		s := p.login(t, mode, "claims", `{"userinfo":{"name":{"essential":true}}}`)
		if told, _ := p.userInfo(t, http.MethodGet, s.AccessToken, false); told["name"] != person["name"] || s.all["name"] != nil || len(told) != 2 {
			t.Errorf("UserInfo %v, the ID token %v", told, s.all)
		}
	},
	"OIDCCRefreshToken": func(t *testing.T, p *provider, mode string) {
		before := p.login(t, mode, "scope", "openid offline_access")
		p.clock.Advance(2 * time.Second)
		expired := *before.Token
		expired.Expiry = time.Now().Add(-time.Minute)
		next, err := p.config(oauth2.AuthStyleInHeader).TokenSource(t.Context(), &expired).Token()
		if err != nil {
			t.Fatal(err)
		}
		if after := p.check(t, next, ""); !after.authTime().Equal(before.authTime()) || !after.id.IssuedAt.After(before.id.IssuedAt) || next.AccessToken == before.AccessToken {
			t.Errorf("%v, before it %v", after.all, before.all)
		}
		if _, status := p.userInfo(t, http.MethodGet, next.AccessToken, false); status != http.StatusOK {
			t.Errorf("UserInfo: %d", status)
		}
	},
	"OIDCCEnsureRequestWithValidPkceSucceeds": func(t *testing.T, p *provider, mode string) {
		params := request(mode, withPKCE...)
		got := p.answer(t, params)
		_, err := p.config(oauth2.AuthStyleInHeader).Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(strings.Repeat("w", 43)))
		var refused *oauth2.RetrieveError
		if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
			t.Errorf("a wrong verifier: %v", err)
		}
		p.redeem(t, params, got, oauth2.AuthStyleInHeader)
	},
}

// accepted is a request with a parameter that must do no harm.
func accepted(name, value string) func(t *testing.T, p *provider, mode string) {
	return func(t *testing.T, p *provider, mode string) {
		p.login(t, mode, name, value)
		if got := p.asked.Load().Get(name); got != value {
			t.Errorf("%s reaches the host as %q", name, got)
		}
	}
}

// tells checks one way to ask the UserInfo endpoint (OpenID Connect Core §5.3.1).
func tells(t *testing.T, p *provider, mode, method string, inBody bool) {
	t.Helper()
	s := p.login(t, mode, "scope", "openid email")
	want := map[string]any{"sub": "ana", "email": "ana@example.com", "email_verified": true}
	if told, status := p.userInfo(t, method, s.AccessToken, inBody); !maps.Equal(told, want) {
		t.Errorf("%v, %d", told, status)
	}
	if told, status := p.userInfo(t, method, s.AccessToken+"x", inBody); told != nil || status != http.StatusUnauthorized {
		t.Errorf("%v, %d for a token that is none", told, status)
	}
}

// scoped checks that UserInfo tells what the scopes ask for, as the host knows it, and nothing
// else.
func scoped(t *testing.T, p *provider, mode, scope string) {
	t.Helper()
	s := p.login(t, mode, "scope", scope)
	want := map[string]any{"sub": "ana"}
	for one := range strings.FieldsSeq(scope) {
		for _, name := range scopeClaims[one] {
			want[name] = person[name]
		}
	}
	told, _ := p.userInfo(t, http.MethodGet, s.AccessToken, false)
	wanted, err := json.Marshal(want)
	got, err2 := json.Marshal(told)
	if err := errors.Join(err, err2); err != nil || string(wanted) != string(got) {
		t.Errorf("%s, want %s; %v", got, wanted, err)
	}
}

// reused: a code counts once, and its second use ends what the first one got (RFC 6749 §4.1.2).
func reused(t *testing.T, p *provider, mode string, after time.Duration) {
	t.Helper()
	params := request(mode)
	got := p.answer(t, params)
	s := p.redeem(t, params, got, oauth2.AuthStyleInHeader)
	p.clock.Advance(after)
	_, err := p.config(oauth2.AuthStyleInHeader).Exchange(t.Context(), got.Get("code"))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("the second time: %v", err)
	}
	if told, status := p.userInfo(t, http.MethodGet, s.AccessToken, false); told != nil || status != http.StatusUnauthorized {
		t.Errorf("the access token still tells: %v, %d", told, status)
	}
}

// What the plans for Basic OP and Form Post Basic OP do, one subtest for each module, with the
// answer in the query and as a form. All requests have PKCE, which the server asks of everybody.
func TestBasicOP(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			p := newProvider(t)
			for _, module := range slices.Sorted(maps.Keys(basicOP)) {
				t.Run(module, func(t *testing.T) {
					p.signIn()
					basicOP[module](t, p, mode)
				})
			}
		})
	}
}
