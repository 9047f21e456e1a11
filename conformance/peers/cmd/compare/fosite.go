package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	jose3 "github.com/go-jose/go-jose/v3"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	"github.com/grantor-oauth/grantor/conformance"
)

// fositeMetadata is what fosite would say of itself if it published metadata.
func fositeMetadata(issuer string) map[string]any {
	return map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/oauth2/auth", "token_endpoint": issuer + "/oauth2/token",
		"introspection_endpoint": issuer + "/oauth2/introspect", "revocation_endpoint": issuer + "/oauth2/revoke",
		"pushed_authorization_request_endpoint": issuer + "/oauth2/par", "jwks_uri": issuer + "/jwks",
		"scopes_supported":         []string{"openid", "offline_access", "read", "write"},
		"response_types_supported": []string{"code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token"},
		"response_modes_supported": []string{"query", "fragment", "form_post"},
		"grant_types_supported":    []string{"authorization_code", "implicit", "refresh_token", "client_credentials"},
		"subject_types_supported":  []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"},
		"introspection_endpoint_auth_methods_supported":    []string{"client_secret_basic"},
		"revocation_endpoint_auth_methods_supported":       []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"request_parameter_supported":                      true, "request_uri_parameter_supported": true, "require_request_uri_registration": true,
		"request_object_signing_alg_values_supported": []string{"none", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"},
		"claims_parameter_supported":                  false,
	}
}

const fositeKey = "main" // the kid of the key that signs

// fositeHost is fosite as its README composes it, its endpoints mounted by hand as its example
// program and its integration tests do.
type fositeHost struct {
	issuer   string
	provider fosite.OAuth2Provider
	config   *fosite.Config
	store    *storage.MemoryStore
	door     *door
}

