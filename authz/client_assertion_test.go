package authz_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

func TestRFC7523_Section3(t *testing.T) {
	s := newServer(t)
	s.register(t, testKeyClient())
	other := testKeyClient()
	other.ID = "another"
	s.register(t, other)
	now := s.clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	type claims = map[string]any
	const audience, wrong = "assertion_audience_wrong", "assertion_not_by_the_client"
	for name, test := range map[string]struct {
		claims claims
		want   string
	}{
		"plain":                        {nil, ""},
		"without iat":                  {claims{"iat": nil}, ""},
		"more claims":                  {claims{"nonce": "x", "deep": claims{"a": []any{1, claims{}}}}, ""},
		"aud, token endpoint":          {claims{"aud": issuer + "/oauth2/token"}, ""},
		"aud, list":                    {claims{"aud": []string{"https://other.example", issuer}}, ""},
		"aud missing":                  {claims{"aud": nil}, audience},
		"aud empty":                    {claims{"aud": []string{}}, audience},
		"aud, another server":          {claims{"aud": "https://other.example"}, audience},
		"aud with a slash":             {claims{"aud": issuer + "/"}, audience},
		"aud in upper case":            {claims{"aud": strings.ToUpper(issuer)}, audience},
		"aud, another endpoint":        {claims{"aud": issuer + "/oauth2/authorize"}, audience},
		"aud, number":                  {claims{"aud": 1}, "assertion_malformed"},
		"aud, list of numbers":         {claims{"aud": []int{1}}, "assertion_malformed"},
		"iss missing":                  {claims{"iss": nil}, wrong},
		"iss of another client":        {claims{"iss": "another"}, wrong},
		"sub missing":                  {claims{"sub": nil}, wrong},
		"sub of another client":        {claims{"sub": "another"}, wrong},
		"iss and sub of another":       {claims{"iss": "nobody", "sub": "nobody"}, "client_unknown"},
		"iss and sub of a public one":  {claims{"iss": spa, "sub": spa}, "auth_method_not_registered"},
		"iss and sub of a secret's":    {claims{"iss": web, "sub": web}, "auth_method_not_registered"},
		"exp missing":                  {claims{"exp": nil}, "assertion_exp_missing"},
		"exp now":                      {claims{"exp": at(0)}, "assertion_expired"},
		"exp long ago":                 {claims{"exp": at(-time.Hour)}, "assertion_expired"},
		"exp in a second":              {claims{"exp": at(time.Second)}, ""},
		"exp in an hour":               {claims{"exp": at(time.Hour)}, ""},
		"exp, the client's clock fast": {claims{"exp": at(61 * time.Minute)}, ""},
		"exp too far ahead":            {claims{"exp": at(time.Hour + time.Minute + time.Second)}, "assertion_lives_too_long"},
		"exp in ten years":             {claims{"exp": at(87600 * time.Hour)}, "assertion_lives_too_long"},
		"exp beyond all years":         {claims{"exp": 1e300}, "assertion_malformed"},
		"exp, text":                    {claims{"exp": "soon"}, "assertion_malformed"},
		"exp, fraction":                {claims{"exp": float64(at(time.Minute)) + .5}, ""},
		"nbf, ten seconds ahead":       {claims{"nbf": at(10 * time.Second)}, ""},
		"nbf, a minute ahead":          {claims{"nbf": at(time.Minute)}, ""},
		"nbf, more":                    {claims{"nbf": at(61 * time.Second)}, "assertion_not_yet_valid"},
		"iat, a minute ahead":          {claims{"iat": at(time.Minute)}, ""},
		"iat, more":                    {claims{"iat": at(61 * time.Second)}, "assertion_from_the_future"},
		"jti missing":                  {claims{"jti": nil}, "assertion_jti_missing"},
		"jti empty":                    {claims{"jti": ""}, "assertion_jti_missing"},
		"jti, number":                  {claims{"jti": 7}, "assertion_malformed"},
	} {
		if got := s.asserted(t, s.assert(t, assertion{claims: test.claims})); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	jwt := s.assert(t, assertion{})
	if got := s.asserted(t, jwt, set("client_id", "another")); got != "assertion_of_another_client" { // RFC 7521 §4.2
		t.Errorf("client_id of another: %q", got)
	}
	if got := s.asserted(t, jwt, set("client_id", keyClient)); got != "" {
		t.Errorf("client_id of its own, after a refusal: %q", got)
	}
}

// FAPI 2.0 §5.3.2.1: the issuer, as a string.
func TestFAPI2_Section5_3_2_1_audience(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.StrictAssertionAudience = true })
	s.register(t, testKeyClient())
	for name, test := range map[string]struct {
		aud  any
		want string
	}{
		"issuer":           {issuer, ""},
		"token endpoint":   {issuer + "/oauth2/token", "assertion_audience_wrong"},
		"list":             {[]string{issuer}, "assertion_audience_wrong"},
		"list with others": {[]string{issuer, "https://other.example"}, "assertion_audience_wrong"},
	} {
		if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"aud": test.aud}})); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Every algorithm that the metadata names works with a key for it, and with no other.
