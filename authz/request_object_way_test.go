package authz_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The way through the sign-in page and the consent page takes longer than a request object
// lives, and leaves what was signed as it was.
func TestRequestObject_survives_the_sign_in(t *testing.T) {
	s := newSigning(t)
	object := s.requestObject(t, assertion{header: map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}})
	s.host.SignIn("")
	params := signed(object, set("x", "1"), set("scope", "read"))
	for range 3 { // a look, a reload, and again
		response, err := s.visit(params)
		if got := s.outcome(t, response, err); got != "login" {
			t.Fatal(got)
		}
		params = returnTo(t, response)
		if params.Get("request") != object || params.Has("x") || params.Has("scope") || params.Has("redirect_uri") {
			t.Fatalf("the way back is %v", params)
		}
		s.clock.Advance(10 * time.Minute) // long after exp
	}
	s.host.SignIn("ana")

	// Whoever changes the way back gets nowhere, or to the same request.
	late := "page: invalid_request_object request_object_expired"
	another := s.requestObject(t, assertion{claims: map[string]any{"scope": "write", "exp": s.clock.Now().Add(-time.Second).Unix()}})
	for _, test := range []struct {
		what  string
		edits []edit
		want  string
	}{
		{"no resume", []edit{drop("resume")}, late},
		{"resume made up", []edit{set("resume", params.Get("resume")+"A")}, late},
		{"resume of another object", []edit{set("request", another)}, late},
		{"no request", []edit{drop("request")}, "back: invalid_request response_type_missing"},
		{"more parameters", []edit{set("scope", "admin"), set("redirect_uri", "https://evil.example"), set("prompt", "none")}, "ask"},
	} {
		got := s.visited(t, form(append([]edit{func(v url.Values) {
			for name, values := range params {
				v[name] = values
			}
		}}, test.edits...)))
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}

	response, err := s.visit(params)
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	s.clock.Advance(20 * time.Minute) // before the user decides
	response, err = s.submit(submission(response.Consent))
	if got := s.outcome(t, response, err); got != "code" {
		t.Fatal(got)
	}
	must(s.redeem(web, back(t, response, err).Get("code")))(t)

	// An hour after it was shown first, it is over.
	s.clock.Advance(31 * time.Minute)
	if got := s.visited(t, params); got != late {
		t.Errorf("after more than an hour: %s", got)
	}
}

// A key that the client takes away takes its request objects with it, consent page or not.
func TestRequestObject_is_verified_again(t *testing.T) {
	s := newSigning(t)
	response, err := s.visit(signed(s.requestObject(t, assertion{})))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(otherP256) })
	response, err = s.submit(submission(response.Consent))
	if got := s.outcome(t, response, err); got != "page: invalid_request_object request_object_signature_invalid" {
		t.Error(got)
	}
}

// A signed prompt=login or max_age counts from when it was shown first, and nobody at the
// browser loosens it.
func TestRequestObject_asks_for_a_new_sign_in(t *testing.T) {
	for _, claims := range []map[string]any{{"prompt": "login"}, {"max_age": 0}} {
		s := newSigning(t)
		s.host.SignIn("")
		params := signed(s.requestObject(t, assertion{claims: claims}))
		response, err := s.visit(params)
		if got := s.outcome(t, response, err); got != "login" {
			t.Fatalf("%v: %s", claims, got)
		}
		resumed := returnTo(t, response)
		s.clock.Advance(20 * time.Second)
		s.host.SignIn("ana")
		s.clock.Advance(20 * time.Second)
		// Shown for the first time now, as far as anybody can tell: the sign-in was before.
		params.Set("signed_in_since", "1")
		if got := s.visited(t, params); got != "back: login_required sign_in_too_old" {
			t.Errorf("%v loosened: %s", claims, got)
		}
		if got := s.visited(t, resumed); got != "ask" {
			t.Errorf("%v, signed in again: %s", claims, got)
		}
	}
}

// RFC 9126 §3: pushed, with nothing beside it but what authenticates the client.
func TestRFC9126_Section3(t *testing.T) {
	s := newSigning(t)
	push := func(v url.Values) (*authz.PushedAuthorizationResponse, error) {
		return s.PushAuthorization(t.Context(), request(web, v))
	}
	for what, edits := range map[string][]edit{
		"client_id and request": nil,
		"request alone":         {drop("client_id")},
		"more beside it":        {set("scope", "admin"), set("redirect_uri", "https://evil.example"), set("state", "other")},
	} {
		p, err := push(signed(s.requestObject(t, assertion{claims: map[string]any{"prompt": "consent"}}), edits...))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var stored url.Values
		if err := json.Unmarshal(s.storedRequest(t, p).Request, &stored); err != nil || stored.Has("request") || stored.Has("iss") || stored.Get("scope") != "read write" {
			t.Errorf("%s: stored is %v, %v", what, stored, err)
		}
		s.clock.Advance(30 * time.Second)
		response, err := s.visit(referTo(web, p))
		if got := s.outcome(t, response, err); got != "ask" {
			t.Fatalf("%s: %s", what, got)
		}
		s.clock.Advance(2 * time.Minute) // after exp: the request was good when it was pushed
		response, err = s.submit(submission(response.Consent))
		if got := back(t, response, err); got.Get("state") != "xyz" || got.Get("code") == "" {
			t.Errorf("%s: %v", what, got)
		}
	}
	object := s.requestObject(t, assertion{})
	for _, test := range []struct {
		params url.Values
		want   string
	}{
		{signed(s.requestObject(t, assertion{claims: map[string]any{"exp": 1}})), "invalid_request_object request_object_expired"},
		{signed(s.requestObject(t, assertion{claims: map[string]any{"iss": spa, "client_id": spa}})), "invalid_request_object request_object_iss_wrong"},
		{signed(s.requestObject(t, assertion{claims: map[string]any{"client_id": spa}})), "invalid_request_object request_object_client_id_wrong"},
		{signed(s.requestObject(t, assertion{alg: jose.ES256, key: otherP256})), "invalid_request_object request_object_signature_invalid"},
		{signed(s.requestObject(t, assertion{claims: map[string]any{"scope": "admin"}})), "invalid_scope scope_not_allowed"},
		{signed(s.requestObject(t, assertion{claims: map[string]any{"request_uri": "x"}})), "invalid_request_object request_object_nested"},
		{signed(object, set("client_id", spa)), "invalid_request two_clients"},
		{signed(object, set("request_uri", "urn:ietf:params:oauth:request_uri:x")), "invalid_request request_uri_in_pushed_request"},
	} {
		_, err := push(test.params)
		wantRefusal(t, err, test.want)
	}
}

