package authz_test

import (
	"crypto"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// FAPI 2.0 Message Signing §5.3.1, §5.4.1, §5.5.1.
func TestFAPI2_MessageSigning(t *testing.T) {
	s := newFAPI(t, authz.ProfileFAPI2MessageSigning())
	now := s.clock.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	push := func(edits map[string]any) (*authz.PushedAuthorizationResponse, error) {
		claims := map[string]any{"sub": nil, "jti": nil, "nbf": in(0), "exp": in(time.Hour), "client_id": keyClient, "response_type": "code", "response_mode": "jwt",
			"redirect_uri": fapiRedirect, "scope": "read", "state": "xyz", "code_challenge": authztest.Challenge(), "code_challenge_method": "S256"}
		for name, value := range edits {
			claims[name] = value
		}
		return s.PushAuthorization(t.Context(), s.as(t, set("request", s.assert(t, assertion{claims: claims}))))
	}
	for _, test := range []struct {
		what   string
		claims map[string]any
		want   string
	}{
		{"5.3.1 nbf now", nil, ""},
		{"5.3.1 nbf 8 s ahead", map[string]any{"nbf": in(8 * time.Second)}, ""},
		{"5.3.1 nbf 61 s ahead", map[string]any{"nbf": in(61 * time.Second)}, "invalid_request_object request_object_not_yet_valid"},
		{"5.3.1 nbf nearly an hour ago", map[string]any{"nbf": in(-59 * time.Minute), "exp": in(time.Minute)}, ""},
		{"5.3.1 nbf more than an hour ago", map[string]any{"nbf": in(-61 * time.Minute), "exp": in(time.Minute)}, "invalid_request_object request_object_lives_too_long"},
		{"5.3.1 no nbf", map[string]any{"nbf": nil}, "invalid_request_object request_object_nbf_missing"},
		{"5.3.1 no exp", map[string]any{"exp": nil}, "invalid_request_object request_object_exp_missing"},
		{"5.3.1 exp more than an hour after nbf", map[string]any{"exp": in(time.Hour + time.Second)}, "invalid_request_object request_object_lives_too_long"},
		{"5.3.1 aud in a list", map[string]any{"aud": []string{"https://other.example", issuer}}, ""},
		{"5.3.1 aud of another", map[string]any{"aud": "https://other.example"}, "invalid_request_object request_object_aud_wrong"},
		{"5.4.1 no response_mode", map[string]any{"response_mode": nil}, "invalid_request signed_response_required"},
		{"5.4.1 query", map[string]any{"response_mode": "query"}, "invalid_request signed_response_required"},
		{"5.4.1 form_post.jwt", map[string]any{"response_mode": "form_post.jwt"}, ""},
	} {
		p, err := push(test.claims)
		if test.want != "" {
			if err == nil || refusedWith(t, err) != test.want {
				t.Errorf("%s: %v, %v, want %s", test.what, p, err, test.want)
			}
		} else if err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	_, err := s.push(t, set("response_mode", "jwt")) // §5.3.1: signed requests alone
	wantRefusal(t, err, "invalid_request request_object_required")

	response, err := s.visit(referTo(keyClient, must(push(nil))(t)))
	if err == nil && response.Consent != nil {
		response, err = s.submit(submission(response.Consent))
	}
	answer := back(t, response, err)
	claims := s.idToken(t, answer.Get("response"), "ES256")
	if len(answer) != 1 || claims["iss"] != issuer || claims["aud"] != keyClient || claims["state"] != "xyz" {
		t.Errorf("%v: %v", answer, claims)
	}
	tokens := must(s.token(s.redeem(t, claims["code"].(string))))(t)
	said := s.idToken(t, must(s.IntrospectJWT(t.Context(), s.as(t, set("token", tokens.AccessToken))))(t), "ES256") // §5.5.1
	if inner, _ := said["token_introspection"].(map[string]any); inner["active"] != true || said["aud"] != keyClient {
		t.Errorf("%v", said)
	}
	m := s.Metadata()
	if !m.RequireSignedRequestObject || slices.ContainsFunc(m.ResponseModesSupported, func(mode string) bool { return !strings.HasSuffix(mode, "jwt") }) {
		t.Errorf("%+v", m)
	}
}

// update puts a client in the place of what is stored of it.
func (s *fapiServer) update(t testing.TB, c authz.Client) {
	t.Helper()
	c.Revision = must(s.host.Store.Client(t.Context(), c.ID))(t).Revision
	s.register(t, c)
}

// A set with several keys of one kid: the one that the algorithm fits is found.
func TestFAPI2_Section5_4_3(t *testing.T) {
	s := newFAPI(t, authz.ProfileFAPI2())
	var keys jose.JSONWebKeySet
	for _, key := range []crypto.Signer{otherP256, rsa2048, ed25519Key, p256} {
		keys.Keys = append(keys.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: "same"})
	}
	c := must(s.host.Store.Client(t.Context(), keyClient))(t)
	c.JWKS = string(kept(json.Marshal(keys)))
	s.update(t, *c)
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: p256, jose.PS256: rsa2048, jose.EdDSA: ed25519Key} {
		assertion := s.assert(t, assertion{alg: alg, key: key, header: map[jose.HeaderKey]any{"kid": "same"}})
		if _, err := s.token(s.proven(s.key, s.as(t, set("client_assertion", assertion), set("grant_type", "client_credentials"), set("scope", "read")))); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}
