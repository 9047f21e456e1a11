package engine_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"
	fositestorage "github.com/ory/fosite/storage"

	"github.com/grantor-oauth/grantor/authz"
)

func TestUnknownGrantType_RFC6749_5_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, url.Values{"grant_type": {"magic"}}, credentialsOf(confidentialID)...)
		fact(t, got.failure() == "invalid_request", "grant_type_not_supported in authz/token.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, grantType := range []string{
			"magic", "Authorization_Code", "authorization_code ", "authorization_code refresh_token", "password",
			"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
			"urn:ietf:params:oauth:grant-type:device_code", "implicit",
		} {
			got := s.token(t, url.Values{"grant_type": {grantType}}, credentialsOf(confidentialID)...)
			want(t, got, http.StatusBadRequest, "unsupported_grant_type")
		}
		want(t, s.token(t, url.Values{}, credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_request")
	})
}

// fosite's "everything" is a server with the password grant and with tokens in URLs.
func TestComposeAllEnabled_RFC9700_2(t *testing.T) {
	password := url.Values{"grant_type": {"password"}, "username": {"peter"}, "password": {"secret"}}
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{all: true, clients: []fosite.Client{&fosite.DefaultClient{
			ID: "all", Public: true, RedirectURIs: []string{redirectURI}, Scopes: strings.Fields(allScopes),
			GrantTypes: []string{"password", "implicit", "authorization_code"}, ResponseTypes: []string{"token"},
		}}})
		r.memory.Users["peter"] = fositestorage.MemoryUserRelation{Username: "peter", Password: "secret"}
		got := r.token(t, with(password, "client_id", "all"))
		fact(t, got.text("access_token") != "", "nothing: engine.go composes by hand", got)
		got = r.authorize(t, authorizationParameters("all", "response_type", "token"))
		fact(t, got.params.Get("access_token") != "", "nothing: engine.go composes by hand", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		want(t, s.token(t, with(password, "client_id", publicID)), http.StatusBadRequest, "unsupported_grant_type")
		for _, responseType := range []string{"token", "code token", "id_token", "id_token token", "none", "code code", "Code"} {
			got := s.authorize(t, authorizationParameters(publicID, "response_type", responseType))
			wantSent(t, got, "unsupported_response_type")
			if strings.Contains(got.location, "#") {
				t.Errorf("an answer in the fragment: %s", got.location)
			}
		}
	})
}

// The grant is not for clients without a secret: that is about the client, not about
// what it presented.
func TestPublicClientCredentials_RFC6749_5_2(t *testing.T) {
	form := clientCredentials("client_id", publicID)
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).token(t, form)
		fact(t, got.failure() == "invalid_grant", "issueToClient in authz/token.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		want(t, s.token(t, form), http.StatusBadRequest, "unauthorized_client")
		// A host's own client storage may allow it the grant; RegisterClient would not.
		err := s.Store.PutClient(t.Context(), authz.Client{ID: "odd", GrantTypes: []string{"client_credentials"}})
		if err != nil {
			t.Fatal(err)
		}
		want(t, s.token(t, clientCredentials("client_id", "odd")), http.StatusBadRequest, "unauthorized_client")
	})
}

// fosite notices an expired code late, and takes it for a malformed request. Its codes
// live for a quarter of an hour besides.
func TestExpiredCode_RFC6749_5_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRaw(t, rawOptions{})
			code := r.code(t, publicID)
			time.Sleep(14 * time.Minute)
			got := r.token(t, codeForm(publicID, code))
			fact(t, got.status == http.StatusOK, "Lifetimes.AuthorizationCode", got)

			code = r.code(t, publicID)
			time.Sleep(16 * time.Minute)
			got = r.token(t, codeForm(publicID, code))
			fact(t, got.failure() == "invalid_request", "findCode in store.go", got)
		})
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		s.Clock.Advance(time.Minute - time.Second)
		wantOK(t, s.token(t, codeForm(publicID, code)))

		code = s.code(t, publicID)
		s.Clock.Advance(time.Minute)
		got := s.token(t, codeForm(publicID, code))
		want(t, got, http.StatusBadRequest, "invalid_grant")
		if got.reason != "code_expired" {
			t.Errorf("reason %s, want code_expired", got.reason)
		}
	})
}

// fosite repeats what was sent in its error descriptions, whatever bytes they are.
func TestErrorDescription_RFC6749_5_2(t *testing.T) {
	const canary = "<b>canary\\\x01\u00e9</b>"
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.authorize(t, authorizationParameters(publicID, "scope", canary))
		fact(t, strings.Contains(got.params.Get("error_description"), canary), "descriptions in authz/authorization.go", got)
		got = r.token(t, clientCredentials("scope", canary), credentialsOf(confidentialID)...)
		fact(t, strings.Contains(got.text("error_description"), canary), "descriptions in authz/authorization.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		var got []answer
		for _, name := range []string{
			"scope", "response_type", "response_mode", "code_challenge", "code_challenge_method", "resource", "prompt",
			"client_id", "redirect_uri", "request", "unknown",
		} {
			got = append(got, s.authorize(t, authorizationParameters(publicID, name, canary)))
		}
		for _, name := range []string{"grant_type", "code", "code_verifier", "redirect_uri", "client_id", "client_secret", "resource"} {
			got = append(got, s.token(t, codeForm(publicID, "x", name, canary)))
		}
		got = append(got,
			s.token(t, refreshForm(publicID, canary)),
			s.token(t, clientCredentials("scope", canary), credentialsOf(confidentialID)...),
			s.introspect(t, tokenForm(canary, canary)),
			s.revoke(t, tokenForm(canary, canary)),
		)
		for i, a := range got {
			description := a.text("error_description") + a.params.Get("error_description")
			if strings.Contains(description, "canary") || strings.Contains(a.location, "canary") && a.params.Get("error") != "" {
				t.Errorf("answer %d repeats the request: %+v", i, a)
			}
			// RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E
			if strings.ContainsFunc(description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
				t.Errorf("answer %d: %q", i, description)
			}
		}
	})
}

// A parameter that comes twice may be read one way by us and another way by what stands
// between. fosite takes the first.
func TestRepeatedParameters_RFC6749_3_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		form := codeForm(publicID, r.code(t, publicID))
		form.Add("code", "another")
		form.Add("grant_type", "refresh_token")
		got := r.token(t, form)
		fact(t, got.status == http.StatusOK, "checkParameters in authz/parameters.go", got)

		params := authorizationParameters(publicID)
		params.Add("scope", "everything")
		params.Add("redirect_uri", "https://evil.example/callback")
		got = r.authorize(t, params)
		fact(t, got.params.Get("code") != "", "checkParameters in authz/parameters.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		for name := range codeForm(publicID, code) {
			form := codeForm(publicID, code)
			form.Add(name, form.Get(name)) // the same value is no excuse
			want(t, s.token(t, form), http.StatusBadRequest, "invalid_request")
		}
		wantOK(t, s.token(t, codeForm(publicID, code)))
		for name := range authorizationParameters(publicID) {
			params := authorizationParameters(publicID)
			params.Add(name, params.Get(name))
			got := s.authorize(t, params)
			switch name {
			case "client_id", "redirect_uri": // no safe place to redirect to
				wantPage(t, got, "invalid_request")
			default:
				wantSent(t, got, "invalid_request")
			}
		}
		for _, call := range []func(testing.TB, url.Values, ...string) answer{s.introspect, s.revoke} {
			form := url.Values{"token": {"x", "x"}}
			want(t, call(t, form, credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_request")
		}
	})
}
