package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
)

// pushed are the parameters of a good authorization request.
func pushed(client string, edits ...edit) url.Values {
	return form(edits, "response_type", "code", "client_id", client, "redirect_uri", redirectOf[client],
		"state", "xyz", "scope", "read write", "code_challenge", authztest.Challenge(), "code_challenge_method", "S256")
}

func (s *server) push(client string, edits ...edit) (*authz.PushedAuthorizationResponse, error) {
	return s.PushAuthorization(context.Background(), request(client, pushed(client, edits...)))
}

// visit sends the browser to the authorization endpoint with these parameters.
func (s *server) visit(params url.Values) (*authz.AuthorizationResponse, error) {
	return s.Authorize(context.Background(), &authz.AuthorizationRequest{
		Parameters: params, HTTP: httptest.NewRequest("GET", "/oauth2/authorize", nil), Browser: browser,
	})
}

func referTo(client string, p *authz.PushedAuthorizationResponse) url.Values {
	return url.Values{"client_id": {client}, "request_uri": {p.RequestURI}}
}

func (s *server) visited(t testing.TB, params url.Values) string {
	t.Helper()
	response, err := s.visit(params)
	return s.outcome(t, response, err)
}

// What is refused, and that it is refused at once, with nothing stored.
func TestRFC9126_Section2_1(t *testing.T) {
	s := newServer(t)
	for _, test := range []struct {
		client string
		edits  []edit
		want   string
	}{
		{web, []edit{set("request_uri", "urn:ietf:params:oauth:request_uri:x")}, "invalid_request request_uri_in_pushed_request"},
		{web, []edit{drop("client_id")}, "invalid_request client_id_missing"},
		{web, []edit{set("client_id", spa)}, "invalid_request two_clients"},
		{web, []edit{set("redirect_uri", "https://evil.example/cb")}, "invalid_request redirect_uri_not_registered"},
		{web, []edit{set("scope", "admin")}, "invalid_scope scope_not_allowed"},
		{web, []edit{drop("code_challenge")}, "invalid_request code_challenge_missing"},
		{web, []edit{set("response_type", "token")}, "unsupported_response_type response_type_not_supported"},
		{web, []edit{set("request", "x.y.z")}, "invalid_request_object request_object_malformed"},
		{web, []edit{set("resource", "https://unknown.example")}, "invalid_target resource_unknown"},
		{web, []edit{set("state", "a", "b")}, "invalid_request parameter_repeated"},
		{web, []edit{set("x", strings.Repeat("x", 9<<10))}, "invalid_request parameter_too_long"},
	} {
		s.store.watch(-1)
		_, err := s.push(test.client, test.edits...)
		wantRefusal(t, err, test.want)
		if _, commits := s.store.seen(); commits > 0 {
			t.Errorf("%s: %d commits", test.want, commits)
		}
	}
	_, err := s.PushAuthorization(t.Context(), &authz.Request{Parameters: pushed(web)})
	wantRefusal(t, err, "invalid_client auth_method_not_registered")
	_, err = s.PushAuthorization(t.Context(), &authz.Request{Parameters: pushed(web), Authorization: basic(web, "wrong")})
	wantRefusal(t, err, "invalid_client secret_mismatch")
}

// What is stored holds nothing that authenticates the client, and nothing that a thief of
// the store could redeem.
func TestRFC9126_Section2_2(t *testing.T) {
	s := newServer(t)
	const prefix = "urn:ietf:params:oauth:request_uri:"
	params := pushed(web, set("client_secret", secretOf[web]), set("resource", issuer, ""))
	p, err := s.PushAuthorization(t.Context(), &authz.Request{Parameters: params})
	if err != nil {
		t.Fatal(err)
	}
	other := must(s.push(web))(t)
	if !strings.HasPrefix(p.RequestURI, prefix) || p.ExpiresIn != 60 || p.RequestURI == other.RequestURI || len(p.RequestURI) < len(prefix)+43 {
		t.Errorf("%+v", p)
	}
	code := s.storedRequest(t, p)
	if strings.Contains(string(code.Request), "secret") || code.ClientID != web || code.Kind != storage.PushedRequest {
		t.Errorf("%+v %s", code, code.Request)
	}
	var stored url.Values
	if err := json.Unmarshal(code.Request, &stored); err != nil || len(stored["resource"]) != 2 || stored.Get("client_id") != web {
		t.Errorf("%s: %v", code.Request, err)
	}
}

// storedRequest is the record of a pushed request.
func (s *server) storedRequest(t testing.TB, p *authz.PushedAuthorizationResponse) *storage.Code {
	t.Helper()
	reference := p.RequestURI[strings.LastIndex(p.RequestURI, ":")+1:]
	b, err := base64.RawURLEncoding.DecodeString(reference)
	if err != nil {
		t.Fatal(err)
	}
	var stamp storage.Digest
	copy(stamp[:6], b)
	return must(s.store.inner.Code(t.Context(), storage.NewDigest(stamp.ExpiresAt(), reference)))(t)
}

