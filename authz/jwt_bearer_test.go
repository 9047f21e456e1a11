package authz_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

const (
	bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	idp         = "https://idp.example"
)

// known are the users of the trusted issuer who have an account here.
var known = map[string]string{"u-1": "ana", "u-2": "ben"}

var errStranger = &authz.Error{Code: "invalid_grant", Reason: "stranger", Status: 400, Description: "Nobody here."}

// withBearer trusts idp, and knows its users.
func withBearer(c *authz.Config) {
	c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: idp, JWKS: jwks(p256)}}
	c.JWTBearer = func(_ context.Context, req *authz.AssertionRequest) (*authz.AssertionGrant, error) {
		if known[req.Subject] == "" {
			return nil, errStranger
		}
		return req.Grant(authz.User{Subject: known[req.Subject], AuthTime: req.Client.CreatedAt, ACR: "urn:silver"})
	}
}

// newBearer is a server at which service and spa may bring assertions.
func newBearer(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, append([]func(*authz.Config){withBearer}, configure...)...)
	for _, id := range []string{service, spa} {
		s.change(t, id, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, bearerGrant) })
	}
	return s
}

// foreign is a JWT of idp about u-1, with these changes.
func (s *server) foreign(t testing.TB, edits map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": idp, "sub": "u-1"}
	for name, value := range edits {
		claims[name] = value
	}
	return s.assert(t, assertion{claims: claims})
}

func bearing(client, jwt string, edits ...edit) *authz.Request {
	return request(client, form(edits, "grant_type", bearerGrant, "assertion", jwt, "scope", "read"))
}

func (s *server) bear(t *testing.T, jwt string, edits ...edit) string {
	t.Helper()
	_, err := s.token(bearing(service, jwt, edits...))
	return strings.TrimPrefix(outcomeOf(t, err), "invalid_grant ")
}

