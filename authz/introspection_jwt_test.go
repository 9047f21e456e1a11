package authz_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// signedAnswer is an introspection answer whose signature has been verified.
type signedAnswer struct {
	header jose.Header
	claims map[string]any
}

func (a signedAnswer) introspection() map[string]any {
	members, _ := a.claims["token_introspection"].(map[string]any)
	return members
}

func (s *server) introspectJWT(t testing.TB, client, token string) signedAnswer {
	t.Helper()
	compact, err := s.IntrospectJWT(t.Context(), request(client, form(nil, "token", token)))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(must(s.JWKS(t.Context()))(t))
	if err != nil {
		t.Fatal(err)
	}
	a := signedAnswer{header: jws.Signatures[0].Protected}
	if err := json.Unmarshal(payload, &a.claims); err != nil {
		t.Fatal(err)
	}
	return a
}

// The claims of a signed answer (RFC 9701 §5): what JSON would say, in a place of its own,
// and neither sub nor exp beside it.
func TestRFC9701_Section5(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		tokens := s.tokens(t, web)
		s.clock.Advance(time.Minute)
		for asks, token := range map[string]string{rs: tokens.AccessToken, web: tokens.RefreshToken} {
			a := s.introspectJWT(t, asks, token)
			if typ := a.header.ExtraHeaders[jose.HeaderType]; typ != "token-introspection+jwt" || a.header.KeyID == "" || a.header.Algorithm != "ES256" {
				t.Errorf("header %+v", a.header)
			}
			if names := slices.Sorted(maps.Keys(a.claims)); !slices.Equal(names, []string{"aud", "iat", "iss", "token_introspection"}) {
				t.Errorf("claims %q", names)
			}
			if a.claims["iss"] != issuer || a.claims["aud"] != asks || a.claims["iat"] != float64(s.clock.Now().Unix()) {
				t.Errorf("claims %v", a.claims)
			}
			plain, err := json.Marshal(s.introspect(t, asks, token))
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(plain, &want); err != nil {
				t.Fatal(err)
			}
			if got := a.introspection(); got["active"] != true || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: token_introspection %v, want %v", format, asks, got, want)
			}
		}
	}
}

// What is not active, or not for the one that asks, is {"active": false} inside, too.
func TestRFC9701_Section5_inactive(t *testing.T) {
	s := newServer(t)
	tokens := s.tokens(t, web)
	expired := must(s.own())(t).AccessToken
	s.clock.Advance(2 * time.Hour)
	dead := must(s.own())(t).AccessToken
	if err := s.Revoke(t.Context(), request(service, form(nil, "token", dead))); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ asks, token string }{
		"rubbish":                 {rs, "x"},
		"expired":                 {rs, expired},
		"revoked":                 {rs, dead},
		"another client's":        {first, must(s.own())(t).AccessToken},
		"another's refresh token": {rs, tokens.RefreshToken},
	} {
		a := s.introspectJWT(t, test.asks, test.token)
		if !reflect.DeepEqual(a.introspection(), map[string]any{"active": false}) || a.claims["aud"] != test.asks || len(a.claims) != 4 {
			t.Errorf("%s: %v", name, a.claims)
		}
	}
}

// Only who authenticates is answered, signed or not; whoever does not even try gets 400 where
// a signed answer is wanted, and whoever fails to, 401 (RFC 9701 §4, §5, RFC 7662 §2.3).
func TestRFC9701_Section5_unauthenticated(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, spa).AccessToken
	for name, test := range map[string]struct {
		req    *authz.Request
		status int
		reason string
	}{
		"nobody":                     {&authz.Request{Parameters: form(nil, "token", token)}, 400, "client_missing"},
		"a public client":            {request(spa, form(nil, "token", token)), 400, "public_client"},
		"only a name":                {&authz.Request{Parameters: form(nil, "token", token, "client_id", rs)}, 400, "auth_method_not_registered"},
		"a name of nobody":           {&authz.Request{Parameters: form(nil, "token", token, "client_id", "x")}, 400, "client_unknown"},
		"wrong secret":               {&authz.Request{Parameters: form(nil, "token", token), Authorization: basic(rs, "x")}, 401, "secret_mismatch"},
		"wrong secret in the form":   {&authz.Request{Parameters: form(nil, "token", token, "client_id", rs, "client_secret", "x")}, 401, "secret_mismatch"},
		"the token as a credential":  {&authz.Request{Parameters: form(nil, "token", token), Authorization: "Bearer " + token}, 401, "authorization_header_malformed"},
		"an assertion of no kind":    {&authz.Request{Parameters: form(nil, "token", token, "client_assertion_type", "x")}, 401, "assertion_missing"},
		"public, with a secret even": {&authz.Request{Parameters: form(nil, "token", token), Authorization: basic(spa, "x")}, 401, "auth_method_not_registered"},
	} {
		_, plain := s.Introspect(t.Context(), test.req)
		answer, signed := s.IntrospectJWT(t.Context(), test.req)
		if answer != "" {
			t.Errorf("%s: answered %s", name, answer)
		}
		for status, err := range map[int]error{401: plain, test.status: signed} {
			var e *authz.Error
			if err == nil || !errors.As(err, &e) || e.Status != status || e.Reason != test.reason {
				t.Errorf("%s: %v (%+v), want %d %s", name, err, e, status, test.reason)
			}
		}
	}
}

