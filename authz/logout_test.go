package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

const goodbye = "https://web.example/bye"

// leaver is a server that signs its users out.
type leaver struct {
	*server
	ended int
	fails error
}

func newLeaver(t testing.TB, configure ...func(*authz.Config)) *leaver {
	t.Helper()
	return newLeaverOn(t, newProbe(memory.New()), configure...)
}

func newLeaverOn(t testing.TB, store *probe, configure ...func(*authz.Config)) *leaver {
	t.Helper()
	l := &leaver{}
	l.server = newOpenIDOn(t, store, append([]func(*authz.Config){func(c *authz.Config) {
		c.Logout = func(w http.ResponseWriter, r *http.Request) error {
			if l.fails != nil {
				return l.fails
			}
			l.ended++
			l.host.SignIn("")
			http.SetCookie(w, &http.Cookie{Name: "session", MaxAge: -1})
			return nil
		}
	}}, configure...)...)
	l.change(t, web, func(c *authz.Client) { c.PostLogoutRedirectURIs = []string{goodbye} })
	return l
}

func (l *leaver) leave(edits ...edit) (*authz.LogoutResponse, error) {
	return l.EndSession(context.Background(), &authz.LogoutRequest{
		Parameters: form(edits), HTTP: httptest.NewRequest("GET", "/oauth2/logout", nil), Writer: httptest.NewRecorder(), Browser: browser,
	})
}

func (l *leaver) outcome(t testing.TB, response *authz.LogoutResponse, err error) string {
	t.Helper()
	switch {
	case err != nil:
		return refusedWith(t, err)
	case response.Confirm != nil:
		return "ask"
	case response.Redirect != "":
		return response.Redirect
	case response.Done:
		return "done"
	}
	return "nothing"
}

// §2, §3: who is signed out without being asked, who is asked, and where the browser goes.
func TestRPInitiatedLogout_Section2(t *testing.T) {
	l := newLeaver(t)
	hint := l.login(t, web).IDToken
	others := l.login(t, spa).IDToken
	access := l.login(t, web).AccessToken
	l.host.SignIn("ben")
	bens := l.login(t, web).IDToken
	const unregistered = "invalid_request post_logout_redirect_uri_not_registered"
	for name, test := range map[string]struct {
		edits []edit
		want  string
		ended int
	}{
		"a hint":                    {[]edit{set("id_token_hint", hint)}, "done", 1},
		"a hint and a way back":     {[]edit{set("id_token_hint", hint), set("post_logout_redirect_uri", goodbye)}, goodbye, 1},
		"and a state":               {[]edit{set("id_token_hint", hint), set("post_logout_redirect_uri", goodbye), set("state", "a b&c")}, goodbye + "?state=a+b%26c", 1},
		"and its client":            {[]edit{set("id_token_hint", hint), set("client_id", web), set("post_logout_redirect_uri", goodbye)}, goodbye, 1},
		"and another client":        {[]edit{set("id_token_hint", hint), set("client_id", spa)}, "invalid_request two_clients", 0},
		"nothing":                   {nil, "ask", 0},
		"a client":                  {[]edit{set("client_id", web)}, "ask", 0},
		"a client and a way back":   {[]edit{set("client_id", web), set("post_logout_redirect_uri", goodbye)}, "ask", 0},
		"a way back alone":          {[]edit{set("post_logout_redirect_uri", goodbye)}, "invalid_request client_missing", 0},
		"another's way back":        {[]edit{set("id_token_hint", others), set("post_logout_redirect_uri", goodbye)}, unregistered, 0},
		"a way back with a slash":   {[]edit{set("id_token_hint", hint), set("post_logout_redirect_uri", goodbye+"/")}, unregistered, 0},
		"a way back with a query":   {[]edit{set("id_token_hint", hint), set("post_logout_redirect_uri", goodbye+"?x=1")}, unregistered, 0},
		"the redirect URI":          {[]edit{set("id_token_hint", hint), set("post_logout_redirect_uri", redirectOf[web])}, unregistered, 0},
		"of a client that is gone":  {[]edit{set("client_id", "nobody")}, "invalid_request client_unknown", 0},
		"another user's hint":       {[]edit{set("id_token_hint", bens)}, "ask", 0},
		"an access token":           {[]edit{set("id_token_hint", access)}, "ask", 0},
		"an access token, way back": {[]edit{set("id_token_hint", access), set("post_logout_redirect_uri", goodbye)}, "invalid_request client_missing", 0},
		"rubbish":                   {[]edit{set("id_token_hint", "x")}, "ask", 0},
		"twice":                     {[]edit{set("id_token_hint", hint, hint)}, "invalid_request parameter_repeated", 0},
	} {
		l.host.SignIn("ana")
		l.ended = 0
		response, err := l.leave(test.edits...)
		if got := l.outcome(t, response, err); got != test.want || l.ended != test.ended {
			t.Errorf("%s: %s, ended %d times; want %s, %d", name, got, l.ended, test.want, test.ended)
		}
	}
	// Who is not signed in has nothing to end, and goes on.
	l.host.SignIn("")
	l.ended = 0
	response, err := l.leave(set("client_id", web), set("post_logout_redirect_uri", goodbye))
	if got := l.outcome(t, response, err); got != goodbye || l.ended != 0 {
		t.Errorf("nobody: %s, ended %d times", got, l.ended)
	}
	// Tokens that an app holds live on: this is not about them.
	if !l.live(access) {
		t.Error("an access token is dead")
	}
	// An old hint still tells.
	for range 30 {
		l.clock.Advance(24 * time.Hour)
		must(l.JWKS(t.Context()))(t)
	}
	l.host.SignIn("ana")
	response, err = l.leave(set("id_token_hint", hint))
	if got := l.outcome(t, response, err); got != "done" {
		t.Errorf("a month later: %s", got)
	}
	if m := l.Metadata(); m.EndSessionEndpoint != issuer+"/oauth2/logout" || newOpenID(t).Metadata().EndSessionEndpoint != "" {
		t.Errorf("metadata: %q", m.EndSessionEndpoint)
	}
}

