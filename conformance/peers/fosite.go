package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/storage"
)

// fastHasher spares fosite the password hash.
type fastHasher struct{}

func (fastHasher) Hash(_ context.Context, data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	return sum[:], nil
}

func (h fastHasher) Compare(ctx context.Context, hash, data []byte) error {
	sum, _ := h.Hash(ctx, data)
	if subtle.ConstantTimeCompare(hash, sum) != 1 {
		return errors.New("mismatch")
	}
	return nil
}

// locked is fosite's MemoryStore behind one more lock: by itself it does not survive
// parallel refreshes ("concurrent map read and map write").
type locked struct {
	*storage.MemoryStore
	mu sync.Mutex
}

func (s *locked) CreateAccessTokenSession(ctx context.Context, signature string, r fosite.Requester) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.CreateAccessTokenSession(ctx, signature, r)
}

func (s *locked) GetAccessTokenSession(ctx context.Context, signature string, session fosite.Session) (fosite.Requester, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.GetAccessTokenSession(ctx, signature, session)
}

func (s *locked) CreateRefreshTokenSession(ctx context.Context, signature, access string, r fosite.Requester) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.CreateRefreshTokenSession(ctx, signature, access, r)
}

func (s *locked) GetRefreshTokenSession(ctx context.Context, signature string, session fosite.Session) (fosite.Requester, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.GetRefreshTokenSession(ctx, signature, session)
}

func (s *locked) RotateRefreshToken(ctx context.Context, requestID, signature string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.RotateRefreshToken(ctx, requestID, signature)
}

func (s *locked) RevokeRefreshToken(ctx context.Context, requestID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.RevokeRefreshToken(ctx, requestID)
}

func (s *locked) RevokeAccessToken(ctx context.Context, requestID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemoryStore.RevokeAccessToken(ctx, requestID)
}

// fositeServer is fosite as its documentation composes it, once for each token format:
// the format is the whole provider's there.
type fositeServer struct {
	opaque, jwt fosite.OAuth2Provider
}

func newFosite(fast bool) (http.Handler, error) {
	hasher := fosite.Hasher(fastHasher{})
	if !fast {
		hasher = &fosite.BCrypt{Config: &fosite.Config{}} // cost 12
	}
	hash, err := hasher.Hash(context.Background(), []byte(clientSecret))
	if err != nil {
		return nil, err
	}
	store := &locked{MemoryStore: storage.NewMemoryStore()}
	for _, id := range []string{opaqueClient, jwtClient} {
		store.Clients[id] = &fosite.DefaultClient{
			ID: id, Secret: hash, RedirectURIs: []string{redirectURI}, Scopes: []string{"read"},
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, ResponseTypes: []string{"code"},
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Each has a Config of its own, which is where Compose puts the handlers.
	provider := func(strategy func(*fosite.Config) oauth2.CoreStrategy) fosite.OAuth2Provider {
		config := &fosite.Config{
			GlobalSecret:             []byte(strings.Repeat("s", 32)),
			ScopeStrategy:            fosite.ExactScopeStrategy,
			AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
			RefreshTokenScopes:       []string{},
			ClientSecretsHasher:      hasher,
		}
		return compose.Compose(config, store, &compose.CommonStrategy{CoreStrategy: strategy(config)},
			compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory,
			compose.OAuth2RefreshTokenGrantFactory, compose.OAuth2TokenIntrospectionFactory,
			compose.OAuth2TokenRevocationFactory, compose.OAuth2PKCEFactory)
	}
	s := &fositeServer{
		opaque: provider(func(c *fosite.Config) oauth2.CoreStrategy { return compose.NewOAuth2HMACStrategy(c) }),
		jwt: provider(func(c *fosite.Config) oauth2.CoreStrategy {
			return compose.NewOAuth2JWTStrategy(func(context.Context) (any, error) { return key, nil }, compose.NewOAuth2HMACStrategy(c), c)
		}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", s.token)
	mux.HandleFunc("POST /oauth2/introspect", s.introspect)
	mux.HandleFunc("POST /oauth2/revoke", func(w http.ResponseWriter, r *http.Request) {
		s.opaque.WriteRevocationResponse(r.Context(), w, s.opaque.NewRevocationRequest(r.Context(), basic(r)))
	})
	mux.HandleFunc("POST /load/prepare", s.prepare)
	return mux, nil
}

// basic moves the client's credentials to where fosite's introspection and revocation
// want them.
func basic(r *http.Request) *http.Request {
	r.ParseForm()
	r.SetBasicAuth(r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"))
	r.PostForm.Del("client_secret")
	return r
}

func (s *fositeServer) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	r.ParseForm()
	provider, session := s.opaque, fosite.Session(&fosite.DefaultSession{Subject: "ana"})
	if r.PostForm.Get("client_id") == jwtClient {
		j := &oauth2.JWTSession{Subject: "ana"}
		j.GetJWTClaims()
		j.GetJWTHeader()
		provider, session = s.jwt, j
	}
	ar, err := provider.NewAccessRequest(ctx, r, session)
	if err == nil {
		for _, scope := range ar.GetRequestedScopes() {
			ar.GrantScope(scope)
		}
		var response fosite.AccessResponder
		if response, err = provider.NewAccessResponse(ctx, ar); err == nil {
			provider.WriteAccessResponse(ctx, w, ar, response)
			return
		}
	}
	provider.WriteAccessError(ctx, w, ar, err)
}

func (s *fositeServer) introspect(w http.ResponseWriter, r *http.Request) {
	response, err := s.opaque.NewIntrospectionRequest(r.Context(), basic(r), &fosite.DefaultSession{})
	if err != nil {
		s.opaque.WriteIntrospectionError(r.Context(), w, err)
		return
	}
	s.opaque.WriteIntrospectionResponse(r.Context(), w, response)
}

// prepare makes codes and tokens to begin with.
func (s *fositeServer) prepare(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	made := make([]string, n)
	for i := range made {
		code, err := s.code(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if made[i] = code; r.FormValue("what") == "code" {
			continue
		}
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
			"client_id": {opaqueClient}, "client_secret": {clientSecret},
		}
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		s.token(answer, request)
		var tokens struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &tokens); err != nil || tokens.Access == "" {
			http.Error(w, answer.Body.String(), http.StatusInternalServerError)
			return
		}
		if made[i] = tokens.Access; r.FormValue("what") == "refresh" {
			made[i] = tokens.Refresh
		}
	}
	json.NewEncoder(w).Encode(made)
}

func (s *fositeServer) code(ctx context.Context) (string, error) {
	request := httptest.NewRequest(http.MethodGet, "/?"+url.Values{
		"response_type": {"code"}, "client_id": {opaqueClient}, "redirect_uri": {redirectURI}, "scope": {"read"}, "state": {"12345678"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode(), nil)
	ar, err := s.opaque.NewAuthorizeRequest(ctx, request)
	if err != nil {
		return "", err
	}
	ar.GrantScope("read")
	response, err := s.opaque.NewAuthorizeResponse(ctx, ar, &fosite.DefaultSession{Subject: "ana"})
	if err != nil {
		return "", err
	}
	return response.GetCode(), nil
}
