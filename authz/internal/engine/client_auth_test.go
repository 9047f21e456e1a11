package engine_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ory/fosite"
	"golang.org/x/crypto/bcrypt"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

func clientCredentials(change ...string) url.Values {
	return with(url.Values{"grant_type": {"client_credentials"}}, change...)
}

// noClients is a store that cannot look up clients.
type noClients struct{ rawStorage }

func (noClients) GetClient(context.Context, string) (fosite.Client, error) { return nil, errDown }

// A store that is down is no statement about the client. Told "invalid_client", clients
// throw their credentials away.
func TestStoreFailureAtClientLookup_RFC6749_5_2(t *testing.T) {
	auth := credentialsOf(confidentialID)
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{store: noClients{newSlowStore(t)}})
		for _, got := range []answer{
			r.token(t, clientCredentials(), auth...),
			r.revoke(t, tokenForm(confidentialID, "x"), auth...),
			r.authorize(t, authorizationParameters(confidentialID)),
		} {
			fact(t, got.status == http.StatusUnauthorized && got.failure() == "invalid_client", "findClient in authz/client.go", got)
		}
		got := r.introspect(t, tokenForm(confidentialID, "x"), auth...)
		fact(t, got.status == http.StatusUnauthorized, "findClient in authz/client.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		s.store.fail("Client")
		wantUnavailable(t, s.token(t, clientCredentials(), auth...))
		wantUnavailable(t, s.revoke(t, tokenForm(confidentialID, "x"), auth...))
		wantUnavailable(t, s.introspect(t, tokenForm(confidentialID, "x"), auth...))
		got := s.authorize(t, authorizationParameters(confidentialID))
		wantUnavailable(t, got)
		if got.location != "" {
			t.Errorf("redirected to %s, which nobody has checked", got.location)
		}
	})
}

// A 401 must say which scheme to use. The header itself is written by package handlers.
func TestInvalidClient_RFC6749_5_2(t *testing.T) {
	wrong := basic(confidentialID, "wrong")
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, clientCredentials(), wrong)
		fact(t, got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "", "the error writer in handlers", got)
		got = r.token(t, clientCredentials())
		fact(t, got.status == http.StatusBadRequest && got.failure() == "invalid_request", "client_missing in authz/client_auth.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, auth := range []string{
			wrong, basic("nobody", secret), basic(confidentialID, ""), basic("", secret),
			"Bearer x", "Basic", "Basic !", "Basic " + strings.Repeat("QQ", 1<<14), "Digest x",
		} {
			want(t, s.token(t, clientCredentials(), auth), http.StatusUnauthorized, "invalid_client")
		}
		want(t, s.token(t, clientCredentials()), http.StatusUnauthorized, "invalid_client")
		want(t, s.token(t, clientCredentials("client_id", confidentialID)), http.StatusUnauthorized, "invalid_client")
	})
}

// A client that sends an assertion means to be authenticated by it, whatever else it is;
// fosite goes on without.
func TestClientAssertion_RFC7521_4_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, codeForm(publicID, r.code(t, publicID), "client_assertion", "x.y.z"))
		fact(t, got.status == http.StatusOK, "presentedAssertion in authz/client_assertion.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		code := s.code(t, publicID)
		for _, change := range [][]string{
			{"client_assertion", "x.y.z"},
			{"client_assertion_type", jwtBearer},
			{"client_assertion", "x.y.z", "client_assertion_type", jwtBearer},
			{"client_assertion", "x.y.z", "client_assertion_type", "other"},
		} {
			want(t, s.token(t, codeForm(publicID, code, change...)), http.StatusUnauthorized, "invalid_client")
			want(t, s.token(t, clientCredentials(change...)), http.StatusUnauthorized, "invalid_client")
			// RFC 6749 §5.2: more than one mechanism is invalid_request.
			want(t, s.token(t, clientCredentials(change...), credentialsOf(confidentialID)...), http.StatusBadRequest, "invalid_request")
		}
		wantOK(t, s.token(t, codeForm(publicID, code)))
	})
}

// A request authenticates the client in one way only.
func TestTwoAuthenticationMethods_RFC6749_2_3(t *testing.T) {
	auth := credentialsOf(confidentialID)
	two := [][]string{
		{"client_secret", secret},
		{"client_id", confidentialID, "client_secret", secret},
		{"client_id", strangerID},
		{"client_id", strangerID, "client_secret", secret},
	}
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, change := range two {
			got := r.token(t, clientCredentials(change...), auth...)
			fact(t, got.status == http.StatusOK, "presentedCredentials in authz/client_auth.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, change := range two {
			want(t, s.token(t, clientCredentials(change...), auth...), http.StatusBadRequest, "invalid_request")
		}
		wantOK(t, s.token(t, clientCredentials("client_id", confidentialID), auth...)) // says the same twice
	})
}

