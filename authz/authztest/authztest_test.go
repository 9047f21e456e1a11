package authztest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func TestAccessToken(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	token := as.AccessToken(t, "read")
	v, err := as.VerifyAccessToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if v.Subject != "ana" || v.ClientID != authztest.ClientID || !reflect.DeepEqual(v.Scopes, []string{"read"}) || !v.AuthTime.Equal(as.Clock.Now().Truncate(time.Second)) {
		t.Errorf("%+v", v)
	}
	as.Clock.Advance(time.Hour)
	if _, err := as.VerifyAccessToken(t.Context(), token); err == nil {
		t.Error("the token outlived its hour")
	}
}

func TestTokens_scopes(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	for _, test := range []struct {
		scopes  []string
		scope   string
		refresh bool
	}{
		{nil, "offline_access read write", true},
		{[]string{"write"}, "write", false},
		{[]string{"read", "offline_access"}, "read offline_access", true},
	} {
		tokens := as.Tokens(t, test.scopes...)
		if tokens.Scope != test.scope || (tokens.RefreshToken != "") != test.refresh {
			t.Errorf("%v: %q, refresh token %v", test.scopes, tokens.Scope, tokens.RefreshToken != "")
		}
	}
}

// Who is signed in is what the last SignIn said, and nobody to begin with.
func TestSignIn(t *testing.T) {
	as := authztest.New(t)
	if to := as.Authorize(t, authztest.AuthorizationParameters("read")).Get("return_to"); to == "" {
		t.Error("nobody is signed in, and the browser is not sent to sign in")
	}
	as.SignIn("ana")
	if as.Authorize(t, authztest.AuthorizationParameters("read")).Get("code") == "" {
		t.Error("no code for ana")
	}
	as.SignIn("")
	if as.Authorize(t, authztest.AuthorizationParameters("read")).Get("code") != "" {
		t.Error("a code for nobody")
	}
}

// Authorize returns what the client gets, errors included.
func TestAuthorize_error(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	params := authztest.AuthorizationParameters("nope")
	answer := as.Authorize(t, params)
	if answer.Get("error") != "invalid_scope" || answer.Get("state") != "s" || answer.Get("iss") != as.Issuer() {
		t.Errorf("%v", answer)
	}
}

// The functions given to New change the configuration, and add to its clients.
func TestNew_configure(t *testing.T) {
	store := memory.New()
	as := authztest.New(t,
		func(c *authz.Config) { c.Issuer, c.Storage = "https://other.example", store },
		func(c *authz.Config) { c.Scopes = authz.Scopes{"pay": "Pay"} },
		func(c *authz.Config) {
			c.Clients = []authz.Client{{ID: "mine", RedirectURIs: []string{"https://mine.example/"}, Scopes: []string{"pay"}}}
			c.Login = func(*http.Request) (*authz.User, error) { return &authz.User{Subject: "ben"}, nil }
		},
	)
	if as.Issuer() != "https://other.example" || as.Store != store {
		t.Errorf("issuer %q", as.Issuer())
	}
	if got := as.Tokens(t, "pay").Scope; got != "pay" {
		t.Errorf("scope %q", got)
	}
	params := authztest.AuthorizationParameters()
	params.Set("client_id", "mine")
	params.Set("redirect_uri", "https://mine.example/")
	if as.Authorize(t, params).Get("code") == "" {
		t.Error("no code for a client of the test's own")
	}
}

func TestChallenge(t *testing.T) {
	if len(authztest.Verifier) != 43 || len(authztest.Challenge()) != 43 {
		t.Errorf("verifier %q, challenge %q", authztest.Verifier, authztest.Challenge())
	}
	v := authztest.AuthorizationParameters("read", "write")
	want := url.Values{"response_type": {"code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI}, "state": {"s"},
		"scope": {"read write"}, "code_challenge": {authztest.Challenge()}, "code_challenge_method": {"S256"}}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("%v, want %v", v, want)
	}
	if authztest.AuthorizationParameters().Has("scope") {
		t.Error("a scope parameter without scopes")
	}
}

func TestClock(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	c := authztest.NewClock(at)
	c.Advance(time.Hour)
	c.Advance(-30 * time.Minute)
	if !c.Now().Equal(at.Add(30*time.Minute)) || !c.Now().Equal(c.Now()) {
		t.Errorf("%v", c.Now())
	}
}

// Tests run in parallel, and one server may be used by many of them.
func TestParallel(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 5 {
				as.Clock.Advance(time.Millisecond)
				as.AccessToken(t, "read")
			}
		})
	}
}

// With Config.Sessions each SignIn begins a session of its own.
func TestSignIn_sessions(t *testing.T) {
	as := authztest.New(t, func(c *authz.Config) {
		c.Scopes["openid"] = "Sign in"
		c.Sessions = true
	})
	seen := map[string]bool{}
	for range 2 {
		as.SignIn("ana")
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(as.Tokens(t, "openid").IDToken, ".")[1])
		var said struct{ Sid string }
		if err != nil || json.Unmarshal(payload, &said) != nil || said.Sid == "" || seen[said.Sid] {
			t.Errorf("%s, %v", payload, err)
		}
		seen[said.Sid] = true
	}
}
