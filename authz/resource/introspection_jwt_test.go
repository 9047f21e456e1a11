package resource_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

const signedType = "application/token-introspection+jwt"

// newSigned makes a verifier that demands signed answers.
func newSigned(t testing.TB, is *issuer, change func(*resource.IntrospectionConfig)) resource.Verifier {
	t.Helper()
	return newIntrospection(t, is, func(c *resource.IntrospectionConfig) {
		c.SignedAnswers = &resource.SignedAnswers{}
		if change != nil {
			change(c)
		}
	})
}

// about are the claims of a signed answer about a good token, with changes; a nil value
// takes a claim away.
func (is *issuer) about(token, changes map[string]any) map[string]any {
	c := map[string]any{"iss": is.URL, "aud": "api:1", "iat": now.Unix(), "token_introspection": active(token)}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// signAnswer signs as RFC 9701 §5 asks, with changes to the header.
func signAnswer(t testing.TB, key jose.JSONWebKey, header map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	h := map[jose.HeaderKey]any{"typ": "token-introspection+jwt"}
	maps.Copy(h, header)
	return sign(t, key, h, claims)
}

// typed answers with this body under this type.
func typed(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, body)
	}
}

func (is *issuer) answers(h http.HandlerFunc) { is.set(func() { is.introspect = h }) }

func TestRFC9701_Section4_Request(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	is.answers(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header["Accept"]; len(got) != 1 || got[0] != signedType {
			t.Errorf("Accept: %q", got)
		}
		if _, _, ok := r.BasicAuth(); !ok {
			t.Error("not authenticated")
		}
		typed(signedType, signAnswer(t, key, nil, is.about(nil, nil)))(w, r)
	})
	_, got, err := verify(t, newSigned(t, is, nil), opaque)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "user-1" || got.ClientID != "cli" || !got.HasScope("alerts:read") || got.Claims["active"] != true || got.Claims["token_introspection"] != nil {
		t.Errorf("%+v", got)
	}
}

