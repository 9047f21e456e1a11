package authz_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// approve answers the page with these scopes ticked.
func (s *server) approve(t testing.TB, client, asked string, ticked ...string) *authz.TokenResponse {
	t.Helper()
	sub := submission(s.page(t, client, set("scope", asked)))
	sub.Scopes = ticked
	response, err := s.submit(sub)
	tokens, err := s.redeem(client, back(t, response, err).Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestConsent_is_remembered(t *testing.T) {
	s := newServer(t)
	ask := func(client, scope string, edits ...edit) string {
		response, err := s.authorize(client, append(edits, set("scope", scope))...)
		return s.outcome(t, response, err)
	}
	s.approve(t, web, "read write", "read", "write")
	for _, test := range []struct{ name, subject, client, scope, want string }{
		{"the same again", "ana", web, "read write", "code"},
		{"in another order", "ana", web, "write read", "code"},
		{"less", "ana", web, "write", "code"},
		{"more", "ana", web, "read offline_access", "ask"},
		{"another client", "ana", spa, "read", "ask"},
		{"another user", "ben", web, "read", "ask"},
	} {
		s.host.SignIn(test.subject)
		if got := ask(test.client, test.scope); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	s.host.SignIn("ana")
	if got := ask(web, "read", set("prompt", "consent")); got != "ask" {
		t.Errorf("prompt=consent: %s", got)
	}
	if got := ask(web, "read", set("prompt", "none")); got != "code" {
		t.Errorf("prompt=none: %s", got)
	}
	// Taken back, it is forgotten.
	if err := s.Disconnect(t.Context(), "ana", web); err != nil {
		t.Fatal(err)
	}
	if got := ask(web, "read"); got != "ask" {
		t.Errorf("after Disconnect: %s", got)
	}
}

func TestConsent_lifetime(t *testing.T) {
	for name, test := range map[string]struct {
		lifetime, wait time.Duration
		want           string
	}{
		"until withdrawn":     {0, 20 * 365 * 24 * time.Hour, "code"},
		"until shortly after": {time.Hour, time.Hour - aMoment, "code"},
		"until then":          {time.Hour, time.Hour, "ask"},
		"not at all":          {-1, 0, "ask"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, lifetimes(authz.Lifetimes{Consent: test.lifetime}))
			s.approve(t, web, "read", "read")
			s.clock.Advance(test.wait)
			response, err := s.authorize(web, set("scope", "read"))
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Who is never asked, and who always is (RFC 8252 §8.6: anybody's program can pose as
// a native client).
func TestRFC8252_Section8_6(t *testing.T) {
	scopes := []string{"read", "write"}
	for name, test := range map[string]struct {
		client     authz.Client
		wantFirst  string
		wantSecond string
	}{
		"confidential":                          {authz.Client{Secrets: liveSecrets[web], RedirectURIs: []string{"https://h.example/"}}, "ask", "code"},
		"in a browser":                          {authz.Client{RedirectURIs: []string{"https://h.example/"}}, "ask", "code"},
		"first party":                           {authz.Client{FirstParty: true, Secrets: liveSecrets[web], RedirectURIs: []string{"https://h.example/"}}, "code", "code"},
		"first party in a browser":              {authz.Client{FirstParty: true, RedirectURIs: []string{"https://h.example/"}}, "code", "code"},
		"native, loopback":                      {authz.Client{ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/"}}, "ask", "ask"},
		"native, private-use scheme":            {authz.Client{ApplicationType: "native", RedirectURIs: []string{"com.example.app:/"}}, "ask", "ask"},
		"native, claimed https":                 {authz.Client{ApplicationType: "native", RedirectURIs: []string{"https://h.example/"}}, "ask", "ask"},
		"native, first party":                   {authz.Client{ApplicationType: "native", FirstParty: true, RedirectURIs: []string{"http://127.0.0.1/"}}, "ask", "ask"},
		"public web client on loopback":         {authz.Client{RedirectURIs: []string{"http://localhost:3000/"}}, "ask", "ask"},
		"first party on loopback":               {authz.Client{FirstParty: true, RedirectURIs: []string{"http://localhost:3000/"}}, "ask", "ask"},
		"confidential web client on loopback":   {authz.Client{Secrets: liveSecrets[web], RedirectURIs: []string{"http://localhost:3000/"}}, "ask", "code"},
		"confidential native client (a daemon)": {authz.Client{ApplicationType: "native", Secrets: liveSecrets[web], RedirectURIs: []string{"http://127.0.0.1/"}}, "ask", "code"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			test.client.ID, test.client.Scopes = "c", scopes
			s.register(t, test.client)
			one := set("redirect_uri", test.client.RedirectURIs[0])
			response, err := s.authorize("c", one)
			if got := s.outcome(t, response, err); got != test.wantFirst {
				t.Errorf("first time: %s, want %s", got, test.wantFirst)
			}
			if response != nil && response.Consent != nil {
				response, err = s.submit(submission(response.Consent))
				back(t, response, err)
			}
			response, err = s.authorize("c", one)
			if got := s.outcome(t, response, err); got != test.wantSecond {
				t.Errorf("second time: %s, want %s", got, test.wantSecond)
			}
			response, err = s.authorize("c", one, set("prompt", "none"))
			want := "code"
			if test.wantSecond == "ask" {
				want = "back: consent_required consent_required"
			}
			if got := s.outcome(t, response, err); got != want {
				t.Errorf("prompt=none: %s, want %s", got, want)
			}
			response, err = s.authorize("c", one, set("prompt", "consent"))
			if got := s.outcome(t, response, err); got != "ask" {
				t.Errorf("prompt=consent: %s", got)
			}
		})
	}
}

// What the page is told.
func TestConsentPrompt(t *testing.T) {
	s := newServer(t)
	s.approve(t, web, "read", "read")
	prompt := s.page(t, web, set("scope", "write read"))
	want := []authz.ScopePrompt{{Name: "write", Description: "Change things"}, {Name: "read", Description: "Read things", Remembered: true}}
	if !reflect.DeepEqual(prompt.Scopes, want) {
		t.Errorf("scopes %+v, want %+v", prompt.Scopes, want)
	}
	if prompt.Client.ID != web || prompt.Client.Name != "Web" || prompt.User.Subject != "ana" {
		t.Errorf("client %+v, user %+v", prompt.Client, prompt.User)
	}
	for _, test := range []struct {
		client, uri, host string
		loopback          bool
	}{
		{web, redirectOf[web], "web.example", false},
		{native, "http://127.0.0.1:9999/cb", "127.0.0.1:9999", true},
		{native, "com.example.app:/cb", "com.example.app", true},
	} {
		prompt := s.page(t, test.client, set("redirect_uri", test.uri))
		if prompt.RedirectHost != test.host || prompt.Loopback != test.loopback {
			t.Errorf("%s: host %q, loopback %v", test.uri, prompt.RedirectHost, prompt.Loopback)
		}
	}
	s.register(t, authz.Client{ID: "claimed", ApplicationType: "native", RedirectURIs: []string{"https://h.example/"}, Scopes: []string{"read", "write"}})
	if prompt := s.page(t, "claimed", drop("redirect_uri")); prompt.Loopback || prompt.RedirectHost != "h.example" {
		t.Errorf("a claimed https URI: host %q, loopback %v", prompt.RedirectHost, prompt.Loopback)
	}
}

// What is unticked is not granted, and what is remembered afterwards is what was
// granted: together with what was granted earlier and not asked for this time.
func TestConsent_partial(t *testing.T) {
	s := newServer(t)
	remembered := func() []string {
		consents := must(s.Consents(t.Context(), "ana", "", 10))(t)
		if len(consents) != 1 {
			t.Fatalf("%d consents", len(consents))
		}
		return consents[0].Scopes
	}
	ask := func(scope string) string {
		response, err := s.authorize(web, set("scope", scope))
		return s.outcome(t, response, err)
	}
	tokens := s.approve(t, web, "read write", "write")
	if tokens.Scope != "write" {
		t.Errorf("scope %q, want write", tokens.Scope)
	}
	if got := must(s.refresh(web, tokens.RefreshToken))(t).Scope; got != "write" {
		t.Errorf("refreshed: scope %q", got)
	}
	if got := remembered(); !reflect.DeepEqual(got, []string{"write"}) {
		t.Errorf("remembered %q", got)
	}
	if got := ask("write"); got != "code" {
		t.Errorf("what was granted: %s", got)
	}
	if got := ask("read"); got != "ask" {
		t.Errorf("what was unticked: %s", got)
	}

	s.approve(t, web, "read offline_access", "read", "offline_access")
	if got := remembered(); !reflect.DeepEqual(got, []string{"write", "read", "offline_access"}) {
		t.Errorf("remembered %q", got)
	}
	// Unticking takes back what was remembered.
	sub := submission(s.page(t, web, set("prompt", "consent")))
	sub.Scopes = []string{"read"}
	response, err := s.submit(sub)
	back(t, response, err)
	if got := remembered(); !reflect.DeepEqual(got, []string{"offline_access", "read"}) {
		t.Errorf("remembered %q", got)
	}
	if got := ask("write"); got != "ask" {
		t.Errorf("what was unticked later: %s", got)
	}
}

// The form cannot add to what was asked.
func TestConsent_form_cannot_add_scopes(t *testing.T) {
	s := newServer(t)
	if got := s.approve(t, web, "read", "admin", "write", "read", "read").Scope; got != "read" {
		t.Errorf("scope %q, want read", got)
	}
	sub := submission(s.page(t, web, set("scope", "write")))
	sub.Scopes = []string{"admin", "read"}
	response, err := s.submit(sub)
	if got := s.outcome(t, response, err); got != "back: access_denied denied_by_user" {
		t.Errorf("approved nothing of what was asked: %s", got)
	}
}

func TestConsent_denied(t *testing.T) {
	s := newServer(t)
	s.approve(t, web, "read", "read")
	sub := submission(s.page(t, web))
	sub.Approve = false
	response, err := s.submit(sub)
	if got := s.outcome(t, response, err); got != "back: access_denied denied_by_user" {
		t.Error(got)
	}
	if q := back(t, response, err); q.Get("state") != "xyz" {
		t.Errorf("state %q", q.Get("state"))
	}
	response, err = s.authorize(web, set("scope", "read"))
	if got := s.outcome(t, response, err); got != "code" {
		t.Errorf("a denial took back what was granted before: %s", got)
	}
}

// The Consent hook decides.
func TestConsent_hook(t *testing.T) {
	var seen *authz.ConsentRequest
	var decision authz.Decision
	var failure error
	s := newServer(t, func(c *authz.Config) {
		c.Consent = func(_ context.Context, r *authz.ConsentRequest) (authz.Decision, error) {
			seen = r
			return decision, failure
		}
	})
	for _, test := range []struct {
		name     string
		client   string
		decision authz.Decision
		failure  error
		prompt   string
		want     string
	}{
		{"ask", web, authz.Ask, nil, "", "ask"},
		{"ask for the first party", first, authz.Ask, nil, "", "ask"},
		{"ask although prompt=none", web, authz.Ask, nil, "none", "back: consent_required consent_required"},
		{"allow", web, authz.Allow, nil, "", "code"},
		{"allow a native client", native, authz.Allow, nil, "", "code"},
		{"allow with prompt=none", web, authz.Allow, nil, "none", "code"},
		{"deny", web, authz.Deny, nil, "", "back: access_denied denied_by_host"},
		{"deny the first party", first, authz.Deny, nil, "", "back: access_denied denied_by_host"},
		{"error", web, authz.Allow, errors.New("policy engine is away"), "", "back: server_error consent_hook_failed"},
		{"a value that is none", web, authz.Decision(42), nil, "", "ask"},
		{"a negative one", web, authz.Decision(-1), nil, "", "ask"},
	} {
		t.Run(test.name, func(t *testing.T) {
			decision, failure = test.decision, test.failure
			response, err := s.authorize(test.client, set("prompt", test.prompt))
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	decision, failure = authz.Ask, nil
	s.page(t, web, set("scope", "write read"))
	if seen.Client.ID != web || seen.User.Subject != "ana" || !reflect.DeepEqual(seen.Scopes, []string{"write", "read"}) ||
		seen.RedirectURI != redirectOf[web] || seen.Default != authz.Ask || len(seen.Remembered) != 0 {
		t.Errorf("the hook was told %+v", seen)
	}
	s.approve(t, web, "read", "read")
	s.page(t, web, set("scope", "write read"))
	if !reflect.DeepEqual(seen.Remembered, []string{"read"}) || seen.Default != authz.Ask {
		t.Errorf("remembered %q, default %v", seen.Remembered, seen.Default)
	}
	s.page(t, web, set("scope", "read"))
	if seen.Default != authz.Allow {
		t.Errorf("default %v for what was granted before", seen.Default)
	}
	response, err := s.authorize(first)
	if s.outcome(t, response, err); seen.Default != authz.Allow {
		t.Errorf("default %v for the first party", seen.Default)
	}
}
