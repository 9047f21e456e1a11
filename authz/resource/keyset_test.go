package resource_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// An issuer that takes a request and says nothing must not hold up the API for long.
func TestIssuerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		const issuer = "https://auth.example.com"
		jwks, err := resource.JWKS(resource.JWKSConfig{Issuer: issuer, Audience: api, HTTPClient: hung})
		if err != nil {
			t.Fatal(err)
		}
		introspection, err := resource.Introspection(resource.IntrospectionConfig{
			Issuer: issuer, Audience: api, ClientID: "api", ClientSecret: "s", HTTPClient: hung,
		})
		if err != nil {
			t.Fatal(err)
		}
		token := sign(t, edKey(t, "k"), nil, map[string]any{})
		for _, v := range []resource.Verifier{introspection, jwks} {
			began := time.Now()
			expect(t, v, token, unknown)
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("took %s", took)
			}
		}
		// Who comes next does not wait for what has just failed.
		began := time.Now()
		expect(t, jwks, token, unknown)
		if took := time.Since(began); took != 0 {
			t.Errorf("took %s", took)
		}
	})
}

func TestIssuerMovesItsKeys(t *testing.T) {
	key := ecKey(t, "k")
	before, after := newIssuer(t), newIssuer(t, key)
	v, c, mint := turned(t, before)
	expect(t, v, mint(key), invalid)
	before.set(func() {
		before.metadata = func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, map[string]any{"issuer": before.URL, "jwks_uri": after.URL + "/jwks"})
		}
	})
	c.advance(time.Minute)
	expect(t, v, mint(key), good)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
