package authz_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// The answer counts from the browser that was shown the page (RFC 6819 §4.4.1.8, RFC
// 9700 §4.7), within its time, and untampered.
func TestRFC6819_Section4_4_1_8(t *testing.T) {
	const invalid, otherBrowser = "page: invalid_request interaction_invalid", "page: invalid_request interaction_of_another_browser"
	for _, test := range []struct {
		name string
		edit func(*server, *authz.ConsentSubmission)
		want string
	}{
		{"untouched", func(*server, *authz.ConsentSubmission) {}, "code"},
		{"no browser", func(_ *server, sub *authz.ConsentSubmission) { sub.Browser = "" }, "page: invalid_request browser_cookie_missing"},
		{"another browser", func(_ *server, sub *authz.ConsentSubmission) { sub.Browser = "another" }, otherBrowser},
		{"nearly the same browser", func(_ *server, sub *authz.ConsentSubmission) { sub.Browser += " " }, otherBrowser},
		{"no interaction", func(_ *server, sub *authz.ConsentSubmission) { sub.Interaction = "" }, invalid},
		{"rubbish", func(_ *server, sub *authz.ConsentSubmission) { sub.Interaction = "a.b.c" }, invalid},
		{"1 MB", func(_ *server, sub *authz.ConsentSubmission) { sub.Interaction = strings.Repeat("A", 1<<20) }, invalid},
		{"cut", func(_ *server, sub *authz.ConsentSubmission) {
			sub.Interaction = sub.Interaction[:len(sub.Interaction)-4]
		}, invalid},
		{"of another server", func(_ *server, sub *authz.ConsentSubmission) {
			sub.Interaction = submission(newServer(t).page(t, web)).Interaction
		}, invalid},
		{"just in time", func(s *server, _ *authz.ConsentSubmission) { s.clock.Advance(30*time.Minute - aMoment) }, "code"},
		{"too late", func(s *server, _ *authz.ConsentSubmission) { s.clock.Advance(30 * time.Minute) }, "page: invalid_request interaction_expired"},
		{"a day later", func(s *server, _ *authz.ConsentSubmission) { s.clock.Advance(24 * time.Hour) }, "page: invalid_request interaction_expired"},
		{"the user has signed out", func(s *server, _ *authz.ConsentSubmission) { s.host.SignIn("") }, "login"},
		{"another user has signed in", func(s *server, _ *authz.ConsentSubmission) { s.host.SignIn("ben") }, "restart"},
		{"the client is gone", func(s *server, _ *authz.ConsentSubmission) {
			s.change(t, web, func(c *authz.Client) { c.Disabled = true })
		}, "page: invalid_request client_unknown"},
		{"the redirect URI is gone", func(s *server, _ *authz.ConsentSubmission) {
			s.change(t, web, func(c *authz.Client) { c.RedirectURIs = []string{"https://new.example/"} })
		}, "page: invalid_request redirect_uri_not_registered"},
		{"a scope is gone", func(s *server, _ *authz.ConsentSubmission) {
			s.change(t, web, func(c *authz.Client) { c.Scopes = []string{"read"} })
		}, "back: invalid_scope scope_not_allowed"},
		{"the grant type is gone", func(s *server, _ *authz.ConsentSubmission) {
			s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"client_credentials"} })
		}, "back: unauthorized_client grant_type_not_allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			sub := submission(s.page(t, web))
			test.edit(s, sub)
			response, err := s.submit(sub)
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if _, commits := s.store.seen(); (commits == 1) != (test.want == "code") {
				t.Errorf("%d writes", commits)
			}
		})
	}
}

// Every single character of the sealed state counts.
func TestInteraction_tampered(t *testing.T) {
	s := newServer(t)
	sub := submission(s.page(t, web))
	good := sub.Interaction
	for i := range good {
		other := byte('A')
		if good[i] == 'A' {
			other = 'B'
		}
		sub.Interaction = good[:i] + string(other) + good[i+1:]
		response, err := s.submit(sub)
		got := s.outcome(t, response, err)
		if got != "page: invalid_request interaction_invalid" {
			t.Fatalf("character %d changed: %s", i, got)
		}
	}
	for _, other := range []string{good + "\n", good[:40] + "\r\n" + good[40:], good + "=", good + "A", " " + good, strings.ToLower(good), good + "." + good} {
		sub.Interaction = other
		response, err := s.submit(sub)
		if got := s.outcome(t, response, err); got != "page: invalid_request interaction_invalid" {
			t.Errorf("%q: %s", other, got)
		}
	}
}

