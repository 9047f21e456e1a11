package authz

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/internal/fetch"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/storage"
)

// Server is the authorization server. Its methods take protocol requests and
// return protocol answers; package handlers puts HTTP around them. They may be
// called from many goroutines at once. A Server holds no lasting goroutine and nothing
// to close (see [Server.DeliverLogouts]).
type Server struct {
	config  Config
	log     *slog.Logger
	clock   *clock
	clients map[string]*Client // those registered in code; never changed
	origins []string

	grantTypes []string // that the token endpoint handles; never changed

	resources []Resource // never changed, the default first
	byDefault []string   // the identifier of that one
	audiences []string   // what client assertions may be for; never changed
	paths     struct{ prefix, authorization, device string }

	keys     *keyring.Ring
	engine   *engine.Engine
	secrets  *secrets
	polls    *polls
	verified *verified
	epochs   storage.Epochs // nil if the store has none
	living   living
	nonces   *dpop.Nonces // nil for none

	// Each has a Fetcher of its own: strangers can name slow documents, and keys of clients,
	// without end, and must not hold up the others.
	clientKeys    *clientKeys
	issuerKeys    *clientKeys // of Config.TrustedIssuers
	documents     *documents  // nil if Config.ClientIDMetadata is
	registrations registrations
	sectors       *fetch.Fetcher

	requestDocuments *requestDocuments
	deliveries       deliveries
	notifications    *notifications
}