func hostFosite(s *setting) (*hosted, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	out, err := s.outbound()
	if err != nil {
		return nil, err
	}
	fetching := retryablehttp.NewClient()
	fetching.HTTPClient, fetching.RetryMax, fetching.Logger = out, 0, nil
	h := &fositeHost{issuer: s.issuer(), store: storage.NewMemoryStore(), door: newDoor()}
	h.config = &fosite.Config{
		GlobalSecret: []byte(rand.Text() + rand.Text())[:32], TokenURL: s.issuer() + "/oauth2/token",
		IDTokenIssuer: s.issuer(), AccessTokenIssuer: s.issuer(), HTTPClient: fetching,
		HashCost: 4, // every case makes clients; the default takes a fifth of a second for each password
	}
	h.config.JWKSFetcherStrategy = fosite.NewDefaultJWKSFetcherStrategy(fosite.JWKSFetcherWithHTTPClient(fetching))
	h.provider = compose.ComposeAllEnabled(h.config, h.store, key)
	keys, err := json.Marshal(jose3.JSONWebKeySet{Keys: []jose3.JSONWebKey{{Key: key.Public(), KeyID: fositeKey, Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth2/auth", h.authorize)
	mux.HandleFunc("/oauth2/token", h.token)
	mux.HandleFunc("/oauth2/introspect", h.introspect)
	mux.HandleFunc("/oauth2/revoke", func(w http.ResponseWriter, r *http.Request) {
		h.provider.WriteRevocationResponse(r.Context(), w, h.provider.NewRevocationRequest(r.Context(), r))
	})
	mux.HandleFunc("/oauth2/par", h.push)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(keys) // to a client that may hang up
	})
	mux.Handle("/door", h.door)
	return &hosted{mux, h.newClient}, nil
}

// session is that of the example program, with who has signed in, and when.
func (h *fositeHost) session(user string, at, asked time.Time) *openid.DefaultSession {
	return &openid.DefaultSession{
		Claims:  &jwt.IDTokenClaims{Issuer: h.issuer, Subject: user, IssuedAt: time.Now().UTC(), RequestedAt: asked.UTC(), AuthTime: at.UTC()},
		Headers: &jwt.Headers{Extra: map[string]any{"kid": fositeKey}}, Subject: user, Username: user,
	}
}

func (h *fositeHost) authorize(w http.ResponseWriter, r *http.Request) {
	ctx, asked := fosite.NewContext(), time.Now()
	ar, err := h.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		h.provider.WriteAuthorizeError(ctx, w, ar, err)
		return
	}
	answer := func(w http.ResponseWriter, _ *http.Request, user string, at time.Time, allowed bool) {
		if !allowed {
			h.provider.WriteAuthorizeError(ctx, w, ar, fosite.ErrAccessDenied)
			return
		}
		for _, scope := range ar.GetRequestedScopes() {
			ar.GrantScope(scope)
		}
		for _, audience := range ar.GetRequestedAudience() {
			ar.GrantAudience(audience)
		}
		response, err := h.provider.NewAuthorizeResponse(ctx, ar, h.session(user, at, asked))
		if err != nil {
			h.provider.WriteAuthorizeError(ctx, w, ar, err)
			return
		}
		h.provider.WriteAuthorizeResponse(ctx, w, ar, response)
	}
	form, client, scopes := ar.GetRequestForm(), ar.GetClient().GetID(), []string(ar.GetRequestedScopes())
	var oldest *time.Duration
	if seconds, err := strconv.Atoi(form.Get("max_age")); err == nil {
		d := time.Duration(seconds) * time.Second
		oldest = &d
	}
	if form.Get("prompt") == "none" {
		switch user, at := h.door.signedIn(r); {
		case user == "" || oldest != nil && time.Since(at) > *oldest:
			h.provider.WriteAuthorizeError(ctx, w, ar, fosite.ErrLoginRequired)
		case !h.door.remembers(r, client, scopes):
			h.provider.WriteAuthorizeError(ctx, w, ar, fosite.ErrConsentRequired)
		default:
			answer(w, r, user, at, true)
		}
		return
	}
	fresh := strings.Contains(form.Get("prompt"), "login") || strings.Contains(form.Get("prompt"), "select_account")
	h.door.ask(w, r, &question{client: client, name: ar.GetClient().(fositeClient).name, to: ar.GetRedirectURI().String(), scopes: scopes, fresh: fresh, oldest: oldest, answer: answer})
}

func (h *fositeHost) token(w http.ResponseWriter, r *http.Request) {
	ctx := fosite.NewContext()
	request, err := h.provider.NewAccessRequest(ctx, r, h.session("", time.Time{}, time.Now()))
	if err != nil {
		h.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	// As the example has it: a client with tokens of its own gets what it asks for.
	if request.GetGrantTypes().ExactOne("client_credentials") {
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
	}
	response, err := h.provider.NewAccessResponse(ctx, request)
	if err != nil {
		h.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	h.provider.WriteAccessResponse(ctx, w, request, response)
}

func (h *fositeHost) introspect(w http.ResponseWriter, r *http.Request) {
	ctx := fosite.NewContext()
	response, err := h.provider.NewIntrospectionRequest(ctx, r, h.session("", time.Time{}, time.Now()))
	if err != nil {
		h.provider.WriteIntrospectionError(ctx, w, err)
		return
	}
	h.provider.WriteIntrospectionResponse(ctx, w, response)
}

func (h *fositeHost) push(w http.ResponseWriter, r *http.Request) {
	ctx := fosite.NewContext()
	ar, err := h.provider.NewPushedAuthorizeRequest(ctx, r)
	if err != nil {
		h.provider.WritePushedAuthorizeError(ctx, w, ar, err)
		return
	}
	response, err := h.provider.NewPushedAuthorizeResponse(ctx, ar, h.session("", time.Time{}, time.Now()))
	if err != nil {
		h.provider.WritePushedAuthorizeError(ctx, w, ar, err)
		return
	}
	h.provider.WritePushedAuthorizeResponse(ctx, w, ar, response)
}

func (h *fositeHost) newClient(metadata map[string]any) (conformance.Client, error) {
	made := conformance.Client{ID: "c-" + strings.ToLower(rand.Text())}
	if err := unknown(metadata, "client_name", "redirect_uris", "grant_types", "response_types", "scope", "token_endpoint_auth_method",
		"token_endpoint_auth_signing_alg", "jwks", "jwks_uri", "request_uris", "request_object_signing_alg", "application_type", "resource_server"); err != nil {
		return made, err
	}
	c := &fosite.DefaultOpenIDConnectClient{
		DefaultClient: &fosite.DefaultClient{
			ID: made.ID, RedirectURIs: texts(metadata, "redirect_uris"), GrantTypes: texts(metadata, "grant_types"),
			ResponseTypes: texts(metadata, "response_types"), Scopes: strings.Fields(text(metadata, "scope")),
			Public: text(metadata, "token_endpoint_auth_method") == "none",
		},
		TokenEndpointAuthMethod: text(metadata, "token_endpoint_auth_method"), TokenEndpointAuthSigningAlgorithm: text(metadata, "token_endpoint_auth_signing_alg"),
		JSONWebKeysURI: text(metadata, "jwks_uri"), RequestURIs: texts(metadata, "request_uris"),
		RequestObjectSigningAlgorithm: text(metadata, "request_object_signing_alg"),
	}
	if keys := metadata["jwks"]; keys != nil {
		encoded, err := json.Marshal(keys)
		if err != nil {
			return made, err
		}
		c.JSONWebKeys = &jose3.JSONWebKeySet{}
		if err := json.Unmarshal(encoded, c.JSONWebKeys); err != nil {
			return made, fmt.Errorf("%w: with such keys: %v", conformance.ErrNoSuchClient, err)
		}
	}
	if c.TokenEndpointAuthMethod == "private_key_jwt" && c.TokenEndpointAuthSigningAlgorithm == "" {
		// fosite's default is RS256 alone; a host has the client say what its key is for.
		if c.JSONWebKeys != nil && len(c.JSONWebKeys.Keys) > 0 {
			c.TokenEndpointAuthSigningAlgorithm = c.JSONWebKeys.Keys[0].Algorithm
		}
		c.TokenEndpointAuthSigningAlgorithm = cmp.Or(c.TokenEndpointAuthSigningAlgorithm, "ES256")
	}
	if strings.HasPrefix(c.TokenEndpointAuthMethod, "client_secret_") {
		made.Secret = rand.Text() + rand.Text()
		var err error
		if c.Secret, err = h.config.GetSecretsHasher(context.Background()).Hash(context.Background(), []byte(made.Secret)); err != nil {
			return made, err
		}
	}
	h.store.Clients[made.ID] = fositeClient{c, text(metadata, "client_name")}
	return made, nil
}

// fositeClient is a client that may have its answers in every way that fosite has.
type fositeClient struct {
	*fosite.DefaultOpenIDConnectClient
	name string
}

func (fositeClient) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeDefault, fosite.ResponseModeQuery, fosite.ResponseModeFragment, fosite.ResponseModeFormPost}
}