// A page is answered once. Going back and deciding otherwise does not work; the same
// answer again at once, from a double click, leads to the same place.
func TestInteraction_answered_once(t *testing.T) {
	const answered = "page: invalid_request interaction_answered"
	for _, test := range []struct {
		name          string
		first, second func(*authz.ConsentSubmission)
		wait          time.Duration
		want          string // "same" for the same redirect
	}{
		{"deny, then approve", deny, approveAll, 0, answered},
		{"approve, then deny", approveAll, deny, 0, answered},
		{"approve, then approve less", approveAll, approveRead, 0, answered},
		{"approve, then approve more", approveRead, approveAll, 0, answered},
		{"approve twice", approveAll, approveAll, 0, "same"},
		{"deny twice", deny, deny, 0, "same"},
		{"approve twice, just in time", approveAll, approveAll, 30*time.Second - aMoment, "same"},
		{"approve twice, too late", approveAll, approveAll, 30 * time.Second, answered},
		{"deny twice, too late", deny, deny, 30 * time.Second, answered},
		{"deny, then approve at the last moment", deny, approveAll, 30*time.Minute - aMoment, answered},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			prompt := s.page(t, web)
			sub := submission(prompt)
			test.first(sub)
			one, err := s.submit(sub)
			s.outcome(t, one, err)
			_, commits := s.store.seen()
			s.clock.Advance(test.wait)
			sub = submission(prompt)
			test.second(sub)
			two, err := s.submit(sub)
			if test.want != "same" {
				if got := s.outcome(t, two, err); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			} else if err != nil || two.Redirect != one.Redirect {
				t.Errorf("%+v, %v, want the same as %+v", two, err, one)
			}
			if _, now := s.store.seen(); now != commits {
				t.Errorf("the second answer wrote something")
			}
		})
	}
}

func deny(sub *authz.ConsentSubmission)        { sub.Approve = false }
func approveAll(sub *authz.ConsentSubmission)  { sub.Approve = true }
func approveRead(sub *authz.ConsentSubmission) { sub.Approve, sub.Scopes = true, []string{"read"} }

// A second answer from elsewhere learns nothing of the first.
func TestInteraction_repeat_from_elsewhere(t *testing.T) {
	s := newServer(t)
	sub := submission(s.page(t, web))
	response, err := s.submit(sub)
	back(t, response, err)

	other := *sub
	other.Browser = "another"
	response, err = s.submit(&other)
	if got := s.outcome(t, response, err); got != "page: invalid_request interaction_of_another_browser" {
		t.Error(got)
	}
	s.host.SignIn("ben")
	response, err = s.submit(sub)
	if got := s.outcome(t, response, err); got != "restart" {
		t.Error(got)
	}
	s.host.SignIn("")
	response, err = s.submit(sub)
	if got := s.outcome(t, response, err); got != "login" {
		t.Error(got)
	}
}

// Two tabs are two interactions that do not touch each other.
func TestInteraction_two_tabs(t *testing.T) {
	s := newServer(t)
	a := submission(s.page(t, web, set("state", "tab a"), set("scope", "read")))
	b := submission(s.page(t, spa, set("state", "tab b"), set("scope", "write")))
	c := submission(s.page(t, web, set("state", "tab c"), set("scope", "read")))
	c.Approve = false

	response, err := s.submit(b)
	qb := back(t, response, err)
	response, err = s.submit(c)
	qc := back(t, response, err)
	response, err = s.submit(a)
	qa := back(t, response, err)
	if qa.Get("state") != "tab a" || qb.Get("state") != "tab b" || qc.Get("state") != "tab c" || qc.Get("error") != "access_denied" {
		t.Errorf("got %v, %v, %v", qa, qb, qc)
	}
	if got := must(s.redeem(web, qa.Get("code")))(t).Scope; got != "read" {
		t.Errorf("tab a: scope %q", got)
	}
	if got := must(s.redeem(spa, qb.Get("code")))(t).Scope; got != "write" {
		t.Errorf("tab b: scope %q", got)
	}
}

// Each page is sealed anew, and its state cannot be read.
func TestInteraction_tells_nothing(t *testing.T) {
	s := newServer(t)
	one, two := s.page(t, web).Interaction, s.page(t, web).Interaction
	if one == two {
		t.Error("two pages have the same state")
	}
	for _, plain := range []string{"ana", web, "xyz", "eyJ"} {
		if strings.Contains(one, "."+plain) {
			t.Errorf("%q stands in %q", plain, one)
		}
	}
}

// AuthorizationRequest.Browser and HTTP have to be given.
func TestInteraction_host_forgets(t *testing.T) {
	s := newServer(t)
	params := form(nil, "response_type", "code", "client_id", web, "scope", "read",
		"code_challenge", challengeOf(strings.Repeat("a", 43)), "code_challenge_method", "S256")
	response, err := s.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: httptest.NewRequest("GET", "/", nil)})
	if got := s.outcome(t, response, err); got != "page: server_error browser_missing" {
		t.Errorf("without a browser: %s", got)
	}
	response, err = s.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, Browser: browser})
	if got := s.outcome(t, response, err); got != "page: server_error request_missing" {
		t.Errorf("without a request: %s", got)
	}
}

// A page whose state would not come back in a form is not shown.
func TestInteraction_too_long(t *testing.T) {
	s := newServer(t)
	for n, want := range map[int]string{100: "ask", 4000: "back: invalid_request request_too_long"} {
		long := strings.Repeat("\u00fc", n)
		response, err := s.authorize(web, set("a", long), set("b", long))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%d characters: %s, want %s", n, got, want)
		}
	}
}