// New makes a server. On first start it makes the signing keys and stores them. The
// error names every fault of the configuration at once, each with its cure.
func New(config Config) (*Server, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		config:  config,
		log:     config.Logger,
		clock:   &clock{host: config.Clock},
		clients: map[string]*Client{},
		origins: slices.Clone(config.AllowedOrigins),

		resources: config.Resources,
		byDefault: []string{config.Resource},
		secrets:   newSecrets(),
		polls:     newPolls(),
		verified:  newVerified(),
	}
	s.epochs, _ = config.Storage.(storage.Epochs)
	if s.config.Limits.Limiter == nil {
		s.config.Limits.Limiter = newMemoryLimiter(s.now)
	}
	s.clientKeys = newClientKeys(fetch.New(config.HTTPClient), s.now)
	s.issuerKeys = newClientKeys(fetch.New(config.HTTPClient), s.now)
	s.sectors = fetch.New(config.HTTPClient)
	s.requestDocuments = newRequestDocuments(config.HTTPClient, s.now)
	s.deliveries.fetcher = fetch.New(config.HTTPClient)
	s.notifications = newNotifications(fetch.New(config.HTTPClient))
	s.documents = s.newDocuments()
	issuer, _ := url.Parse(config.Issuer)
	s.paths.prefix = issuer.Path + config.Prefix
	s.paths.authorization = s.paths.prefix + "/authorize"
	s.paths.device = s.paths.prefix + "/device"
	s.grantTypes = config.grantTypes()
	m := s.Metadata()
	s.audiences = []string{m.Issuer, m.TokenEndpoint, m.PushedAuthorizationRequestEndpoint} // RFC 9126 §2
	if config.DeviceGrant {
		s.audiences = append(s.audiences, m.DeviceAuthorizationEndpoint)
	}
	if config.BackchannelAuthentication != nil { // CIBA Core §7.1
		s.audiences = append(s.audiences, m.BackchannelAuthenticationEndpoint)
	}
	if alias, there := m.MTLSEndpointAliases["token_endpoint"]; there {
		s.audiences = append(s.audiences, alias)
	}
	if err := s.addClients(config.Clients); err != nil {
		return nil, err
	}
	var err error
	s.keys, err = keyring.Open(context.Background(), keyring.Config{
		Store:         config.Storage,
		Issuer:        config.Issuer,
		FormerIssuers: config.FormerIssuers,
		Algorithms:    config.SigningAlgorithms,
		Rotation:      config.KeyRotation,
		Decrypts:      config.RequestObjectEncryption,
		Outlive:       config.keysOutlive(),
		EncryptionKey: config.EncryptionKey,
		Beside:        beside,
		Now:           s.now,
		Rotated: func(ctx context.Context, algorithm, keyID string) {
			s.emit(ctx, Event{Type: KeyRotated, Reason: algorithm})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("authz: %w", err)
	}
	if config.DPoPNonces {
		s.nonces = &dpop.Nonces{Clock: s.now, Keys: func(ctx context.Context) ([][]byte, error) {
			return s.keys.Derived(ctx, "dpop nonces")
		}}
	}
	s.engine = engine.New(engine.Config{
		Store:           config.Storage,
		OptionalPKCE:    config.OptionalPKCE,
		KnownScope:      func(scope string) bool { _, known := s.config.Scopes[scope]; return known },
		MintAccessToken: s.mintAccessToken,
		NewCredential:   newCredential,
		DigestOf:        digestOf,
	})
	s.lookForLogouts(time.Now()) // those of the process before
	return s, nil
}

// now is the present.
func (s *Server) now() time.Time { return s.clock.now() }

// Now is the present by the server's clock, which is not set back (Config.Clock).
func (s *Server) Now() time.Time { return s.now() }

// Issuer is the server's name, as configured.
func (s *Server) Issuer() string { return s.config.Issuer }

// Resource is the identifier of the resource server that access tokens are for, their aud
// claim, where the client names none.
func (s *Server) Resource() string { return s.config.Resource }

// Logger is where the server's failures go: Config.Logger, or slog.Default.
func (s *Server) Logger() *slog.Logger { return s.log }

// OriginAllowed reports whether a page of this origin may call the token and
// revocation endpoints (CORS).
func (s *Server) OriginAllowed(origin string) bool {
	return slices.Contains(s.origins, origin) || slices.Contains(s.config.AllowedOrigins, "*")
}

// JWKS is the key set to publish (RFC 7517 §5). It may be cached for up to five
// minutes: a new key is published for longer than that before it signs.
func (s *Server) JWKS(ctx context.Context) (*jose.JSONWebKeySet, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	set, err := s.keys.Public(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	return set, nil
}

// grantTypes are what the token endpoint handles.
func (c *Config) grantTypes() []string {
	types := []string{grantAuthorizationCode, grantRefreshToken, grantClientCredentials}
	if c.TokenExchange != nil {
		types = append(types, grantTokenExchange)
	}
	if c.JWTBearer != nil {
		types = append(types, grantJWTBearer)
	}
	if c.DeviceGrant {
		types = append(types, grantDeviceCode)
	}
	if c.BackchannelAuthentication != nil {
		types = append(types, grantBackchannel)
	}
	return types
}

// registrableGrantTypes are what clients may register for: what the token endpoint handles, and
// what goes with ID tokens from the authorization endpoint.
func (c *Config) registrableGrantTypes() []string {
	types := c.grantTypes()
	if len(c.ResponseTypes) > 0 {
		types = append(types, grantImplicit)
	}
	return types
}

// Metadata describes the server (RFC 8414 §2).
func (s *Server) Metadata() *Metadata {
	base := s.base()
	scopes := make([]string, 0, len(s.config.Scopes))
	for scope := range s.config.Scopes {
		scopes = append(scopes, scope)
	}
	slices.Sort(scopes)
	resources := make([]string, len(s.resources))
	for i := range s.resources {
		resources[i] = s.resources[i].Identifier
	}
	var proofAlgs []string
	if s.config.DPoP {
		proofAlgs = s.config.proofAlgs()
	}
	confidential := s.authMethods()
	anyClient := slices.Clone(confidential)
	if s.supports(authNone) {
		anyClient = append(anyClient, authNone)
	}
	m := &Metadata{
		Issuer:                                     s.config.Issuer,
		AuthorizationEndpoint:                      base + "/authorize",
		TokenEndpoint:                              base + "/token",
		JWKSURI:                                    base + "/jwks",
		ScopesSupported:                            scopes,
		ResponseTypesSupported:                     s.config.responseTypes(),
		ResponseModesSupported:                     s.config.responseModes(),
		GrantTypesSupported:                        s.config.registrableGrantTypes(),
		TokenEndpointAuthMethodsSupported:          anyClient,
		RevocationEndpoint:                         base + "/revoke",
		RevocationEndpointAuthMethodsSupported:     anyClient,
		IntrospectionEndpoint:                      base + "/introspect",
		IntrospectionEndpointAuthMethodsSupported:  confidential,
		PushedAuthorizationRequestEndpoint:         base + "/par",
		RequirePushedAuthorizationRequests:         s.config.RequirePushedAuthorizationRequests,
		CodeChallengeMethodsSupported:              []string{"S256"},
		AuthorizationResponseIssParameterSupported: true,
		ProtectedResources:                         resources,
		AuthorizationDetailsTypesSupported:         slices.Sorted(maps.Keys(s.config.AuthorizationDetails)),
		ACRValuesSupported:                         slices.Clone(s.config.ACRValues),

		TokenEndpointAuthSigningAlgValuesSupported:         s.assertionAlgs(),
		RevocationEndpointAuthSigningAlgValuesSupported:    s.assertionAlgs(),
		IntrospectionEndpointAuthSigningAlgValuesSupported: s.assertionAlgs(),
		IntrospectionSigningAlgValuesSupported:             slices.Clone(s.config.SigningAlgorithms),
		AuthorizationSigningAlgValuesSupported:             slices.Clone(s.config.SigningAlgorithms),
		RequestParameterSupported:                          true,
		RequestURIParameterSupported:                       s.config.RequestURIs,
		RequireRequestURIRegistration:                      s.config.RequestURIs,
		RequestObjectSigningAlgValuesSupported:             s.config.requestAlgs(),
		RequireSignedRequestObject:                         s.config.RequireSignedRequestObjects,
		TLSClientCertificateBoundAccessTokens:              s.config.MutualTLS,
		ClientIDMetadataDocumentSupported:                  s.documents != nil,
		DPoPSigningAlgValuesSupported:                      proofAlgs,
	}
	if origin := s.config.MutualTLSOrigin; origin != "" {
		there := origin + strings.TrimPrefix(base, s.origin())
		m.MTLSEndpointAliases = map[string]string{
			"token_endpoint": there + "/token", "revocation_endpoint": there + "/revoke", "introspection_endpoint": there + "/introspect",
			"pushed_authorization_request_endpoint": there + "/par",
		}
	}
	if s.config.DeviceGrant {
		m.DeviceAuthorizationEndpoint = base + "/device_authorization"
		if m.MTLSEndpointAliases != nil {
			m.MTLSEndpointAliases["device_authorization_endpoint"] = s.config.MutualTLSOrigin + s.paths.prefix + "/device_authorization"
		}
	}
	if s.config.openID() {
		s.describeOpenID(m, base)
	}
	s.describeBackchannel(m)
	s.describeEncryption(m)
	if s.config.Registration != nil {
		m.RegistrationEndpoint = base + "/register"
	}
	return m
}

// origin is scheme, host and port of the issuer.
func (s *Server) origin() string {
	issuer, _ := url.Parse(s.config.Issuer)
	return issuer.Scheme + "://" + issuer.Host
}

// report tells the host and the log about a refusal, and returns it.
func (s *Server) report(ctx context.Context, e *Error, clientID, subject string) *Error {
	level := slog.LevelInfo
	if e.Status >= 500 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("error", e.Code), slog.String("reason", e.Reason), slog.String("client_id", clientID)}
	if e.cause != nil {
		// As text: an error that knows how to marshal itself would say more than that.
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	s.log.LogAttrs(ctx, level, "request refused", attrs...)
	s.emit(ctx, Event{Type: RequestRefused, ClientID: clientID, Subject: subject, Reason: e.Reason})
	return e
}
