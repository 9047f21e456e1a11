package keyring_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/jwe"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func decrypting(store storage.Keys, c *clock) keyring.Config {
	conf := config(store, c)
	conf.Decrypts = true
	return conf
}

// forEncryption are the published keys to encrypt to, by key type.
func forEncryption(t *testing.T, r *keyring.Ring) map[string]jose.JSONWebKey {
	t.Helper()
	set, err := r.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]jose.JSONWebKey{}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			t.Fatal("a private key is published")
		}
		if k.Use != "enc" {
			continue
		}
		for alg, kind := range map[string]string{"ECDH-ES": "EC", "RSA-OAEP": "RSA"} {
			if !jwe.Fits(k.Key, alg) {
				continue
			}
			if _, twice := keys[kind]; twice || k.Algorithm != "" {
				t.Errorf("key %+v", k)
			}
			keys[kind] = k
		}
	}
	return keys
}

// message is one encrypted to a published key.
func message(t *testing.T, key jose.JSONWebKey, alg string) *jwe.Message {
	t.Helper()
	compact, err := jwe.Encrypt(&key, alg, "A128GCM", "JWT", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := jwe.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decrypts(r *keyring.Ring, m *jwe.Message) bool {
	plain, err := r.Decrypt(context.Background(), m)
	return err == nil && string(plain) == "text"
}

// One key of each type, for all algorithms of that; and none of them signs, nor does one that
// signs decrypt.
func TestDecrypt(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	conf := decrypting(store, c)
	conf.Algorithms = []string{"ES256", "RS256"}
	r := open(t, conf)
	keys := forEncryption(t, r)
	if len(keys) != 2 {
		t.Fatalf("published: %v", keys)
	}
	for _, alg := range jwe.KeyAlgorithms() {
		kind := "EC"
		if alg[:3] == "RSA" {
			kind = "RSA"
		}
		named := keys[kind]
		nameless := jose.JSONWebKey{Key: named.Key}
		if !decrypts(r, message(t, named, alg)) || !decrypts(r, message(t, nameless, alg)) {
			t.Errorf("%s is not decrypted", alg)
		}
	}
	set, err := r.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Use != "sig" {
			continue
		}
		alg := map[string]string{"ES256": "ECDH-ES", "RS256": "RSA-OAEP"}[k.Algorithm]
		for _, id := range []string{k.KeyID, "", "nobody's", keys["EC"].KeyID, keys["RSA"].KeyID} {
			if _, err := r.Decrypt(t.Context(), message(t, jose.JSONWebKey{Key: k.Key, KeyID: id}, alg)); !errors.Is(err, keyring.ErrInvalid) {
				t.Errorf("a key that signs decrypts, named %q: %v", id, err)
			}
		}
	}
	for _, k := range keys {
		if published, err := r.Published(t.Context(), k.KeyID); err != nil || published {
			t.Errorf("a key that is encrypted to passes for one that signs: %v", err)
		}
	}
	if _, err := r.Sign(t.Context(), "ECDH-ES", "JWT", nil); err == nil {
		t.Error("signs with a key that is encrypted to")
	}
}

// A retired key is not published any more, and decrypts until it is gone, since clients cache the
// key set.
func TestDecrypt_life(t *testing.T) {
	const day, hour = 24 * time.Hour, time.Hour
	store, c := memory.New(), &clock{at: epoch}
	r := open(t, decrypting(store, c))
	at := func(d time.Duration) { c.mu.Lock(); c.at = epoch.Add(d); c.mu.Unlock() }
	first := forEncryption(t, r)
	old := []*jwe.Message{message(t, first["EC"], "ECDH-ES"), message(t, first["RSA"], "RSA-OAEP-256"), message(t, jose.JSONWebKey{Key: first["EC"].Key}, "ECDH-ES")}

	at(89 * day) // the successors are there, and nobody is to use them yet
	if now := forEncryption(t, r); now["EC"].KeyID != first["EC"].KeyID || now["RSA"].KeyID != first["RSA"].KeyID || len(now) != 2 {
		t.Errorf("published: %v", now)
	}
	at(90 * day)
	second := forEncryption(t, r)
	if len(second) != 2 || second["EC"].KeyID == first["EC"].KeyID || second["RSA"].KeyID == first["RSA"].KeyID {
		t.Errorf("published: %v", second)
	}
	for _, m := range append(old, message(t, second["EC"], "ECDH-ES"), message(t, second["RSA"], "RSA-OAEP")) {
		if !decrypts(r, m) || !decrypts(open(t, decrypting(store, c)), m) {
			t.Errorf("%+v is not decrypted after a rotation", m)
		}
	}
	at(91*day + hour - 1)
	if !decrypts(r, old[0]) || !decrypts(r, old[1]) {
		t.Error("a retired key does not live its day")
	}
	at(91*day + hour)
	for _, m := range old {
		if decrypts(r, m) {
			t.Error("a key that is gone decrypts")
		}
	}
}

// A ring from before gets the keys when they are turned on. Turned off, they are neither published
// nor used, and on again they do as before.
func TestDecrypt_on_and_off(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	off := open(t, config(store, c))
	token := sign(t, off)
	if len(stored(t, store)) != 2 || len(forEncryption(t, off)) != 0 {
		t.Error("there are keys that nobody asked for")
	}
	on := open(t, decrypting(store, c))
	keys := forEncryption(t, on)
	m := message(t, keys["EC"], "ECDH-ES+A256KW")
	if !verifies(on, token) || !decrypts(on, m) {
		t.Error("the old ring was not taken over")
	}
	off = open(t, config(store, c))
	if _, err := off.Decrypt(t.Context(), m); !errors.Is(err, keyring.ErrInvalid) || len(forEncryption(t, off)) != 0 || !verifies(off, token) {
		t.Errorf("turned off: %v", err)
	}
	c.advance(100 * 24 * time.Hour)
	sign(t, off)
	if on = open(t, decrypting(store, c)); !decrypts(on, m) || len(forEncryption(t, on)) != 2 {
		t.Error("turned on again, it does not know its keys")
	}
}

// At rest they are encrypted as the others are, and one that is none for its algorithm is refused.
func TestDecrypt_at_rest(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	plain := decrypting(store, c)
	m := message(t, forEncryption(t, open(t, plain))["RSA"], "RSA-OAEP")
	sealed := plain
	sealed.EncryptionKey = make([]byte, 32)
	if !decrypts(open(t, sealed), m) {
		t.Error("not decrypted with a key that was sealed later")
	}
	if slices.ContainsFunc(stored(t, store), func(k storage.Key) bool { return !k.Sealed }) {
		t.Error("a key is stored in clear")
	}
	if _, err := keyring.Open(t.Context(), plain); err == nil {
		t.Error("opens without the key")
	}

	store = memory.New()
	open(t, decrypting(store, c))
	ring, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ring.Revision++
	for i := range ring.Keys {
		if ring.Keys[i].Algorithm == "ECDH-ES" {
			ring.Keys[i].Algorithm = "RSA-OAEP"
		}
	}
	if err := store.SwapKeys(t.Context(), *ring); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(t.Context(), decrypting(store, c)); err == nil {
		t.Error("opens with an EC key that is called an RSA key")
	}
}

// Replicas that start and rotate at once agree on the keys.
func TestDecrypt_at_once(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	for _, wait := range []time.Duration{0, 89 * 24 * time.Hour, 24 * time.Hour} {
		c.advance(wait)
		rings := make([]*keyring.Ring, 8)
		var wg sync.WaitGroup
		for i := range rings {
			wg.Go(func() {
				r, err := keyring.Open(context.Background(), decrypting(store, c))
				if err != nil {
					t.Error(err)
				}
				rings[i] = r
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		for _, from := range rings {
			m := message(t, forEncryption(t, from)["EC"], "ECDH-ES")
			for _, to := range rings {
				wg.Go(func() {
					if !decrypts(to, m) {
						t.Error("two rings on one store do not know each other's keys")
					}
				})
			}
		}
		wg.Wait()
	}
}
