package handlers_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

func withOpenID(c *authz.Config) {
	c.Scopes = maps.Clone(c.Scopes)
	c.Scopes["openid"], c.Scopes["email"] = "Know who you are", "See your email address"
	c.ClaimsSupported = []string{"email"}
	c.UserClaims = func(_ context.Context, req *authz.UserClaimsRequest) (map[string]any, error) {
		return map[string]any{"email": req.Subject + "@example.com"}, nil
	}
}

// The ways in which a token comes, and what is refused (OpenID Connect Core §5.3.1, RFC 6750
// §2, §3).
func TestOpenIDConnectCore_Section5_3_1(t *testing.T) {
	h := newHost(t, handlers.Options{}, withOpenID)
	token := h.AccessToken(t, "openid", "email")
	plain := h.AccessToken(t, "read")
	const path = "/oauth2/userinfo"
	bearer := func(token string) string { return "Bearer " + token }
	for name, test := range map[string]struct {
		method, path, authorization string
		body                        any
		status                      int
		says                        string
	}{
		"GET":                 {"GET", path, bearer(token), nil, 200, `"email":"ana@example.com"`},
		"GET, lower case":     {"GET", path, "bearer " + token, nil, 200, `"sub":"ana"`},
		"POST by header":      {"POST", path, bearer(token), nil, 200, `"sub":"ana"`},
		"POST by body":        {"POST", path, "", url.Values{"access_token": {token}}, 200, `"sub":"ana"`},
		"both":                {"POST", path, bearer(token), url.Values{"access_token": {token}}, 400, "more than one access token"},
		"twice":               {"POST", path, "", url.Values{"access_token": {token, token}}, 400, "more than one access token"},
		"in the query":        {"GET", path + "?access_token=" + token, "", nil, 401, ""},
		"none":                {"GET", path, "", nil, 401, ""},
		"body without one":    {"POST", path, "", url.Values{"x": {"y"}}, 401, ""},
		"rubbish":             {"GET", path, bearer("x"), nil, 401, "invalid_token"},
		"without openid":      {"GET", path, bearer(plain), nil, 403, "insufficient_scope"},
		"of the wrong method": {"PUT", path, bearer(token), nil, 405, ""},
	} {
		a := h.do(test.method, test.path, test.body, "Authorization", test.authorization)
		if a.StatusCode != test.status || !strings.Contains(a.body+a.Header.Get("WWW-Authenticate"), test.says) {
			t.Errorf("%s: %s %s %s", name, a.Status, a.Header.Get("WWW-Authenticate"), a.body)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, a.Header)
		}
		if test.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
}

// A token without a user may have the scope, and is refused as one without it (RFC 6750 §3.1).
func TestRFC6750_Section3_1_userinfo(t *testing.T) {
	h := newHost(t, handlers.Options{}, withOpenID, func(c *authz.Config) {
		c.Clients = append(c.Clients, authz.Client{ID: "service", GrantTypes: []string{"client_credentials"}, Scopes: []string{"openid"}, Secrets: []storage.Secret{hashedSecret}})
	})
	var tokens authz.TokenResponse
	a := h.do("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"service"}, "client_secret": {secret}, "scope": {"openid"}})
	if json.Unmarshal([]byte(a.body), &tokens) != nil || tokens.AccessToken == "" {
		t.Fatal(a.body)
	}
	a = h.do("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+tokens.AccessToken)
	if said := a.Header.Get("WWW-Authenticate"); a.StatusCode != 403 || !strings.HasPrefix(said, "Bearer ") || !strings.Contains(said, `error="insufficient_scope"`) {
		t.Errorf("%s, WWW-Authenticate %s", a.Status, said)
	}
}

// Signed answers have their own type (OpenID Connect Core §5.3.2).
func TestOpenIDConnectCore_Section5_3_2(t *testing.T) {
	h := newHost(t, handlers.Options{}, withOpenID, func(c *authz.Config) {
		c.Clients = append(c.Clients, authz.Client{ID: "signed", RedirectURIs: []string{"https://client.example/cb"}, Scopes: []string{"openid"}, UserInfoSignedResponseAlg: "RS256"})
	})
	params := authztest.AuthorizationParameters("openid")
	params.Set("client_id", "signed")
	params.Set("redirect_uri", "https://client.example/cb")
	page := h.ask(params)
	if strings.Contains(page.body, "Know who you are") || !strings.Contains(page.body, "will only learn who you are") {
		t.Error("the consent page lists openid")
	}
	code := h.do(http.MethodPost, "/oauth2/consent", page.form(t)).location(t).Get("code")
	a := h.do(http.MethodPost, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"signed"}, "code": {code},
		"redirect_uri": {"https://client.example/cb"}, "code_verifier": {authztest.Verifier},
	})
	var tokens authz.TokenResponse
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || tokens.IDToken == "" {
		t.Fatal(a.body)
	}
	if a := h.do("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+tokens.AccessToken); a.Header.Get("Content-Type") != "application/jwt" || strings.Count(a.body, ".") != 2 {
		t.Errorf("%v %s", a.Header, a.body)
	}
}

