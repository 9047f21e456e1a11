package authz_test

import (
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// keyServer publishes a client's keys, counts who asks, and fails on request.
type keyServer struct {
	*httptest.Server
	asked atomic.Int64
	mu    sync.Mutex
	set   string // empty: it fails
}

func newKeyServer(t testing.TB) *keyServer {
	k := &keyServer{}
	k.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.asked.Add(1)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.set == "" {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		fmt.Fprint(w, k.set)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *keyServer) publish(set string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set = set
}

// jwks_uri: RFC 7591 §2, OpenID Connect Core §10.1.1.
func TestRFC7591_Section2_jwks_uri(t *testing.T) {
	k := newKeyServer(t)
	s := newServer(t, func(c *authz.Config) { c.HTTPClient = k.Client() })
	c := testKeyClient()
	c.JWKS, c.JWKSURI = "", k.URL
	s.register(t, c)
	const invalid, down = "assertion_signature_invalid", "temporarily_unavailable client_keys_unavailable"
	expect := func(what string, key *ecdsa.PrivateKey, kid, want string, asked int64) {
		t.Helper()
		got := s.asserted(t, s.assert(t, assertion{alg: jose.ES256, key: key, header: map[jose.HeaderKey]any{"kid": kid}}))
		if got != want || k.asked.Load() != asked {
			t.Errorf("%s: %q and %d fetches, want %q and %d", what, got, k.asked.Load(), want, asked)
		}
	}
	expect("down", p256, "k1", down, 1)
	k.publish(`<html>`)
	expect("down, asked a moment ago", p256, "k1", down, 1)
	s.clock.Advance(5 * time.Second)
	expect("not a key set", p256, "k1", down, 2)
	k.publish(jwks(p256))
	s.clock.Advance(5 * time.Second)
	expect("there", p256, "k1", "", 3)
	expect("kept", p256, "k1", "", 3)
	expect("a stranger's kid", p256, "unknown", invalid, 3)
	s.clock.Advance(30 * time.Second)
	for range 100 {
		expect("a stranger's kid, later", p256, "unknown", invalid, 4)
	}
	k.publish(jwks(p256, otherP256))
	s.clock.Advance(30 * time.Second)
	expect("a new key", otherP256, "k2", "", 5)
	k.publish("")
	s.clock.Advance(30 * time.Second)
	expect("a stranger's kid while it is down", p256, "unknown", down, 6)
	expect("a kept key while it is down", p256, "k1", "", 6)
	s.clock.Advance(10 * time.Minute)
	expect("nothing is fresh", p256, "k1", down, 7)

	// Nothing that cannot be asked is asked, whatever a host's own storage says.
	s.change(t, keyClient, func(c *authz.Client) { c.JWKSURI = "http" + strings.TrimPrefix(k.URL, "https") })
	expect("http", p256, "k1", down, 7)
	guarded := newServer(t)
	guarded.register(t, testKeyClient())
	guarded.change(t, keyClient, func(c *authz.Client) { c.JWKS, c.JWKSURI = "", k.URL })
	if got := guarded.asserted(t, guarded.assert(t, assertion{})); got != down || k.asked.Load() != 7 {
		t.Errorf("loopback: %q and %d fetches", got, k.asked.Load())
	}
}