func TestRFC9126_Section4(t *testing.T) {
	used := "page: invalid_request_uri pushed_request_used"
	t.Run("the whole way", func(t *testing.T) {
		for _, client := range []string{web, spa, native} {
			s := newServer(t)
			params := referTo(client, must(s.push(client))(t))
			s.host.SignIn("")
			// A look, a reload, the sign-in and the way back use nothing up.
			for range 3 {
				response, err := s.visit(params)
				if s.outcome(t, response, err) != "login" {
					t.Fatal(s.outcome(t, response, err))
				}
				params = returnTo(t, response)
				if params.Has("scope") || params.Has("state") || params.Has("redirect_uri") {
					t.Fatalf("the way back gives the request away: %v", params)
				}
			}
			s.host.SignIn("ana")
			s.clock.Advance(20 * time.Minute) // long after expires_in
			response, err := s.visit(params)
			if got := s.outcome(t, response, err); got != "ask" {
				t.Fatal(got)
			}
			if len(response.Consent.Scopes) != 2 {
				t.Errorf("%+v", response.Consent.Scopes)
			}
			sub := submission(response.Consent)
			response, err = s.submit(sub)
			q := back(t, response, err)
			if q.Get("code") == "" || q.Get("state") != "xyz" {
				t.Fatal(q)
			}
			again, err := s.submit(sub) // a double click
			if err != nil || again.Redirect != response.Redirect {
				t.Errorf("a double click leads to %v, %v", again, err)
			}
			must(s.redeem(client, q.Get("code")))(t)
			if got := s.visited(t, params); got != used {
				t.Error(got)
			}
		}
	})
	t.Run("denied", func(t *testing.T) {
		s := newServer(t)
		params := referTo(web, must(s.push(web))(t))
		response := must(s.visit(params))(t)
		sub := submission(response.Consent)
		other := submission(must(s.visit(params))(t).Consent) // the same in another window
		deny(sub)
		response, err := s.submit(sub)
		if got := s.outcome(t, response, err); got != "back: access_denied denied_by_user" {
			t.Error(got)
		}
		if got := s.visited(t, params); got != used {
			t.Error(got)
		}
		response, err = s.submit(other)
		if got := s.outcome(t, response, err); got != used {
			t.Error(got)
		}
	})
	t.Run("what stands beside it is ignored", func(t *testing.T) {
		s := newServer(t)
		params := referTo(web, must(s.push(web))(t))
		for name, value := range map[string]string{"redirect_uri": "https://evil.example/", "scope": "admin", "state": "evil", "response_type": "token", "prompt": "none"} {
			params.Set(name, value)
		}
		if got := s.visited(t, params); got != "ask" {
			t.Error(got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := newServer(t)
		p := must(s.push(web))(t)
		code := s.code(t, web)
		for _, test := range []struct{ client, uri, want string }{
			{spa, p.RequestURI, "pushed_request_of_another_client"},
			{"nobody", p.RequestURI, "pushed_request_of_another_client"},
			{web, p.RequestURI + "A", "pushed_request_unknown"},
			{web, p.RequestURI[:len(p.RequestURI)-1], "pushed_request_unknown"},
			{web, "urn:ietf:params:oauth:request_uri:", "pushed_request_unknown"},
			{web, "urn:ietf:params:oauth:request_uri:" + code, "pushed_request_unknown"}, // an authorization code
		} {
			got := s.visited(t, url.Values{"client_id": {test.client}, "request_uri": {test.uri}, "redirect_uri": {redirectOf[web]}})
			if got != "page: invalid_request_uri "+test.want {
				t.Errorf("%s %s: %s", test.client, test.want, got)
			}
		}
		if got := s.visited(t, url.Values{"request_uri": {p.RequestURI}}); got != "page: invalid_request client_id_missing" {
			t.Error(got)
		}
		if got := s.visited(t, referTo(web, p)); got != "code" { // the owner can still use it
			t.Error(got)
		}
	})
	t.Run("expired", func(t *testing.T) {
		s := newServer(t)
		params := referTo(web, must(s.push(web))(t))
		forged := referTo(web, must(s.push(web))(t))
		s.host.SignIn("")
		response := must(s.visit(params))(t)
		forged.Set("resume", returnTo(t, response).Get("resume")) // that of another request
		s.clock.Advance(time.Minute)
		want := "page: invalid_request_uri pushed_request_expired"
		for _, resume := range []string{"", "x", "a.b"} {
			params.Set("resume", resume)
			if got := s.visited(t, params); got != want {
				t.Errorf("resume %q: %s", resume, got)
			}
		}
		if got := s.visited(t, forged); got != want {
			t.Error(got)
		}
		s.host.SignIn("ana")
		params = returnTo(t, response)
		if got := s.visited(t, params); got != "ask" {
			t.Error(got)
		}
		s.clock.Advance(time.Hour)
		if got := s.visited(t, params); !strings.HasPrefix(got, "page: invalid_request_uri pushed_request_") {
			t.Error(got)
		}
	})
	t.Run("errors that the client can do something about use nothing up", func(t *testing.T) {
		s := newServer(t)
		params := referTo(web, must(s.push(web, set("prompt", "none")))(t))
		if got := s.visited(t, params); got != "back: consent_required consent_required" {
			t.Error(got)
		}
		s.host.SignIn("")
		if got := s.visited(t, params); got != "back: login_required login_required" {
			t.Error(got)
		}
		s.host.SignIn("ana")
		s.code(t, web)
		if got := s.visited(t, params); got != "code" {
			t.Error(got)
		}
	})
}

// returnTo are the parameters of the way back from the sign-in page.
func returnTo(t testing.TB, response *authz.AuthorizationResponse) url.Values {
	t.Helper()
	u, err := url.Parse(response.Redirect)
	if err == nil {
		u, err = url.Parse(u.Query().Get("return_to"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// A pushed prompt=login counts from the push on, and nobody at the browser loosens it.
func TestPushedRequest_asks_for_a_new_sign_in(t *testing.T) {
	s := newServer(t)
	s.clock.Advance(time.Minute)
	params := referTo(first, must(s.push(first, set("prompt", "login")))(t))
	params.Set("signed_in_since", "1")
	s.clock.Advance(time.Second)
	if got := s.visited(t, params); got != "back: login_required sign_in_too_old" {
		t.Error(got)
	}
	s.host.SignIn("ana")
	s.clock.Advance(time.Minute / 2)
	if got := s.visited(t, params); got != "code" {
		t.Error(got)
	}
}

// RFC 9126 §5, §6.
func TestRFC9126_Section6(t *testing.T) {
	const want = "back: invalid_request pushed_request_required"
	s := newServer(t)
	s.change(t, web, func(c *authz.Client) { c.RequirePushedAuthorizationRequests = true })
	all := newServer(t, func(c *authz.Config) { c.RequirePushedAuthorizationRequests = true })
	if !all.Metadata().RequirePushedAuthorizationRequests || s.Metadata().RequirePushedAuthorizationRequests {
		t.Error("the metadata is not true")
	}
	for _, s := range []*server{s, all} {
		response, err := s.authorize(web)
		if got := s.outcome(t, response, err); got != want {
			t.Error(got)
		}
		if got := s.visited(t, referTo(web, must(s.push(web))(t))); got != "ask" {
			t.Error(got)
		}
	}
	response, err := s.authorize(spa)
	if got := s.outcome(t, response, err); got != "ask" {
		t.Error(got)
	}
}

// One request, 64 browsers at once: one code (RFC 9126 §7.3).
func TestRFC9126_Section7_3_at_once(t *testing.T) {
	for range 3 {
		s := newSlowServer(t)
		params := referTo(first, must(s.push(first))(t))
		var mu sync.Mutex
		codes := 0
		together(64, func(int) {
			response, err := s.visit(params)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && strings.Contains(response.Redirect, "code="):
				codes++
			case codeOf(err) != "invalid_request_uri pushed_request_used":
				t.Errorf("a loser: %+v %v", response, err)
			}
		})
		if codes != 1 {
			t.Errorf("%d codes", codes)
		}
		if n := len(must(s.store.ListGrants(t.Context(), "ana", "", 100))(t)); n != 1 {
			t.Errorf("%d grants", n)
		}
	}
}

// Two consent pages of one request, answered at once: one grant.
func TestRFC9126_Section7_3_pages_at_once(t *testing.T) {
	s := newSlowServer(t)
	params := referTo(web, must(s.push(web))(t))
	subs := make([]*authz.ConsentSubmission, 16)
	for i := range subs {
		subs[i] = submission(must(s.visit(params))(t).Consent)
	}
	together(len(subs), func(i int) {
		if _, err := s.submit(subs[i]); err != nil && codeOf(err) != "invalid_request_uri pushed_request_used" {
			t.Error(err)
		}
	})
	if n := len(must(s.store.ListGrants(t.Context(), "ana", "", 100))(t)); n != 1 {
		t.Errorf("%d grants", n)
	}
}

// Whatever is pushed, the answer is a protocol error, or a request that can be shown.
func FuzzPushedAuthorization(f *testing.F) {
	for _, seed := range []string{
		pushed(spa).Encode(), pushed(spa, set("resource", issuer, issuer)).Encode(), pushed(spa, set("state", "\xff")).Encode(),
		pushed(spa, set("request_uri", "x")).Encode(), "client_id=spa&client_secret=x", "", "client_id=spa&client_id=web",
	} {
		f.Add(seed)
	}
	s := newServer(f)
	f.Fuzz(func(t *testing.T, body string) {
		params, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		p, err := s.PushAuthorization(t.Context(), &authz.Request{Parameters: params})
		var refused *authz.Error
		if err != nil {
			if !errors.As(err, &refused) || refused.Status >= 500 {
				t.Fatal(err)
			}
			return
		}
		if response, err := s.visit(referTo(params.Get("client_id"), p)); err != nil {
			t.Fatalf("%+v %v", response, err)
		}
	})
}