func wantNil(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// What an assertion yields, from clients that authenticate and from those that do not.
func TestRFC7523_Section2_1(t *testing.T) {
	for _, f := range bothFormats {
		for _, client := range []string{service, spa} {
			s := newBearer(t, withResources, format(f))
			answer := must(s.token(bearing(client, s.foreign(t, nil), set("scope", "read write offline_access"), set("resource", files))))(t)
			if answer.TokenType != "Bearer" || answer.Scope != "read write" || answer.RefreshToken != "" || answer.IssuedTokenType != "" {
				t.Errorf("%s, %s: %+v", f, client, answer)
			}
			got := must(s.VerifyAccessToken(t.Context(), answer.AccessToken))(t)
			if got.Subject != "ana" || got.ClientID != client || !slices.Equal(got.Audience, []string{files}) || got.ACR != "urn:silver" || got.AuthTime.IsZero() {
				t.Errorf("%s, %s: %+v", f, client, got)
			}
			event := s.heard()[len(s.heard())-1]
			if event.Type != authz.TokenIssued || event.Subject != "ana" || event.GrantID == "" {
				t.Errorf("%s, %s: event %+v", f, client, event)
			}
		}
	}
	s := newBearer(t)
	if !slices.Contains(s.Metadata().GrantTypesSupported, bearerGrant) || slices.Contains(newServer(t).Metadata().GrantTypesSupported, bearerGrant) {
		t.Error("the metadata does not tell")
	}
	_, err := s.token(request(service, form(nil, "grant_type", bearerGrant)))
	wantRefusal(t, err, "invalid_request assertion_missing")
	_, err = s.token(bearing(web, s.foreign(t, nil)))
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
	bad := bearing(service, s.foreign(t, nil))
	bad.Authorization = basic(service, "wrong")
	_, err = s.token(bad)
	wantRefusal(t, err, "invalid_client secret_mismatch")
	_, err = newServer(t).token(bearing(service, s.foreign(t, nil)))
	wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")
}

// What an assertion has to say, and for how long.
func TestRFC7523_Section3_grants(t *testing.T) {
	s := newBearer(t, func(c *authz.Config) {
		c.TrustedIssuers = append(c.TrustedIssuers,
			authz.TrustedIssuer{Issuer: "https://slow.example", JWKS: jwks(p256), MaxLifetime: 2 * time.Hour},
			authz.TrustedIssuer{Issuer: "https://rsa.example", JWKS: jwks(p256, rsa2048), SigningAlgorithms: []string{"PS256"}},
			authz.TrustedIssuer{Issuer: "https://typed.example", JWKS: jwks(p256), Types: []string{"oauth-id-jag+jwt"}},
		)
	})
	now := s.clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	type claims = map[string]any
	for name, test := range map[string]struct {
		claims claims
		want   string
	}{
		"plain":                       {nil, "ok"},
		"without jti":                 {claims{"jti": nil}, "ok"},
		"without iat":                 {claims{"iat": nil}, "ok"},
		"for the token endpoint":      {claims{"aud": tokenURL}, "ok"},
		"for several":                 {claims{"aud": []string{"https://other.example", issuer}}, "ok"},
		"for another server":          {claims{"aud": "https://other.example"}, "assertion_audience_wrong"},
		"for a client of this server": {claims{"aud": service}, "assertion_audience_wrong"},
		"for nobody":                  {claims{"aud": nil}, "assertion_audience_wrong"},
		"of nobody":                   {claims{"iss": nil}, "assertion_issuer_unknown"},
		"of a stranger":               {claims{"iss": "https://other.example"}, "assertion_issuer_unknown"},
		"of this server":              {claims{"iss": issuer}, "assertion_issuer_unknown"},
		"of a client":                 {claims{"iss": service}, "assertion_issuer_unknown"},
		"iss with a slash":            {claims{"iss": idp + "/"}, "assertion_issuer_unknown"},
		"iss in upper case":           {claims{"iss": strings.ToUpper(idp)}, "assertion_issuer_unknown"},
		"about nobody":                {claims{"sub": nil}, "assertion_sub_missing"},
		"about a stranger":            {claims{"sub": "u-9"}, "stranger"},
		"sub, number":                 {claims{"sub": 1}, "assertion_malformed"},
		"without exp":                 {claims{"exp": nil}, "assertion_exp_missing"},
		"expired":                     {claims{"exp": at(0)}, "assertion_expired"},
		"six minutes":                 {claims{"exp": at(6 * time.Minute)}, "ok"},
		"too long":                    {claims{"exp": at(6*time.Minute + time.Second)}, "assertion_lives_too_long"},
		"of an issuer that may":       {claims{"iss": "https://slow.example", "exp": at(2 * time.Hour)}, "ok"},
		"nbf ahead":                   {claims{"nbf": at(61 * time.Second)}, "assertion_not_yet_valid"},
		"iat ahead":                   {claims{"iat": at(61 * time.Second)}, "assertion_from_the_future"},
		"alg of another issuer":       {claims{"iss": "https://rsa.example"}, "assertion_alg_not_allowed"},
		"typ missing":                 {claims{"iss": "https://typed.example"}, "assertion_typ_wrong"},
		"for this client":             {claims{"client_id": service}, "ok"},
		"for another client":          {claims{"client_id": web}, "assertion_for_another_client"},
		"for a client, not a name":    {claims{"client_id": []string{service}}, "assertion_for_another_client"},
	} {
		if got := s.bear(t, s.foreign(t, test.claims)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	typed := func(typ, iss string) string {
		return s.assert(t, assertion{header: map[jose.HeaderKey]any{"typ": typ}, claims: claims{"iss": iss, "sub": "u-1"}})
	}
	for _, test := range []struct{ name, jwt, want string }{
		{"rubbish", "rubbish", "assertion_malformed"},
		{"another key", s.assert(t, assertion{alg: jose.ES256, key: otherP256, claims: claims{"iss": idp, "sub": "u-1"}}), "assertion_signature_invalid"},
		{"by a secret", s.assert(t, assertion{alg: jose.HS256, key: []byte(jwks(p256)), claims: claims{"iss": idp, "sub": "u-1"}}), "assertion_alg_not_allowed"},
		{"unsigned", encode(`{"alg":"none"}`) + "." + encode(`{}`) + ".", "assertion_alg_not_allowed"},
		{"an access token of the issuer", typed("at+jwt", idp), "assertion_typ_wrong"},
		{"a client's assertion", typed("client-authentication+jwt", idp), "assertion_typ_wrong"},
		{"a logout token", typed("logout+jwt", idp), "assertion_typ_wrong"},
		{"JWT", typed("JWT", idp), "ok"},
		{"the type that is wanted", typed("application/OAuth-ID-JAG+JWT", "https://typed.example"), "ok"},
		{"JWT, where a type is wanted", typed("JWT", "https://typed.example"), "assertion_typ_wrong"},
		{"RS256, where PS256 is wanted", s.assert(t, assertion{alg: jose.RS256, key: rsa2048, claims: claims{"iss": "https://rsa.example", "sub": "u-1"}}), "assertion_alg_not_allowed"},
		{"PS256", s.assert(t, assertion{alg: jose.PS256, key: rsa2048, claims: claims{"iss": "https://rsa.example", "sub": "u-1"}}), "ok"},
		{"an access token of ours", must(s.own())(t).AccessToken, "assertion_issuer_unknown"},
	} {
		if got := s.bear(t, test.jwt); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// FAPI 2.0 §5.3.2.1, of these assertions too.
func TestRFC7523_Section3_strict_audience(t *testing.T) {
	s := newBearer(t, func(c *authz.Config) { c.StrictAssertionAudience = true })
	for _, aud := range []any{tokenURL, []string{issuer}} {
		if got := s.bear(t, s.foreign(t, map[string]any{"aud": aud})); got != "assertion_audience_wrong" {
			t.Errorf("%v: %s", aud, got)
		}
	}
	if got := s.bear(t, s.foreign(t, nil)); got != "ok" {
		t.Error(got)
	}
}

// Item 7: an assertion counts once, per issuer, and not before it has led to a token.
func TestRFC7523_Section3_grant_replay(t *testing.T) {
	s := newBearer(t, withDPoP, func(c *authz.Config) {
		c.TrustedIssuers = append(c.TrustedIssuers, authz.TrustedIssuer{Issuer: "https://two.example", JWKS: jwks(p256), MaxLifetime: 2 * time.Hour})
	})
	one := s.foreign(t, map[string]any{"jti": "one"})
	for _, refused := range []struct{ assertion, scope, want string }{
		{s.foreign(t, map[string]any{"jti": "one", "sub": "u-9"}), "read", "stranger"},
		{one, "admin", "invalid_scope scope_not_allowed"},
		{one, "read", "ok"},
		{one, "read", "assertion_replayed"},
		{s.foreign(t, map[string]any{"jti": "one", "exp": s.clock.Now().Add(3 * time.Minute).Unix()}), "read", "assertion_replayed"},
		{s.foreign(t, map[string]any{"jti": "two"}), "read", "ok"},
		{s.foreign(t, map[string]any{"jti": "one", "iss": "https://two.example"}), "read", "ok"},
	} {
		if got := s.bear(t, refused.assertion, set("scope", refused.scope)); got != refused.want {
			t.Errorf("%s, want %s", got, refused.want)
		}
	}
	// However long it lives.
	long := s.foreign(t, map[string]any{"iss": "https://two.example", "exp": s.clock.Now().Add(2 * time.Hour).Unix()})
	if got := s.bear(t, long); got != "ok" {
		t.Error(got)
	}
	for range 11 {
		s.clock.Advance(10 * time.Minute)
		if got := s.bear(t, long); got != "assertion_replayed" {
			t.Error(got)
		}
	}
	// One without a jti is known by what it says.
	unnamed := s.foreign(t, map[string]any{"jti": nil})
	resigned := unnamed[:strings.LastIndex(unnamed, ".")]
	resigned += "." + encode(string(es256(resigned)))
	for i, want := range []string{"ok", "assertion_replayed"} {
		if got := s.bear(t, []string{unnamed, resigned}[i]); got != want {
			t.Errorf("without jti: %s, want %s", got, want)
		}
	}
	// Which of the two was used before, the assertion or the proof, is said.
	key := authztest.NewDPoPKey()
	proof := key.Proof("POST", tokenURL, s.clock.Now(), nil)
	fresh := func() string { return s.foreign(t, map[string]any{"jti": rand.Text()}) }
	used := fresh()
	tokens := must(s.token(withProof(bearing(service, used), proof)))(t)
	s.boundTo(t, tokens, key)
	_, err := s.token(withProof(bearing(service, fresh()), proof))
	wantRefusal(t, err, "invalid_dpop_proof proof_replayed")
	_, err = s.token(s.proven(key, bearing(service, used)))
	wantRefusal(t, err, "invalid_grant assertion_replayed")
}

// Of many that come at once one gets through.
func TestRFC7523_Section3_grant_replay_at_once(t *testing.T) {
	s := newSlowServer(t, withBearer)
	s.change(t, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, bearerGrant) })
	jwt := s.foreign(t, nil)
	var won atomic.Int32
	together(64, func(int) {
		if got := s.bear(t, jwt); got == "ok" {
			won.Add(1)
		} else if got != "assertion_replayed" {
			t.Errorf("a loser: %s", got)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d got through", won.Load())
	}
}

// RFC 7521 §4.1: no more than was authorized, by scope and resource claims, the client's
// registration and the host.
func TestRFC7521_Section4_1(t *testing.T) {
	s := newBearer(t, withResources)
	for _, test := range []struct {
		name   string
		claims map[string]any
		edits  []edit
		want   string
	}{
		{"no limit", nil, []edit{set("scope", "read write"), set("resource", files)}, files + ": read write"},
		{"scope claim", map[string]any{"scope": "read other"}, []edit{set("scope", "read write"), set("resource", files)}, files + ": read"},
		{"scope claim, default asked", map[string]any{"scope": "write"}, []edit{drop("scope"), set("resource", files)}, files + ": write"},
		{"scope claim, a list", map[string]any{"scope": []string{"write"}}, []edit{set("scope", "read write"), set("resource", files)}, files + ": write"},
		{"scope claim, empty", map[string]any{"scope": ""}, nil, "invalid_scope scope_not_in_assertion"},
		{"scope claim, null", map[string]any{"scope": json.RawMessage("null")}, nil, "invalid_scope scope_not_in_assertion"},
		{"scope not the client's", nil, []edit{set("scope", "admin")}, "invalid_scope scope_not_allowed"},
		{"scope of another resource", nil, []edit{set("scope", "write"), set("resource", mail)}, "invalid_scope scope_not_in_assertion"},
		{"resource claim", map[string]any{"resource": mail}, nil, mail + ": read"},
		{"resource claim, a list", map[string]any{"resource": []string{mail}}, nil, mail + ": read"},
		{"resource claim, and named", map[string]any{"resource": []string{mail, files}}, []edit{set("resource", files)}, files + ": read"},
		{"resource claim, another named", map[string]any{"resource": mail}, []edit{set("resource", files)}, "invalid_target resource_not_in_assertion"},
		{"resource claim, several", map[string]any{"resource": []string{mail, files}}, nil, "invalid_target several_resources"},
		{"resource claim, unknown", map[string]any{"resource": "https://other.example"}, nil, "invalid_target resource_not_in_assertion"},
		{"resource claim, nothing", map[string]any{"resource": []string{}}, nil, "invalid_target resource_not_in_assertion"},
		{"resource claim, number", map[string]any{"resource": 7}, nil, "invalid_target resource_not_in_assertion"},
		{"resource unknown", nil, []edit{set("resource", "https://other.example")}, "invalid_target resource_unknown"},
	} {
		response, err := s.token(bearing(service, s.foreign(t, test.claims), test.edits...))
		got := outcomeOf(t, err)
		if err == nil {
			got = s.audienceOf(t, response.AccessToken)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// FuzzJWTBearer: whatever is presented, nothing but the one assertion is redeemed, and once.
func FuzzJWTBearer(f *testing.F) {
	s := newBearer(f, quiet)
	good := s.foreign(f, nil)
	header, rest, _ := strings.Cut(good, ".")
	for _, seed := range []string{"", good, good + "=", good[:len(good)-1], "..", header + ".e30." + rest, encode(`{"alg":"none"}`) + "." + rest} {
		f.Add(seed, "read", "")
	}
	f.Fuzz(func(t *testing.T, jwt, scope, resource string) {
		_, err := s.Token(t.Context(), request(service, url.Values{"grant_type": {bearerGrant}, "assertion": {jwt}, "scope": {scope}, "resource": {resource}}))
		if err == nil {
			if jwt != good {
				t.Errorf("%q is redeemed", jwt)
			}
			return
		}
		switch code, _, _ := strings.Cut(refusedWith(t, err), " "); code {
		case "invalid_request", "invalid_scope", "invalid_target", "invalid_grant":
		default:
			t.Errorf("%v", err)
		}
	})
}
