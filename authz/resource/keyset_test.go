package resource_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// turned is a verifier with a clock to turn, and a way to make tokens that live long.
func turned(t *testing.T, is *issuer) (resource.Verifier, *clock, func(jose.JSONWebKey) string) {
	c := newClock()
	v := newJWKS(t, is, func(config *resource.JWKSConfig) { config.Clock = c.now })
	return v, c, func(key jose.JSONWebKey) string {
		return sign(t, key, nil, is.claims(map[string]any{"exp": now.AddDate(1, 0, 0).Unix()}))
	}
}

func expectFetches(t *testing.T, is *issuer, want int32) {
	t.Helper()
	if got := is.fetches.Load(); got != want {
		t.Errorf("the keys were fetched %d times, want %d", got, want)
	}
}

func TestRFC8725_Section3_10_UnknownKeyStorm(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	v, c, mint := turned(t, is)
	expect(t, v, mint(key), good)
	c.advance(31 * time.Second)
	tokens := make(chan string)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for token := range tokens {
				expect(t, v, token, invalid)
			}
		})
	}
	forged := strings.SplitN(mint(edKey(t, "x")), ".", 2)[1]
	for i := range 10_000 {
		tokens <- encode(fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":"unknown-%d"}`, i)) + "." + forged
	}
	close(tokens)
	wait.Wait()
	expectFetches(t, is, 2)
	expect(t, v, mint(key), good)
}

func TestUnknownKeyStormAgainstAnIssuerThatIsDown(t *testing.T) {
	is := newIssuer(t)
	is.jwks = fail(http.StatusInternalServerError)
	v, _, mint := turned(t, is)
	token := mint(ecKey(t, "k"))
	for range 1000 {
		expect(t, v, token, unknown)
	}
	expectFetches(t, is, 1)
}

func TestKeyRotationIsPickedUp(t *testing.T) {
	old, next := ecKey(t, "old"), ecKey(t, "next")
	is := newIssuer(t, old)
	v, c, mint := turned(t, is)
	expect(t, v, mint(old), good)

	is.set(func() { is.keys = []jose.JSONWebKey{old, next} })
	c.advance(30 * time.Second)
	expect(t, v, mint(next), good)
	expect(t, v, mint(old), good)
	expectFetches(t, is, 2)

	is.set(func() { is.keys = []jose.JSONWebKey{next} })
	c.advance(5 * time.Minute)
	expect(t, v, mint(old), invalid)
	expect(t, v, mint(next), good)
	expectFetches(t, is, 3)

	is.set(func() { is.keys = nil }) // every key withdrawn: an answer, not a failure
	c.advance(5 * time.Minute)
	expect(t, v, mint(next), invalid)
}

func TestRFC9111_Section5_2_2_MaxAge(t *testing.T) {
	for header, fresh := range map[string]time.Duration{
		"":                              5 * time.Minute,
		"public":                        5 * time.Minute,
		"max-age=600":                   10 * time.Minute,
		"public, Max-Age=600":           10 * time.Minute,
		`max-age="600"`:                 10 * time.Minute,
		"max-age=0":                     time.Minute,
		"no-store":                      time.Minute,
		"max-age=31536000":              time.Hour,
		"max-age=9223372036854775807":   time.Hour,
		"max-age=9999999999999999999":   5 * time.Minute,
		"max-age=-1":                    5 * time.Minute,
		"max-age=soon, must-revalidate": 5 * time.Minute,
	} {
		t.Run(header, func(t *testing.T) {
			key := ecKey(t, "k")
			is := newIssuer(t, key)
			is.cacheControl = header
			v, c, mint := turned(t, is)
			token := mint(key)
			expect(t, v, token, good)
			c.advance(fresh - time.Second)
			expect(t, v, token, good)
			expectFetches(t, is, 1)
			c.advance(time.Second)
			expect(t, v, token, good)
			expectFetches(t, is, 2)
		})
	}
}

func TestIssuerOutOfReach(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	v, c, mint := turned(t, is)

	is.set(func() { is.metadata = fail(http.StatusBadGateway) })
	expect(t, v, mint(key), unknown) // nothing known yet
	is.set(func() { is.metadata = nil })
	expect(t, v, mint(key), unknown) // too early to ask again
	c.advance(time.Second)
	expect(t, v, mint(key), good)

	is.set(func() { is.jwks = fail(http.StatusServiceUnavailable) })
	for range 23 {
		c.advance(time.Hour)
		expect(t, v, mint(key), good)              // what was known stays good
		expect(t, v, mint(ecKey(t, "?")), unknown) // what was not, stays open
	}
	c.advance(time.Hour)
	expect(t, v, mint(key), unknown) // but not for ever

	is.set(func() { is.jwks = nil })
	c.advance(30 * time.Second)
	expect(t, v, mint(key), good)
	expect(t, v, mint(ecKey(t, "?")), invalid)
}

func TestOneFetchForAll(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	arrived, release := make(chan struct{}), make(chan struct{})
	is.jwks = func(w http.ResponseWriter, r *http.Request) {
		close(arrived) // a second fetch panics here
		<-release
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}
	v, _, mint := turned(t, is)
	token := mint(key)

	// The one who fetches goes away; that must not fail the others.
	leader, leave := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { v.VerifyAccessToken(leader, token) })
	<-arrived
	for range 50 {
		wait.Go(func() { expect(t, v, token, good) })
	}
	hurried, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := v.VerifyAccessToken(hurried, token); err == nil || errors.Is(err, resource.ErrInvalidToken) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the hurried one was told %v", err)
	}
	leave()
	close(release)
	wait.Wait()
	expectFetches(t, is, 1)
}

