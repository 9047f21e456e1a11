package resource

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// How long keys count as fresh, by their Cache-Control header and without one.
	shortestFresh, defaultFresh, longestFresh = time.Minute, 5 * time.Minute, time.Hour

	// longestKept is how long keys verify while the issuer is out of reach.
	longestKept = 24 * time.Hour

	// Between two fetches: after a success, and at most after failures, which begin
	// with a second and double.
	refetchAfter, firstRetry = 30 * time.Second, time.Second

	maxKeys = 100
)

// keySet is the key set of an issuer (RFC 7517 §5), fetched when it is needed. It holds
// no goroutine: one of those who need it fetches it, the others wait.
type keySet struct {
	issuer string
	url    string // empty to discover it
	client *http.Client
	now    func() time.Time

	mu        sync.Mutex
	keys      map[string][]jose.JSONWebKey
	staleAt   time.Time // when to look again
	uselessAt time.Time // when to stop believing
	notBefore time.Time // when the next fetch may begin
	failures  int       // since the last success
	err       error     // of the last fetch
	flight    *flight   // the fetch that is under way
}

// flight is one fetch that many may wait for.
type flight struct {
	done chan struct{}
	keys map[string][]jose.JSONWebKey
	err  error
}

// find returns the keys of this ID. Its error is errUnknownKey if the issuer has no such
// key; any other says that it could not find out.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	now := s.now()
	var known []jose.JSONWebKey
	if now.Before(s.uselessAt) {
		known = s.keys[id]
	}
	if len(known) > 0 && now.Before(s.staleAt) {
		s.mu.Unlock()
		return known, nil
	}
	f, failing, last := s.flight, s.failures > 0, s.err
	first := f == nil && !now.Before(s.notBefore)
	if first {
		f = &flight{done: make(chan struct{})}
		s.flight = f
	}
	s.mu.Unlock()

	switch {
	case first:
		s.fetch(ctx, f)
	case len(known) > 0 && (f == nil || failing):
		return known, nil // the issuer is in trouble, which is no reason to wait
	case f == nil && last != nil:
		return nil, last
	case f == nil:
		return nil, errUnknownKey
	default:
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("resource: waiting for the issuer's keys: %w", ctx.Err())
		}
	}
	switch keys := f.keys[id]; {
	case f.err == nil && len(keys) > 0:
		return keys, nil
	case f.err == nil:
		return nil, errUnknownKey
	case len(known) > 0:
		return known, nil
	}
	return nil, f.err
}

var errUnknownKey = &badJWS{"signed with a key that the issuer does not publish"}

// fetch does the flight and lands it. Others wait for it, so the first caller's going
// away does not end it; the timeout does.
func (s *keySet) fetch(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	var fresh time.Duration
	f.err = errors.New("resource: fetching the issuer's keys panicked")
	defer func() { s.land(f, fresh) }()
	f.keys, fresh, f.err = s.load(ctx)
	if f.err != nil {
		f.err = fmt.Errorf("resource: the issuer's keys are not to be had: %w", f.err)
	}
}

// load fetches the keys. It asks the metadata every time where they are, which costs
// one request in minutes and follows an issuer that moves them.
func (s *keySet) load(ctx context.Context) (map[string][]jose.JSONWebKey, time.Duration, error) {
	where := s.url
	if where == "" {
		m, err := discover(ctx, s.client, s.issuer)
		if err != nil {
			return nil, 0, err
		}
		if where, err = m.endpoint("jwks_uri", m.JWKSURI); err != nil {
			return nil, 0, err
		}
	}
	body, header, err := get(ctx, s.client, where)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", where, err)
	}
	return keys, freshness(header), nil
}

// land stores what the flight brought and lets those go who wait for it.
func (s *keySet) land(f *flight, fresh time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.flight, s.err = nil, f.err
	if f.err == nil {
		s.keys, s.failures = f.keys, 0
		s.staleAt, s.uselessAt, s.notBefore = now.Add(fresh), now.Add(longestKept), now.Add(refetchAfter)
	} else {
		s.notBefore = now.Add(min(firstRetry<<min(s.failures, 10), refetchAfter))
		s.failures++
	}
	close(f.done)
}

// parseKeys reads a key set, by key ID. Keys that are of no use here are passed over,
// as RFC 7517 §5 asks, so that one of a new kind does not spoil the others.
func parseKeys(body []byte) (map[string][]jose.JSONWebKey, error) {
	var set struct {
		Keys []stdjson.RawMessage `json:"keys"`
	}
	if err := stdjson.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a JWK Set (RFC 7517 §5)")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("a JWK Set of more than %d keys", maxKeys)
	}
	keys := map[string][]jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.KeyID == "" || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		keys[key.KeyID] = append(keys[key.KeyID], key)
	}
	return keys, nil
}

// fits reports whether a key may verify this algorithm: what the token's header says
// must not choose what the key is used for (RFC 8725 §3.1).
func fits(key jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if key.Algorithm != "" && key.Algorithm != string(algorithm) {
		return false
	}
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256 && k.Curve == elliptic.P256() ||
			algorithm == jose.ES384 && k.Curve == elliptic.P384() ||
			algorithm == jose.ES512 && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	case *rsa.PublicKey:
		// RFC 7518 §3.3 and §3.5: 2048 bits or more.
		return k.N.BitLen() >= 2048 && (strings.HasPrefix(string(algorithm), "RS") || strings.HasPrefix(string(algorithm), "PS"))
	}
	return false
}

// freshness is the max-age of an answer (RFC 9111 §5.2.2.1), within bounds that neither
// flood the issuer nor keep a withdrawn key for long.
func freshness(header http.Header) time.Duration {
	for _, directive := range strings.Split(strings.ToLower(header.Get("Cache-Control")), ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(directive), "="); name {
		case "no-store", "no-cache":
			return shortestFresh
		case "max-age":
			if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && seconds >= 0 {
				return min(max(time.Duration(min(seconds, 1<<20))*time.Second, shortestFresh), longestFresh)
			}
		}
	}
	return defaultFresh
}
