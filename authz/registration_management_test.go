package authz_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

func policy(f func(*authz.ClientProposal) error) func(*authz.Registration) {
	return func(r *authz.Registration) {
		r.Policy = func(_ context.Context, p *authz.ClientProposal) error { return f(p) }
	}
}

// manage is a request about a client that registered itself.
func manage(got *authz.ClientInformation, token string, pairs ...string) *authz.RegistrationRequest {
	return &authz.RegistrationRequest{ClientID: got.ClientID, Authorization: "Bearer " + token, Body: metadata(append([]string{"client_id", `"` + got.ClientID + `"`}, pairs...)...)}
}

// RFC 7592 §2: no token of another client, none for a client that there is not, and no way
// to tell the two apart.
func TestRFC7592_Section2_wrong_token(t *testing.T) {
	s := newServer(t, open())
	a, b := must(s.introduce())(t), must(s.introduce())(t)
	for name, req := range map[string]*authz.RegistrationRequest{
		"of_another": manage(a, b.RegistrationAccessToken), "none": {ClientID: a.ClientID}, "basic": {ClientID: a.ClientID, Authorization: "Basic " + a.RegistrationAccessToken},
		"unknown":     {ClientID: "self_" + strings.Repeat("0", 32), Authorization: "Bearer " + a.RegistrationAccessToken},
		"of_the_host": {ClientID: web, Authorization: "Bearer " + a.RegistrationAccessToken}, "no_client": {Authorization: "Bearer " + a.RegistrationAccessToken},
		"digest": manage(a, must(s.store.inner.Client(t.Context(), a.ClientID))(t).RegistrationAccessToken),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.ReadRegistration(t.Context(), req)
			registrationRefused(t, err, "401 invalid_token registration_token_invalid")
			_, err = s.UpdateRegistration(t.Context(), req)
			registrationRefused(t, err, "401 invalid_token registration_token_invalid")
			registrationRefused(t, s.DeleteRegistration(t.Context(), req), "401 invalid_token registration_token_invalid")
		})
	}
	if _, err := s.ReadRegistration(t.Context(), manage(a, a.RegistrationAccessToken)); err != nil {
		t.Error(err)
	}
}

// RFC 7592 §2.2 and §3: an update replaces everything, rotates the token, and goes no
// further than a registration.
func TestRFC7592_Section2_2(t *testing.T) {
	s := newServer(t, open())
	first := must(s.introduce("client_uri", `"https://app.example"`))(t)
	s.change(t, first.ClientID, func(c *authz.Client) { c.FirstParty = true })
	second, err := s.UpdateRegistration(t.Context(), manage(first, first.RegistrationAccessToken, "client_name", `"Other"`, "redirect_uris", `["https://app.example/new"]`))
	if err != nil {
		t.Fatal(err)
	}
	if second.ClientID != first.ClientID || second.ClientIDIssuedAt != first.ClientIDIssuedAt || second.ClientName != "Other" || second.ClientURI != "" ||
		second.RegistrationAccessToken == first.RegistrationAccessToken {
		t.Errorf("%+v", second)
	}
	if stored := must(s.store.inner.Client(t.Context(), first.ClientID))(t); stored.FirstParty {
		t.Error("what the host had said of another client counts for this one")
	}
	// The answer got lost: the first token still works, until the second has been used.
	third, err := s.UpdateRegistration(t.Context(), manage(first, first.RegistrationAccessToken))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadRegistration(t.Context(), manage(first, second.RegistrationAccessToken)); codeOf(err) != "invalid_token registration_token_invalid" {
		t.Errorf("a token that was never used: %v", err)
	}
	if got, err := s.ReadRegistration(t.Context(), manage(first, third.RegistrationAccessToken)); err != nil || got.RegistrationAccessToken != third.RegistrationAccessToken {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.ReadRegistration(t.Context(), manage(first, first.RegistrationAccessToken)); codeOf(err) != "invalid_token registration_token_invalid" {
		t.Errorf("the token before the last: %v", err)
	}
	// A secret comes with a method that needs one, and goes with it.
	fourth, err := s.UpdateRegistration(t.Context(), manage(first, third.RegistrationAccessToken, "token_endpoint_auth_method", `"client_secret_post"`))
	if err != nil || fourth.ClientSecret == "" {
		t.Fatalf("%+v, %v", fourth, err)
	}
	token := fourth.RegistrationAccessToken
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"another_id":       {[]string{"client_id", `"web"`}, "400 invalid_client_metadata client_id_invalid"},
		"no_id":            {[]string{"client_id", ""}, "400 invalid_client_metadata client_id_invalid"},
		"wrong_secret":     {[]string{"client_secret", `"x"`}, "400 invalid_client_metadata client_secret_invalid"},
		"token":            {[]string{"registration_access_token", `"x"`}, "400 invalid_client_metadata registration_access_token_invalid"},
		"uri":              {[]string{"registration_client_uri", `"x"`}, "400 invalid_client_metadata registration_client_uri_invalid"},
		"secret_expiry":    {[]string{"client_secret_expires_at", `0`}, "400 invalid_client_metadata client_secret_expires_at_invalid"},
		"issued_at":        {[]string{"client_id_issued_at", `0`}, "400 invalid_client_metadata client_id_issued_at_invalid"},
		"raise_scope":      {[]string{"scope", `"admin"`}, "400 invalid_client_metadata scope_invalid"},
		"raise_grant_type": {[]string{"grant_types", `["client_credentials"]`}, "400 invalid_client_metadata grant_types_invalid"},
		"redirect":         {[]string{"redirect_uris", `["http://app.example"]`}, "400 invalid_redirect_uri redirect_uri_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.UpdateRegistration(t.Context(), manage(first, token, test.pairs...))
			registrationRefused(t, err, test.want)
		})
	}
	fifth, err := s.UpdateRegistration(t.Context(), manage(first, token, "client_secret", `"`+fourth.ClientSecret+`"`, "token_endpoint_auth_method", `"client_secret_basic"`))
	if err != nil || fifth.ClientSecret != "" {
		t.Fatalf("%+v, %v", fifth, err)
	}
	s.flow(t, first.ClientID, fourth.ClientSecret, "https://app.example/cb")
}

