package resource_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

const api = "https://api.example.com"

// issuer is an authorization server as far as a resource server sees it, with a
// handler for each thing it publishes that tests replace.
type issuer struct {
	*httptest.Server
	mu                         sync.Mutex
	keys                       []jose.JSONWebKey
	metadata, jwks, introspect http.HandlerFunc // nil for what is right
	fetches                    atomic.Int32     // of jwks
	cacheControl               string
}

func newIssuer(t testing.TB, keys ...jose.JSONWebKey) *issuer {
	is := &issuer{keys: keys}
	mux := http.NewServeMux()
	either := func(replaced *http.HandlerFunc, right http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			is.mu.Lock()
			h := *replaced
			is.mu.Unlock()
			if h == nil {
				h = right
			}
			h(w, r)
		}
	}
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", either(&is.metadata, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": is.URL, "jwks_uri": is.URL + "/jwks", "introspection_endpoint": is.URL + "/introspect"})
	}))
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, r *http.Request) {
		is.fetches.Add(1)
		either(&is.jwks, func(w http.ResponseWriter, r *http.Request) {
			is.mu.Lock()
			defer is.mu.Unlock()
			set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
			for _, key := range is.keys {
				set.Keys = append(set.Keys, key.Public())
			}
			w.Header().Set("Cache-Control", is.cacheControl)
			writeJSON(w, set)
		})(w, r)
	})
	mux.HandleFunc("POST /introspect", either(&is.introspect, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"active": false})
	}))
	is.Server = httptest.NewServer(mux)
	t.Cleanup(is.Close)
	return is
}

// set changes the issuer while it serves.
func (is *issuer) set(change func()) {
	is.mu.Lock()
	defer is.mu.Unlock()
	change()
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func fail(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }
}

// now is the instant at which the tests with a fixed clock happen.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// clock is one that tests turn.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(now.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// claims are those of a good token, with changes; a nil value takes a claim away.
func (is *issuer) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": is.URL, "aud": api, "sub": "user-1", "client_id": "cli", "jti": "id-1",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "alerts:read alerts:write",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a compact JWS with this header and payload.
func sign(t testing.TB, key jose.JSONWebKey, header map[jose.HeaderKey]any, payload any) string {
	t.Helper()
	b, ok := payload.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(payload); err != nil {
			t.Fatal(err)
		}
	}
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "at+jwt"}}
	maps.Copy(options.ExtraHeaders, header)
	maps.DeleteFunc(options.ExtraHeaders, func(_ jose.HeaderKey, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func ecKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

func edKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: "EdDSA", Use: "sig"}
}

func rsaKey(t testing.TB, id, algorithm string, bits int) jose.JSONWebKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: algorithm, Use: "sig"}
}

// as is the key under another algorithm or ID.
func as(key jose.JSONWebKey, algorithm, id string) jose.JSONWebKey {
	key.Algorithm, key.KeyID = algorithm, id
	return key
}

func newJWKS(t testing.TB, is *issuer, change func(*resource.JWKSConfig)) resource.Verifier {
	t.Helper()
	config := resource.JWKSConfig{Issuer: is.URL, Audience: api, Clock: func() time.Time { return now }}
	if change != nil {
		change(&config)
	}
	v, err := resource.JWKS(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// outcome is what a verifier can say.
type outcome string

const (
	good    outcome = "good"
	invalid outcome = "invalid"
	unknown outcome = "could not find out"
)

// verify also holds that no error repeats the token.
func verify(t testing.TB, v resource.Verifier, token string) (outcome, *resource.Token, error) {
	t.Helper()
	verified, err := v.VerifyAccessToken(context.Background(), token)
	if err != nil {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 8 && strings.Contains(err.Error(), part) {
				t.Errorf("the error contains a part of the token: %v", err)
			}
		}
	}
	switch {
	case err == nil && verified == nil:
		t.Fatal("neither a token nor an error")
	case err != nil && verified != nil:
		t.Fatal("a token and an error")
	case errors.Is(err, resource.ErrInvalidToken):
		return invalid, nil, err
	case err != nil:
		return unknown, nil, err
	}
	return good, verified, nil
}

func expect(t testing.TB, v resource.Verifier, token string, want outcome) {
	t.Helper()
	if got, _, err := verify(t, v, token); got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// inProcess is a request without a network.
func inProcess(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}
