package authz_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// lookUps are the calls to the store that a verification makes, of a token that is good.
func (s *server) lookUps(t testing.TB, token string) []string {
	t.Helper()
	s.store.watch(-1)
	if _, err := s.VerifyAccessToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	calls, _ := s.store.seen()
	return calls
}

// A signed token that was found good is not looked up again before something is taken back
// (storage.Epochs), whosever it was.
func TestVerifyAccessToken_seen_before(t *testing.T) {
	s := newServer(t)
	token, others := s.tokens(t, web).AccessToken, s.tokens(t, spa)
	all := []string{"Token", "Grant", "Client"}
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"the first time", func() error { return nil }, all},
		{"again", func() error { return nil }, nil},
		{"after tokens were issued", func() error { _, err := s.own(); return err }, nil},
		{"after another token was revoked", func() error {
			return s.Revoke(t.Context(), request(spa, form(nil, "token", others.AccessToken)))
		}, all},
		{"and again", func() error { return nil }, nil},
		{"after another client was changed", func() error { s.change(t, first, func(*authz.Client) {}); return nil }, all},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := s.lookUps(t, token); !slices.Equal(got, step.want) {
			t.Errorf("%s: it looks up %q, want %q", step.name, got, step.want)
		}
	}
	s.store.breakDown(true)
	if _, err := s.VerifyAccessToken(t.Context(), token); err == nil || errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("while the store cannot tell its epoch: %v", err)
	}
}

// Nor is its client, if another of its tokens was found good meanwhile.
func TestVerifyAccessToken_client_seen_before(t *testing.T) {
	for _, f := range bothFormats {
		s := newServer(t, format(f))
		s.change(t, web, func(c *authz.Client) { c.ExpiresAt = s.Now().Add(400 * 24 * time.Hour) })
		one, other := s.tokens(t, web).AccessToken, s.tokens(t, web).AccessToken
		s.change(t, web, func(c *authz.Client) { c.ExpiresAt = s.Now().Add(time.Minute) })
		if got := s.lookUps(t, one); !slices.Equal(got, []string{"Token", "Grant", "Client"}) {
			t.Errorf("%s, the first one: it looks up %q", f, got)
		}
		if got := s.lookUps(t, other); !slices.Equal(got, []string{"Token", "Grant"}) {
			t.Errorf("%s, the other: it looks up %q", f, got)
		}
		s.clock.Advance(time.Minute)
		if s.live(one) || s.live(other) {
			t.Errorf("%s: their client has expired", f)
		}
	}
}

// A failure, and that a token is not good, are forgotten.
func TestVerifyAccessToken_remembers_no_error(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, web).AccessToken
	for _, failAt := range []int{0, 1, 2} {
		s.store.watch(failAt)
		if _, err := s.VerifyAccessToken(t.Context(), token); !errors.Is(err, errDown) {
			t.Fatalf("call %d fails: %v", failAt, err)
		}
	}
	s.change(t, web, func(c *authz.Client) { c.Disabled = true })
	if s.live(token) {
		t.Error("its client is disabled")
	}
	s.change(t, web, func(c *authz.Client) { c.Disabled = false })
	if got := s.lookUps(t, token); len(got) != 3 {
		t.Errorf("it looks up %q", got)
	}
}

// A type that embeds a store, and keeps the clients elsewhere, does not tell the embedded
// store what happens to them.
func TestVerifyAccessToken_embedded_store(t *testing.T) {
	store := &ownClients{Store: memory.New()}
	s := newServer(t, func(c *authz.Config) { c.Storage = store })
	token := s.tokens(t, web).AccessToken
	if !s.live(token) {
		t.Fatal("it is not good")
	}
	store.disabled.Store(true)
	if s.live(token) {
		t.Error("its client is disabled")
	}
}

// ownClients is a store with a look-up of its own.
type ownClients struct {
	*memory.Store
	disabled atomic.Bool
}

func (s *ownClients) Client(ctx context.Context, id string) (*storage.Client, error) {
	c, err := s.Store.Client(ctx, id)
	if err == nil {
		c.Disabled = s.disabled.Load()
	}
	return c, err
}