// RFC 7592 §2.3: what the client had is dead with it.
func TestRFC7592_Section2_3(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, open(), func(c *authz.Config) { c.AccessTokenFormat = format })
		got := must(s.introduce())(t)
		tokens := s.flow(t, got.ClientID, "", "https://app.example/cb")
		if err := s.DeleteRegistration(t.Context(), manage(got, got.RegistrationAccessToken)); err != nil {
			t.Fatal(err)
		}
		if s.live(tokens.AccessToken) {
			t.Error("an access token outlives its client")
		}
		_, err := s.refresh(got.ClientID, tokens.RefreshToken)
		wantRefusal(t, err, "invalid_client client_unknown")
		registrationRefused(t, s.DeleteRegistration(t.Context(), manage(got, got.RegistrationAccessToken)), "401 invalid_token registration_token_invalid")
	}
}

// Many at once, on a store that takes its time.
func TestRFC7592_at_once(t *testing.T) {
	s := newSlowServer(t, open())
	got := must(s.introduce())(t)
	var mu sync.Mutex
	var tokens []string
	together(64, func(i int) {
		if i%2 == 0 {
			if _, err := s.introduce(); err != nil {
				t.Error(err)
			}
			return
		}
		information, err := s.UpdateRegistration(context.Background(), manage(got, got.RegistrationAccessToken))
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		tokens = append(tokens, information.RegistrationAccessToken)
	})
	live := 0
	for _, token := range tokens {
		if _, err := s.ReadRegistration(t.Context(), manage(got, token)); err == nil {
			live++
		}
	}
	if live != 1 {
		t.Errorf("%d of the tokens that were given out are good, want the last", live)
	}
	if n := s.registered(t); n != 33 {
		t.Errorf("%d clients, want 33", n)
	}
	// The last change and the end come in some order; the client does not come back.
	s = newSlowServer(t, open())
	got = must(s.introduce())(t)
	together(64, func(i int) {
		if i == 13 {
			if err := s.DeleteRegistration(context.Background(), manage(got, got.RegistrationAccessToken)); err != nil {
				t.Error(err)
			}
			return
		}
		s.UpdateRegistration(context.Background(), manage(got, got.RegistrationAccessToken))
	})
	if _, err := s.store.inner.Client(t.Context(), got.ClientID); !errors.Is(err, storage.ErrNotFound) {
		t.Error(err)
	}
}