// What an answer says (RFC 9701 §5). None of what is wrong with it is a statement about
// the token.
func TestRFC9701_Section5_Claims(t *testing.T) {
	key := ecKey(t, "k")
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	for name, c := range map[string]struct {
		token, changes map[string]any
		want           outcome
	}{
		"good":                    {nil, nil, good},
		"inactive":                {nil, map[string]any{"token_introspection": map[string]any{"active": false}}, invalid},
		"inactive_with_more":      {map[string]any{"active": false}, nil, invalid},
		"aud_of_the_token":        {map[string]any{"aud": "https://other.example"}, nil, invalid},
		"token_expired":           {map[string]any{"exp": ago(time.Minute)}, nil, invalid},
		"token_of_another_issuer": {map[string]any{"iss": "https://evil.example"}, nil, invalid},
		"iss_missing":             {nil, map[string]any{"iss": nil}, unknown},
		"iss_of_another":          {nil, map[string]any{"iss": "https://evil.example"}, unknown},
		"iss_with_slash":          {nil, map[string]any{"iss": "SLASH"}, unknown},
		"aud_missing":             {nil, map[string]any{"aud": nil}, unknown},
		"aud_of_another":          {nil, map[string]any{"aud": "api:2"}, unknown},
		"aud_is_the_resource":     {nil, map[string]any{"aud": api}, unknown},
		"aud_is_the_client":       {nil, map[string]any{"aud": "cli"}, unknown},
		"aud_empty":               {nil, map[string]any{"aud": []string{}}, unknown},
		"aud_in_another_case":     {nil, map[string]any{"aud": "API:1"}, unknown},
		"aud_a_number":            {nil, map[string]any{"aud": 1}, unknown},
		"aud_several":             {nil, map[string]any{"aud": []string{"x", "api:1"}}, good},
		"iat_missing":             {nil, map[string]any{"iat": nil}, unknown},
		"iat_just_so":             {nil, map[string]any{"iat": ago(30 * time.Second)}, good},
		"iat_before_the_question": {nil, map[string]any{"iat": ago(31 * time.Second)}, unknown},
		"iat_long_ago":            {nil, map[string]any{"iat": ago(24 * time.Hour)}, unknown},
		"iat_ahead":               {nil, map[string]any{"iat": ago(-30 * time.Second)}, good},
		"iat_future":              {nil, map[string]any{"iat": ago(-31 * time.Second)}, unknown},
		"iat_text":                {nil, map[string]any{"iat": "now"}, unknown},
		"iat_infinite":            {nil, map[string]any{"iat": 1e300}, unknown},
		"exp_though_not_to_be":    {nil, map[string]any{"exp": ago(-time.Minute)}, good},
		"exp_over":                {nil, map[string]any{"exp": ago(time.Minute)}, unknown},
		"nbf_future":              {nil, map[string]any{"nbf": ago(-time.Minute)}, unknown},
		"sub_though_not_to_be":    {nil, map[string]any{"sub": "admin", "scope": "admin"}, good},
		"unknown_claims":          {nil, map[string]any{"x": map[string]any{"active": true}}, good},
		"nothing_inside":          {nil, map[string]any{"token_introspection": nil}, unknown},
		"nothing_active_inside":   {map[string]any{"active": nil}, nil, unknown},
		"null_inside":             {nil, map[string]any{"token_introspection": jsonNull}, unknown},
		"text_inside":             {nil, map[string]any{"token_introspection": `{"active":true}`}, unknown},
		"list_inside":             {nil, map[string]any{"token_introspection": []any{active(nil)}}, unknown},
		"true_inside":             {nil, map[string]any{"token_introspection": true}, unknown},
		"active_beside":           {nil, map[string]any{"token_introspection": map[string]any{"aud": api}, "active": true}, unknown},
		"deeper_inside":           {nil, map[string]any{"token_introspection": map[string]any{"token_introspection": active(nil)}}, unknown},
		"in_another_case":         {nil, map[string]any{"token_introspection": nil, "Token_Introspection": active(nil)}, unknown},
		"an_access_tokens_claims": {nil, map[string]any{"token_introspection": nil, "active": true, "aud": []string{"api:1", api}, "sub": "user-1"}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t, key)
			if c.changes["iss"] == "SLASH" {
				c.changes["iss"] = is.URL + "/"
			}
			is.answers(typed(signedType, signAnswer(t, key, nil, is.about(c.token, c.changes))))
			outcome, got, err := verify(t, newSigned(t, is, nil), opaque)
			if outcome != c.want {
				t.Fatalf("%s (%v), want %s", outcome, err, c.want)
			}
			if got != nil && (got.Subject != "user-1" || got.HasScope("admin")) {
				t.Errorf("what is beside token_introspection counts: %+v", got)
			}
		})
	}
}

// jsonNull is not nil, which would take the claim away.
var jsonNull = (*int)(nil)

