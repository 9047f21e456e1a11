package authz_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// newSigning is a server whose client web has a key to sign its requests with.
func newSigning(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, configure...)
	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(p256) })
	return s
}

// requestClaims are those of a good request object of web; nil takes one out.
func (s *server) requestClaims(edits map[string]any) map[string]any {
	claims := map[string]any{
		"iss": web, "aud": issuer, "exp": s.clock.Now().Add(time.Minute).Unix(), "client_id": web,
		"response_type": "code", "redirect_uri": redirectOf[web], "state": "xyz", "scope": "read write",
		"code_challenge": authztest.Challenge(), "code_challenge_method": "S256",
	}
	maps.Copy(claims, edits)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (s *server) requestObject(t testing.TB, a assertion) string {
	t.Helper()
	if a.alg == "" {
		a.alg, a.key = jose.ES256, p256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a.alg, Key: a.key}, &jose.SignerOptions{ExtraHeaders: a.header})
	if err != nil {
		t.Fatal(err)
	}
	jws := must(signer.Sign(kept(json.Marshal(s.requestClaims(a.claims)))))(t)
	return must(jws.CompactSerialize())(t)
}

// signed are the parameters of a request by request object.
func signed(object string, edits ...edit) url.Values {
	return form(edits, "client_id", web, "request", object)
}

// requested is the outcome of a request by request object.
func (s *server) requested(t testing.TB, object string, edits ...edit) string {
	t.Helper()
	return strings.TrimPrefix(s.visited(t, signed(object, edits...)), "page: invalid_request_object request_object_")
}