// A client registers how it authenticates. fosite holds only clients of its OpenID
// Connect type to it, and lets a public client present any secret.
func TestRegisteredAuthenticationMethod_RFC7591_2(t *testing.T) {
	post := []string{"client_id", confidentialID, "client_secret", secret}
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, clientCredentials(post...))
		fact(t, got.status == http.StatusOK, "authMethodsOf in authz/client.go", got)
		got = r.token(t, codeForm(publicID, r.code(t, publicID), "client_secret", "anything"))
		fact(t, got.status == http.StatusOK, "authMethodsOf in authz/client.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		only := func(id, method string) authz.Client {
			return authz.Client{
				ID: id, GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
				TokenEndpointAuthMethod: method, Secrets: []storage.Secret{authz.HashSecret(secret)},
			}
		}
		s := newOurs(t, func(c *authz.Config) {
			c.Clients = []authz.Client{only("basic", "client_secret_basic"), only("post", "client_secret_post")}
		})
		wantOK(t, s.token(t, clientCredentials(), basic("basic", secret)))
		wantOK(t, s.token(t, clientCredentials("client_id", "post", "client_secret", secret)))
		wantOK(t, s.token(t, clientCredentials(post...))) // registered neither
		wantOK(t, s.token(t, clientCredentials(), credentialsOf(confidentialID)...))

		want(t, s.token(t, clientCredentials("client_id", "basic", "client_secret", secret)), http.StatusUnauthorized, "invalid_client")
		want(t, s.token(t, clientCredentials(), basic("post", secret)), http.StatusUnauthorized, "invalid_client")
		code := s.code(t, publicID)
		want(t, s.token(t, codeForm(publicID, code, "client_secret", "anything")), http.StatusUnauthorized, "invalid_client")
		want(t, s.token(t, codeForm(publicID, code, "client_id", "-"), basic(publicID, "")), http.StatusUnauthorized, "invalid_client")
		wantOK(t, s.token(t, codeForm(publicID, code))) // none of it burnt the code
	})
}

// fosite hashes every secret with bcrypt at cost 12, some 200 ms of a core for each
// request. Ours tells what it generated from what a person chose; see the benchmarks.
func TestSecretHashing_RFC6749_10_10(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		cost := (&fosite.Config{}).GetBCryptCost(t.Context())
		fact(t, cost == 12, "HashSecret in authz/secret.go, if it became fast", cost)
	})
	t.Run("ours", func(t *testing.T) {
		generated, hashed := authz.NewSecret()
		if !strings.HasPrefix(hashed.Hash, "$sha256$") {
			t.Errorf("a generated secret is kept as %s", hashed.Hash)
		}
		chosen := authz.HashSecret("correct horse")
		if !strings.HasPrefix(chosen.Hash, "$argon2id$") {
			t.Errorf("a chosen secret is kept as %s", chosen.Hash)
		}
		s := newOurs(t, func(c *authz.Config) {
			c.Clients = []authz.Client{{
				ID: "two", GrantTypes: []string{"client_credentials"}, Secrets: []storage.Secret{hashed, chosen},
			}}
		})
		for _, right := range []string{generated, "correct horse", generated, "correct horse"} {
			wantOK(t, s.token(t, clientCredentials(), basic("two", right)))
		}
		for _, wrong := range []string{"", "correct", generated + "A", "correct horse ", chosen.Hash, hashed.Hash} {
			want(t, s.token(t, clientCredentials(), basic("two", wrong)), http.StatusUnauthorized, "invalid_client")
		}
	})
}

// One client credentials request: with fosite's default hash, and with ours.
func BenchmarkClientCredentials(b *testing.B) {
	b.Run("fosite", func(b *testing.B) {
		hash, err := bcrypt.GenerateFromPassword([]byte(secret), 12)
		if err != nil {
			b.Fatal(err)
		}
		r := newRaw(b, rawOptions{jwt: true, clients: []fosite.Client{&fosite.DefaultClient{
			ID: "default", Secret: hash, GrantTypes: []string{"client_credentials"},
		}}})
		for b.Loop() {
			if got := r.token(b, clientCredentials(), basic("default", secret)); got.status != http.StatusOK {
				b.Fatal(got)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		s := newOurs(b)
		for b.Loop() {
			if got := s.token(b, clientCredentials(), credentialsOf(confidentialID)...); got.status != http.StatusOK {
				b.Fatal(got)
			}
		}
	})
}
