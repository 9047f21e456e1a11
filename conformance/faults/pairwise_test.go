package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
)

// sectors are clients that sign users in, and the sector of each; those of the first know users
// by the host's own names.
var sectors = map[string]string{
	"public": "", "mail": "mail.example", "mail-admin": "mail.example", "maps": "maps.example",
	"shop": "shop.example", "shop-outlet": "shop.example", "bank": "bank.example",
}

// sector is the client of one: with a host of its own, or one that others share by their sector
// identifier.
func sectorClient(id string) authz.Client {
	alg := map[string]string{"mail": "ES256", "maps": "EdDSA", "bank": "ES256"}[id] // RS256 for others
	c := authz.Client{
		ID: id, RedirectURIs: []string{"https://" + id + ".example/callback"}, FirstParty: true,
		Scopes: []string{"openid", "email", "offline_access"}, Secrets: []storage.Secret{authz.HashSecret(SecretOf(id))},
		IDTokenSignedResponseAlg: alg, PostLogoutRedirectURIs: []string{"https://" + id + ".example/bye"},
	}
	if sector := sectors[id]; sector != "" {
		c.SubjectType = "pairwise"
		if sector != id+".example" {
			c.SectorIdentifierURI = "https://" + sector + "/clients.json"
		}
	}
	return c
}

// strangers is a host with these clients, whose keys rotate while users come and go.
type strangers struct {
	*host
	provider *oidc.Provider
	users    int

	signedOut []atomic.Int64 // how often, by user
	named     sync.Map       // what a sector calls a user: known to string
	rotations atomic.Int64
}

// known is a user of a sector.
type known struct {
	user   int
	sector string
}

func name(user int) string { return fmt.Sprintf("user-%04d", user) }

