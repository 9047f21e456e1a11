package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// open lets anybody register, for the scopes read, write and offline_access.
func open(edit ...func(*authz.Registration)) func(*authz.Config) {
	return func(c *authz.Config) {
		c.Registration = &authz.Registration{Open: true, Scopes: []string{"read", "write", "offline_access"}}
		for _, f := range edit {
			f(c.Registration)
		}
	}
}

// metadata is a registration of a web client, changed by pairs of member and JSON value;
// an empty value takes the member away.
func metadata(pairs ...string) []byte {
	m := map[string]json.RawMessage{
		"redirect_uris": json.RawMessage(`["https://app.example/cb"]`), "client_name": json.RawMessage(`"App"`),
		"grant_types":                json.RawMessage(`["authorization_code","refresh_token"]`),
		"token_endpoint_auth_method": json.RawMessage(`"none"`),
	}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i]] = json.RawMessage(pairs[i+1]); pairs[i+1] == "" {
			delete(m, pairs[i])
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func (s *server) introduce(pairs ...string) (*authz.ClientInformation, error) {
	return s.Register(context.Background(), &authz.RegistrationRequest{Body: metadata(pairs...)})
}

// registered counts the clients that registered themselves and are in the store.
func (s *server) registered(t testing.TB) (n int) {
	t.Helper()
	for _, c := range must(s.store.inner.ListClients(t.Context(), "self_", 10_000))(t) {
		if strings.HasPrefix(c.ID, "self_") {
			n++
		}
	}
	return n
}

func registrationRefused(t testing.TB, err error, want string) *authz.Error {
	t.Helper()
	var e *authz.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v, want %s", err, want)
	}
	checkDescription(t, e.Description)
	if got := fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Reason); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	return e
}

// flow takes a user of a client through the whole code flow, and the refresh after it.
func (s *server) flow(t testing.TB, clientID, secret, redirectURI string) *authz.TokenResponse {
	t.Helper()
	code := s.code(t, clientID, set("redirect_uri", redirectURI), set("scope", "read offline_access"))
	v := form(nil, "grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI, "code_verifier", authztest.Verifier)
	ask := func(v map[string][]string) (*authz.TokenResponse, error) {
		r := request(clientID, v)
		if secret != "" {
			r.Authorization = basic(clientID, secret)
		}
		return s.Token(t.Context(), r)
	}
	tokens, err := ask(v)
	if err != nil {
		t.Fatal(err)
	}
	if tokens, err = ask(form(nil, "grant_type", "refresh_token", "refresh_token", tokens.RefreshToken)); err != nil {
		t.Fatal(err)
	}
	if !s.live(tokens.AccessToken) {
		t.Error("the access token does not count")
	}
	return tokens
}
