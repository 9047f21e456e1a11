package authz_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// OpenID Connect Core §3.1.2.1 and Initiating User Registration via OpenID Connect 1.0 §4:
// select_account and create lead to the sign-in page, once, however fresh the session is.
func TestOpenIDConnectCore_Section3_1_2_1_prompt(t *testing.T) {
	for _, test := range []struct {
		name   string
		prompt string
		signUp bool
		deaf   bool
		openID bool
		want   string
		after  string // back from the sign-in page
	}{
		{"choose an account", "select_account", false, false, true, "login", "ask"},
		{"choose an account, in OAuth", "select_account", false, false, false, "login", "ask"},
		{"choose and consent", "consent select_account", false, false, true, "login", "ask"},
		{"choose without a page", "none select_account", false, false, true, "back: invalid_request prompt_contradictory", ""},
		{"choose, of a hook that does not ask", "select_account", false, true, true, "back: account_selection_required account_not_selected", ""},
		{"make an account", "create", true, false, true, "login", "ask"},
		{"make an account, of a hook that does not ask", "create", true, true, true, "back: account_selection_required account_not_selected", ""},
		{"make an account where there is no page for that", "create", false, false, true, "back: invalid_request prompt_unknown", ""},
		{"unknown", "consent teapot", true, false, true, "back: invalid_request prompt_unknown", ""},
		{"unknown in OAuth", "teapot", true, false, false, "ask", ""},
		{"in capitals", "LOGIN", true, false, true, "back: invalid_request prompt_unknown", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &account{deaf: test.deaf}
			s := newOpenID(t, func(c *authz.Config) { c.Login, c.SignUp = a.login, test.signUp })
			a.user = &authz.User{Subject: "ana", AuthTime: s.clock.Now().Add(-time.Hour)}
			edits := []edit{set("prompt", test.prompt), set("ui_locales", "fr-CA en"), set("display", "popup")}
			if test.openID {
				edits = append(edits, set("scope", "openid"))
			}
			response, err := s.authorize(web, edits...)
			if got := s.outcome(t, response, err); got != test.want {
				t.Fatalf("%s, want %s", got, test.want)
			}
			if test.after == "" {
				return
			}
			asked := a.requests[len(a.requests)-1]
			if got := strings.Join(asked.Prompt, " "); got != test.prompt || !asked.Reauthenticate {
				t.Errorf("the hook was told prompt %q, Reauthenticate %v", got, asked.Reauthenticate)
			}
			if got := strings.Join(asked.UILocales, " "); got != "fr-CA en" || asked.Display != "popup" {
				t.Errorf("the hook was told ui_locales %q, display %q", got, asked.Display)
			}
			// The other account, whose session is older.
			a.user = &authz.User{Subject: "ben", AuthTime: s.clock.Now().Add(-48 * time.Hour)}
			response, err = s.follow(t, response)
			if got := s.outcome(t, response, err); got != test.after {
				t.Fatalf("back from the sign-in page: %s, want %s", got, test.after)
			}
			if response.Consent.User.Subject != "ben" {
				t.Errorf("the page is for %q", response.Consent.User.Subject)
			}
		})
	}
}

// A pushed request remembers that its user was asked, like any other.
func TestOpenIDConnectCore_Section3_1_2_1_prompt_pushed(t *testing.T) {
	a := &account{}
	s := newOpenID(t, func(c *authz.Config) { c.Login = a.login })
	a.user = &authz.User{Subject: "ana", AuthTime: s.clock.Now()}
	response, err := s.visit(referTo(web, must(s.push(web, set("prompt", "select_account")))(t)))
	if got := s.outcome(t, response, err); got != "login" {
		t.Fatalf("%s, want the sign-in page", got)
	}
	response, err = s.follow(t, response)
	if got := s.outcome(t, response, err); got != "ask" {
		t.Errorf("back from the sign-in page: %s", got)
	}
}

// Initiating User Registration §4.2: what is announced is what is accepted.
func TestOpenIDConnectDiscovery_Section3_prompt_values(t *testing.T) {
	for signUp, want := range map[bool][]string{
		false: {"none", "login", "consent", "select_account"},
		true:  {"none", "login", "consent", "select_account", "create"},
	} {
		s := newOpenID(t, func(c *authz.Config) { c.SignUp = signUp })
		if got := s.Metadata().PromptValuesSupported; !slices.Equal(got, want) {
			t.Errorf("SignUp %v: %q, want %q", signUp, got, want)
		}
	}
}

// OpenID Connect Core §4, Registration §2.
func TestOpenIDConnectCore_Section4(t *testing.T) {
	s := newOpenID(t, open())
	info, err := s.introduce("initiate_login_uri", `"https://app.example/begin"`)
	if err != nil || info.InitiateLoginURI != "https://app.example/begin" {
		t.Errorf("registered %q, %v", info.InitiateLoginURI, err)
	}
	for _, uri := range []string{"http://app.example/begin", "app:/begin", "/begin", "https:///begin"} {
		_, err := s.introduce("initiate_login_uri", `"`+uri+`"`)
		registrationRefused(t, err, "400 invalid_client_metadata initiate_login_uri_invalid")
		c := authz.Client{ID: "x", RedirectURIs: []string{"https://app.example/cb"}, InitiateLoginURI: uri}
		if err := s.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "InitiateLoginURI") {
			t.Errorf("%q: %v", uri, err)
		}
	}
}
