package resource_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// FuzzJWKS holds that nothing but the tokens that were signed is good, whatever is sent.
func FuzzJWKS(f *testing.F) {
	key, ed := ecKey(f, "k"), edKey(f, "ed")
	is := newIssuer(f, key, ed)
	v, err := resource.JWKS(resource.JWKSConfig{
		Issuer: is.URL, Audience: api, Clock: newClock().now,
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return inProcess(is.Config.Handler, r), nil
		})},
	})
	if err != nil {
		f.Fatal(err)
	}
	// A signature's last character may have bits that do not count, so what is compared
	// is all but that.
	var signed []string
	for _, token := range []string{sign(f, key, nil, is.claims(nil)), sign(f, ed, nil, is.claims(nil))} {
		if _, err := v.VerifyAccessToken(context.Background(), token); err != nil {
			f.Fatal(err)
		}
		f.Add(token)
		signed = append(signed, token[:len(token)-1])
	}
	parts := strings.Split(signed[0], ".")
	f.Add(encode(`{"alg":"none","typ":"at+jwt","kid":"k"}`) + "." + parts[1] + ".")
	f.Add(encode(`{"alg":"ES256","typ":"at+jwt","kid":"k","crit":["b64"],"b64":false}`) + "." + parts[1] + "." + parts[2])
	f.Add(encode(`{"alg":"HS256","typ":"at+jwt","kid":"other","jwk":{"kty":"oct","k":"AA"}}`) + "." + parts[1] + "." + parts[2])
	f.Add(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)
	f.Add("..")
	f.Add("")
	f.Fuzz(func(t *testing.T, sent string) {
		_, err := v.VerifyAccessToken(context.Background(), sent)
		switch {
		case err == nil && !slices.ContainsFunc(signed, func(s string) bool { return strings.HasPrefix(sent, s) && len(sent) == len(s)+1 }):
			t.Errorf("good: %q", sent)
		case err != nil && !errors.Is(err, resource.ErrInvalidToken):
			t.Errorf("could not find out: %v", err)
		}
	})
}

// FuzzIntrospectionAnswer holds that an answer without active: true opens nothing.
func FuzzIntrospectionAnswer(f *testing.F) {
	var answer string
	is := newIssuer(f)
	is.introspect = func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(answer)) }
	v := newIntrospection(f, is, func(c *resource.IntrospectionConfig) {
		c.Endpoint = is.URL + "/introspect"
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return inProcess(is.Config.Handler, r), nil
		})}
	})
	for _, seed := range []string{
		`{"active":true,"aud":"` + api + `"}`, `{"active":false}`, `{"active":"true"}`, `{}`, `null`, `[]`, ``,
		`{"active":true,"aud":["` + api + `"],"exp":1e999}`, `{"active":false,"active":true,"aud":"` + api + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		answer = sent
		verified, err := v.VerifyAccessToken(context.Background(), "token")
		if err == nil && (verified.Claims["active"] != true || !strings.Contains(sent, "true")) {
			t.Errorf("good: %q", sent)
		}
	})
}

// FuzzSignedAnswer holds that no answer opens anything but the one that was signed, under
// its own type, whatever is sent.
func FuzzSignedAnswer(f *testing.F) {
	var contentType, body string
	key := ecKey(f, "k")
	is := newIssuer(f, key)
	is.introspect = func(w http.ResponseWriter, r *http.Request) { typed(contentType, body)(w, r) }
	v := newSigned(f, is, func(c *resource.IntrospectionConfig) {
		c.Endpoint = is.URL + "/introspect"
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return inProcess(is.Config.Handler, r), nil
		})}
	})
	right := signAnswer(f, key, nil, is.about(nil, nil))
	contentType, body = signedType, right
	if _, err := v.VerifyAccessToken(context.Background(), "token"); err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(right, ".")
	plain := `{"active":true,"aud":"` + api + `"}`
	dead := signAnswer(f, key, nil, is.about(nil, map[string]any{"token_introspection": map[string]any{"active": false}}))
	for _, seed := range []string{
		right, dead, plain, "", "..", parts[0] + "." + encode(plain) + "." + parts[2], parts[0] + "." + parts[1] + ".",
		encode(`{"alg":"none","typ":"token-introspection+jwt","kid":"k"}`) + "." + parts[1] + ".",
		encode(`{"alg":"HS256","typ":"token-introspection+jwt","kid":"k"}`) + "." + parts[1] + "." + parts[2],
		`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		sign(f, key, nil, is.claims(map[string]any{"active": true})), // an access token of the issuer's
	} {
		f.Add(signedType, seed)
		f.Add("application/json", seed)
	}
	// A signature's last character may have bits that do not count.
	same := func(sent, signed string) bool {
		return len(sent) == len(signed) && sent[:len(sent)-1] == signed[:len(signed)-1]
	}
	f.Fuzz(func(t *testing.T, sentType, sent string) {
		contentType, body = sentType, sent
		_, err := v.VerifyAccessToken(context.Background(), "token")
		typed := strings.Contains(strings.ToLower(sentType), "token-introspection+jwt")
		if err == nil && !(typed && same(sent, right)) {
			t.Errorf("good: %q as %q", sent, sentType)
		}
		if errors.Is(err, resource.ErrInvalidToken) && !(typed && same(sent, dead)) {
			t.Errorf("a statement about the token: %q as %q", sent, sentType)
		}
	})
}