// Whatever kills a token kills one that was found good a moment before.
func TestVerifyAccessToken_seen_before_dies(t *testing.T) {
	const inCode = "in-code"
	redirects := map[string]string{web: redirectOf[web], inCode: "https://code.example/cb", document: "https://app.example/cb"}
	revoke := func(s *server, client, token string) error {
		return s.Revoke(context.Background(), request(client, form(nil, "token", token)))
	}
	exchanged := func(t *testing.T, s *server) (string, *authz.TokenResponse) {
		tokens := s.tokens(t, web)
		return must(s.exchange(tokens.AccessToken))(t).AccessToken, tokens
	}
	of := func(client string) func(*testing.T, *server) (string, *authz.TokenResponse) {
		return func(t *testing.T, s *server) (string, *authz.TokenResponse) {
			redirect := set("redirect_uri", redirects[client])
			tokens := must(s.redeem(client, s.code(t, client, redirect), redirect))(t)
			return tokens.AccessToken, tokens
		}
	}
	grantOf := func(t *testing.T, s *server) string {
		return must(s.store.inner.ListGrants(t.Context(), "ana", "", 1))(t)[0].ID
	}
	disabled := func(client string) func(*testing.T, *server, *authz.TokenResponse) error {
		return func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			s.change(t, client, func(c *authz.Client) { c.Disabled = true })
			return nil
		}
	}
	passes := func(d time.Duration) func(*testing.T, *server, *authz.TokenResponse) error {
		return func(_ *testing.T, s *server, _ *authz.TokenResponse) error { s.clock.Advance(d); return nil }
	}
	deleted := func(client string) func(*testing.T, *server, *authz.TokenResponse) error {
		return func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.store.DeleteClient(t.Context(), client)
		}
	}
	for _, test := range []struct {
		name  string
		token func(*testing.T, *server) (string, *authz.TokenResponse)
		end   func(*testing.T, *server, *authz.TokenResponse) error
	}{
		{"the token is revoked", of(web), func(_ *testing.T, s *server, tokens *authz.TokenResponse) error {
			return revoke(s, web, tokens.AccessToken)
		}},
		{"the refresh token is revoked", of(web), func(_ *testing.T, s *server, tokens *authz.TokenResponse) error {
			return revoke(s, web, tokens.RefreshToken)
		}},
		{"the refresh token is replayed", of(web), func(_ *testing.T, s *server, tokens *authz.TokenResponse) error {
			if _, err := s.refresh(web, tokens.RefreshToken); err != nil {
				return err
			}
			s.clock.Advance(time.Minute)
			if _, err := s.refresh(web, tokens.RefreshToken); err == nil {
				return errors.New("replayed, and taken")
			}
			return nil
		}},
		{"the user is revoked", of(web), func(t *testing.T, s *server, _ *authz.TokenResponse) error { return s.RevokeUser(t.Context(), "ana") }},
		{"the client is disconnected", of(web), func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.Disconnect(t.Context(), "ana", web)
		}},
		{"the grant is revoked", of(web), func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.RevokeGrant(t.Context(), grantOf(t, s))
		}},
		{"the client is registered anew, disabled", of(web), func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			c := testClients()[0]
			c.Disabled = true
			return s.RegisterClient(t.Context(), c)
		}},
		{"the client is disabled in the store", of(web), disabled(web)},
		{"the client is deleted", of(web), deleted(web)},
		{"the client expires", func(t *testing.T, s *server) (string, *authz.TokenResponse) {
			token, tokens := of(web)(t, s)
			s.change(t, web, func(c *authz.Client) { c.ExpiresAt = s.Now().Add(time.Minute) })
			return token, tokens
		}, passes(time.Minute)},
		{"the client in code expires", of(inCode), passes(time.Minute)},
		{"the token expires", of(web), passes(time.Hour)},
		{"exchanged: the user is revoked", exchanged, func(t *testing.T, s *server, _ *authz.TokenResponse) error { return s.RevokeUser(t.Context(), "ana") }},
		{"exchanged: the client of the grant is disconnected", exchanged, func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.Disconnect(t.Context(), "ana", web)
		}},
		{"exchanged: the grant is revoked", exchanged, func(_ *testing.T, s *server, tokens *authz.TokenResponse) error {
			return revoke(s, web, tokens.RefreshToken)
		}},
		{"exchanged: the client of the grant is disabled", exchanged, disabled(web)},
		{"exchanged: the client of the grant is deleted", exchanged, deleted(web)},
		{"exchanged: its own client is disabled", exchanged, disabled(service)},
		{"exchanged: the client of the grant expires", func(t *testing.T, s *server) (string, *authz.TokenResponse) {
			token, tokens := exchanged(t, s)
			s.change(t, web, func(c *authz.Client) { c.ExpiresAt = s.Now().Add(time.Minute) })
			return token, tokens
		}, passes(time.Minute)},
		{"described by a document: disconnected", of(document), func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.Disconnect(t.Context(), "ana", document)
		}},
		{"described by a document: disabled in the store", of(document), func(t *testing.T, s *server, _ *authz.TokenResponse) error {
			return s.store.PutClient(t.Context(), storage.Client{ID: document, Disabled: true})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWeb()
			w.put(document, http.StatusOK, describes(document, "redirect_uris", `["`+redirects[document]+`"]`))
			s := newExchange(t, documents(w), func(c *authz.Config) {
				c.Clients = append(c.Clients, authz.Client{
					ID: inCode, RedirectURIs: []string{redirects[inCode]}, Scopes: []string{"read", "write"},
					ExpiresAt: c.Clock().Add(time.Minute),
				})
			})
			token, tokens := test.token(t, s)
			if s.lookUps(t, token); len(s.lookUps(t, token)) > 0 {
				t.Fatal("it is not remembered that it is good")
			}
			if err := test.end(t, s, tokens); err != nil {
				t.Fatal(err)
			}
			if s.live(token) {
				t.Error("it is still good")
			}
		})
	}
}

