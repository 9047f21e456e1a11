package authz_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// What strangers can have the server fetch and store.

// S3, S10: documents that never come do not hold up the keys of clients and issuers, which have
// Fetchers of their own.
func TestS3_slow_documents(t *testing.T) {
	const keysURL, issuerKeysURL = "https://client.example/keys", "https://idp.example/keys"
	w := newWeb()
	w.put(keysURL, 200, jwks(p256))
	w.put(issuerKeysURL, 200, jwks(p256))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{}, 64)
	s := newServer(t, withBearer, documents(w), func(c *authz.Config) {
		c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: idp, JWKSURI: issuerKeysURL}}
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "slow.example" {
				begun <- struct{}{}
				<-ctx.Done()
				return nil, errors.New("no answer")
			}
			return w.RoundTrip(r)
		})}
	})
	c := testKeyClient()
	c.JWKS, c.JWKSURI = "", keysURL
	c.GrantTypes = append(c.GrantTypes, bearerGrant)
	s.register(t, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(64, func(i int) {
			_, _ = s.authorize(fmt.Sprintf("https://slow.example/%d.json", i), atApp())
		})
	}()
	for range 32 { // as many as are fetched at once
		<-begun
	}
	if got := s.asserted(t, s.assert(t, assertion{})); got != "" {
		t.Errorf("a client with keys: %s", got)
	}
	s.change(t, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, bearerGrant) })
	if got := s.bear(t, s.foreign(t, nil)); got != "ok" {
		t.Errorf("an assertion of a trusted issuer: %s", got)
	}
	cancel()
	<-done
}

// at sends an authorization request from an address.
func (s *server) at(t testing.TB, address, client string) string {
	t.Helper()
	response, err := s.Authorize(t.Context(), &authz.AuthorizationRequest{
		Parameters: form(nil, "response_type", "code", "client_id", client, "redirect_uri", "https://app.example/cb",
			"scope", "read", "code_challenge", authztest.Challenge(), "code_challenge_method", "S256"),
		HTTP: httptest.NewRequest("GET", "/oauth2/authorize", nil), Browser: browser, Address: netip.MustParseAddr(address),
	})
	var refused *authz.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprint(refused.Status, " ", refused.Reason)
	case err != nil || response.Consent == nil:
		t.Fatalf("%+v, %v", response, err)
	}
	return "ask"
}

// §8.7 of the draft: nobody has the server knock at other people's doors without end. Clients
// whose documents are there do not notice, from wherever they come.
func TestClientIDMetadata_Section8_7(t *testing.T) {
	const other, uncached = "https://app.example/other.json", "https://app.example/uncached.json"
	w := newWeb()
	w.put(document, 200, describes(document))
	w.put(other, 200, describes(other))
	w.put(uncached, 200, describes(uncached), "Cache-Control", "no-store")
	s := newServer(t, documents(w))
	expect := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect("ask", s.at(t, "192.0.2.1", document))
	expect("ask", s.at(t, "192.0.2.1", uncached))
	failures := map[string]string{"gone": "503 client_document_unreachable", "wrong": "400 client_document_of_another"}
	for i := range 15 {
		for kind, want := range failures {
			victim := fmt.Sprintf("https://victim.example/%s/%d", kind, i)
			if kind == "wrong" {
				w.put(victim, 200, describes(document))
			}
			expect(want, s.at(t, "192.0.2.1", victim))
		}
	}
	const limited = "429 too_many_client_documents"
	expect(limited, s.at(t, "192.0.2.1", "https://victim.example/x"))
	if w.times("https://victim.example/x") != 0 {
		t.Error("it was fetched")
	}
	for _, want := range []string{"client_id", "introspection"} { // nor by another endpoint
		req := &authz.Request{Parameters: form(nil, "client_id", "https://victim.example/x", "grant_type", "refresh_token", "refresh_token", "x", "token", "x"), Address: netip.MustParseAddr("192.0.2.1")}
		_, err := s.Token(t.Context(), req)
		if want == "introspection" {
			_, err = s.Introspect(t.Context(), req)
		}
		if got := codeOf(err); got != "temporarily_unavailable too_many_client_documents" {
			t.Errorf("%s: %s", want, got)
		}
	}
	expect("ask", s.at(t, "192.0.2.1", document))
	expect("ask", s.at(t, "192.0.2.1", uncached)) // as it was last
	expect("ask", s.at(t, "192.0.2.2", other))
	expect("503 client_document_unreachable", s.at(t, "192.0.2.2", "https://victim.example/x"))
	s.clock.Advance(10 * time.Second)
	expect("503 client_document_unreachable", s.at(t, "192.0.2.1", "https://victim.example/x"))
	expect(limited, s.at(t, "192.0.2.1", "https://victim.example/x"))

	// A client whose document was good costs nobody anything while it is down.
	w.put(uncached, 500, "")
	for range 100 {
		expect("ask", s.at(t, "192.0.2.3", uncached))
	}
	expect("503 client_document_unreachable", s.at(t, "192.0.2.3", "https://victim.example/x"))
}