// A token that is bound to a key is good with a proof by it alone (RFC 9449 §7).
func TestRFC9449_Section7_userinfo(t *testing.T) {
	h := newHost(t, handlers.Options{}, withOpenID, func(c *authz.Config) { c.DPoP = true })
	key := authztest.NewDPoPKey()
	code := h.Authorize(t, authztest.AuthorizationParameters("openid")).Get("code")
	proof := func(method, path string, further map[string]any) string {
		return key.Proof(method, h.url+path, h.Clock.Now(), further)
	}
	var tokens authz.TokenResponse
	a := h.do("POST", "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
		"code": {code}, "code_verifier": {authztest.Verifier},
	}, "DPoP", proof("POST", "/oauth2/token", nil))
	if json.Unmarshal([]byte(a.body), &tokens) != nil || tokens.TokenType != "DPoP" {
		t.Fatal(a.body)
	}
	const path = "/oauth2/userinfo"
	if a := h.do("GET", path, nil, "Authorization", "Bearer "+tokens.AccessToken); a.StatusCode != 401 {
		t.Errorf("without a proof: %s", a.Status)
	}
	ath := map[string]any{"ath": authztest.TokenHash(tokens.AccessToken)}
	if a := h.do("GET", path, nil, "Authorization", "DPoP "+tokens.AccessToken, "DPoP", proof("GET", path, ath)); a.StatusCode != 200 {
		t.Errorf("with one: %s %s", a.Status, a.body)
	}
}

// OpenID Connect Discovery §3, §4: what is true, where clients look for it.
func TestOpenIDConnectDiscovery_Section4(t *testing.T) {
	for _, path := range []string{"", "/tenant/one"} {
		as := authztest.New(t, withOpenID, func(c *authz.Config) { c.Issuer += path })
		h := handlers.New(as.Server)
		for _, place := range []string{path + "/.well-known/openid-configuration", "/.well-known/openid-configuration" + path, "/.well-known/oauth-authorization-server" + path} {
			var m map[string]any
			body := bodyAt(t, h, place)
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				t.Fatalf("%s: %s", place, body)
			}
			if m["issuer"] != "https://auth.example"+path || m["userinfo_endpoint"] != "https://auth.example"+path+"/oauth2/userinfo" ||
				m["request_uri_parameter_supported"] != false || m["request_parameter_supported"] != true || m["claims_parameter_supported"] != true ||
				!strings.Contains(body, `"subject_types_supported":["public"]`) || !strings.Contains(body, `"id_token_signing_alg_values_supported":["ES256","RS256"]`) ||
				!strings.Contains(body, `"email"`) {
				t.Errorf("%s: %s", place, body)
			}
		}
	}
	if body := bodyAt(t, handlers.New(authztest.New(t).Server), "/.well-known/openid-configuration"); !strings.Contains(body, "404") {
		t.Errorf("without openid: %s", body)
	}
}

func bodyAt(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}
