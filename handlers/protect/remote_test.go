package protect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// newIssuer is an authorization server elsewhere: it publishes key, introspects
// everything as active, and answers 500 while down is set.
func newIssuer(t *testing.T, key jose.JSONWebKey, down *atomic.Bool) *httptest.Server {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch {
		case down.Load():
			http.Error(w, "down", http.StatusInternalServerError)
			return
		case r.URL.Path == "/jwks":
			answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
		case r.URL.Path == "/introspect":
			answer = map[string]any{"active": r.PostFormValue("token") == "opaque", "aud": api, "sub": "user-1", "scope": "alerts:read"}
		default:
			answer = map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/jwks", "introspection_endpoint": server.URL + "/introspect"}
		}
		json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server
}

// RFC 6750 §3.1 with a real verifier, a real issuer, and the issuer down: what could
// not be found out must not be told as invalid_token.
func TestRFC6750_Section3_1_IssuerElsewhere(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: "k"}
	var down atomic.Bool
	issuer := newIssuer(t, key, &down)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	mint := func(expires time.Duration) string {
		payload, _ := json.Marshal(map[string]any{
			"iss": issuer.URL, "aud": api, "sub": "user-1", "client_id": "cli", "jti": "1", "scope": "alerts:read",
			"iat": time.Now().Unix(), "exp": time.Now().Add(expires).Unix(),
		})
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	newAPI := func(verifier resource.Verifier, err error) func(token string) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		options := protect.Options{Audience: api, Logger: slog.New(slog.DiscardHandler)}
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
		server := httptest.NewServer(protect.Require(verifier, options, "alerts:read")(next))
		t.Cleanup(server.Close)
		return func(token string) int {
			req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			answer, body := send(t, req)
			if answer.StatusCode == 503 && (answer.Header.Get("WWW-Authenticate") != "" || strings.Contains(body, "invalid") || answer.Header.Get("Retry-After") == "") {
				t.Errorf("the 503 says too much or too little: %v %s", answer.Header, body)
			}
			return answer.StatusCode
		}
	}
	newJWKS := func() func(string) int {
		return newAPI(resource.JWKS(resource.JWKSConfig{Issuer: issuer.URL, Audience: api}))
	}
	introspection := newAPI(resource.Introspection(resource.IntrospectionConfig{Issuer: issuer.URL, Audience: api, ClientID: "api", ClientSecret: "s"}))
	warm := newJWKS()
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	expect("jwks, good", warm(mint(time.Hour)), 200)
	expect("jwks, expired", warm(mint(-time.Hour)), 401)
	expect("introspection, active", introspection("opaque"), 200)
	expect("introspection, not active", introspection("other"), 401)

	down.Store(true)
	expect("jwks known, issuer down", warm(mint(time.Hour)), 200)
	expect("jwks known, expired, issuer down", warm(mint(-time.Hour)), 401)
	cold := newJWKS()
	expect("jwks unknown, issuer down", cold(mint(time.Hour)), 503)
	expect("jwks unknown, issuer down, rubbish", cold("rubbish"), 401)
	expect("introspection, issuer down", introspection("opaque"), 503)
}