func TestRFC9101_Section4(t *testing.T) {
	s := newSigning(t)
	now := s.clock.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, test := range []struct {
		what   string
		claims map[string]any
		want   string
	}{
		{"as few claims as there may be", nil, "ask"},
		{"all of them", map[string]any{"jti": "1", "iat": in(0), "nbf": in(0)}, "ask"},
		{"aud a list", map[string]any{"aud": []string{"https://other.example", issuer}}, "ask"},
		{"no iss", map[string]any{"iss": nil}, "iss_wrong"},
		{"iss of another client", map[string]any{"iss": spa}, "iss_wrong"},
		{"no aud", map[string]any{"aud": nil}, "aud_wrong"},
		{"aud another server", map[string]any{"aud": "https://other.example"}, "aud_wrong"},
		{"aud an endpoint", map[string]any{"aud": issuer + "/oauth2/authorize"}, "aud_wrong"},
		{"aud with a slash", map[string]any{"aud": issuer + "/"}, "aud_wrong"},
		{"no client_id", map[string]any{"client_id": nil}, "client_id_wrong"},
		{"client_id of another", map[string]any{"client_id": spa}, "client_id_wrong"},
		{"no exp", map[string]any{"exp": nil}, "exp_missing"},
		{"exp a string", map[string]any{"exp": "9999999999"}, "malformed"},
		{"exp past", map[string]any{"exp": in(-time.Second)}, "expired"},
		{"exp now", map[string]any{"exp": in(0)}, "expired"},
		{"exp in an hour", map[string]any{"exp": in(time.Hour)}, "ask"},
		{"exp in ten years", map[string]any{"exp": in(87600 * time.Hour)}, "lives_too_long"},
		{"exp in an hour, nbf before", map[string]any{"exp": in(time.Hour), "nbf": in(-time.Minute)}, "lives_too_long"},
		{"nbf an hour ago", map[string]any{"nbf": in(-time.Hour + time.Minute)}, "ask"},
		{"nbf in a minute", map[string]any{"nbf": in(time.Minute)}, "ask"},
		{"nbf later", map[string]any{"nbf": in(2 * time.Minute), "exp": in(3 * time.Minute)}, "not_yet_valid"},
		{"iat later", map[string]any{"iat": in(2 * time.Minute)}, "from_the_future"},
		{"a request inside", map[string]any{"request": "x"}, "nested"},
		{"a request_uri inside", map[string]any{"request_uri": "https://evil.example/r"}, "nested"},
	} {
		if got := s.requested(t, s.requestObject(t, assertion{claims: test.claims})); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

// Claims that are no strings: OpenID Connect Core §6.1, RFC 8707 §2, RFC 9396 §2.
func TestRFC9101_Section4_values(t *testing.T) {
	s := newSigning(t, withOpenID)
	s.change(t, web, func(c *authz.Client) { c.Scopes = append(c.Scopes, "openid") })
	for _, test := range []struct {
		what   string
		claims map[string]any
		want   string
	}{
		{"max_age a number", map[string]any{"max_age": 60}, "ask"},
		{"max_age a fraction", map[string]any{"max_age": 0.5}, "back: invalid_request max_age_malformed"},
		{"claims an object", map[string]any{"scope": "openid", "claims": map[string]any{"id_token": map[string]any{"email": nil}}}, "ask"},
		{"claims a string", map[string]any{"scope": "openid", "claims": `{"id_token":{"email":null}}`}, "ask"},
		{"claims a list", map[string]any{"scope": "openid", "claims": []int{1}}, "back: invalid_request claims_malformed"},
		{"resource a list", map[string]any{"resource": []string{issuer, issuer}}, "ask"},
		{"resource a list of numbers", map[string]any{"resource": []int{1}}, "malformed"},
		{"one resource of a list unknown", map[string]any{"resource": []string{issuer, "https://evil.example"}}, "back: invalid_target resource_unknown"},
		{"authorization_details", map[string]any{"authorization_details": []any{map[string]any{"type": "nope"}}}, "back: invalid_authorization_details authorization_details_type_not_allowed"},
		{"state a number", map[string]any{"state": 1}, "ask"},
		{"scope a list", map[string]any{"scope": []string{"read"}}, "back: invalid_scope scope_malformed"},
		{"line break", map[string]any{"scope": "read\n"}, "back: invalid_request parameter_not_text"},
		{"registration", map[string]any{"registration": map[string]any{}}, "back: registration_not_supported registration_not_supported"},
		{"nothing that matters", map[string]any{"x": true, "y": json.RawMessage("null"), "z": map[string]any{"a": []int{1}}}, "ask"},
	} {
		if got := s.requested(t, s.requestObject(t, assertion{claims: test.claims})); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
	for what, payload := range map[string]string{
		"a claim twice": `{"scope":"read","scope":"write"}`, "not UTF-8": "{\"scope\":\"\xff\"}", "no object": `["read"]`,
		"nothing": ``, "null": `null`, "more behind it": `{} {}`,
	} {
		signer := kept(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p256}, nil))
		if len(payload) > 5 && payload[0] == '{' && payload[1] == '"' {
			good := string(kept(json.Marshal(s.requestClaims(map[string]any{"scope": nil}))))
			payload = good[:len(good)-1] + "," + payload[1:]
		}
		object := kept(kept(signer.Sign([]byte(payload))).CompactSerialize())
		if got := s.requested(t, object); got != "malformed" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestRFC9101_Section5(t *testing.T) {
	s := newSigning(t)
	object := s.requestObject(t, assertion{})
	for _, test := range []struct {
		what  string
		edits []edit
		want  string
	}{
		{"client_id and request", nil, "ask"},
		{"no client_id outside", []edit{drop("client_id")}, "page: invalid_request client_id_missing"},
		{"client_id twice", []edit{set("client_id", web, web)}, "page: invalid_request client_id_missing"},
		{"client_id of nobody", []edit{set("client_id", "nobody")}, "page: invalid_request client_unknown"},
		{"client_id of another", []edit{set("client_id", spa)}, "iss_wrong"},
		{"request_uri too", []edit{set("request_uri", "https://web.example/r")}, "page: invalid_request request_and_request_uri"},
		{"a pushed request too", []edit{set("request_uri", must(s.push(web))(t).RequestURI)}, "page: invalid_request request_and_request_uri"},
		{"too long", []edit{set("request", object+strings.Repeat("A", 8<<10))}, "too_long"},
		{"something else", []edit{set("request", "x.y.z")}, "malformed"},
		{"twice", []edit{set("request", object, object), set("redirect_uri", redirectOf[web])}, "back: invalid_request parameter_repeated"},
	} {
		if got := s.requested(t, object, test.edits...); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

// What is not signed by the client, with an algorithm for public keys, is no request object.
func TestRFC9101_Section6_2(t *testing.T) {
	s := newSigning(t)
	s.change(t, web, func(c *authz.Client) { c.JWKS = jwks(p256, rsa2048, ed25519Key) })
	good := strings.Split(s.requestObject(t, assertion{}), ".")
	b64 := base64.RawURLEncoding.EncodeToString
	spki := kept(x509.MarshalPKIXPublicKey(rsa2048.Public()))
	own := &jose.JSONWebKey{Key: otherP256.Public(), KeyID: "own", Algorithm: "ES256"}
	for _, test := range []struct {
		what, object, want string
	}{
		{"ES256", strings.Join(good, "."), "ask"},
		{"PS256", s.requestObject(t, assertion{alg: jose.PS256, key: rsa2048}), "ask"},
		{"RS256", s.requestObject(t, assertion{alg: jose.RS256, key: rsa2048}), "ask"},
		{"EdDSA", s.requestObject(t, assertion{alg: jose.EdDSA, key: ed25519Key}), "ask"},
		{"another's key", s.requestObject(t, assertion{alg: jose.ES256, key: otherP256}), "signature_invalid"},
		{"a key of its own in the header", s.requestObject(t, assertion{alg: jose.ES256, key: otherP256, header: map[jose.HeaderKey]any{"jwk": own}}), "signature_invalid"},
		{"jku", s.requestObject(t, assertion{alg: jose.ES256, key: otherP256, header: map[jose.HeaderKey]any{"jku": "https://evil.example/jwks"}}), "signature_invalid"},
		{"kid of nobody", s.requestObject(t, assertion{header: map[jose.HeaderKey]any{"kid": "../../etc/passwd"}}), "signature_invalid"},
		{"kid of another key of its", s.requestObject(t, assertion{header: map[jose.HeaderKey]any{"kid": "k2"}}), "signature_invalid"},
		{"none", b64([]byte(`{"alg":"none"}`)) + "." + good[1] + ".", "alg_not_allowed"},
		{"None", b64([]byte(`{"alg":"None"}`)) + "." + good[1] + ".", "alg_not_allowed"},
		{"no alg", b64([]byte(`{}`)) + "." + good[1] + ".", "alg_not_allowed"},
		{"none with a signature", b64([]byte(`{"alg":"none"}`)) + "." + good[1] + "." + good[2], "alg_not_allowed"},
		{"HS256 with the public key", s.requestObject(t, assertion{alg: jose.HS256, key: spki}), "alg_not_allowed"},
		{"HS256 with the secret", s.requestObject(t, assertion{alg: jose.HS256, key: []byte(secretOf[web])}), "alg_not_allowed"},
		{"no signature", good[0] + "." + good[1] + ".", "signature_invalid"},
		{"another payload", good[0] + "." + strings.Split(s.requestObject(t, assertion{claims: map[string]any{"scope": "write"}}), ".")[1] + "." + good[2], "signature_invalid"},
		{"crit", s.requestObject(t, assertion{header: map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1}}), "malformed"},
		{"the JSON serialization", `{"payload":"` + good[1] + `","signatures":[]}`, "malformed"},
		{"encrypted", s.encrypted(t, strings.Join(good, ".")), "encrypted"},
	} {
		if got := s.requested(t, test.object); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
	s.change(t, web, func(c *authz.Client) { c.RequestObjectSigningAlg = "PS256" })
	for alg, want := range map[jose.SignatureAlgorithm]string{jose.PS256: "ask", jose.RS256: "alg_not_registered"} {
		if got := s.requested(t, s.requestObject(t, assertion{alg: alg, key: rsa2048})); got != want {
			t.Errorf("%s where PS256 is registered: %s, want %s", alg, got, want)
		}
	}
	s.change(t, web, func(c *authz.Client) { c.JWKS, c.RequestObjectSigningAlg = "", "" })
	if got := s.requested(t, strings.Join(good, ".")); got != "keys_missing" {
		t.Errorf("of a client without keys: %s", got)
	}
}

// encrypted is a nested JWT (RFC 7519 §5.2) for a key of the server's.
func (s *server) encrypted(t testing.TB, object string) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: &p256.PublicKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return must(must(encrypter.Encrypt([]byte(object)))(t).CompactSerialize())(t)
}

// The keys of a jwks_uri serve too, and a client whose keys are not to be had is told to come
// again.
func TestRFC9101_Section6_2_jwks_uri(t *testing.T) {
	k := newKeyServer(t)
	k.publish(jwks(p256))
	s := newServer(t, func(c *authz.Config) { c.HTTPClient = k.Client() })
	s.change(t, web, func(c *authz.Client) { c.JWKSURI = k.URL })
	if got := s.requested(t, s.requestObject(t, assertion{})); got != "ask" {
		t.Error(got)
	}
	k.publish("")
	s.clock.Advance(2 * time.Hour)
	if got := s.requested(t, s.requestObject(t, assertion{})); got != "page: temporarily_unavailable client_keys_unavailable" {
		t.Error(got)
	}
}

// Nothing that stands beside the request object counts, whatever it is.
func TestRFC9101_Section6_3(t *testing.T) {
	s := newSigning(t)
	object := s.requestObject(t, assertion{})
	outside := []edit{
		set("redirect_uri", "https://evil.example/cb"), set("state", "other"), set("scope", "admin"), set("response_type", "token"),
		set("response_mode", "form_post"), set("prompt", "none"), set("code_challenge", "x"), set("x", "1", "2"), set("resource", "https://evil.example"),
	}
	response, err := s.visit(signed(object, outside...))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	response, err = s.submit(submission(response.Consent))
	got := back(t, response, err)
	if got.Get("state") != "xyz" || !strings.HasPrefix(response.Redirect, redirectOf[web]) {
		t.Errorf("%s", response.Redirect)
	}
	if tokens := must(s.redeem(web, got.Get("code")))(t); tokens.Scope != "" && tokens.Scope != "read write" {
		t.Errorf("scope %q", tokens.Scope)
	}
	// Not even where it is missing inside.
	for claim, want := range map[string]string{
		"code_challenge": "back: invalid_request code_challenge_missing", "response_type": "back: invalid_request response_type_missing",
	} {
		object := s.requestObject(t, assertion{claims: map[string]any{claim: nil}})
		if got := s.requested(t, object, set(claim, pushed(web).Get(claim))); got != want {
			t.Errorf("%s outside alone: %s, want %s", claim, got, want)
		}
	}
	// A redirect URI inside that is not registered leads nowhere.
	object = s.requestObject(t, assertion{claims: map[string]any{"redirect_uri": "https://evil.example/cb"}})
	if got := s.requested(t, object, set("redirect_uri", redirectOf[web])); got != "page: invalid_request redirect_uri_not_registered" {
		t.Error(got)
	}
}

// A request object may be shown as often as it is good: each time the user is asked.
func TestRFC9101_Section10_replay(t *testing.T) {
	s := newSigning(t)
	object := s.requestObject(t, assertion{claims: map[string]any{"jti": "1", "prompt": "consent"}})
	for range 2 {
		if got := s.requested(t, object); got != "ask" {
			t.Fatal(got)
		}
	}
	s.clock.Advance(2 * time.Minute)
	if got := s.requested(t, object); got != "expired" {
		t.Error(got)
	}
	if _, commits := s.store.seen(); commits > 0 {
		t.Errorf("%d commits before anybody has decided", commits)
	}
}

// Who has to sign requests, and what the metadata says of it.
func TestRFC9101_Section10_5(t *testing.T) {
	required := "back: invalid_request request_object_required"
	for what, s := range map[string]*server{
		"of the client": func() *server {
			s := newSigning(t)
			s.change(t, web, func(c *authz.Client) { c.RequireSignedRequestObject = true })
			return s
		}(),
		"of all": newRequiring(t),
	} {
		response, err := s.authorize(web)
		if got := s.outcome(t, response, err); got != required {
			t.Errorf("required %s: %s", what, got)
		}
		_, err = s.push(web)
		wantRefusal(t, err, strings.TrimPrefix(required, "back: "))
		object := s.requestObject(t, assertion{})
		if got := s.requested(t, object); got != "ask" {
			t.Errorf("required %s: %s", what, got)
		}
		p := must(s.PushAuthorization(t.Context(), request(web, signed(object))))(t)
		if got := s.visited(t, referTo(web, p)); got != "ask" {
			t.Errorf("required %s, pushed: %s", what, got)
		}
	}
	m := newServer(t).Metadata()
	if !m.RequestParameterSupported || m.RequestURIParameterSupported || m.RequireSignedRequestObject || !slices.Equal(m.RequestObjectSigningAlgValuesSupported, keyAlgs) {
		t.Errorf("%+v", m)
	}
	if !newRequiring(t).Metadata().RequireSignedRequestObject {
		t.Error("require_signed_request_object is not in the metadata")
	}
}

// newRequiring requires signed requests of all, the only client being web.
func newRequiring(t testing.TB) *server {
	t.Helper()
	s := newServer(t)
	signing := &server{store: s.store}
	signing.host = authztest.New(t, func(c *authz.Config) {
		c.Storage, c.Events, c.RequireSignedRequestObjects = s.store, signing.hear, true
		c.TokenEndpointAuthMethods = []string{"client_secret_basic"} // none for the client that has no keys
	})
	signing.Server, signing.clock = signing.host.Server, signing.host.Clock
	signing.change(t, web, func(c *authz.Client) { c.JWKS = jwks(p256) })
	signing.host.SignIn("ana")
	return signing
}

// What was made to be something else is no request object, and the other way round.
func TestRFC9101_Section10_8(t *testing.T) {
	s := newSigning(t)
	for typ, want := range map[string]string{
		"JWT": "ask", "jwt": "ask", "oauth-authz-req+jwt": "ask", "application/oauth-authz-req+jwt": "ask",
		"at+jwt": "typ_wrong", "client-authentication+jwt": "typ_wrong", "dpop+jwt": "typ_wrong", "logout+jwt": "typ_wrong",
	} {
		if got := s.requested(t, s.requestObject(t, assertion{header: map[jose.HeaderKey]any{"typ": typ}})); got != want {
			t.Errorf("typ %s: %s, want %s", typ, got, want)
		}
	}
	if got := s.requested(t, s.requestObject(t, assertion{claims: map[string]any{"sub": web}})); got != "sub_is_client" {
		t.Error(got)
	}
	// One does not authenticate its client.
	s.change(t, web, func(c *authz.Client) { c.TokenEndpointAuthMethod, c.Secrets = "private_key_jwt", nil })
	for want, claims := range map[string]map[string]any{"assertion_not_by_the_client": nil, "assertion_typ_wrong": {"sub": web, "jti": "1"}} {
		object := s.requestObject(t, assertion{claims: claims, header: map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}})
		if got := s.asserted(t, object, set("grant_type", "authorization_code")); got != want {
			t.Errorf("as an assertion: %s, want %s", got, want)
		}
	}
}