func TestRFC7518_Section3_1_assertions(t *testing.T) {
	keys := []crypto.Signer{p256, p384, p521, rsa2048, ed25519Key}
	s := newServer(t)
	for _, alg := range s.Metadata().TokenEndpointAuthSigningAlgValuesSupported {
		fitting := map[string]crypto.Signer{"ES256": p256, "ES384": p384, "ES512": p521, "EdDSA": ed25519Key}[alg]
		if fitting == nil {
			fitting = rsa2048
		}
		jwt := func() string { return s.assert(t, assertion{alg: jose.SignatureAlgorithm(alg), key: fitting}) }
		s.register(t, testKeyClient())
		s.change(t, keyClient, func(c *authz.Client) { c.JWKS = jwks(keys...) })
		if got := s.asserted(t, jwt()); got != "" {
			t.Errorf("%s: %s", alg, got)
		}
		for _, k := range keys {
			s.change(t, keyClient, func(c *authz.Client) { c.JWKS = jwks(k) })
			want := "assertion_signature_invalid"
			if jwks(k) == jwks(fitting) {
				want = ""
			}
			if got := s.asserted(t, jwt()); got != want {
				t.Errorf("%s with a %T: %q, want %q", alg, k, got, want)
			}
		}
		s.change(t, keyClient, func(c *authz.Client) {
			c.JWKS, c.TokenEndpointAuthSigningAlg = jwks(keys...), "ES256"
		})
		if got, want := s.asserted(t, jwt()), map[bool]string{false: "assertion_alg_not_registered"}[alg == "ES256"]; got != want {
			t.Errorf("%s, pinned to ES256: %q, want %q", alg, got, want)
		}
	}
}

