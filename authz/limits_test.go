package authz_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// from sends a client credentials request from an address, with this secret.
func (s *server) from(address, client, secret string) string {
	r := request(service, form(nil, "grant_type", "client_credentials", "scope", "read"))
	r.Authorization = basic(client, secret)
	if address != "" {
		r.Address = netip.MustParseAddr(address)
	}
	if _, err := s.Token(context.Background(), r); err != nil {
		var e *authz.Error
		errors.As(err, &e)
		return fmt.Sprint(e.Status, " ", e.Reason)
	}
	return "ok"
}

const (
	wrongSecret = "401 secret_mismatch"
	tooMany     = "429 too_many_client_secrets"
)

// RFC 6749 §2.3.1: any endpoint that takes passwords has to be kept from brute force. But
// nobody's right secret is refused for what others tried elsewhere.
func TestRFC6749_Section2_3_1_guesses(t *testing.T) {
	s := newServer(t)
	s.register(t, authz.Client{ID: "chosen", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
		Secrets: []storage.Secret{authz.HashSecret("correct horse")}})
	expect := func(want string, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, client := range []string{"chosen", service} {
		for range 10 {
			expect(wrongSecret, s.from("192.0.2.1", client, "guess"))
		}
		expect(tooMany, s.from("192.0.2.1", client, "guess"))
	}
	expect(tooMany, s.from("192.0.2.1", "chosen", "correct horse")) // or it would be found out by trying on
	expect("ok", s.from("192.0.2.1", service, secretOf[service]))   // this one cannot be guessed
	expect("ok", s.from("192.0.2.2", "chosen", "correct horse"))
	expect("ok", s.from("", "chosen", "correct horse"))

	s.clock.Advance(30 * time.Second)
	expect(wrongSecret, s.from("192.0.2.1", "chosen", "guess"))
	expect(tooMany, s.from("192.0.2.1", "chosen", "guess"))
	s.clock.Advance(30 * time.Second)
	expect("ok", s.from("192.0.2.1", "chosen", "correct horse"))
	expect("ok", s.from("192.0.2.1", "chosen", "correct horse"))

	// One address that tries everybody's, and a subscriber with 2^64 addresses.
	for i := range 100 {
		expect("401 client_unknown", s.from(fmt.Sprintf("2001:db8::%x", i), fmt.Sprint("unknown", i), "guess"))
	}
	expect(tooMany, s.from("2001:db8::ffff", "chosen", "guess"))
	expect(wrongSecret, s.from("2001:db8:0:1::1", "chosen", "guess"))
}

// 64 guesses at once are more than there may be; those that follow pay for it.
func TestLimits_at_once(t *testing.T) {
	s := newSlowServer(t)
	together(64, func(int) { s.from("192.0.2.1", service, "guess") })
	if got := s.from("192.0.2.1", service, "guess"); got != tooMany {
		t.Error(got)
	}
}

// limiterFunc is a limiter of the host's.
type limiterFunc func(authz.LimitKey, authz.Limit, int) (time.Duration, error)

func (f limiterFunc) Take(_ context.Context, key authz.LimitKey, limit authz.Limit, n int) (time.Duration, error) {
	return f(key, limit, n)
}

// A limiter of the host's is asked; one that is down locks nobody out.
func TestLimits_Limiter(t *testing.T) {
	var asked []string
	var wait time.Duration
	var down error
	s := newServer(t, func(c *authz.Config) {
		c.Limits = authz.Limits{
			ClientSecrets: authz.Limit{Burst: 3, Every: time.Second},
			Limiter: limiterFunc(func(key authz.LimitKey, limit authz.Limit, n int) (time.Duration, error) {
				asked = append(asked, fmt.Sprint(key.Kind, " ", key.Client, " ", key.Address, " ", limit, " ", n))
				return wait, down
			}),
		}
	})
	if got := s.from("192.0.2.1", service, "guess"); got != wrongSecret {
		t.Error(got)
	}
	want := `client_secrets service 192.0.2.1/32 {3 1s} 0
client_secrets  192.0.2.1/32 {30 100ms} 0
client_secrets service 192.0.2.1/32 {3 1s} 1
client_secrets  192.0.2.1/32 {30 100ms} 1`
	if got := strings.Join(asked, "\n"); got != want {
		t.Errorf("asked for\n%s\nwant\n%s", got, want)
	}
	asked = nil
	if got := s.from("192.0.2.1", service, secretOf[service]); got != "ok" || asked != nil {
		t.Errorf("a right secret: %s, and %q was asked for", got, asked)
	}
	wait = 90 * time.Second
	if got := s.from("192.0.2.1", service, "guess"); got != tooMany {
		t.Error(got)
	}
	down = errors.New("the limiter is down")
	if got := s.from("192.0.2.1", service, "guess"); got != wrongSecret || !strings.Contains(s.log.String(), "the limiter is down") {
		t.Error(got)
	}
}

func TestLimits_off(t *testing.T) {
	s := newServer(t, func(c *authz.Config) { c.Limits.ClientSecrets.Burst = -1 })
	for range 500 {
		if got := s.from("192.0.2.1", service, "guess"); got != wrongSecret {
			t.Fatal(got)
		}
	}
	config := validConfig()
	config.Limits.UserCodes.Burst = 5
	if _, err := authz.New(config); err == nil || !strings.Contains(err.Error(), "Config.Limits.UserCodes") {
		t.Errorf("New: %v, want a fault of Config.Limits.UserCodes", err)
	}
}

// Strangers from everywhere do not make the limiter grow, nor forget who tries now.
func TestLimits_bounded(t *testing.T) {
	s := newServer(t)
	for i := range 40_000 {
		s.from(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "unknown", "guess")
		if i%1000 == 0 {
			s.from("192.0.2.1", service, "guess")
		}
	}
	if got := s.from("192.0.2.1", service, "guess"); got != tooMany {
		t.Error(got)
	}
}
