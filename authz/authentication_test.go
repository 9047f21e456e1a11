package authz_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// account is a host's session, and how its Login hook goes about it.
type account struct {
	user     *authz.User
	deaf     bool // the hook does not look at MustSignInAgain
	requests []authz.AuthenticationRequest
}

func (a *account) login(r *http.Request) (*authz.User, error) {
	a.requests = append(a.requests, authz.AuthenticationRequestOf(r))
	if a.user == nil || authz.MustSignInAgain(r) && !a.deaf {
		return nil, authz.RedirectToLogin("/login")
	}
	user := *a.user
	return &user, nil
}

// follow goes back to the authorization endpoint from the sign-in page.
func (s *server) follow(t *testing.T, response *authz.AuthorizationResponse) (*authz.AuthorizationResponse, error) {
	t.Helper()
	to, err := url.Parse(back(t, response, nil).Get("return_to"))
	if err != nil || to.Path != "/oauth2/authorize" {
		t.Fatalf("return_to %v, %v", to, err)
	}
	return s.Authorize(t.Context(), &authz.AuthorizationRequest{
		Parameters: to.Query(), HTTP: httptest.NewRequest("GET", to.String(), nil), Browser: browser,
	})
}

func newSignIn(t *testing.T, a *account) *server {
	return newServer(t, func(c *authz.Config) { c.Login, c.ACRValues = a.login, []string{"silver", "gold"} })
}

// OpenID Connect Core §3.1.2.1 and RFC 9470 §4: who signed in too long ago, or is told to,
// signs in again, once.
func TestRFC9470_Section4_MaxAge(t *testing.T) {
	for _, test := range []struct {
		name  string
		edits []edit
		age   time.Duration // of the sign-in
		want  string
	}{
		{"nothing asked", nil, 30 * day, "ask"},
		{"young enough", []edit{set("max_age", "60")}, time.Minute, "ask"},
		{"too old", []edit{set("max_age", "60")}, 61 * time.Second, "login"},
		{"zero", []edit{set("max_age", "0")}, time.Second, "login"},
		{"prompt login", []edit{set("prompt", "login")}, time.Second, "login"},
		{"prompt login and consent", []edit{set("prompt", "login consent")}, time.Second, "login"},
		{"never known", []edit{set("max_age", "99999999")}, -1, "login"},
		{"too old, and no page may be shown", []edit{set("max_age", "60"), set("prompt", "none")}, time.Hour, "back: login_required login_required"},
		{"malformed", []edit{set("max_age", "-1")}, 0, "back: invalid_request max_age_malformed"},
		{"fraction", []edit{set("max_age", "1.5")}, 0, "back: invalid_request max_age_malformed"},
		{"overflow", []edit{set("max_age", "99999999999999999999")}, 0, "back: invalid_request max_age_malformed"},
		{"words", []edit{set("max_age", "a day")}, 0, "back: invalid_request max_age_malformed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &account{}
			s := newSignIn(t, a)
			a.user = &authz.User{Subject: "ana", AuthTime: s.clock.Now().Add(-test.age)}
			if test.age < 0 {
				a.user.AuthTime = time.Time{}
			}
			response, err := s.authorize(web, test.edits...)
			if got := s.outcome(t, response, err); got != test.want {
				t.Fatalf("%s, want %s", got, test.want)
			}
			if test.want != "login" {
				return
			}
			if last := a.requests[len(a.requests)-1]; !last.Reauthenticate || last.Since.IsZero() {
				t.Errorf("the hook was told %+v", last)
			}
			// It takes the user a while, on the page and afterwards.
			s.clock.Advance(5 * time.Minute)
			a.user.AuthTime = s.clock.Now()
			s.clock.Advance(5 * time.Minute)
			response, err = s.follow(t, response)
			if got := s.outcome(t, response, err); got != "ask" {
				t.Fatalf("signed in: %s, want the consent page", got)
			}
			s.clock.Advance(20 * time.Minute)
			response, err = s.submit(submission(response.Consent))
			if got := s.outcome(t, response, err); got != "code" {
				t.Fatalf("consented: %s, want a code", got)
			}
			tokens := must(s.redeem(web, back(t, response, err).Get("code")))(t)
			if verified, err := s.VerifyAccessToken(t.Context(), tokens.AccessToken); err != nil || verified.AuthTime.Unix() != a.user.AuthTime.Unix() {
				t.Errorf("auth_time %v, %v, want %v", verified.AuthTime, err, a.user.AuthTime)
			}
		})
	}
}

