package keyring_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// signed is a token and the time until which it must verify.
type signed struct {
	token string
	until time.Time
}

// A year passes in steps; two replicas share the store and read it at different times.
// Whatever either signs verifies with the key set that either publishes, until it
// expires; and whoever fetched the set up to a quarter of an hour before knows the key
// already.
func TestRotation(t *testing.T) {
	const lifetime = 24 * time.Hour
	for _, rotation := range []time.Duration{time.Hour, 24 * time.Hour, 90 * 24 * time.Hour} {
		t.Run(rotation.String(), func(t *testing.T) {
			store, now := memory.New(), epoch
			open := func() *keyring.Ring {
				r, err := keyring.Open(t.Context(), keyring.Config{
					Store: store, Issuer: "https://issuer.example", Algorithms: []string{"ES256", "EdDSA"},
					Rotation: rotation, Outlive: lifetime, Now: func() time.Time { return now },
				})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			replicas := []*keyring.Ring{open(), open()}
			var alive []signed
			kids := map[string]bool{}
			var cached *jose.JSONWebKeySet // what a client fetched up to 15 minutes ago
			var fetched time.Time
			for step := range 600 {
				if cached == nil || now.Sub(fetched) >= 15*time.Minute {
					set, err := replicas[step%2].Public(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					cached, fetched = set, now
				}
				r := replicas[(step/3)%2]
				algorithm := []string{"ES256", "EdDSA"}[step%2]
				token, err := r.Sign(t.Context(), algorithm, "at+jwt", []byte(fmt.Sprint(step)))
				if err != nil {
					t.Fatal(err)
				}
				jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
				if err != nil {
					t.Fatal(err)
				}
				kid := jws.Signatures[0].Header.KeyID
				kids[kid] = true
				if len(cached.Key(kid)) != 1 {
					t.Fatalf("step %d: signed with a key that a client who fetched the set %v ago does not know", step, now.Sub(fetched))
				}
				alive = append(alive, signed{token, now.Add(lifetime)})
				for len(alive) > 0 && !now.Before(alive[0].until) {
					alive = alive[1:]
				}
				for _, s := range []signed{alive[0], alive[len(alive)/2]} {
					for i, r := range replicas {
						if _, err := r.Verify(t.Context(), s.token, "at+jwt"); err != nil {
							t.Fatalf("step %d: replica %d refuses a token that has %v to live: %v", step, i, s.until.Sub(now), err)
						}
					}
				}
				// Uneven steps, so that the replicas' rings age differently.
				now = now.Add(rotation/29 + time.Duration(step%7)*13*time.Second)
			}
			if len(kids) < 10 {
				t.Errorf("only %d keys signed in %v", len(kids), now.Sub(epoch))
			}
			set, err := replicas[0].Public(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if most := 2 * (3 + int((lifetime+time.Hour)/rotation)); len(set.Keys) > most {
				t.Errorf("%d keys are published, more than the %d that can still matter", len(set.Keys), most)
			}
			for _, k := range set.Keys {
				if !k.IsPublic() {
					t.Error("a private key is published")
				}
			}
		})
	}
}

// The first key signs at once, survives a restart, and a store that is away for a moment
// does not stop the server.
func TestRestartAndOutage(t *testing.T) {
	store, now := &failing{Store: memory.New()}, epoch
	config := keyring.Config{
		Store: store, Issuer: "https://issuer.example", Algorithms: []string{"ES256"},
		Rotation: 90 * 24 * time.Hour, Outlive: 24 * time.Hour, Now: func() time.Time { return now },
	}
	first, err := keyring.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	token, err := first.Sign(t.Context(), "ES256", "at+jwt", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Seal(t.Context(), "purpose", []byte("y"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := keyring.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Verify(t.Context(), token, "at+jwt"); err != nil || string(got) != "x" {
		t.Errorf("after a restart: %q %v", got, err)
	}
	if got, err := second.Unseal(t.Context(), "purpose", sealed); err != nil || string(got) != "y" {
		t.Errorf("after a restart: %q %v", got, err)
	}
	for name, err := range map[string]error{
		"another purpose": second1(second.Unseal(t.Context(), "other", sealed)),
		"a changed seal":  second1(second.Unseal(t.Context(), "purpose", flipped(sealed))),
		"another type":    second1(second.Verify(t.Context(), token, "jwt")),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}

	store.down = true
	now = now.Add(10 * time.Minute)
	if _, err := first.Sign(t.Context(), "ES256", "at+jwt", nil); err != nil {
		t.Errorf("the store has been away for ten minutes: %v", err)
	}
	now = now.Add(3 * time.Hour)
	if _, err := first.Sign(t.Context(), "ES256", "at+jwt", nil); err == nil {
		t.Error("signed with a ring that nobody has read for hours")
	}
	store.down = false
	if _, err := first.Sign(t.Context(), "ES256", "at+jwt", nil); err != nil {
		t.Errorf("the store is back: %v", err)
	}
}

// flipped is s with another character in its middle.
func flipped(s string) string {
	b := []byte(s)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func second1(_ []byte, err error) error { return err }

type failing struct {
	storage.Store
	down bool
}

func (f *failing) Keys(ctx context.Context) (*storage.KeyRing, error) {
	if f.down {
		return nil, context.DeadlineExceeded
	}
	return f.Store.Keys(ctx)
}

// Keys that took longer to make than the request had are stored all the same, so that the next
// request does not begin anew; and the time that it took does not count for the store.
func TestRotation_slowKeys(t *testing.T) {
	store, now := memory.New(), epoch
	waits, gone := context.Background(), func() {}
	r, err := keyring.Open(t.Context(), keyring.Config{
		Store: store, Issuer: "https://issuer.example", Algorithms: []string{"ES256"},
		Rotation: 24 * time.Hour, Outlive: time.Hour, Now: func() time.Time { return now },
		Beside: func(ctx context.Context, f func(context.Context)) {
			f(ctx)
			gone()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	waits, cancel := context.WithTimeout(waits, time.Minute)
	defer cancel()
	gone = cancel
	if _, err := r.Sign(waits, "ES256", "at+jwt", []byte("{}")); err != nil {
		t.Errorf("Sign, whose time was over when the keys were made: %v", err)
	}
	after, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Revision == before.Revision {
		t.Error("the keys that were made are not stored")
	}
}