func (l *leaver) submit(sub *authz.ConsentSubmission) (*authz.LogoutResponse, error) {
	return l.SubmitLogout(context.Background(), httptest.NewRecorder(), sub)
}

// The page that asks: from this browser, by this user, for a while.
func TestRPInitiatedLogout_Section2_confirmation(t *testing.T) {
	l := newLeaver(t)
	ask := func() *authz.ConsentSubmission {
		l.host.SignIn("ana")
		l.ended = 0
		response := must(l.leave(set("client_id", web), set("post_logout_redirect_uri", goodbye), set("state", "s")))(t)
		if p := response.Confirm; p == nil || p.Client.ID != web || p.User.Subject != "ana" {
			t.Fatalf("%+v", response)
		}
		return &authz.ConsentSubmission{Interaction: response.Confirm.Interaction, HTTP: httptest.NewRequest("POST", "/oauth2/logout", nil), Browser: browser, Approve: true}
	}
	for name, test := range map[string]struct {
		edit  func(*authz.ConsentSubmission)
		want  string
		ended int
	}{
		"yes":             {func(*authz.ConsentSubmission) {}, goodbye + "?state=s", 1},
		"no":              {func(s *authz.ConsentSubmission) { s.Approve = false }, goodbye + "?state=s", 0},
		"another browser": {func(s *authz.ConsentSubmission) { s.Browser = "other" }, "invalid_request interaction_of_another_browser", 0},
		"no cookie":       {func(s *authz.ConsentSubmission) { s.Browser = "" }, "invalid_request browser_cookie_missing", 0},
		"forged":          {func(s *authz.ConsentSubmission) { s.Interaction = "x" }, "invalid_request interaction_invalid", 0},
		"too late":        {func(*authz.ConsentSubmission) { l.clock.Advance(31 * time.Minute) }, "invalid_request interaction_expired", 0},
		"gone already":    {func(*authz.ConsentSubmission) { l.host.SignIn("") }, goodbye + "?state=s", 0},
		"as another":      {func(*authz.ConsentSubmission) { l.host.SignIn("ben") }, "invalid_request interaction_of_another_user", 0},
		"not registered": {func(*authz.ConsentSubmission) {
			l.change(t, web, func(c *authz.Client) { c.PostLogoutRedirectURIs = nil })
		}, "invalid_request post_logout_redirect_uri_not_registered", 0},
		"of a consent page": {func(s *authz.ConsentSubmission) { s.Interaction = l.page(t, web).Interaction }, "invalid_request interaction_invalid", 0},
	} {
		l.change(t, web, func(c *authz.Client) { c.PostLogoutRedirectURIs = []string{goodbye} })
		sub := ask()
		test.edit(sub)
		response, err := l.submit(sub)
		if got := l.outcome(t, response, err); got != test.want || l.ended != test.ended {
			t.Errorf("%s: %s, ended %d times; want %s, %d", name, got, l.ended, test.want, test.ended)
		}
	}
	// Who stays, and has nowhere to go back to, is not told to be signed out.
	l.host.SignIn("ana")
	l.ended = 0
	asked := must(l.leave())(t).Confirm
	stayed := must(l.submit(&authz.ConsentSubmission{Interaction: asked.Interaction, HTTP: httptest.NewRequest("POST", "/oauth2/logout", nil), Browser: browser}))(t)
	if !stayed.Stayed || stayed.Done || l.ended != 0 {
		t.Errorf("stays: %+v, ended %d times", stayed, l.ended)
	}
	// A hook that fails is not passed over.
	l.change(t, web, func(c *authz.Client) { c.PostLogoutRedirectURIs = []string{goodbye} })
	sub := ask()
	l.fails = errors.New("no session store")
	_, err := l.submit(sub)
	wantRefusal(t, err, "server_error logout_hook_failed")
	hint := l.login(t, web).IDToken
	_, err = l.leave(set("id_token_hint", hint))
	wantRefusal(t, err, "server_error logout_hook_failed")
}

