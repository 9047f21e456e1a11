package authz_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// signedAnswer verifies a signed response with the published keys, as a client does, and returns
// its claims; nothing is beside it.
func (s *server) signedAnswer(t *testing.T, params url.Values, algorithm string) map[string]any {
	t.Helper()
	if len(params) != 1 || params.Get("response") == "" {
		t.Fatalf("%v, want a response and nothing beside it", params)
	}
	claims := s.idToken(t, params.Get("response"), algorithm)
	exp := time.Unix(int64(claims["exp"].(float64)), 0).Sub(s.clock.Now())
	if claims["iss"] != issuer || claims["aud"] != web || claims["state"] != "xyz" || exp < time.Minute || exp > 10*time.Minute || claims["sub"] != nil {
		t.Errorf("%v", claims)
	}
	return claims
}

// JARM §2.1, §2.3: codes and errors are signed for who asks for it.
func TestJARM_Section2_3(t *testing.T) {
	for _, mode := range []string{"jwt", "query.jwt", "form_post.jwt"} {
		s := newServer(t)
		answer := func(response *authz.AuthorizationResponse, err error) map[string]any {
			t.Helper()
			if mode != "form_post.jwt" {
				return s.signedAnswer(t, back(t, response, err), "ES256")
			}
			if err != nil || response.Form == nil || response.Redirect != "" || response.Form.Action != redirectOf[web] {
				t.Fatalf("%+v, %v, want a form", response, err)
			}
			return s.signedAnswer(t, response.Form.Parameters, "ES256")
		}
		by := set("response_mode", mode)
		sub := submission(s.page(t, web, by))
		claims := answer(s.submit(sub))
		code, _ := claims["code"].(string)
		if again := answer(s.submit(sub)); again["code"] != code { // a double click
			t.Errorf("%s: the second click led to %v", mode, again)
		}
		must(s.redeem(web, code))(t)
		for want, edits := range map[string][]edit{
			"invalid_scope":             {set("scope", "nope")},
			"invalid_request":           {set("x", "1", "2")},
			"unsupported_response_type": {set("response_type", "token")},
			"request_uri_not_supported": {set("request_uri", "x")},
			"consent_required":          {set("prompt", "none"), set("scope", "offline_access")},
		} {
			claims := answer(s.authorize(web, append(edits, by)...))
			if claims["error"] != want || claims["code"] != nil || claims["error_description"] == "" {
				t.Errorf("%s: %v, want %s", mode, claims, want)
			}
		}
		denial := submission(s.page(t, web, by, set("prompt", "consent")))
		denial.Approve = false
		if claims := answer(s.submit(denial)); claims["error"] != "access_denied" {
			t.Errorf("%s: %v", mode, claims)
		}
	}
	s := newServer(t)
	for _, mode := range []string{"fragment.jwt", "jwt.jwt", ".jwt", "JWT", "query.jwt.jwt"} {
		response, err := s.authorize(web, set("response_mode", mode))
		if got := s.outcome(t, response, err); got != "back: invalid_request response_mode_not_supported" {
			t.Errorf("%s: %s", mode, got)
		}
	}
	// A private-use scheme gets a redirect, and no form.
	own := set("redirect_uri", "com.example.app:/cb")
	response, err := s.authorize(native, own, set("response_mode", "form_post.jwt"))
	if got := s.outcome(t, response, err); got != "back: invalid_request response_mode_not_supported" {
		t.Error(got)
	}
	response, err = s.authorize(native, own, set("response_mode", "jwt"), set("scope", "nope"))
	if got := back(t, response, err); len(got) != 1 || got.Get("response") == "" {
		t.Error(got)
	}
}

// JARM §3: the algorithm is the client's, RS256 where it names none and the server has it.
func TestJARM_Section3(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "EdDSA", "RS256"} })
	for _, alg := range []string{"", "ES256", "EdDSA", "RS256"} {
		s.change(t, web, func(c *authz.Client) { c.AuthorizationSignedResponseAlg = alg })
		want := alg
		if alg == "" {
			want = "RS256"
		}
		response, err := s.authorize(web, set("response_mode", "jwt"), set("scope", "nope"))
		s.signedAnswer(t, back(t, response, err), want)
	}
	// An algorithm that is gone leaves no code unsigned.
	s.change(t, web, func(c *authz.Client) { c.AuthorizationSignedResponseAlg = "PS256" })
	response, err := s.submit(submission(s.page(t, web, set("response_mode", "jwt"))))
	if got := s.outcome(t, response, err); got != "back: server_error response_alg_gone" {
		t.Error(got)
	}

	s = newServer(t, open())
	if i := must(s.introduce("authorization_signed_response_alg", `"ES256"`))(t); i.AuthorizationSignedResponseAlg != "ES256" {
		t.Errorf("%+v", i)
	}
	for _, pair := range [][2]string{
		{"authorization_signed_response_alg", `"none"`}, {"authorization_signed_response_alg", `"EdDSA"`},
	} {
		_, err := s.introduce(pair[0], pair[1])
		registrationRefused(t, err, "400 invalid_client_metadata "+pair[0]+"_invalid")
	}
}

// JARM §4.
func TestJARM_Section4(t *testing.T) {
	m := newServer(t).Metadata()
	for _, mode := range []string{"jwt", "query.jwt", "form_post.jwt"} {
		if !slices.Contains(m.ResponseModesSupported, mode) {
			t.Errorf("%s is not in %q", mode, m.ResponseModesSupported)
		}
	}
	if !slices.Equal(m.AuthorizationSigningAlgValuesSupported, []string{"ES256"}) {
		t.Errorf("%q", m.AuthorizationSigningAlgValuesSupported)
	}
}

// A signed response is no ID token, though its header says as little.
func TestJARM_no_id_token_hint(t *testing.T) {
	s := newOpenID(t)
	response, err := s.authorize(web, set("response_mode", "jwt"), set("scope", "nope"))
	hint := back(t, response, err).Get("response")
	response, err = s.authorize(web, set("scope", "openid"), set("id_token_hint", hint))
	if got := s.outcome(t, response, err); got != "back: invalid_request id_token_hint_invalid" {
		t.Error(got)
	}
}

// A request object says how its answer is to come, and nobody at the browser says otherwise.
func TestJARM_of_a_request_object(t *testing.T) {
	s := newSigning(t)
	object := s.requestObject(t, assertion{claims: map[string]any{"response_mode": "jwt"}})
	response, err := s.visit(signed(object, set("response_mode", "query")))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	response, err = s.submit(submission(response.Consent))
	if claims := s.signedAnswer(t, back(t, response, err), "ES256"); claims["code"] == nil {
		t.Errorf("%v", claims)
	}
}
