package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

func rawBasic(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// Client authentication at the token endpoint. The code is there to be seen: nothing of
// this uses it up.
func TestRFC6749_Section2_3(t *testing.T) {
	secret := secretOf[web]
	const mismatch, unknown, method, header = "invalid_client secret_mismatch", "invalid_client client_unknown", "invalid_client auth_method_not_registered", "invalid_client authorization_header_malformed"
	for _, test := range []struct {
		name   string
		header string
		edits  []edit
		want   string
	}{
		{"basic", basic(web, secret), nil, ""},
		{"basic in lower case", strings.Replace(basic(web, secret), "Basic", "basic", 1), nil, ""},
		{"basic with client_id in the body", basic(web, secret), []edit{set("client_id", web)}, ""},
		{"post", "", []edit{set("client_id", web), set("client_secret", secret)}, ""},
		{"nothing", "", nil, "invalid_client client_missing"},
		{"client_id alone", "", []edit{set("client_id", web)}, method},
		{"client_secret alone", "", []edit{set("client_secret", secret)}, "invalid_client client_missing"},
		{"basic and post", basic(web, secret), []edit{set("client_id", web), set("client_secret", secret)}, "invalid_request two_auth_methods"},
		{"basic and post, wrong", basic(web, secret), []edit{set("client_secret", "x")}, "invalid_request two_auth_methods"},
		{"basic and another client_id", basic(web, secret), []edit{set("client_id", first)}, "invalid_request two_clients"},
		{"basic, wrong", basic(web, "wrong"), nil, mismatch},
		{"basic, another client's secret", basic(web, secretOf[first]), nil, mismatch},
		{"basic, empty secret", basic(web, ""), nil, mismatch},
		{"basic, a letter more", basic(web, secret+"A"), nil, mismatch},
		{"basic, a letter less", basic(web, secret[:len(secret)-1]), nil, mismatch},
		{"basic, the hash", basic(web, liveSecrets[web][0].Hash), nil, mismatch},
		{"basic, unknown client", basic("nobody", secret), nil, unknown},
		{"basic, empty client", basic("", secret), nil, header},
		{"post, wrong", "", []edit{set("client_id", web), set("client_secret", "wrong")}, mismatch},
		{"post, unknown client", "", []edit{set("client_id", "nobody"), set("client_secret", "wrong")}, unknown},
		{"none, unknown client", "", []edit{set("client_id", "nobody")}, unknown},
		{"client_id twice", "", []edit{set("client_id", web, web)}, "invalid_request parameter_repeated"},
		{"secret twice", "", []edit{set("client_id", web), set("client_secret", secret, "x")}, "invalid_request parameter_repeated"},
		{"bearer", "Bearer " + secret, nil, header},
		{"digest", "Digest username=" + web, nil, header},
		{"scheme alone", "Basic", nil, header},
		{"scheme and space", "Basic ", nil, header},
		{"not base64", "Basic !!!", nil, header},
		{"no colon", rawBasic(web), nil, header},
		{"bad escape", rawBasic("web:%zz"), nil, header},
		{"not text", rawBasic("web:%00"), nil, header},
		{"not UTF-8", rawBasic("web:\xff"), nil, header},
		{"64 KB", rawBasic("web:" + strings.Repeat("x", 64<<10)), nil, header},
		{"base64url", "Basic " + base64.URLEncoding.EncodeToString([]byte("web:\xfb\xff")), nil, header},
		{"client_assertion", "", []edit{set("client_assertion", "x.y.z"), set("client_assertion_type", jwtBearer)}, "invalid_client assertion_malformed"},
		{"client_assertion beside basic", basic(web, secret), []edit{set("client_assertion", "x.y.z")}, "invalid_request two_auth_methods"},
		{"client_assertion beside post", "", []edit{set("client_id", web), set("client_secret", secret), set("client_assertion", "x.y.z")}, "invalid_request two_auth_methods"},
		{"client_assertion without a type", "", []edit{set("client_assertion", "x.y.z")}, "invalid_client assertion_type_not_supported"},
		{"client_assertion of SAML", "", []edit{set("client_assertion", "x.y.z"), set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")}, "invalid_client assertion_type_not_supported"},
		{"client_assertion_type alone", "", []edit{set("client_id", web), set("client_assertion_type", jwtBearer)}, "invalid_client assertion_missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			code := s.code(t, web)
			req := redemption(web, code, test.edits...)
			req.Authorization = test.header
			_, err := s.Token(t.Context(), req)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, test.want)
			must(s.redeem(web, code))(t)
		})
	}
}

// Both halves are form-urlencoded before they are put together (RFC 6749 §2.3.1).
func TestRFC6749_Section2_3_1(t *testing.T) {
	s := newServer(t)
	for _, id := range []string{"plain", "with space", "with:colon", "100%", "a+b", "https://app.example/", "a&b=c", "~!*'()"} {
		for _, secret := range []string{"plain", "with space", "with:colon:colon", "100%", "a+b", "p\u00e4ss w\u00f6rd", `"\`, "&=?#"} {
			s.register(t, authz.Client{ID: id, GrantTypes: []string{"client_credentials"}, Secrets: []storage.Secret{fast(secret)}})
			req := &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(id, secret)}
			if _, err := s.Token(t.Context(), req); err != nil {
				t.Errorf("%q with %q: %v", id, secret, err)
			}
			req.Authorization = rawBasic(strings.ReplaceAll(url.QueryEscape(id), "+", "%20") + ":" + strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"))
			if _, err := s.Token(t.Context(), req); err != nil {
				t.Errorf("%q with %q, %%20 for a space: %v", id, secret, err)
			}
		}
	}
}

// fast hashes a chosen secret cheaply: what is tested with it is not the hash.
func fast(secret string) storage.Secret {
	sum := sha256.Sum256([]byte(secret))
	return storage.Secret{Hash: "$sha256$" + base64.RawStdEncoding.EncodeToString(sum[:])}
}

// The registered method is the only one (RFC 7591 §2).
func TestRFC7591_Section2_token_endpoint_auth_method(t *testing.T) {
	s := newServer(t)
	for registered, want := range map[string]map[string]bool{
		"":                    {"basic": true, "post": true},
		"client_secret_basic": {"basic": true},
		"client_secret_post":  {"post": true},
	} {
		s.change(t, service, func(c *authz.Client) { c.TokenEndpointAuthMethod = registered })
		for used, req := range map[string]*authz.Request{
			"basic": {Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(service, secretOf[service])},
			"post":  {Parameters: form(nil, "grant_type", "client_credentials", "client_id", service, "client_secret", secretOf[service])},
			"none":  {Parameters: form(nil, "grant_type", "client_credentials", "client_id", service)},
		} {
			_, err := s.Token(t.Context(), req)
			switch {
			case want[used] && err != nil:
				t.Errorf("registered %q, used %s: %v", registered, used, err)
			case !want[used]:
				wantRefusal(t, err, "invalid_client auth_method_not_registered")
			}
		}
	}
}

// golang.org/x/oauth2 does not know how a client authenticates: it sends the header with
// an empty secret first and, refused, the same code again with parameters.
func TestRFC6749_Section3_2_1_client_that_tries_both_styles(t *testing.T) {
	for _, client := range []string{spa, native} {
		s := newServer(t)
		code := s.code(t, client, set("scope", "read offline_access"))
		req := redemption(client, code)
		req.Parameters.Del("client_id")
		req.Authorization = basic(client, "")
		_, err := s.Token(t.Context(), req)
		wantRefusal(t, err, "invalid_client auth_method_not_registered")
		tokens := must(s.redeem(client, code))(t)

		req = request(client, form(nil, "grant_type", "refresh_token", "refresh_token", tokens.RefreshToken))
		req.Authorization = basic(client, "")
		_, err = s.Token(t.Context(), req)
		wantRefusal(t, err, "invalid_client auth_method_not_registered")
		must(s.refresh(client, tokens.RefreshToken))(t)
	}
	// A confidential one registered for post, the same way.
	s := newServer(t)
	s.change(t, web, func(c *authz.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	code := s.code(t, web)
	_, err := s.redeem(web, code)
	wantRefusal(t, err, "invalid_client auth_method_not_registered")
	req := redemption(web, code, set("client_id", web), set("client_secret", secretOf[web]))
	req.Authorization = ""
	must(s.Token(t.Context(), req))(t)
}

// What a caller sees does not tell a client that exists from one that does not.
func TestRFC6749_Section5_2_no_oracle(t *testing.T) {
	s := newServer(t)
	s.change(t, first, func(c *authz.Client) { c.Disabled = true })
	var answers []authz.Error
	for _, header := range []string{basic(web, "wrong"), basic("nobody", "wrong"), basic(first, secretOf[first]), basic(spa, "wrong"), rawBasic("x"), ""} {
		_, err := s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: header})
		e := *refusal(t, err)
		e.Reason = ""
		answers = append(answers, e)
	}
	for _, a := range answers {
		if a.Code != answers[0].Code || a.Description != answers[0].Description || a.Status != answers[0].Status {
			t.Errorf("answers differ: %+v, %+v", a, answers[0])
		}
	}
}

// Several secrets may be live, so that one can be replaced without an outage.
func TestClient_secrets(t *testing.T) {
	s := newServer(t)
	old, oldHash := authz.NewSecret()
	next, nextHash := authz.NewSecret()
	chosen := "correct horse battery staple"
	oldHash.ExpiresAt = s.clock.Now().Add(time.Hour)
	s.change(t, service, func(c *authz.Client) {
		c.Secrets = []storage.Secret{{Hash: "$unknown$x"}, {Hash: "$argon2id$v=19$m=1,t=0,p=0$x$x"}, oldHash, nextHash, authz.HashSecret(chosen)}
	})
	try := func(secret string) string {
		_, err := s.Token(t.Context(), &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(service, secret)})
		if err != nil {
			return refusedWith(t, err)
		}
		return ""
	}
	for name, secret := range map[string]string{"old": old, "next": next, "chosen": chosen, "chosen, remembered": chosen} {
		if got := try(secret); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, secret := range []string{"", "x", chosen + " ", "Correct horse battery staple", secretOf[web]} {
		if got := try(secret); got != "invalid_client secret_mismatch" {
			t.Errorf("%q: %s", secret, got)
		}
	}
	s.clock.Advance(time.Hour - aMoment)
	if got := try(old); got != "" {
		t.Errorf("old, just in time: %s", got)
	}
	s.clock.Advance(aMoment)
	if got := try(old); got != "invalid_client secret_mismatch" {
		t.Errorf("old, expired: %s", got)
	}
	if got := try(next); got != "" {
		t.Errorf("next: %s", got)
	}
}

// A chosen secret that was right once does not stay right when it is taken away.
func TestClient_secret_taken_away(t *testing.T) {
	s := newServer(t)
	s.change(t, service, func(c *authz.Client) { c.Secrets = []storage.Secret{authz.HashSecret("one")} })
	req := &authz.Request{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(service, "one")}
	must(s.Token(t.Context(), req))(t)
	s.change(t, service, func(c *authz.Client) { c.Secrets = []storage.Secret{authz.HashSecret("two")} })
	_, err := s.Token(t.Context(), req)
	wantRefusal(t, err, "invalid_client secret_mismatch")
}

func TestNewSecret(t *testing.T) {
	secret, hashed := authz.NewSecret()
	if !strings.HasPrefix(secret, "gcs_") || len(secret) != 4+43 || !strings.HasPrefix(hashed.Hash, "$sha256$") || !hashed.ExpiresAt.IsZero() {
		t.Errorf("NewSecret: %q, %+v", secret, hashed)
	}
	if again := authz.HashSecret(secret); again != hashed {
		t.Errorf("HashSecret of a generated secret: %+v, want %+v", again, hashed)
	}
	for _, chosen := range []string{"", "hunter2", "gcs_", "gcs_hunter2", secret + "A", secret[:len(secret)-1], strings.Repeat("A", 43), strings.ToUpper(secret)} {
		if h := authz.HashSecret(chosen).Hash; !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("HashSecret(%q) = %q", chosen, h)
		}
	}
	if one, two := authz.HashSecret("x"), authz.HashSecret("x"); one == two {
		t.Error("two hashes of one secret are the same: no salt")
	}
}

// Basic works for other endpoints by the same rules.
func TestRFC7009_Section2_1_client_authentication(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web)
	for _, header := range []string{"", basic(web, "wrong"), basic("nobody", "x"), "Bearer " + tokens.AccessToken} {
		err := s.Revoke(t.Context(), &authz.Request{Parameters: form(nil, "token", tokens.RefreshToken), Authorization: header})
		if e := refusal(t, err); e.Code != "invalid_client" {
			t.Errorf("Revoke with %q: %v", header, err)
		}
		_, err = s.Introspect(t.Context(), &authz.Request{Parameters: form(nil, "token", tokens.RefreshToken), Authorization: header})
		if e := refusal(t, err); e.Code != "invalid_client" {
			t.Errorf("Introspect with %q: %v", header, err)
		}
	}
	if !s.live(tokens.AccessToken) {
		t.Error("the token died")
	}
}