func newStrangers(t *testing.T, users int) *strangers {
	t.Helper()
	s := &strangers{users: users, signedOut: make([]atomic.Int64, users)}
	s.host = newHost(t, openBolt(t), func(c *authz.Config) {
		for id := range sectors {
			c.Clients = append(c.Clients, sectorClient(id))
		}
		c.Scopes = authz.Scopes{"openid": "", "email": "", "read": "", "write": "", "offline_access": ""}
		for scope := range c.Scopes {
			c.Scopes[scope] = scope
		}
		c.PairwiseKey = bytes.Repeat([]byte{7}, 32)
		c.SigningAlgorithms = []string{"ES256", "EdDSA"}
		c.KeyRotation, c.Lifetimes.AuthorizationCode, c.StorageTimeout = time.Hour, 10*time.Minute, time.Minute
		c.UserClaims = func(_ context.Context, r *authz.UserClaimsRequest) (map[string]any, error) {
			return map[string]any{"email": r.Subject + "@example.com"}, nil
		}
		c.Logout = func(http.ResponseWriter, *http.Request) error { return nil }
		c.Events = func(_ context.Context, e authz.Event) {
			if e.Type == authz.KeyRotated {
				s.rotations.Add(1)
			}
		}
	})
	var err error
	if s.provider, err = oidc.NewProvider(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

// signIn signs a user in to a client, and checks everything that the client is told. It reports
// false if the login came to nothing because the user signed out meanwhile.
func (s *strangers) signIn(t *testing.T, user int, client, nonce string) (idToken string, ok bool) {
	before := s.signedOut[user].Load()
	fault := func(format string, args ...any) (string, bool) {
		t.Errorf("%s at %s: "+format, append([]any{name(user), client}, args...)...)
		return "", false
	}
	config := oauth2.Config{
		ClientID: client, ClientSecret: SecretOf(client), RedirectURL: "https://" + client + ".example/callback",
		Endpoint: s.provider.Endpoint(), Scopes: []string{"openid", "email", "offline_access"},
	}
	answer := s.Browser(name(user)).Authorize(client, "scope", "openid email offline_access", "nonce", nonce)
	if answer.Outcome() != Coded {
		return fault("%s", answer)
	}
	token, err := config.Exchange(t.Context(), answer.Code(), oauth2.VerifierOption(Verifier))
	if err != nil {
		if strings.Contains(err.Error(), "invalid_grant") && s.signedOut[user].Load() != before {
			return "", false
		}
		return fault("%v", err)
	}
	raw, _ := token.Extra("id_token").(string)
	verifier := s.provider.VerifierContext(t.Context(), &oidc.Config{ClientID: client, Now: s.clock.Now, SupportedSigningAlgs: []string{"RS256", "ES256", "EdDSA"}})
	said, err := verifier.Verify(t.Context(), raw)
	if err != nil {
		return fault("%v", err)
	}
	if said.Nonce != nonce {
		return fault("the ID token of another login: nonce %q", said.Nonce)
	}
	want := known{user, sectors[client]}
	if first, _ := s.named.LoadOrStore(want, said.Subject); first != said.Subject {
		return fault("called %q, and %q before", said.Subject, first)
	}
	if info, err := s.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err != nil {
		if s.signedOut[user].Load() == before {
			return fault("UserInfo: %v", err)
		}
	} else if info.Subject != said.Subject || info.Email != name(user)+"@example.com" {
		return fault("UserInfo is about %q, %s", info.Subject, info.Email)
	}
	if answer := s.Refresh(client, token.RefreshToken); answer.Outcome() == OK {
		var again struct {
			IDToken string `json:"id_token"`
		}
		if err := json.Unmarshal([]byte(answer.Body), &again); err != nil {
			return fault("%v", err)
		}
		if next, err := verifier.Verify(t.Context(), again.IDToken); err != nil || next.Subject != said.Subject {
			return fault("refreshed: %+v, %v", next, err)
		}
	} else if s.signedOut[user].Load() == before {
		return fault("refresh: %s", answer)
	}
	return raw, true
}

// signOut ends a user's authorizations, or signs them out by a client: that works with an ID
// token about them, and asks first with one about anybody else.
func (s *strangers) signOut(t *testing.T, user, whose int, client, idToken string) {
	if user == whose {
		s.signedOut[user].Add(1)
		defer s.signedOut[user].Add(1)
	}
	if idToken == "" {
		if err := s.AS.RevokeUser(t.Context(), name(user)); err != nil {
			t.Error(err)
		}
		return
	}
	back := "https://" + client + ".example/bye"
	v := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {back}}
	answer := s.Browser(name(user)).Visit(http.MethodGet, "/oauth2/logout?"+v.Encode())
	if signedOut := answer.Status == http.StatusSeeOther && answer.Header.Get("Location") == back; answer.Err != nil || signedOut != (user == whose) {
		t.Errorf("%s signs out with an ID token about %s: %s", name(user), name(whose), answer)
	}
}

// OpenID Connect Core §8.1: whatever goes on meanwhile, a user has one name in a sector, and it
// is nobody else's, and nobody's elsewhere. 300 logins, or 10,000.
func TestPairwise_whileKeysRotateAndUsersSignOut(t *testing.T) {
	logins, users, workers := rounds(300, 10_000), rounds(20, 400), rounds(8, 32)
	s := newStrangers(t, users)
	clients := make([]string, 0, len(sectors))
	for id := range sectors {
		clients = append(clients, id)
	}
	began := time.Now()

	// Keys rotate every hour. The clock goes on with each login, but not while one is under way
	// whose code would expire by that.
	var started, done, repeated, signOuts atomic.Int64
	underWay := make([]time.Time, workers)
	var mu sync.Mutex
	goOn := func(worker int) {
		mu.Lock()
		defer mu.Unlock()
		underWay[worker] = time.Time{}
		tick, now := 480*time.Second/time.Duration(workers), s.clock.Now()
		if !slices.ContainsFunc(underWay, func(at time.Time) bool { return !at.IsZero() && now.Add(tick).Sub(at) > 9*time.Minute }) {
			s.clock.Advance(tick)
		}
	}
	begin := func(worker int) {
		mu.Lock()
		defer mu.Unlock()
		underWay[worker] = s.clock.Now()
	}
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for {
				i := started.Add(1) - 1
				if i >= int64(logins) || t.Failed() {
					return
				}
				// Each user signs in to three clients at once, or signs out meanwhile, and comes
				// back until they have met all.
				user, client := int(i)/3%users, clients[(int(i)%3+int(i)/(3*users)*3)%len(clients)]
				for try := 0; ; try++ {
					begin(worker)
					idToken, ok := s.signIn(t, user, client, fmt.Sprintf("nonce-%d-%d", i, try))
					if t.Failed() {
						return
					}
					if !ok {
						repeated.Add(1)
						continue
					}
					switch i % 11 {
					case 3:
						s.signOut(t, user, user, client, "")
						signOuts.Add(1)
					case 5:
						s.signOut(t, user, user, client, idToken)
						signOuts.Add(1)
					case 7:
						s.signOut(t, (user+1)%users, user, client, idToken)
					}
					break
				}
				done.Add(1)
				goOn(worker)
			}
		})
	}
	all.Wait()

	holders := map[string]known{}
	s.named.Range(func(k, v any) bool {
		who, sub := k.(known), v.(string)
		if other, taken := holders[sub]; taken {
			t.Errorf("%+v and %+v are both %q", who, other, sub)
		}
		holders[sub] = who
		if own := sub == name(who.user); own != (who.sector == "") || strings.Contains(sub, "user-") != own {
			t.Errorf("%+v is called %q", who, sub)
		}
		return true
	})
	if !t.Failed() && (done.Load() != int64(logins) || s.rotations.Load() < 3 || signOuts.Load() == 0) {
		t.Errorf("%d logins, %d keys made, %d sign-outs", done.Load(), s.rotations.Load(), signOuts.Load())
	}
	t.Logf("%d logins in %v: %d names of %d users at %d clients, %d sign-outs, %d logins repeated after one, %d keys made",
		done.Load(), time.Since(began).Round(time.Millisecond), len(holders), users, len(sectors), signOuts.Load(), repeated.Load(), s.rotations.Load())
}