// RFC 9449 §10.1: the key of a proof counts for what is in the request object, too.
func TestRFC9126_Section3_dpop(t *testing.T) {
	s := newSigning(t, withDPoP)
	key := authztest.NewDPoPKey()
	push := func(claims map[string]any) (*authz.PushedAuthorizationResponse, error) {
		proof := key.Proof("POST", issuer+"/oauth2/par", s.clock.Now(), nil)
		return s.PushAuthorization(t.Context(), withProof(request(web, signed(s.requestObject(t, assertion{claims: claims}))), proof))
	}
	_, err := push(map[string]any{"dpop_jkt": authztest.NewDPoPKey().JKT()})
	wantRefusal(t, err, "invalid_request dpop_jkt_of_another_key")
	response, err := s.visit(referTo(web, must(push(nil))(t)))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	response, err = s.submit(submission(response.Consent))
	code := back(t, response, err).Get("code")
	_, err = s.token(s.proven(authztest.NewDPoPKey(), redemption(web, code)))
	wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
	s.boundTo(t, must(s.token(s.proven(key, redemption(web, code))))(t), key)
}

// What a host may say of a client's request objects.
func TestRegisterClient_request_objects(t *testing.T) {
	s := newServer(t)
	for want, c := range map[string]authz.Client{
		"":                          {JWKS: jwks(p256), RequestObjectSigningAlg: "ES256", RequireSignedRequestObject: true},
		"RequestObjectSigningAlg:":  {JWKS: jwks(p256), RequestObjectSigningAlg: "none"},
		"RequestObjectSigningAlg: ": {JWKS: jwks(p256), RequestObjectSigningAlg: "HS256"},
		"JWKS: holds no key for":    {JWKS: jwks(p256), RequestObjectSigningAlg: "PS256"},
		"JWKS: is empty":            {RequireSignedRequestObject: true},
		"JWKS: is empty, ":          {RequestObjectSigningAlg: "ES256"},
	} {
		c.ID, c.RedirectURIs = "signer", []string{"https://signer.example/cb"}
		err := s.RegisterClient(t.Context(), c)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	_, err := authz.New(authz.Config{
		Issuer: issuer, Storage: memory.New(), RequireSignedRequestObjects: true,
		Login:   func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") },
		Clients: []authz.Client{{ID: "page", RedirectURIs: []string{"https://page.example/cb"}}},
	})
	if err == nil || !strings.Contains(err.Error(), "Config.RequireSignedRequestObjects needs") {
		t.Errorf("%v, where requests have to be signed and a client has no keys", err)
	}
}

// What a client may say of its own (OpenID Connect Registration §2, RFC 9101 §10.5).
func TestRFC7591_request_objects(t *testing.T) {
	s := newServer(t, open())
	keys := jwks(p256)
	i := must(s.introduce("jwks", keys, "request_object_signing_alg", `"ES256"`, "require_signed_request_object", "true"))(t)
	if i.RequestObjectSigningAlg != "ES256" || !i.RequireSignedRequestObject {
		t.Errorf("%+v", i)
	}
	for reason, pairs := range map[string][]string{
		"request_object_signing_alg_invalid":     {"jwks", keys, "request_object_signing_alg", `"none"`},
		"request_object_signing_alg_invalid ":    {"jwks", keys, "request_object_signing_alg", `"HS256"`},
		"request_object_encryption_alg_invalid":  {"jwks", keys, "request_object_encryption_alg", `"RSA-OAEP"`},
		"request_object_encryption_enc_invalid":  {"jwks", keys, "request_object_encryption_enc", `"A128GCM"`},
		"require_signed_request_object_invalid":  {"jwks", keys, "require_signed_request_object", `"yes"`},
		"metadata_contradictory":                 {"require_signed_request_object", "true"},
		"metadata_contradictory  of another key": {"jwks", keys, "request_object_signing_alg", `"PS256"`},
	} {
		_, err := s.introduce(pairs...)
		word, _, _ := strings.Cut(reason, " ")
		registrationRefused(t, err, "400 invalid_client_metadata "+word)
	}
}