// RFC 7523 §3, item 7: an assertion leaves marks, and clients that anybody can be do not leave
// them without end. Those that the host registered do.
func TestRFC7523_Section3_strangers(t *testing.T) {
	w := newWeb()
	w.put(document, 200, describes(document, "token_endpoint_auth_method", `"private_key_jwt"`, "jwks", jwks(p256)))
	s := newServer(t, documents(w), open())
	s.register(t, testKeyClient())
	registered := must(s.introduce("token_endpoint_auth_method", `"private_key_jwt"`, "jwks", jwks(p256)))(t).ClientID
	push := func(client, address string) string {
		t.Helper()
		jwt := s.assert(t, assertion{claims: map[string]any{"iss": client, "sub": client}})
		req := asserting(jwt, set("token", "x"))
		req.Address = netip.MustParseAddr(address)
		_, err := s.Introspect(t.Context(), req)
		var refused *authz.Error
		if errors.As(err, &refused) {
			return fmt.Sprint(refused.Status, " ", refused.Reason)
		}
		return "ok"
	}
	for _, client := range []string{document, registered} {
		for range 200 {
			if got := push(client, "192.0.2.1"); got != "ok" {
				t.Fatalf("%s: %s", client, got)
			}
		}
		if got := push(client, "192.0.2.1"); got != "429 too_many_client_assertions" {
			t.Errorf("%s: %s", client, got)
		}
		if got := push(client, "192.0.2.2"); got != "ok" { // the owner, elsewhere
			t.Errorf("%s, elsewhere: %s", client, got)
		}
		s.clock.Advance(50 * time.Millisecond)
		if got := push(client, "192.0.2.1"); got != "ok" {
			t.Errorf("%s, later: %s", client, got)
		}
		// Nobody else can use up what it may do: the signature comes first.
		jwt := s.assert(t, assertion{alg: "ES256", key: otherP256, claims: map[string]any{"iss": client, "sub": client}})
		req := asserting(jwt, set("token", "x"))
		req.Address = netip.MustParseAddr("192.0.2.4")
		for range 300 {
			if _, err := s.Introspect(t.Context(), req); !strings.Contains(codeOf(err), "signature_invalid") {
				t.Fatal(err)
			}
		}
		if got := push(client, "192.0.2.4"); got != "ok" {
			t.Errorf("%s, whom others tried to be: %s", client, got)
		}
	}
	for range 3000 {
		if got := push(keyClient, "192.0.2.5"); got != "ok" {
			t.Fatalf("a client of the host's: %s", got)
		}
	}
}

// D21: a client that the host disables while it is being used stays disabled, whichever
// replica serves it. Clients are put back whole when their expiry moves, and when they update
// themselves.
func TestD21_disabled_meanwhile(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, s *server, client *authz.ClientInformation) error{
		"expiry moved": func(t *testing.T, s *server, client *authz.ClientInformation) error {
			_, err := s.redeem(client.ClientID, s.code(t, client.ClientID, atApp()), atApp())
			return err
		},
		"updated": func(t *testing.T, s *server, client *authz.ClientInformation) error {
			_, err := s.UpdateRegistration(t.Context(), manage(client, client.RegistrationAccessToken))
			if !strings.Contains(codeOf(err), "temporarily_unavailable") {
				return fmt.Errorf("an update over another: got %v", err)
			}
			return nil
		},
		"token retired": func(t *testing.T, s *server, client *authz.ClientInformation) error {
			_, err := s.ReadRegistration(t.Context(), manage(client, client.RegistrationAccessToken))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &interrupted{Store: newProbe(memory.New())}
			s := newServer(t, open(), func(c *authz.Config) { c.Storage = store })
			other := newServer(t, open(), func(c *authz.Config) { c.Storage = store })
			client := must(s.introduce())(t)
			client = must(s.UpdateRegistration(t.Context(), manage(client, client.RegistrationAccessToken)))(t)
			read := *must(store.Client(t.Context(), client.ClientID))(t)
			happened := false
			store.before = func() {
				read.Disabled, happened = true, true
				wantNil(t, other.RegisterClient(t.Context(), read))
			}
			wantNil(t, use(t, s, client))
			if !happened {
				t.Fatal("nothing was put")
			}
			if c := must(store.Client(t.Context(), client.ClientID))(t); !c.Disabled {
				t.Error("it is enabled again")
			}
			// The host, too, has to look at what it changes.
			if err := other.RegisterClient(t.Context(), read); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("a client that has changed since it was read: got %v", err)
			}
		})
	}
}

// interrupted is a store in which something happens before a client is put, once.
type interrupted struct {
	storage.Store
	before func()
}

func (i *interrupted) PutClient(ctx context.Context, c storage.Client) error {
	if before := i.before; before != nil {
		i.before = nil
		before()
	}
	return i.Store.PutClient(ctx, c)
}