// A panic in the host's transport must not leave everybody waiting for a fetch that
// has ended.
func TestPanicInTheTransport(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	c := newClock()
	broken := true
	v := newJWKS(t, is, func(config *resource.JWKSConfig) {
		config.Clock = c.now
		config.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if broken {
				panic("broken")
			}
			return http.DefaultTransport.RoundTrip(r)
		})}
	})
	token := sign(t, key, nil, is.claims(nil))
	func() {
		defer func() { recover() }()
		v.VerifyAccessToken(context.Background(), token)
		t.Error("no panic")
	}()
	expect(t, v, token, unknown)
	broken = false
	c.advance(time.Minute)
	expect(t, v, token, good)
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRFC8414_Section3_Discovery(t *testing.T) {
	key := ecKey(t, "k")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}))
	defer elsewhere.Close()
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	document := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { writeJSON(w, v) }
	}
	for name, c := range map[string]struct {
		change func(*issuer)
		want   outcome
	}{
		"as_it_should":         {func(is *issuer) {}, good},
		"keys_on_another_host": {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": elsewhere.URL}) }, good},
		"issuer_differs": {func(is *issuer) {
			is.metadata = document(map[string]any{"issuer": is.URL + "/", "jwks_uri": is.URL + "/jwks"})
		}, unknown},
		"issuer_missing": {func(is *issuer) { is.metadata = document(map[string]any{"jwks_uri": is.URL + "/jwks"}) }, unknown},
		"issuer_twice": {func(is *issuer) {
			is.metadata = text(`{"issuer":"x","issuer":"` + is.URL + `","jwks_uri":"` + is.URL + `/jwks"}`)
		}, unknown},
		"issuer_in_other_case": {func(is *issuer) {
			is.metadata = document(map[string]any{"Issuer": is.URL, "jwks_uri": is.URL + "/jwks"})
		}, unknown},
		"jwks_uri_missing": {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL}) }, unknown},
		"jwks_uri_http": {func(is *issuer) {
			is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": "http://example.com/jwks"})
		}, unknown},
		"jwks_uri_file":          {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": "file:///jwks"}) }, unknown},
		"metadata_absent":        {func(is *issuer) { is.metadata = fail(http.StatusNotFound) }, unknown},
		"metadata_html":          {func(is *issuer) { is.metadata = text("<html>") }, unknown},
		"metadata_elsewhere":     {func(is *issuer) { is.metadata = redirect(elsewhere.URL) }, unknown},
		"jwks_redirect_here":     {func(is *issuer) { is.jwks = redirectOnce(key) }, good},
		"jwks_redirect_away":     {func(is *issuer) { is.jwks = redirect(elsewhere.URL) }, unknown},
		"jwks_redirect_for_ever": {func(is *issuer) { is.jwks = redirect("/jwks") }, unknown},
		"jwks_html":              {func(is *issuer) { is.jwks = text("<html>") }, unknown},
		"jwks_without_keys":      {func(is *issuer) { is.jwks = text("{}") }, unknown},
		"jwks_huge":              {func(is *issuer) { is.jwks = text(`{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`) }, unknown},
		"jwks_deep":              {func(is *issuer) { is.jwks = text(`{"keys":` + strings.Repeat("[", 200_000)) }, unknown},
		"jwks_many_keys":         {func(is *issuer) { is.jwks = text(`{"keys":[` + strings.Repeat("{},", 200) + `{}]}`) }, unknown},
		"jwks_cut_off": {func(is *issuer) {
			is.jwks = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, `{"keys":[`)
			}
		}, unknown},
		"jwks_with_keys_of_unknown_kind": {func(is *issuer) { is.jwks = withOddKeys(t, key) }, good},
		"no_content":                     {func(is *issuer) { is.jwks = fail(http.StatusNoContent) }, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t, key)
			is.set(func() { c.change(is) })
			expect(t, newJWKS(t, is, nil), sign(t, key, nil, is.claims(nil)), c.want)
		})
	}
}

// RFC 8414 §3.1: the well-known part goes between the host and the issuer's path.
func TestRFC8414_Section3_1_IssuerWithPath(t *testing.T) {
	key := ecKey(t, "k")
	var name string
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/.well-known/oauth-authorization-server/tenant/1", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": name, "jwks_uri": server.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	is := &issuer{Server: server}
	for _, path := range []string{"/tenant/1", "/tenant/1/"} {
		name = server.URL + path
		v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.Issuer = name })
		expect(t, v, sign(t, key, nil, is.claims(map[string]any{"iss": name})), good)
	}
}

// An issuer with TLS cannot send us to keys without.
func TestHTTPSIssuerNeedsHTTPSKeys(t *testing.T) {
	key := ecKey(t, "k")
	plain := newIssuer(t, key)
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": server.URL, "jwks_uri": plain.URL + "/jwks"})
	}))
	defer server.Close()
	is := &issuer{Server: server}
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.HTTPClient = server.Client() })
	expect(t, v, sign(t, key, nil, is.claims(nil)), unknown)
	expectFetches(t, plain, 0)
}

func TestKeysFromAGivenURL(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	is.metadata = fail(http.StatusNotFound)
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.URL = is.URL + "/jwks" })
	expect(t, v, sign(t, key, nil, is.claims(nil)), good)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s) }
}

func redirectOnce(key jose.JSONWebKey) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "v=2" {
			http.Redirect(w, r, "/jwks?v=2", http.StatusMovedPermanently)
			return
		}
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}
}

func withOddKeys(t *testing.T, key jose.JSONWebKey) http.HandlerFunc {
	public := key.Public()
	b, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text(`{"keys":[{"kty":"XYZ","kid":"k"},{"kty":"oct","k":"AAAA","kid":"k"},{"kty":"EC","kid":"k"},17,null,` + string(b) + `]}`)
}
