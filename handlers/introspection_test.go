package handlers_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers"
)

const introspectionJWT = "application/token-introspection+jwt"

// RFC 9701 §4, RFC 9110 §12.5.1: who gets a signed answer, and who plain JSON.
func TestRFC9701_Section4(t *testing.T) {
	h := newHost(t, handlers.Options{})
	ask := url.Values{"token": {h.AccessToken(t, "read")}, "client_id": {"confidential"}, "client_secret": {secret}}
	for accept, signed := range map[string]bool{
		"":                                      false, // none at all
		"application/json":                      false,
		"*/*":                                   false,
		"application/*":                         false,
		"text/html":                             false,
		",":                                     false,
		introspectionJWT:                        true,
		"application/jwt":                       false,
		"application/+jwt":                      false,
		"introspection+jwt":                     false,
		"Application/Token-Introspection+JWT":   true,
		introspectionJWT + ", application/json": true,
		"application/json, " + introspectionJWT: true,
		"application/json, text/plain, */*":     false,
		"*/*, " + introspectionJWT:              true,
		introspectionJWT + ";q=0.5, application/json":                              false,
		introspectionJWT + ";q=0.5, application/json;q=0.499":                      true,
		introspectionJWT + "; q=0.9, application/json ;Q=1.000":                    false,
		introspectionJWT + ";q=0.001":                                              true,
		introspectionJWT + ";q=0":                                                  false,
		introspectionJWT + ";q=0, */*":                                             false,
		introspectionJWT + ";q=0.000, text/html":                                   false,
		introspectionJWT + ";q=0.3, */*;q=0.2":                                     true,
		introspectionJWT + ";q=0.3, */*;q=0.4":                                     false,
		"application/json;q=0, */*":                                                true,
		"application/json;q=0.2, application/*;q=0.1, */*":                         false,
		"application/json;q=0.1, application/*;q=0.2, */*;q=0":                     true,
		introspectionJWT + ";q=2":                                                  false,
		introspectionJWT + ";q=1.001":                                              false,
		introspectionJWT + ";q=0.0001":                                             false,
		introspectionJWT + ";q=-1":                                                 false,
		introspectionJWT + ";q=x":                                                  false,
		introspectionJWT + `;x="a\",b;q=0", application/json;q=0.5`:                true,
		`text/plain;x="` + introspectionJWT + `, ` + introspectionJWT + `"`:        false,
		`text/plain;x="`:                                                           false,
		strings.Repeat("a/b;q=0.1,", 200) + introspectionJWT:                       true,
		introspectionJWT + ";q=0.1, " + introspectionJWT + ", application/json":    true,
		"application/*;q=0.5, " + introspectionJWT + ";q=0.4":                      false,
		"application/json;charset=utf-8, " + introspectionJWT + ";q=0.9":           false,
		"application/json;charset=utf-8;q=0.8, " + introspectionJWT + ";q=0.9;a=b": true,
	} {
		a := h.do("POST", "/oauth2/introspect", ask, "Accept", accept)
		want := "application/json"
		if signed {
			want = introspectionJWT
		}
		if got := a.Header.Get("Content-Type"); a.StatusCode != 200 || got != want || (strings.Count(a.body, ".") == 2) != signed {
			t.Errorf("Accept: %q: %s %s, want %s\n%s", accept, a.Status, got, want, a.body)
		}
	}
	// A header may come in several lines (RFC 9110 §5.3).
	for _, lines := range [][]string{{"application/json;q=0.5", introspectionJWT}, {introspectionJWT, "application/json;q=0.5"}} {
		r, _ := http.NewRequest("POST", h.url+"/oauth2/introspect", strings.NewReader(ask.Encode()))
		r.Header = http.Header{"Accept": lines, "Content-Type": {"application/x-www-form-urlencoded"}}
		response, err := h.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Content-Type"); got != introspectionJWT {
			t.Errorf("%q: %s", lines, got)
		}
	}
}

// RFC 9701 §5: the answer as it is on the wire, signed with a key that is published.
func TestRFC9701_Section5(t *testing.T) {
	h := newHost(t, handlers.Options{})
	a := h.do("POST", "/oauth2/introspect", url.Values{"token": {h.AccessToken(t, "read")}, "client_id": {"confidential"}, "client_secret": {secret}}, "Accept", introspectionJWT)
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(h.do("GET", "/oauth2/jwks", nil).body), &set); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(a.body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("%v: %q", err, a.body)
	}
	if _, err := jws.Verify(set); err != nil {
		t.Error(err)
	}
	if header, _ := base64.RawURLEncoding.DecodeString(strings.Split(a.body, ".")[0]); !strings.Contains(string(header), `"typ":"token-introspection+jwt"`) {
		t.Errorf("header %s", header)
	}
}