// What readers of one JWT might take in different ways, and what would have the key chosen by
// whoever sends it (RFC 8725 §2.4, §3.1, §3.10, §3.11).
func TestRFC8725_Section3_assertions(t *testing.T) {
	s := newServer(t, sealing)
	c := testKeyClient()
	c.JWKS = jwks(p256, rsa2048)
	s.register(t, c)
	signed := strings.Split(s.assert(t, assertion{}), ".")
	claims := string(kept(json.Marshal(s.assertionClaims(nil))))
	resigned := func(header, claims string) string {
		input := encode(header) + "." + encode(claims)
		return input + "." + encode(string(es256(input)))
	}
	const malformed, alg, signature = "assertion_malformed", "assertion_alg_not_allowed", "assertion_signature_invalid"
	for _, test := range []struct{ name, jwt, want string }{
		{"empty parts", "..", malformed},
		{"two parts", signed[0] + "." + signed[1], malformed},
		{"four parts", strings.Join(signed, ".") + ".", malformed},
		{"five parts", strings.Join(signed, ".") + "." + signed[0] + "." + signed[1], malformed},
		{"JSON serialization", `{"payload":"` + signed[1] + `","protected":"` + signed[0] + `","signature":"` + signed[2] + `"}`, malformed},
		{"padded", signed[0] + "=." + signed[1] + "." + signed[2], malformed},
		{"not UTF-8 in a header", resigned("{\"alg\":\"ES256\",\"kid\":\"\xff\"}", claims), "assertion_signature_invalid"},
		{"none", encode(`{"alg":"none"}`) + "." + signed[1] + ".", alg},
		{"None", encode(`{"alg":"None"}`) + "." + signed[1] + ".", alg},
		{"no alg", resigned(`{"typ":"JWT"}`, claims), alg},
		{"alg twice", resigned(`{"alg":"ES256","alg":"none"}`, claims), malformed},
		{"alg, number", resigned(`{"alg":256}`, claims), malformed},
		{"header null", resigned(`null`, claims), malformed},
		{"header, list", resigned(`["ES256"]`, claims), malformed},
		{"claims twice", resigned(`{"alg":"ES256"}`, strings.Replace(claims, `{`, `{"aud":"`+issuer+`",`, 1)), malformed},
		{"claims, list", resigned(`{"alg":"ES256"}`, `[`+claims+`]`), malformed},
		{"claims null", resigned(`{"alg":"ES256"}`, `null`), malformed},
		{"claims in another case", resigned(`{"alg":"ES256"}`, strings.Replace(claims, `"exp"`, `"Exp"`, 1)), "assertion_exp_missing"},
		{"claims, deep", resigned(`{"alg":"ES256"}`, strings.Repeat(`{"a":`, 500)+`1`+strings.Repeat(`}`, 500)), "assertion_not_by_the_client"},
		{"crit", resigned(`{"alg":"ES256","crit":["x"],"x":1}`, claims), malformed},
		{"crit, empty", resigned(`{"alg":"ES256","crit":[]}`, claims), malformed},
		{"b64", resigned(`{"alg":"ES256","crit":["b64"],"b64":false}`, claims), malformed},
		{"b64 without crit", resigned(`{"alg":"ES256","b64":false}`, claims), malformed},
		{"RS256 with the public key as secret", s.assert(t, assertion{alg: jose.HS256, key: []byte(c.JWKS)}), "auth_method_not_registered"},
		{"another key", s.assert(t, assertion{alg: jose.ES256, key: otherP256}), signature},
		{"another key, in the header", s.assert(t, assertion{alg: jose.ES256, key: otherP256, header: map[jose.HeaderKey]any{
			"jwk": jose.JSONWebKey{Key: otherP256.Public()}, "jku": "https://127.0.0.1/keys", "x5u": "https://127.0.0.1/cert"}}), signature},
		{"kid of another key", s.assert(t, assertion{alg: jose.ES256, key: p256, header: map[jose.HeaderKey]any{"kid": "k2"}}), signature},
		{"kid unknown", s.assert(t, assertion{alg: jose.ES256, key: p256, header: map[jose.HeaderKey]any{"kid": "../../etc/passwd' OR 1=1"}}), signature},
		{"kid", s.assert(t, assertion{alg: jose.ES256, key: p256, header: map[jose.HeaderKey]any{"kid": "k1"}}), ""},
		{"a key in the header that does not count", s.assert(t, assertion{alg: jose.ES256, key: p256, header: map[jose.HeaderKey]any{"jku": "https://127.0.0.1/keys"}}), ""},
		{"typ JWT", resigned(`{"alg":"ES256","typ":"JWT"}`, claims), ""},
		{"typ of RFC 7523bis", s.assert(t, assertion{header: map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}}), ""},
		{"typ in full", s.assert(t, assertion{header: map[jose.HeaderKey]any{"typ": "application/Client-Authentication+JWT"}}), ""},
		{"typ of a request object", s.assert(t, assertion{header: map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}}), "assertion_typ_wrong"},
		{"typ of a proof", s.assert(t, assertion{header: map[jose.HeaderKey]any{"typ": "dpop+jwt"}}), "assertion_typ_wrong"},
		{"encrypted", encode(`{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}`) + "." + signed[1] + "." + signed[2], alg},
	} {
		if got := s.asserted(t, test.jwt); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	jwt := s.assert(t, assertion{})
	if got := s.asserted(t, jwt[:len(jwt)-1]+"\n"); got != "invalid_request parameter_not_text" {
		t.Errorf("line break: %q", got)
	}
	if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"x": strings.Repeat("x", 9000)}})); got != "invalid_request parameter_too_long" {
		t.Errorf("9000 bytes: %q", got)
	}
}

