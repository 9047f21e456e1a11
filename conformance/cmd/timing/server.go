package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const redirectURI = "https://client.example/callback"

// server is our own, with what there is to be guessed.
type server struct {
	site    *self.Site
	handler http.Handler

	client, secret          string
	code, verifier, refresh string
	opaque, signed          string
	signedClient            string
	token, introspection    string // the paths of the endpoints
}

func start(ctx context.Context) (*server, error) {
	site, err := self.Start(ctx, self.Options{Backend: "memory", Profile: "default", Change: func(c *authz.Config) {
		c.Login = func(*http.Request) (*authz.User, error) { return &authz.User{Subject: "ana"}, nil }
		c.Lifetimes.AuthorizationCode = 10 * time.Minute
		c.Logger = slog.New(slog.DiscardHandler)
	}})
	if err != nil {
		return nil, err
	}
	s := &server{site: site, handler: handlers.New(site.Server), client: "timing", signedClient: "signed", verifier: strings.Repeat("verifier.", 5)}
	if err := s.prepare(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) close() { _ = s.site.Close() } // nothing of it is kept

func (s *server) prepare(ctx context.Context) error {
	md := s.site.Server.Metadata()
	for endpoint, path := range map[string]*string{md.TokenEndpoint: &s.token, md.IntrospectionEndpoint: &s.introspection} {
		u, err := url.Parse(endpoint)
		if err != nil {
			return err
		}
		*path = u.Path
	}
	var hashed storage.Secret
	s.secret, hashed = authz.NewSecret()
	for id, format := range map[string]string{s.client: "opaque", s.signedClient: "jwt"} {
		err := s.site.Server.RegisterClient(ctx, authz.Client{
			ID: id, Secrets: []storage.Secret{hashed}, RedirectURIs: []string{redirectURI}, Scopes: []string{"read"}, FirstParty: true,
			GrantTypes: []string{"authorization_code", "refresh_token"}, AccessTokenFormat: format,
		})
		if err != nil {
			return err
		}
	}
	var err error
	if s.opaque, s.refresh, err = s.tokens(ctx, s.client); err != nil {
		return err
	}
	if s.signed, _, err = s.tokens(ctx, s.signedClient); err != nil {
		return err
	}
	s.code, err = s.authorize(ctx, s.client)
	return err
}

// authorize has a code issued.
func (s *server) authorize(ctx context.Context, client string) (string, error) {
	sum := sha256.Sum256([]byte(s.verifier))
	response, err := s.site.Server.Authorize(ctx, &authz.AuthorizationRequest{HTTP: &http.Request{}, Browser: "timing", Parameters: url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "scope": {"read"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}})
	if err != nil {
		return "", err
	}
	to, err := url.Parse(response.Redirect)
	if err != nil || to.Query().Get("code") == "" {
		return "", fmt.Errorf("there is no code: %q, %w", to.Query().Get("error"), err)
	}
	return to.Query().Get("code"), nil
}

// tokens has tokens issued.
func (s *server) tokens(ctx context.Context, client string) (access, refresh string, err error) {
	code, err := s.authorize(ctx, client)
	if err != nil {
		return "", "", err
	}
	got, err := s.site.Server.Token(ctx, &authz.Request{Parameters: s.redemption(client, code)})
	if err != nil {
		return "", "", err
	}
	return got.AccessToken, got.RefreshToken, nil
}

func (s *server) redemption(client, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {s.verifier},
		"client_id": {client}, "client_secret": {s.secret}}
}

// comparisons are what could be guessed, character by character.
func (s *server) comparisons() []comparison {
	guesses := func(name, path string, form url.Values, field, right string, from, status int) comparison {
		// The last but one: the very last may hold bits that have to be 0, and a value in which they
		// are not is none at all, as everybody can see.
		return comparison{name: name,
			a: kind{"beginning wrong", s.asks(path, form, field, func() string { return wrong(right, from) }), status},
			b: kind{"end wrong", s.asks(path, form, field, func() string { return wrong(right, len(right)-2) }), status},
		}
	}
	credentials := func(client string) url.Values {
		return url.Values{"client_id": {client}, "client_secret": {s.secret}}
	}
	refresh := credentials(s.client)
	refresh.Set("grant_type", "refresh_token")
	signature := strings.LastIndexByte(s.signed, '.') + 1
	return []comparison{
		guesses("client_secret", s.token, s.redemption(s.client, s.code), "client_secret", s.secret, 0, http.StatusUnauthorized),
		{name: "client_id", least: far,
			a: kind{"there is no such client", s.asks(s.token, s.redemption(s.client, s.code), "client_id", func() string { return wrong(s.client, 0) }), http.StatusUnauthorized},
			b: kind{"there is, with another secret", s.asks(s.token, s.redemption(s.client, s.code), "client_secret", func() string { return wrong(s.secret, len(s.secret)-1) }), http.StatusUnauthorized},
		},
		guesses("code", s.token, s.redemption(s.client, s.code), "code", s.code, 0, http.StatusBadRequest),
		guesses("code_verifier", s.token, s.redemption(s.client, s.code), "code_verifier", s.verifier, 0, http.StatusBadRequest),
		guesses("refresh_token", s.token, refresh, "refresh_token", s.refresh, 0, http.StatusBadRequest),
		guesses("access_token", s.introspection, credentials(s.client), "token", s.opaque, 0, http.StatusOK),
		guesses("signature", s.introspection, credentials(s.signedClient), "token", s.signed, signature, http.StatusOK),
	}
}

// asks makes requests with one field that is another each time.
func (s *server) asks(path string, form url.Values, field string, value func() string) func() *http.Request {
	return func() *http.Request {
		form.Set(field, value())
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
}

// wrong is a value with another character, at random, in one place.
func wrong(right string, at int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := []byte(right)
	for b[at] == right[at] {
		b[at] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(b)
}