// Once it is acknowledged that something was taken back, no verification that begins then
// finds the token good, nor does any later one: not even on the slowest store, which ends the
// epoch long after the change is there to be seen, and acknowledges it long after that.
func TestVerifyAccessToken_at_once_with_its_end(t *testing.T) {
	for name, end := range map[string]func(s *server, tokens *authz.TokenResponse) error{
		"token": func(s *server, tokens *authz.TokenResponse) error {
			return s.Revoke(context.Background(), request(web, form(nil, "token", tokens.AccessToken)))
		},
		"grant": func(s *server, tokens *authz.TokenResponse) error {
			return s.Revoke(context.Background(), request(web, form(nil, "token", tokens.RefreshToken)))
		},
		"user":           func(s *server, _ *authz.TokenResponse) error { return s.RevokeUser(context.Background(), "ana") },
		"client deleted": func(s *server, _ *authz.TokenResponse) error { return s.store.DeleteClient(context.Background(), web) },
		"client disabled": func(s *server, _ *authz.TokenResponse) error {
			return s.store.PutClient(context.Background(), storage.Client{ID: web, Disabled: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 6 {
				s := newServerOn(t, newProbe(&tardy{Store: memory.New()}))
				tokens, unseen := s.tokens(t, web), s.tokens(t, web)
				s.store.latency = time.Millisecond
				var ended atomic.Bool
				together(66, func(i int) {
					switch i {
					case 0:
						time.Sleep(time.Duration(5+round) * 700 * time.Microsecond)
						if err := end(s, tokens); err != nil {
							t.Error(err)
						}
						ended.Store(true)
					case 1: // so that there is always somebody looking it up
						for !ended.Load() {
							if err := s.store.PutClient(context.Background(), storage.Client{ID: "other"}); err != nil {
								t.Error(err)
							}
						}
					default:
						for late := 0; late < 3; {
							after := ended.Load()
							live := s.live(tokens.AccessToken)
							if after {
								late++
							}
							if live && after {
								t.Error("it was good after its end had been acknowledged")
								return
							}
						}
					}
				})
				if s.live(tokens.AccessToken) {
					t.Fatal("it is good after all")
				}
				if strings.HasPrefix(name, "client") && s.live(unseen.AccessToken) {
					t.Fatal("its client is remembered as alive")
				}
			}
		})
	}
}

// tardy is a store that counts its epochs itself, as late as it may.
type tardy struct {
	storage.Store
	epoch atomic.Uint64
}

func (s *tardy) acknowledge(err error) error {
	time.Sleep(time.Millisecond)
	s.epoch.Add(1)
	time.Sleep(time.Millisecond)
	return err
}

func (s *tardy) Commit(ctx context.Context, w storage.Write) error {
	err := s.Store.Commit(ctx, w)
	if w.TakesBack() {
		return s.acknowledge(err)
	}
	return err
}

func (s *tardy) PutClient(ctx context.Context, c storage.Client) error {
	return s.acknowledge(s.Store.PutClient(ctx, c))
}

func (s *tardy) DeleteClient(ctx context.Context, id string) error {
	return s.acknowledge(s.Store.DeleteClient(ctx, id))
}

func (s *tardy) Epoch(of any) (uint64, bool) { return s.epoch.Load(), of == any(s) }