// Errors are those of RFC 7662 §2.3, in JSON, whatever is accepted. What authenticates
// nobody, and wants a signed answer, is refused with 400 (RFC 9701 §5), and so without a
// challenge.
func TestRFC9701_Section5_errors(t *testing.T) {
	h := newHost(t, handlers.Options{})
	for _, accept := range []string{introspectionJWT, "application/json"} {
		h.do("POST", "/oauth2/introspect", url.Values{"client_id": {"confidential"}, "client_secret": {secret}}, "Accept", accept).
			isError(t, 400, "invalid_request")
		wrong := h.do("POST", "/oauth2/introspect", url.Values{"token": {"x"}}, "Accept", accept, "Authorization", "Basic Y29uZmlkZW50aWFsOndyb25n")
		wrong.isError(t, 401, "invalid_client")
		if wrong.Header.Get("WWW-Authenticate") == "" {
			t.Error("401 without a challenge")
		}
		nobody := h.do("POST", "/oauth2/introspect", url.Values{"token": {"x"}}, "Accept", accept)
		want := map[string]int{introspectionJWT: 400, "application/json": 401}[accept]
		nobody.isError(t, want, "invalid_client")
		if challenged := nobody.Header.Get("WWW-Authenticate") != ""; challenged != (want == 401) {
			t.Errorf("%d with a challenge: %t", want, challenged)
		}
	}
}

// RFC 9701 §8.1: an answer about a token opens nothing, neither here nor at an API elsewhere.
func TestRFC9701_Section8_1(t *testing.T) {
	h := newHost(t, handlers.Options{})
	token := h.AccessToken(t, "read")
	signed := h.do("POST", "/oauth2/introspect", url.Values{"token": {token}, "client_id": {"confidential"}, "client_secret": {secret}}, "Accept", introspectionJWT).body
	elsewhere, err := resource.JWKS(resource.JWKSConfig{Issuer: h.url, Audience: h.Resource(), HTTPClient: h.browser, Clock: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	for where, v := range map[string]resource.Verifier{"here": h.Server.Server, "elsewhere": elsewhere} {
		if _, err := v.VerifyAccessToken(t.Context(), token); err != nil {
			t.Fatalf("%s: the token: %v", where, err)
		}
		if got, err := v.VerifyAccessToken(t.Context(), signed); err == nil {
			t.Errorf("%s: the answer passes for %+v", where, got)
		}
	}
	again := h.do("POST", "/oauth2/introspect", url.Values{"token": {signed}, "client_id": {"confidential"}, "client_secret": {secret}})
	if strings.TrimSpace(again.body) != `{"active":false}` {
		t.Errorf("introspected: %s", again.body)
	}
}

// A client that describes itself may say how its answers are signed, and encrypted if it has a
// key for that (RFC 9701 §6, RFC 7591 §3.2.2).
func TestRFC9701_Section6_registration(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.Registration = &authz.Registration{Open: true, Scopes: []string{"read"}}
	})
	register := func(member string) *answer {
		return h.do("POST", "/oauth2/register", `{"redirect_uris":["https://app.example/cb"],`+member+`}`, "Content-Type", "application/json")
	}
	if a := register(`"introspection_signed_response_alg":"ES256"`); a.StatusCode != 201 || !strings.Contains(a.body, `"introspection_signed_response_alg":"ES256"`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	register(`"introspection_signed_response_alg":"none"`).isError(t, 400, "invalid_client_metadata")
	register(`"introspection_encrypted_response_alg":"RSA-OAEP-256"`).isError(t, 400, "invalid_client_metadata") // and no key
	register(`"introspection_encrypted_response_enc":"A128GCM"`).isError(t, 400, "invalid_client_metadata")
}

// RFC 9701 §5: an API elsewhere that registered for encrypted answers decrypts what this server
// encrypted to it; one that did not say so to its verifier is told why.
func TestRFC9701_Section5_encrypted(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "e", Use: "enc"}}})
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.AccessTokenFormat = "opaque"
		c.Clients[0].JWKS, c.Clients[0].IntrospectionEncryptedResponseAlg = string(set), "ECDH-ES+A128KW"
	})
	token := h.AccessToken(t, "read")
	for _, keys := range [][]crypto.PrivateKey{{key}, nil} {
		v, err := resource.Introspection(resource.IntrospectionConfig{
			Issuer: h.url, Audience: h.Resource(), ClientID: "confidential", ClientSecret: secret,
			SignedAnswers: &resource.SignedAnswers{DecryptionKeys: keys}, HTTPClient: h.browser, Clock: h.Clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.VerifyAccessToken(t.Context(), token)
		switch {
		case keys != nil && (err != nil || !got.HasScope("read")):
			t.Errorf("%+v, %v", got, err)
		case keys == nil && (err == nil || !strings.Contains(err.Error(), "it is encrypted")):
			t.Errorf("without a key: %v", err)
		}
	}
}
