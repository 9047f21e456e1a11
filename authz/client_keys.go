package authz

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// What a client's key set may be (RFC 7517 §5).
const (
	maxKeySetBytes = 64 << 10
	maxKeys        = 50

	minRSABits = 2048 // RFC 7518 §3.3
	maxRSABits = 8192 // larger ones only cost time, and a client may choose that
)

// keysAgain is how long after a fetch a client's keys are fetched again because one is
// missing: whoever asks has proven nothing yet.
const keysAgain = 30 * time.Second

// clientKeys are the keys of clients, parsed.
type clientKeys struct {
	fetched *fetch.Cache[[]jose.JSONWebKey] // by jwks_uri

	mu         sync.Mutex
	registered map[string][]jose.JSONWebKey // by jwks, the text of it
}

// maxRegisteredKeys bounds how many parsed key sets are kept.
const maxRegisteredKeys = 1000

func newClientKeys(fetcher *fetch.Fetcher, now func() time.Time) *clientKeys {
	return &clientKeys{
		registered: map[string][]jose.JSONWebKey{},
		fetched: &fetch.Cache[[]jose.JSONWebKey]{
			Fetcher: fetcher, MaxBytes: maxKeySetBytes,
			Parse: func(_ string, body []byte) ([]jose.JSONWebKey, error) {
				keys, _, err := parseKeys(body)
				return keys, err
			},
			// A key that the client withdraws is good for MaxFresh at most.
			MinFresh: time.Minute, Default: 10 * time.Minute, MaxFresh: time.Hour, FailedFor: 5 * time.Second,
			Entries: 1000, Now: now,
		},
	}
}

// ofText are the keys of a jwks.
func (k *clientKeys) ofText(text string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	keys, known := k.registered[text]
	k.mu.Unlock()
	if known {
		return keys, nil
	}
	keys, _, err := parseKeys([]byte(text))
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.registered) >= maxRegisteredKeys {
		clear(k.registered)
	}
	k.registered[text] = keys
	return keys, nil
}

// someKey reports whether one of the client's keys will do.
func (s *Server) someKey(ctx context.Context, client *Client, will func(key *jose.JSONWebKey) bool) (bool, error) {
	return s.clientKeys.some(ctx, client.JWKS, client.JWKSURI, will)
}

// some reports whether one of the keys will do. Those of a jwks_uri are fetched again if
// none does, because their owner may have changed them (OpenID Connect Core §10.1.1). An
// error means that the keys are not to be had.
func (k *clientKeys) some(ctx context.Context, jwks, jwksURI string, will func(key *jose.JSONWebKey) bool) (bool, error) {
	return k.among(ctx, jwks, jwksURI, func(keys []jose.JSONWebKey) bool {
		for i := range keys {
			if will(&keys[i]) {
				return true
			}
		}
		return false
	})
}

// among is some, for who has to see all of the keys.
func (k *clientKeys) among(ctx context.Context, jwks, jwksURI string, one func(keys []jose.JSONWebKey) bool) (bool, error) {
	if jwksURI == "" {
		keys, err := k.ofText(jwks)
		return one(keys), err
	}
	keys, err := k.fetched.Get(ctx, jwksURI)
	if err != nil || one(keys) {
		return err == nil, err
	}
	keys, err = k.fetched.Refetch(ctx, jwksURI, keysAgain)
	return err == nil && one(keys), err
}

// keysUnavailable is the answer when a client's keys are not to be had: it may well be who it
// says, and should try again.
func keysUnavailable(err error) *Error {
	return failed(temporarilyUnavailable, "client_keys_unavailable", "The keys of the client cannot be fetched right now. Try again shortly.").because(err)
}

// parseKeys reads a key set. Keys that are of no use here are passed over, as RFC 7517 §5
// asks, so that one of a new kind does not spoil the others; faults says what is wrong with
// them.
func parseKeys(text []byte) (keys []jose.JSONWebKey, faults []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch err := decodeStrictly(text, &set); {
	case len(text) > maxKeySetBytes:
		return nil, nil, fmt.Errorf("a JWK Set of more than %d bytes", maxKeySetBytes)
	case err != nil || set.Keys == nil:
		return nil, nil, errors.New("not a JWK Set (RFC 7517 §5)")
	case len(set.Keys) > maxKeys:
		return nil, nil, fmt.Errorf("a JWK Set of more than %d keys", maxKeys)
	}
	for i, raw := range set.Keys {
		key, fault := parseKey(raw)
		if fault != "" {
			faults = append(faults, fmt.Sprintf("key %d %s", i+1, fault))
			continue
		}
		keys = append(keys, *key)
	}
	return keys, faults, nil
}

// parseKey reads one key that verifies signatures or that is encrypted to (RFC 7517 §4), or says
// why it is none. Its Use then tells for which of these it is; empty for both.
func parseKey(raw []byte) (*jose.JSONWebKey, string) {
	var members map[string]json.RawMessage
	if err := decodeStrictly(raw, &members); err != nil || members == nil {
		return nil, "is not a JSON object without repeated members"
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} { // RFC 7518 §6, RFC 8037 §2
		if _, there := members[private]; there {
			return nil, "is a private or symmetric key; publish public keys alone, and replace this one"
		}
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(raw); err != nil || !key.Valid() || !key.IsPublic() {
		return nil, "is not a public key of type EC (P-256, P-384, P-521), RSA or OKP (Ed25519)"
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Sprintf("is an RSA key of %d bits; use one of %d to %d", bits, minRSABits, maxRSABits)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, "is not a public key of type EC (P-256, P-384, P-521), RSA or OKP (Ed25519)"
	}
	fault := ""
	if key.Use, fault = useOf(&key, members["key_ops"]); fault != "" {
		return nil, fault
	}
	return &key, ""
}

// useOf is what a key is for by its use and key_ops together (RFC 7517 §4.2, §4.3): "sig", "enc",
// or empty for both.
func useOf(key *jose.JSONWebKey, keyOps json.RawMessage) (use, fault string) {
	signs, encrypts := key.Use != "enc", key.Use != "sig"
	if keyOps != nil {
		var operations []string
		if json.Unmarshal(keyOps, &operations) != nil {
			return "", "has key_ops that are not a list of strings"
		}
		signs = signs && slices.Contains(operations, "verify")
		encrypts = encrypts && slices.ContainsFunc(operations, func(o string) bool {
			return slices.Contains([]string{"encrypt", "wrapKey", "deriveKey", "deriveBits"}, o)
		})
	}
	if _, signsOnly := key.Key.(ed25519.PublicKey); signsOnly {
		encrypts = false
	}
	switch known := key.Use == "" || key.Use == "sig" || key.Use == "enc"; {
	case !known || !signs && !encrypts:
		return "", "is neither for signatures nor for encryption (use, key_ops)"
	case !encrypts:
		return "sig", ""
	case !signs:
		return "enc", ""
	}
	return "", ""
}

// fits reports whether a key may verify this algorithm: what a header says must not choose
// what a key is used for (RFC 8725 §3.1).
func fits(key *jose.JSONWebKey, algorithm string) bool {
	if key.Use == "enc" || key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && k.Curve == elliptic.P256() ||
			algorithm == "ES384" && k.Curve == elliptic.P384() ||
			algorithm == "ES512" && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	}
	return false
}