// es256 is a signature with p256, whatever the header says.
func es256(input string) []byte {
	h := crypto.SHA256.New()
	h.Write([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p256, h.Sum(nil))
	if err != nil {
		panic(err)
	}
	b := make([]byte, 64)
	r.FillBytes(b[:32])
	s.FillBytes(b[32:])
	return b
}

// Item 7: an assertion counts once, and not before everything else about it is right.
func TestRFC7523_Section3_replay(t *testing.T) {
	s := newServer(t)
	s.register(t, testKeyClient())
	other := testKeyClient()
	other.ID = "another"
	s.register(t, other)
	const replayed = "assertion_replayed"
	jti := func(expiresIn time.Duration) map[string]any {
		return map[string]any{"jti": "the one", "exp": s.clock.Now().Add(expiresIn).Unix()}
	}
	for _, broken := range []assertion{
		{alg: jose.ES256, key: otherP256, claims: jti(time.Minute)},
		{claims: map[string]any{"jti": "the one", "aud": "https://other.example"}},
		{claims: jti(-time.Second)},
	} {
		if s.asserted(t, s.assert(t, broken)) == "" {
			t.Fatal("a broken one is taken")
		}
	}
	if _, commits := s.store.seen(); commits != 0 {
		t.Errorf("broken ones left %d writes", commits)
	}
	jwt := s.assert(t, assertion{claims: jti(time.Minute)})
	for i, want := range []string{"", replayed, replayed} {
		if got := s.asserted(t, jwt); got != want {
			t.Errorf("use %d: %q, want %q", i, got, want)
		}
	}
	// The same jti in another assertion, which expires at another time.
	for _, expiresIn := range []time.Duration{time.Second, 2 * time.Minute, 61 * time.Minute} {
		if got := s.asserted(t, s.assert(t, assertion{claims: jti(expiresIn)})); got != replayed {
			t.Errorf("again, until in %v: %q", expiresIn, got)
		}
	}
	// Another client's jtis are its own.
	theirs := jti(time.Minute)
	theirs["iss"], theirs["sub"] = "another", "another"
	if got := s.asserted(t, s.assert(t, assertion{claims: theirs})); got != "" {
		t.Errorf("another client: %q", got)
	}
	// At the border of two windows of time as well.
	for range 40 {
		s.clock.Advance(7 * time.Minute)
		id, until := rand.Text(), s.clock.Now().Add(time.Hour).Unix()
		if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"jti": id, "exp": until}})); got != "" {
			t.Fatal(got)
		}
		s.clock.Advance(59*time.Minute + 50*time.Second)
		until = s.clock.Now().Add(61 * time.Minute).Unix()
		if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"jti": id, "exp": until}})); got != replayed {
			t.Fatalf("a jti again while its first assertion is good: %q", got)
		}
	}
	// It serves all endpoints.
	jwt = s.assert(t, assertion{})
	for i := range 2 {
		req := asserting(jwt, set("token", "x"), drop("grant_type"))
		err := s.Revoke(t.Context(), req)
		if i == 0 && err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			wantRefusal(t, err, "invalid_client "+replayed)
			_, err = s.Introspect(t.Context(), req)
			wantRefusal(t, err, "invalid_client "+replayed)
		}
	}
	if answer, err := s.Introspect(t.Context(), asserting(s.assert(t, assertion{}), set("token", "x"), drop("grant_type"))); err != nil || answer["active"] != false {
		t.Errorf("introspection: %v, %v", answer, err)
	}
}

// One assertion, 64 requests at once: one gets through.
func TestRFC7523_Section3_at_once(t *testing.T) {
	for range 5 {
		s := newSlowServer(t)
		s.register(t, testKeyClient())
		jwt := s.assert(t, assertion{})
		var won atomic.Int64
		together(64, func(int) {
			switch got := s.asserted(t, jwt); got {
			case "":
				won.Add(1)
			case "assertion_replayed":
			default:
				t.Errorf("a loser: %s", got)
			}
		})
		if won.Load() != 1 {
			t.Errorf("%d winners", won.Load())
		}
	}
}

// A store that cannot tell makes it 503, and the assertion is good for another try unless
// that much was written.
func TestRFC7523_store_faults(t *testing.T) {
	s := newServer(t)
	s.register(t, testKeyClient())
	for call, name := range []string{"Client", "Commit"} {
		jwt := s.assert(t, assertion{})
		s.store.watch(call)
		if got := s.asserted(t, jwt); got != "temporarily_unavailable storage_failed" {
			t.Errorf("%s fails: %q", name, got)
		}
		s.store.watch(-1)
		if got := s.asserted(t, jwt); got != "" {
			t.Errorf("after %s has failed: %q", name, got)
		}
	}
}
