package authz_test

import (
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// posted is the form by which an answer goes to the client; it checks what must hold of it.
func posted(t *testing.T, response *authz.AuthorizationResponse, err error) *authz.FormPost {
	t.Helper()
	if err != nil || response.Form == nil || response.Redirect != "" || response.Consent != nil {
		t.Fatalf("%+v, %v, want a form", response, err)
	}
	f := response.Form
	if f.Action != redirectOf[web] || f.Parameters.Get("iss") != issuer || f.Parameters.Get("state") != "xyz" { // RFC 9207 §2
		t.Errorf("%s with iss %q and state %q", f.Action, f.Parameters.Get("iss"), f.Parameters.Get("state"))
	}
	return f
}

// OAuth 2.0 Form Post Response Mode §2: codes and errors go by POST to who asks for it.
func TestFormPostResponseMode_Section2(t *testing.T) {
	post := set("response_mode", "form_post")
	s := newServer(t)
	prompt := s.page(t, web, post)
	sub := submission(prompt)
	response, err := s.submit(sub)
	form := posted(t, response, err)
	// A double click gets the same form.
	response, err = s.submit(sub)
	if again := posted(t, response, err); again.Parameters.Get("code") != form.Parameters.Get("code") {
		t.Error("the second click led to another code")
	}
	must(s.redeem(web, form.Parameters.Get("code")))(t)
	// What is remembered needs no page.
	response, err = s.authorize(web, post)
	must(s.redeem(web, posted(t, response, err).Parameters.Get("code")))(t)

	for want, edits := range map[string][]edit{
		"invalid_scope":             {set("scope", "nope")},
		"unsupported_response_type": {set("response_type", "token")},
		"request_uri_not_supported": {set("request_uri", "x")},
		"consent_required":          {set("prompt", "none"), set("scope", "offline_access")},
		"invalid_target":            {set("resource", "x")},
	} {
		response, err := s.authorize(web, append(edits, post)...)
		if got := posted(t, response, err).Parameters; got.Get("error") != want || got.Has("code") {
			t.Errorf("%v, want %s", got, want)
		}
	}
	denial := submission(s.page(t, web, post, set("prompt", "consent")))
	denial.Approve = false
	response, err = s.submit(denial)
	if got := posted(t, response, err).Parameters.Get("error"); got != "access_denied" {
		t.Error(got)
	}
	// No browser posts to an application's own scheme.
	response, err = s.authorize(native, post, set("redirect_uri", "com.example.app:/cb"))
	if got := s.outcome(t, response, err); got != "back: invalid_request response_mode_not_supported" {
		t.Error(got)
	}
}
