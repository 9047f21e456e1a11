package dpop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const called = "https://auth.example/oauth2/token"

var key = func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign makes a compact JWS of texts as they are, so that they may be wrong in any way.
func sign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + b64(signature)
}

func jwk(k any) string {
	b, err := (&jose.JSONWebKey{Key: k}).MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(b)
}

var (
	goodHeader = `{"typ":"dpop+jwt","alg":"ES256","jwk":` + jwk(key.Public()) + `}`
	goodClaims = claims(nil)
)

// claims are good ones with some replaced; nil takes one out.
func claims(replaced map[string]any) string {
	c := map[string]any{"jti": "1", "htm": "POST", "htu": called, "iat": now.Unix()}
	for name, value := range replaced {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func check(proof ...string) (*dpop.Proof, error) {
	return dpop.Check(context.Background(), proof, dpop.Expected{Method: "POST", URLs: []string{called}, Now: now})
}

func reasonOf(err error) string {
	var refused *dpop.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Reason
	}
	return "no *dpop.Error: " + err.Error()
}

func TestRFC9449_Section4_3(t *testing.T) {
	good := sign(goodHeader, goodClaims)
	publicKey, private := jwk(key.Public()), jwk(key)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	header := func(typ, alg, jwk string) string {
		return `{"typ":"` + typ + `","alg":"` + alg + `","jwk":` + jwk + `}`
	}
	for name, c := range map[string]struct {
		proof  []string
		reason string
	}{
		"good":                   {[]string{good}, ""},
		"none":                   {nil, "proof_missing"},
		"two":                    {[]string{good, good}, "proof_repeated"},
		"empty":                  {[]string{""}, "proof_malformed"},
		"too_long":               {[]string{sign(goodHeader, claims(map[string]any{"x": strings.Repeat("x", 8000)}))}, "proof_too_long"},
		"two_parts":              {[]string{good[:strings.LastIndex(good, ".")]}, "proof_malformed"},
		"four_parts":             {[]string{good + ".x"}, "proof_malformed"},
		"line_break":             {[]string{good + "\n"}, "proof_malformed"},
		"json_serialization":     {[]string{`{"payload":"x"}`}, "proof_malformed"},
		"typ_in_other_case":      {[]string{sign(header("DPoP+JWT", "ES256", publicKey), goodClaims)}, ""},
		"typ_jwt":                {[]string{sign(header("JWT", "ES256", publicKey), goodClaims)}, "proof_typ_wrong"},
		"typ_at+jwt":             {[]string{sign(header("at+jwt", "ES256", publicKey), goodClaims)}, "proof_typ_wrong"},
		"typ_missing":            {[]string{sign(`{"alg":"ES256","jwk":`+publicKey+`}`, goodClaims)}, "proof_typ_wrong"},
		"alg_none":               {[]string{sign(header("dpop+jwt", "none", publicKey), goodClaims)}, "proof_alg_not_supported"},
		"alg_symmetric":          {[]string{sign(header("dpop+jwt", "HS256", `{"kty":"oct","k":"AAAA"}`), goodClaims)}, "proof_key_private"},
		"alg_symmetric_with_ec":  {[]string{sign(header("dpop+jwt", "HS256", publicKey), goodClaims)}, "proof_alg_not_supported"},
		"alg_of_another_curve":   {[]string{sign(header("dpop+jwt", "ES384", publicKey), goodClaims)}, "proof_key_unusable"},
		"key_of_another_curve":   {[]string{sign(header("dpop+jwt", "ES256", jwk(p384.Public())), goodClaims)}, "proof_key_unusable"},
		"key_missing":            {[]string{sign(`{"typ":"dpop+jwt","alg":"ES256"}`, goodClaims)}, "proof_key_unusable"},
		"key_private":            {[]string{sign(header("dpop+jwt", "ES256", private), goodClaims)}, "proof_key_private"},
		"key_for_encryption":     {[]string{sign(header("dpop+jwt", "ES256", strings.TrimSuffix(publicKey, "}")+`,"use":"enc"}`), goodClaims)}, "proof_key_unusable"},
		"key_repeated":           {[]string{sign(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+publicKey+`,"jwk":`+publicKey+`}`, goodClaims)}, "proof_malformed"},
		"member_of_key_repeated": {[]string{sign(header("dpop+jwt", "ES256", strings.TrimSuffix(publicKey, "}")+`,"kty":"EC"}`), goodClaims)}, "proof_malformed"},
		"crit":                   {[]string{sign(`{"typ":"dpop+jwt","alg":"ES256","crit":["exp"],"exp":1,"jwk":`+publicKey+`}`, goodClaims)}, "proof_crit"},
		"signature_of_another":   {[]string{sign(header("dpop+jwt", "ES256", jwk(other.Public())), goodClaims)}, "proof_signature_wrong"},
		"claims_not_json":        {[]string{sign(goodHeader, "x")}, "proof_claims_malformed"},
		"claims_an_array":        {[]string{sign(goodHeader, "[]")}, "proof_claims_malformed"},
		"claim_repeated":         {[]string{sign(goodHeader, `{"jti":"1","jti":"2","htm":"POST","htu":"`+called+`","iat":1}`)}, "proof_claims_malformed"},
		"jti_missing":            {[]string{sign(goodHeader, claims(map[string]any{"jti": nil}))}, "proof_claim_missing"},
		"jti_a_number":           {[]string{sign(goodHeader, claims(map[string]any{"jti": 1}))}, "proof_claims_malformed"},
		"htm_missing":            {[]string{sign(goodHeader, claims(map[string]any{"htm": nil}))}, "proof_claim_missing"},
		"htm_of_another":         {[]string{sign(goodHeader, claims(map[string]any{"htm": "GET"}))}, "proof_for_another_method"},
		"htm_in_lower_case":      {[]string{sign(goodHeader, claims(map[string]any{"htm": "post"}))}, "proof_for_another_method"},
		"htu_missing":            {[]string{sign(goodHeader, claims(map[string]any{"htu": nil}))}, "proof_claim_missing"},
		"htu_of_another":         {[]string{sign(goodHeader, claims(map[string]any{"htu": "https://auth.example/oauth2/par"}))}, "proof_for_another_url"},
		"iat_missing":            {[]string{sign(goodHeader, claims(map[string]any{"iat": nil}))}, "proof_claim_missing"},
		"iat_a_text":             {[]string{sign(goodHeader, claims(map[string]any{"iat": "1"}))}, "proof_claims_malformed"},
		"iat_beyond_all_dates":   {[]string{sign(goodHeader, claims(map[string]any{"iat": 1e300}))}, "proof_iat_out_of_range"},
		"iat_with_a_fraction":    {[]string{sign(goodHeader, claims(map[string]any{"iat": float64(now.Unix()) - 0.5}))}, ""},
		"nbf_and_exp":            {[]string{sign(goodHeader, claims(map[string]any{"nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}))}, ""},
		"made_a_minute_ago":      {[]string{sign(goodHeader, claims(map[string]any{"iat": now.Add(-time.Minute).Unix()}))}, "proof_too_old"},
		"made_almost_then":       {[]string{sign(goodHeader, claims(map[string]any{"iat": now.Add(-59 * time.Second).Unix()}))}, ""},
		"made_in_half_a_minute":  {[]string{sign(goodHeader, claims(map[string]any{"iat": now.Add(30 * time.Second).Unix()}))}, ""},
		"made_after_that":        {[]string{sign(goodHeader, claims(map[string]any{"iat": now.Add(31 * time.Second).Unix()}))}, "proof_in_the_future"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := check(c.proof...)
			if got := reasonOf(err); got != c.reason {
				t.Fatalf("reason %q (%v), want %q", got, err, c.reason)
			}
			if (err == nil) != (p != nil) {
				t.Errorf("proof %v with error %v", p, err)
			}
		})
	}
}

// Every algorithm that is advertised works, and the thumbprint is that of RFC 7638.
func TestRFC9449_Section5_1_algorithms(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, _ := rsa.GenerateKey(rand.Reader, 2048)
	keys := map[string]crypto.Signer{"ES256": key, "ES384": p384, "ES512": p521, "EdDSA": ed, "PS256": rsa2048, "RS256": rsa2048}
	for _, algorithm := range dpop.Algorithms() {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: keys[algorithm]},
			(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
		if err != nil {
			t.Fatal(algorithm, err)
		}
		jws, err := signer.Sign([]byte(goodClaims))
		if err != nil {
			t.Fatal(algorithm, err)
		}
		compact, _ := jws.CompactSerialize()
		p, err := check(compact)
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		want, _ := (&jose.JSONWebKey{Key: keys[algorithm].Public()}).Thumbprint(crypto.SHA256)
		if p.JKT != b64(want) {
			t.Errorf("%s: jkt %q, want %q", algorithm, p.JKT, b64(want))
		}
	}
}

func TestRFC9449_Section4_3_htu(t *testing.T) {
	for _, c := range []struct {
		htu, called string
		same        bool
	}{
		{"https://a.example/x", "https://a.example/x", true},
		{"https://a.example/x?y=z#f", "https://a.example/x", true},
		{"HTTPS://A.example/x", "https://a.example/x", true},
		{"https://a.example:443/x", "https://a.example/x", true},
		{"http://a.example:80/x", "http://a.example/x", true},
		{"https://a.example", "https://a.example/", true},
		{"https://a.example/%7ex%2fy", "https://a.example/~x%2Fy", true},
		{"https://a.example/b/../x/./y", "https://a.example/x/y", true},
		{"https://[::1]:8443/x", "https://[::1]:8443/x", true},
		{"https://[::1]:443/x", "https://[::1]/x", true},
		{"http://a.example:443/x", "http://a.example/x", false},
		{"http://a.example/x", "https://a.example/x", false},
		{"https://a.example:8443/x", "https://a.example/x", false},
		{"https://a.example/X", "https://a.example/x", false},
		{"https://a.example/x/", "https://a.example/x", false},
		{"https://a.example/x%2Fy", "https://a.example/x/y", false},
		{"https://b.example/x", "https://a.example/x", false},
		{"https://a.example.evil.example/x", "https://a.example/x", false},
		{"https://u@a.example/x", "https://a.example/x", false},
		{"/x", "https://a.example/x", false},
		{"https:a.example/x", "https://a.example/x", false},
		{"https://a.example/%zz", "https://a.example/x", false},
	} {
		proof := sign(goodHeader, claims(map[string]any{"htu": c.htu}))
		_, err := dpop.Check(t.Context(), []string{proof}, dpop.Expected{Method: "POST", URLs: []string{"https://other.example", c.called}, Now: now})
		if (err == nil) != c.same {
			t.Errorf("htu %q for %q: %v", c.htu, c.called, err)
		}
	}
}

func TestRFC9449_Section4_3_ath(t *testing.T) {
	sum := sha256.Sum256([]byte("token"))
	for ath, want := range map[any]string{
		b64(sum[:]): "", nil: "proof_for_another_token", "": "proof_for_another_token", b64(sum[:]) + "=": "proof_for_another_token",
	} {
		_, err := dpop.Check(t.Context(), []string{sign(goodHeader, claims(map[string]any{"ath": ath}))},
			dpop.Expected{Method: "POST", URLs: []string{called}, AccessToken: "token", Now: now})
		if got := reasonOf(err); got != want {
			t.Errorf("ath %v: %q, want %q", ath, got, want)
		}
	}
}

// A nonce is good on every replica, for two to four minutes, whatever the proof's iat says.
func TestRFC9449_Section8_nonces(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	at := now
	replica := func(secret []byte) *dpop.Nonces {
		n := dpop.NewNonces(secret)
		n.Clock = func() time.Time { return at }
		return n
	}
	one, another, stranger := replica(secret), replica(secret), replica(nil)
	nonce, err := one.Current(t.Context())
	if err != nil || strings.ContainsFunc(nonce, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' }) {
		t.Fatalf("%q, %v: RFC 9449 §8.1 allows %%x21 / %%x23-5B / %%x5D-7E", nonce, err)
	}
	try := func(n *dpop.Nonces, nonce any) string {
		proof := sign(goodHeader, claims(map[string]any{"nonce": nonce, "iat": 1}))
		_, err := dpop.Check(t.Context(), []string{proof}, dpop.Expected{Method: "POST", URLs: []string{called}, Nonces: n, Now: at})
		var refused *dpop.Error
		if errors.As(err, &refused) && refused.Code != dpop.UseNonce {
			t.Errorf("code %s", refused.Code)
		}
		return reasonOf(err)
	}
	for name, c := range map[string]struct {
		nonces *dpop.Nonces
		nonce  any
		after  time.Duration
		want   string
	}{
		"good":              {one, nonce, 0, ""},
		"at_a_replica":      {another, nonce, 0, ""},
		"of_a_stranger":     {stranger, nonce, 0, "nonce_stale"},
		"missing":           {one, nil, 0, "nonce_missing"},
		"after_two_minutes": {one, nonce, 2 * time.Minute, ""},
		"after_four":        {one, nonce, 4 * time.Minute, "nonce_stale"},
		"from_a_fast_clock": {one, nonce, -2 * time.Minute, ""},
		"from_the_future":   {one, nonce, -4 * time.Minute, "nonce_stale"},
		"altered":           {one, nonce[:31] + "!", 0, "nonce_stale"},
		"cut":               {one, nonce[:30], 0, "nonce_stale"},
	} {
		at = now.Add(c.after)
		if got := try(c.nonces, c.nonce); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	at = now
	failing := &dpop.Nonces{Keys: func(context.Context) ([][]byte, error) { return nil, errors.New("no keys") }, Clock: one.Clock}
	if got := try(failing, nonce); !strings.Contains(got, "no keys") {
		t.Errorf("without keys: %q, want an error that says nothing about the proof", got)
	}
	if _, err := failing.Current(t.Context()); err == nil {
		t.Error("a nonce without a key")
	}
}

func TestRFC9449_Section11_1(t *testing.T) {
	at := now
	m := dpop.NewMemory(func() time.Time { return at })
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			switch err := m.UseProof(t.Context(), &dpop.Proof{JKT: "k", ID: "1"}); {
			case err == nil:
				won.Add(1)
			case reasonOf(err) != "proof_replayed":
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 64 uses of one proof went through", won.Load())
	}
	if err := m.UseProof(t.Context(), &dpop.Proof{JKT: "another", ID: "1"}); err != nil {
		t.Errorf("the same jti under another key: %v", err)
	}
	for range 6 { // a proof is good for less than six minutes
		at = at.Add(59 * time.Second)
		if err := m.UseProof(t.Context(), &dpop.Proof{JKT: "k", ID: "1"}); reasonOf(err) != "proof_replayed" {
			t.Fatalf("after %v: %v", at.Sub(now), err)
		}
	}
}

// FuzzCheck: nothing but a proof for this very request is good, whoever signs it.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{goodHeader, `{}`, `{"typ":"dpop+jwt"}`, `{"typ":"dpop+jwt","alg":"none","jwk":{}}`, `{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`} {
		f.Add(seed, goodClaims)
	}
	f.Add(goodHeader, `{"jti":"","htm":"POST","htu":"https://auth.example:443/oauth2/token","iat":1e9}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		for _, compact := range []string{sign(header, payload), header + "." + payload + ".", header} {
			p, err := check(compact)
			var refused *dpop.Error
			if err != nil {
				if !errors.As(err, &refused) || refused.Code != dpop.InvalidProof || p != nil {
					t.Errorf("%q, %q: %v, %v", header, payload, p, err)
				}
				continue
			}
			var c struct {
				ID     string `json:"jti"`
				Method string `json:"htm"`
			}
			if err := json.Unmarshal([]byte(payload), &c); err != nil || c.Method != "POST" || c.ID != p.ID || !p.ExpiresAt.After(now) {
				t.Errorf("%q, %q is good: %+v", header, payload, p)
			}
		}
	})
}

func TestAlgorithms(t *testing.T) {
	for _, a := range dpop.Algorithms() {
		if strings.HasPrefix(a, "HS") || a == "none" {
			t.Errorf("%s is symmetric or none", a)
		}
	}
	list := dpop.Algorithms()
	list[0] = "none"
	if slices.Contains(dpop.Algorithms(), "none") {
		t.Error("the list can be changed from outside")
	}
}