// How an answer is signed, and under which type it comes (RFC 9701 §5, §8.1, RFC 8725 §3.1,
// §3.9, §3.11).
func TestRFC9701_Section5_Signature(t *testing.T) {
	key, ed, rs := ecKey(t, "k"), edKey(t, "ed"), rsaKey(t, "rs", "RS256", 2048)
	stranger := as(ecKey(t, "k"), "ES256", "k")
	is := newIssuer(t, key, ed, rs)
	claims := is.about(nil, nil)
	right := signAnswer(t, key, nil, claims)
	parts := strings.Split(right, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	plain := `{"active":true,"aud":"` + api + `"}`
	around := func(members string) []byte {
		return fmt.Appendf(nil, `{"iss":%q,"aud":"api:1","iat":%d,%s}`, is.URL, now.Unix(), members)
	}
	twice := around(`"token_introspection":{"active":false},"token_introspection":` + plain)
	twiceInside := around(`"token_introspection":{"active":false,` + plain[1:])
	for name, c := range map[string]struct {
		contentType, body string
		want              outcome
	}{
		"ES256":                      {signedType, right, good},
		"EdDSA":                      {signedType, signAnswer(t, ed, nil, claims), good},
		"RS256":                      {signedType, signAnswer(t, rs, nil, claims), good},
		"PS256_with_a_key_for_RS256": {signedType, signAnswer(t, as(rs, "PS256", "rs"), nil, claims), unknown},
		"typ_in_full":                {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": signedType}, claims), good},
		"typ_in_capitals":            {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": "Token-Introspection+JWT"}, claims), good},
		"typ_of_an_access_token":     {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": "at+jwt"}, claims), unknown},
		"typ_of_any_JWT":             {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": "JWT"}, claims), unknown},
		"typ_missing":                {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": nil}, claims), unknown},
		"typ_a_list":                 {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"typ": []string{"token-introspection+jwt"}}, claims), unknown},
		"another_issuers_key":        {signedType, signAnswer(t, stranger, nil, claims), unknown},
		"unknown_key":                {signedType, signAnswer(t, as(stranger, "ES256", "x"), nil, claims), unknown},
		"no_kid":                     {signedType, signAnswer(t, as(key, "ES256", ""), nil, claims), unknown},
		"critical":                   {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}, claims), unknown},
		"none":                       {signedType, encode(`{"alg":"none","typ":"token-introspection+jwt","kid":"k"}`) + "." + payload + ".", unknown},
		"signature_missing":          {signedType, header + "." + payload + ".", unknown},
		"signature_of_another":       {signedType, header + "." + encode(plain) + "." + signature, unknown},
		"the_claims_alone":           {signedType, plain, unknown},
		"made_by_hand":               {signedType, signAnswer(t, key, nil, around(`"token_introspection":`+plain)), good},
		"nested":                     {signedType, signAnswer(t, key, map[jose.HeaderKey]any{"cty": "JWT"}, []byte(right)), unknown},
		"nested_as_text":             {signedType, signAnswer(t, key, nil, right), unknown},
		"encrypted":                  {signedType, header + ".." + payload + "." + signature + "." + signature, unknown},
		"a_JWS_in_JSON":              {signedType, `{"payload":"` + payload + `","protected":"` + header + `","signature":"` + signature + `"}`, unknown},
		"with_a_line_break":          {signedType, right + "\n", unknown},
		"twice":                      {signedType, signAnswer(t, key, nil, twice), unknown},
		"twice_inside":               {signedType, signAnswer(t, key, nil, twiceInside), unknown},
		"null":                       {signedType, signAnswer(t, key, nil, []byte("null")), unknown},
		"empty":                      {signedType, "", unknown},
		"type_with_parameters":       {"Application/Token-Introspection+JWT; charset=utf-8", right, good},
		"plain_JSON":                 {"application/json", plain, unknown},
		"plain_JSON_not_active":      {"application/json", `{"active":false}`, unknown},
		"plain_JSON_so_called":       {signedType, `{"active":false}`, unknown},
		"signed_but_as_JSON":         {"application/json", right, unknown},
		"signed_but_as_a_JWT":        {"application/jwt", right, unknown},
		"no_type":                    {"", right, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is.answers(typed(c.contentType, c.body))
			outcome, _, err := verify(t, newSigned(t, is, nil), opaque)
			if outcome != c.want {
				t.Fatalf("%s (%v), want %s", outcome, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), payload) {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
	// And whoever demands nothing is not misled by what was made for others.
	is.answers(typed(signedType, right))
	expect(t, newIntrospection(t, is, nil), opaque, unknown)
}

// RFC 9701 §6: a resource server can insist on its own algorithm.
func TestRFC9701_Section6_Algorithms(t *testing.T) {
	key, ed := ecKey(t, "k"), edKey(t, "ed")
	is := newIssuer(t, key, ed)
	v := newSigned(t, is, func(c *resource.IntrospectionConfig) { c.SignedAnswers.Algorithms = []string{"ES256"} })
	is.answers(typed(signedType, signAnswer(t, key, nil, is.about(nil, nil))))
	expect(t, v, opaque, good)
	is.answers(typed(signedType, signAnswer(t, ed, nil, is.about(nil, nil))))
	expect(t, v, opaque, unknown)
}

// An issuer may name the resource server by its URL (RFC 9701 §5, the example).
func TestRFC9701_Section5_Audience(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	v := newSigned(t, is, func(c *resource.IntrospectionConfig) { c.SignedAnswers.Audience = api })
	is.answers(typed(signedType, signAnswer(t, key, nil, is.about(nil, map[string]any{"aud": api}))))
	expect(t, v, opaque, good)
	is.answers(typed(signedType, signAnswer(t, key, nil, is.about(nil, nil))))
	expect(t, v, opaque, unknown)
}

// An answer from before the question is the answer to another: one about a token that was
// revoked since, or about somebody else's.
func TestRFC9701_Section5_Replay(t *testing.T) {
	key, c := ecKey(t, "k"), newClock()
	is := newIssuer(t, key)
	v := newSigned(t, is, func(config *resource.IntrospectionConfig) { config.Clock, config.Leeway = c.now, -1 })
	is.answers(typed(signedType, signAnswer(t, key, nil, is.about(nil, nil))))
	c.advance(900 * time.Millisecond) // iat has whole seconds
	expect(t, v, opaque, good)
	c.advance(100 * time.Millisecond)
	expect(t, v, opaque, unknown)
	// One that takes its time is not older than its question.
	is.answers(func(w http.ResponseWriter, r *http.Request) {
		iat := c.now().Unix()
		c.advance(3 * time.Second)
		typed(signedType, signAnswer(t, key, nil, is.about(nil, map[string]any{"iat": iat})))(w, r)
	})
	expect(t, v, opaque, good)
}

// The issuer's keys are fetched when the first answer comes, kept, and fetched again for an
// unknown one; without them nothing is known of the token.
func TestRFC9701_Keys(t *testing.T) {
	key, next, c := ecKey(t, "k"), ecKey(t, "next"), newClock()
	is := newIssuer(t, key)
	signing := atomic.Pointer[jose.JSONWebKey]{}
	signing.Store(&key)
	is.answers(func(w http.ResponseWriter, r *http.Request) {
		typed(signedType, signAnswer(t, *signing.Load(), nil, is.about(nil, map[string]any{"iat": c.now().Unix()})))(w, r)
	})
	v := newSigned(t, is, func(config *resource.IntrospectionConfig) { config.Clock = c.now })
	for range 3 {
		expect(t, v, opaque, good)
	}
	if got := is.fetches.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
	is.set(func() { is.keys = []jose.JSONWebKey{key, next} })
	signing.Store(&next)
	c.advance(time.Minute)
	expect(t, v, opaque, good)

	is.set(func() { is.jwks = fail(http.StatusInternalServerError) })
	expect(t, v, opaque, good) // it has what it needs
	expect(t, newSigned(t, is, func(config *resource.IntrospectionConfig) { config.Clock = c.now }), opaque, unknown)

	elsewhere := newIssuer(t, next)
	expect(t, newSigned(t, is, func(config *resource.IntrospectionConfig) {
		config.Clock, config.SignedAnswers.KeysURL = c.now, elsewhere.URL+"/jwks"
	}), opaque, good)
}

// What was verified is kept, not what was signed, for as long as a plain answer would be.
func TestRFC9701_Cache(t *testing.T) {
	key, c := ecKey(t, "k"), newClock()
	is := newIssuer(t, key)
	v := newSigned(t, is, func(config *resource.IntrospectionConfig) { config.CacheFor, config.Clock = time.Minute, c.now })
	is.answers(typed(signedType, signAnswer(t, key, nil, is.about(nil, nil))))
	expect(t, v, opaque, good)
	is.answers(typed("application/json", `{"active":true,"aud":"`+api+`"}`))
	c.advance(59 * time.Second)
	expect(t, v, opaque, good)
	expect(t, v, opaque+"2", unknown)
	c.advance(time.Second)
	expect(t, v, opaque, unknown)
}

func TestSignedAnswersConfig(t *testing.T) {
	_, err := resource.Introspection(resource.IntrospectionConfig{
		Issuer: "https://auth.example.com", ClientID: "api", ClientSecret: "s",
		SignedAnswers: &resource.SignedAnswers{KeysURL: "http://auth.example.com/jwks", Algorithms: []string{"ES256", "none"}},
	})
	for _, want := range []string{"Audience is missing", "SignedAnswers.KeysURL is not an https URL", `Algorithms has "none"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nsays nothing of %s", err, want)
		}
	}
}
