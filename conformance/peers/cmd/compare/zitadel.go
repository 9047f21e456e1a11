package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"

	"github.com/grantor-oauth/grantor/conformance"
)

// zitadelUsers are the users in the example's storage. Their names are their IDs, for the example
// takes the one for the other where a device is allowed.
type zitadelUsers struct{}

func (zitadelUsers) GetUserByID(id string) *storage.User {
	for _, u := range users {
		if u.Name == id {
			return &storage.User{ID: u.Name, Username: u.Name, Password: u.Password, FirstName: u.Name, LastName: "Example",
				Email: u.Name + "@example.com", EmailVerified: true, PreferredLanguage: language.English}
		}
	}
	return nil
}

func (s zitadelUsers) GetUserByUsername(name string) *storage.User { return s.GetUserByID(name) }
func (zitadelUsers) ExampleClientID() string                       { return storage.ServiceUserID }

// hostZitadel is zitadel/oidc's example program: its provider, its sign-in page, its storage in
// memory. The clients are ours, for the example's are of two kinds, and the users.
func hostZitadel(s *setting) (*hosted, error) {
	issuer := s.issuer()
	store := &zitadelStore{clients: map[string]*zitadelClient{}, names: map[string]*storage.Client{}}
	store.Storage = storage.NewStorageWithClients(zitadelUsers{}, store.names)
	router := exampleop.SetupServer(issuer, store, slog.New(slog.DiscardHandler), false)
	return &hosted{router, store.newClient}, nil
}

// zitadelStore is the example's storage with clients of more kinds.
type zitadelStore struct {
	*storage.Storage
	mu      sync.Mutex
	clients map[string]*zitadelClient
	names   map[string]*storage.Client // for what the storage looks up by itself: whether there is such a client
}

func (s *zitadelStore) client(id string) (*zitadelClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	return nil, errors.New("client not found")
}

func (s *zitadelStore) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, err := s.client(id)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *zitadelStore) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, err := s.client(id)
	if err == nil && c.secret != secret {
		err = errors.New("invalid secret")
	}
	return err
}

func (s *zitadelStore) GetKeyByIDAndClientID(_ context.Context, keyID, id string) (*jose.JSONWebKey, error) {
	c, err := s.client(id)
	if err != nil {
		return nil, err
	}
	for _, key := range c.keys.Keys {
		if key.KeyID == keyID {
			return &key, nil
		}
	}
	return nil, errors.New("key not found")
}

func (s *zitadelStore) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return s.GetClientByClientID(ctx, id)
}

func (s *zitadelStore) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	if _, err := s.client(id); err != nil {
		return nil, err
	}
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{id}, Scopes: scopes}, nil
}

// zitadelClient is a client for the library, of the metadata that a case asks for.
type zitadelClient struct {
	id, secret             string
	redirects, afterLogout []string
	native                 bool
	way                    oidc.AuthMethod
	responses              []oidc.ResponseType
	grants                 []oidc.GrantType
	keys                   jose.JSONWebKeySet
}

func (c *zitadelClient) GetID() string                        { return c.id }
func (c *zitadelClient) RedirectURIs() []string               { return c.redirects }
func (c *zitadelClient) PostLogoutRedirectURIs() []string     { return c.afterLogout }
func (c *zitadelClient) AuthMethod() oidc.AuthMethod          { return c.way }
func (c *zitadelClient) ResponseTypes() []oidc.ResponseType   { return c.responses }
func (c *zitadelClient) GrantTypes() []oidc.GrantType         { return c.grants }
func (c *zitadelClient) LoginURL(id string) string            { return "/login/username?authRequestID=" + id }
func (c *zitadelClient) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (c *zitadelClient) IDTokenLifetime() time.Duration       { return time.Hour }
func (c *zitadelClient) DevMode() bool                        { return false }
func (c *zitadelClient) IsScopeAllowed(scope string) bool     { return scope == storage.CustomScope }
func (c *zitadelClient) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *zitadelClient) ClockSkew() time.Duration             { return 0 }

func (c *zitadelClient) ApplicationType() op.ApplicationType {
	if c.native {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c *zitadelClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

func (c *zitadelClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

func (s *zitadelStore) newClient(metadata map[string]any) (conformance.Client, error) {
	made := conformance.Client{ID: "c-" + strings.ToLower(rand.Text())}
	if err := unknown(metadata, "client_name", "redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types", "scope",
		"token_endpoint_auth_method", "jwks", "application_type"); err != nil {
		return made, err
	}
	for _, scope := range []string{"openid", "offline_access", "profile", "email"} {
		if all := strings.Fields(text(metadata, "scope")); len(all) > 0 && !slices.Contains(all, scope) {
			return made, fmt.Errorf("%w: it may have every scope of OpenID Connect", conformance.ErrNoSuchClient)
		}
	}
	if text(metadata, "token_endpoint_auth_method") == string(oidc.AuthMethodPrivateKeyJWT) && slices.Contains(texts(metadata, "grant_types"), string(oidc.GrantTypeClientCredentials)) {
		return made, fmt.Errorf("%w: with private_key_jwt for client_credentials", conformance.ErrNoSuchClient)
	}
	c := &zitadelClient{
		id: made.ID, redirects: texts(metadata, "redirect_uris"), afterLogout: texts(metadata, "post_logout_redirect_uris"),
		native: text(metadata, "application_type") == "native", way: oidc.AuthMethod(text(metadata, "token_endpoint_auth_method")),
	}
	for _, one := range texts(metadata, "response_types") {
		c.responses = append(c.responses, oidc.ResponseType(one))
	}
	for _, one := range texts(metadata, "grant_types") {
		c.grants = append(c.grants, oidc.GrantType(one))
	}
	if slices.Contains([]oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost}, c.way) {
		c.secret = rand.Text() + rand.Text()
		made.Secret = c.secret
	}
	if keys := metadata["jwks"]; keys != nil {
		encoded, err := json.Marshal(keys)
		if err == nil {
			err = json.Unmarshal(encoded, &c.keys)
		}
		if err != nil {
			return made, fmt.Errorf("%w: with such keys: %v", conformance.ErrNoSuchClient, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[made.ID], s.names[made.ID] = c, storage.DeviceClient(made.ID, made.Secret)
	return made, nil
}