// Going back without having signed in again leads to the sign-in page again; and what a way
// back from an hour ago says is not believed.
func TestRFC9470_Section4_SignInIsNotSkipped(t *testing.T) {
	for _, edits := range [][]edit{{set("prompt", "login")}, {set("max_age", "60")}} {
		a := &account{}
		s := newSignIn(t, a)
		a.user = &authz.User{Subject: "ana", AuthTime: s.clock.Now().Add(-time.Hour)}
		response, err := s.authorize(web, edits...)
		for range 3 {
			if got := s.outcome(t, response, err); got != "login" {
				t.Fatalf("%s, want the sign-in page", got)
			}
			response, err = s.follow(t, response)
		}
		a.user.AuthTime = s.clock.Now().Add(time.Second)
		s.clock.Advance(2 * time.Hour)
		response, err = s.follow(t, response)
		if got := s.outcome(t, response, err); got != "login" {
			t.Errorf("two hours later: %s, want the sign-in page", got)
		}
	}
}

// A hook that does not look gets an error across to the client, not a user who is taken
// for another.
func TestRFC9470_Section4_DeafHook(t *testing.T) {
	a := &account{deaf: true}
	s := newSignIn(t, a)
	a.user = &authz.User{Subject: "ana", AuthTime: s.clock.Now().Add(-time.Hour)}
	response, err := s.authorize(web, set("max_age", "60"))
	if got := s.outcome(t, response, err); got != "back: login_required sign_in_too_old" {
		t.Error(got)
	}
	if !strings.Contains(s.log.String(), "authz.MustSignInAgain") {
		t.Error("the log does not say what to do")
	}
	response, err = s.authorize(web, set("acr_values", "gold")) // only a wish
	if got := s.outcome(t, response, err); got != "ask" {
		t.Error(got)
	}
}

// RFC 9470 §4: acr_values is a wish, passed on to the host once.
func TestRFC9470_Section4_ACRValues(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after string
		want          string
	}{
		{"there already", "gold", "", "ask"},
		{"another of them", "silver", "", "ask"},
		{"stepped up", "bronze", "gold", "login"},
		{"not stepped up", "bronze", "bronze", "login"},
		{"none", "", "silver", "login"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &account{}
			s := newSignIn(t, a)
			a.user = &authz.User{Subject: "ana", ACR: test.before, AuthTime: s.clock.Now()}
			response, err := s.authorize(web, set("acr_values", "gold silver"), set("login_hint", "ana@example.com"))
			if got := s.outcome(t, response, err); got != test.want {
				t.Fatalf("%s, want %s", got, test.want)
			}
			if first := a.requests[0]; strings.Join(first.ACRValues, " ") != "gold silver" || first.LoginHint != "ana@example.com" || first.Reauthenticate {
				t.Errorf("the hook was told %+v", first)
			}
			if test.want != "login" {
				return
			}
			a.user.ACR = test.after
			response, err = s.follow(t, response)
			if got := s.outcome(t, response, err); got != "ask" {
				t.Fatalf("after the sign-in page: %s, want the consent page", got)
			}
			response, err = s.submit(submission(response.Consent))
			tokens := must(s.redeem(web, back(t, response, err).Get("code")))(t)
			if verified, err := s.VerifyAccessToken(t.Context(), tokens.AccessToken); err != nil || verified.ACR != test.after {
				t.Errorf("acr %q, %v, want %q", verified.ACR, err, test.after)
			}
		})
	}
	if got := newSignIn(t, &account{}).Metadata().ACRValuesSupported; strings.Join(got, " ") != "silver gold" {
		t.Errorf("metadata: %q", got)
	}
}

// Outside the Login hook nothing is wanted.
func TestAuthenticationRequestOfOthers(t *testing.T) {
	if want := authz.AuthenticationRequestOf(httptest.NewRequest("GET", "/", nil)); want.Reauthenticate || want.ACRValues != nil {
		t.Errorf("%+v", want)
	}
}