// RFC 9701 §3, §5: a resource server that is registered for a resource learns of tokens for
// that alone, and of the scopes that mean something there.
func TestRFC9701_Section3(t *testing.T) {
	const files, mail = "https://files.example", "https://mail.example"
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) {
			c.AccessTokenFormat, c.SeveralAudiences = format, true
			c.Resources = []authz.Resource{{Identifier: files, Scopes: []string{"read"}}, {Identifier: mail, Scopes: []string{"write"}}}
		})
		for id, serves := range map[string][]string{"files": {files}, "mail": {mail}, "both": {files, mail}} {
			s.register(t, authz.Client{ID: id, ResourceServer: true, ResourceServerFor: serves, Secrets: liveSecrets[rs]})
		}
		ask := func(id, token string) map[string]any {
			t.Helper()
			req := &authz.Request{Parameters: form(nil, "token", token), Authorization: basic(id, secretOf[rs])}
			plain := must(s.Introspect(t.Context(), req))(t)
			compact := must(s.IntrospectJWT(t.Context(), req))(t)
			jws := must(jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256}))(t)
			var claims struct {
				Introspection map[string]any `json:"token_introspection"`
			}
			if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims); err != nil {
				t.Fatal(err)
			}
			if plain["active"] != claims.Introspection["active"] || plain["scope"] != claims.Introspection["scope"] {
				t.Errorf("%s: signed %v, plain %v", id, claims.Introspection, plain)
			}
			return claims.Introspection
		}
		token := func(resource, scope string) string {
			return s.tokens(t, web, set("resource", resource), set("scope", scope)).AccessToken
		}
		filesAlone, ours := token(files, "read"), token(issuer, "read write")
		both, err := s.redeem(web, s.code(t, web, set("resource", files, mail)), set("resource", files, mail))
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct{ asks, token, scope string }{
			{"files", filesAlone, "read"}, {"mail", filesAlone, ""}, {"both", filesAlone, "read"}, {rs, filesAlone, "read"},
			{"files", ours, ""}, {"both", ours, ""}, {rs, ours, "read write"},
			{"files", both.AccessToken, "read"}, {"mail", both.AccessToken, "write"}, {"both", both.AccessToken, "read write"}, {rs, both.AccessToken, "read write"},
		} {
			answer := ask(test.asks, test.token)
			if test.scope == "" {
				if !reflect.DeepEqual(answer, map[string]any{"active": false}) {
					t.Errorf("%s: %v", test.asks, answer)
				}
			} else if answer["active"] != true || answer["scope"] != test.scope {
				t.Errorf("%s: %v, want scope %q", test.asks, answer, test.scope)
			}
		}
	}
	s := newServer(t)
	for want, c := range map[string]authz.Client{
		"not in Config.Resources": {ID: "x", ResourceServer: true, ResourceServerFor: []string{files}, Secrets: liveSecrets[rs]},
		"is for a ResourceServer": {ID: "x", ResourceServerFor: []string{issuer}, RedirectURIs: []string{"https://x.example/cb"}},
	} {
		if err := s.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ResourceServerFor: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The algorithm is the one that the client is registered with; else RS256, if the server
// has it, and else the server's first (RFC 9701 §6).
func TestRFC9701_Section6(t *testing.T) {
	for _, test := range []struct{ supported, registered, want string }{
		{"ES256", "", "ES256"}, {"ES256", "ES256", "ES256"},
		{"EdDSA ES256", "", "EdDSA"}, {"EdDSA ES256", "ES256", "ES256"},
		{"ES256 RS256", "", "RS256"}, {"ES256 RS256", "ES256", "ES256"}, {"ES256 RS256", "RS256", "RS256"},
	} {
		s := newServer(t, func(c *authz.Config) { c.SigningAlgorithms = strings.Fields(test.supported) })
		if got := s.Metadata().IntrospectionSigningAlgValuesSupported; !slices.Equal(got, strings.Fields(test.supported)) { // §7
			t.Errorf("metadata: %q", got)
		}
		s.register(t, authz.Client{ID: rs, ResourceServer: true, Secrets: liveSecrets[rs], IntrospectionSignedResponseAlg: test.registered})
		if a := s.introspectJWT(t, rs, must(s.own())(t).AccessToken); a.header.Algorithm != test.want || a.introspection()["active"] != true {
			t.Errorf("%+v: %s, %v", test, a.header.Algorithm, a.claims)
		}
	}
}

// Only algorithms that the server can sign with are registered, and one that it could once
// is a failure of the server's, and not an answer with another.
func TestRFC9701_Section6_unsupported(t *testing.T) {
	s := newServer(t, open(func(r *authz.Registration) {
		r.GrantTypes = []string{"authorization_code", "refresh_token", "client_credentials"}
	}))
	for _, alg := range []string{"RS256", "none", "HS256", "es256", " "} {
		err := s.RegisterClient(t.Context(), authz.Client{ID: "x", ResourceServer: true, Secrets: liveSecrets[rs], IntrospectionSignedResponseAlg: alg})
		if err == nil || !strings.Contains(err.Error(), "IntrospectionSignedResponseAlg: ") || !strings.Contains(err.Error(), "Config.SigningAlgorithms") {
			t.Errorf("%q: %v", alg, err)
		}
		_, err = s.introduce("introspection_signed_response_alg", `"`+alg+`"`)
		registrationRefused(t, err, "400 invalid_client_metadata introspection_signed_response_alg_invalid")
	}
	if n := s.registered(t); n != 0 {
		t.Errorf("%d of them were registered", n)
	}
	s.change(t, rs, func(c *storage.Client) { c.IntrospectionSignedResponseAlg = "RS256" })
	_, err := s.IntrospectJWT(t.Context(), request(rs, form(nil, "token", "x")))
	wantRefusal(t, err, "server_error introspection_alg_gone")
	if !strings.Contains(s.log.String(), "Config.SigningAlgorithms; add it there") {
		t.Error("the log does not name the cure")
	}
}

// RFC 7591 §3.2.1, RFC 7592 §2: what is registered is told, kept and used, until an update
// that leaves it out.
func TestRFC9701_Section6_registered(t *testing.T) {
	s := newServer(t, open(func(r *authz.Registration) { r.GrantTypes = []string{"client_credentials"} }), func(c *authz.Config) {
		c.SigningAlgorithms = []string{"ES256", "EdDSA"}
	})
	pairs := []string{"grant_types", `["client_credentials"]`, "redirect_uris", "", "token_endpoint_auth_method", ""}
	got := must(s.introduce(append(pairs, "introspection_signed_response_alg", `"EdDSA"`)...))(t)
	if got.IntrospectionSignedResponseAlg != "EdDSA" {
		t.Errorf("%+v", got)
	}
	algorithm := func() jose.SignatureAlgorithm {
		req := &authz.Request{Parameters: form(nil, "token", "x"), Authorization: basic(got.ClientID, got.ClientSecret)}
		compact := must(s.IntrospectJWT(t.Context(), req))(t)
		jws := must(jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}))(t)
		return jose.SignatureAlgorithm(jws.Signatures[0].Protected.Algorithm)
	}
	if alg := algorithm(); alg != jose.EdDSA {
		t.Errorf("signed with %s", alg)
	}
	updated, err := s.UpdateRegistration(t.Context(), &authz.RegistrationRequest{
		ClientID: got.ClientID, Authorization: "Bearer " + got.RegistrationAccessToken,
		Body: metadata(append(pairs, "client_id", `"`+got.ClientID+`"`)...),
	})
	if err != nil || updated.IntrospectionSignedResponseAlg != "" {
		t.Errorf("%+v, %v", updated, err)
	}
	if alg := algorithm(); alg != jose.ES256 {
		t.Errorf("signed with %s", alg)
	}
}

// A store that cannot answer makes the server say 503, signed or not.
func TestRFC9701_store_failing(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, web).AccessToken
	s.store.breakDown(true)
	_, err := s.IntrospectJWT(t.Context(), request(rs, form(nil, "token", token)))
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
}