// A client with pairwise subjects means the user by its own name for them (OpenID Connect Core
// §8).
func TestRPInitiatedLogout_Section2_pairwise(t *testing.T) {
	l := newLeaver(t, withPairwise)
	l.change(t, web, func(c *authz.Client) { c.SubjectType = "pairwise" })
	hint := l.login(t, web).IDToken
	response, err := l.leave(set("id_token_hint", hint))
	if got := l.outcome(t, response, err); got != "done" || l.ended != 1 {
		t.Errorf("%s, ended %d times", got, l.ended)
	}
	l.host.SignIn("ben")
	response, err = l.leave(set("id_token_hint", hint))
	if got := l.outcome(t, response, err); got != "ask" {
		t.Errorf("another user: %s", got)
	}
}

// What is registered, by the host and by a client itself.
func TestRPInitiatedLogout_Section3_1(t *testing.T) {
	l := newLeaver(t, open())
	for _, uri := range []string{"http://web.example/bye", "javascript:alert(1)", "https://web.example/bye#x", "https://web.example/bye?state=x", "https://*.example/bye"} {
		c := testClients()[0]
		c.PostLogoutRedirectURIs = []string{uri}
		if err := l.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "PostLogoutRedirectURIs") {
			t.Errorf("%s: %v", uri, err)
		}
		_, err := l.introduce("post_logout_redirect_uris", `["`+uri+`"]`)
		registrationRefused(t, err, "400 invalid_client_metadata post_logout_redirect_uris_invalid")
	}
	info := must(l.introduce("post_logout_redirect_uris", `["https://app.example/bye"]`))(t)
	if len(info.PostLogoutRedirectURIs) != 1 {
		t.Errorf("%+v", info)
	}
	// What a host's own storage holds was not checked when it was put there.
	for _, uri := range []string{"javascript:alert(1)", "data:text/html,x", "http://web.example/bye", goodbye + "?state=x"} {
		l.change(t, web, func(c *authz.Client) { c.PostLogoutRedirectURIs = []string{uri} })
		_, err := l.leave(set("client_id", web), set("post_logout_redirect_uri", uri))
		wantRefusal(t, err, "invalid_request post_logout_redirect_uri_unsafe")
	}
	c := validConfig()
	c.Logout = func(http.ResponseWriter, *http.Request) error { return nil }
	if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), "Config.Logout: is set, but OpenID Connect is off") {
		t.Errorf("%v", err)
	}
}
