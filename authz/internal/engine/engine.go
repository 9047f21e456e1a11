package engine

import (
	"context"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"github.com/grantor-oauth/grantor/storage"
)

// Config is what an [Engine] needs from the server.
type Config struct {
	Store storage.Store

	// OptionalPKCE lets authorization requests of clients that authenticate have no
	// code_challenge.
	OptionalPKCE bool

	// KnownScope reports whether the server has this scope.
	KnownScope func(scope string) bool

	// MintAccessToken makes an access token, and notes its record in w if one needs to be
	// stored.
	MintAccessToken func(ctx context.Context, m Mint, w *storage.Write) (token string, err error)

	// NewCredential makes a random credential that expires at the given time, and
	// the digest to file it under; DigestOf finds the digest of one that is
	// presented, the zero Digest if it was never ours.
	NewCredential func(expiresAt, keepUntil time.Time) (string, storage.Digest)
	DigestOf      func(credential string) storage.Digest
}

// Mint says what an access token is to hold.
type Mint struct {
	Client    *storage.Client
	Grant     *storage.Grant // nil for a token of the client's own
	Scopes    []string
	Resources []string
	ExpiresAt time.Time

	// Confirmation is the cnf claim; Actor, the act claim; AuthorizationDetails, those of
	// RFC 9396. Each is JSON, nil if there is none.
	Confirmation, Actor, AuthorizationDetails []byte

	// Subject is whom a token without a grant is about; empty for the client itself.
	Subject string
}

// Engine runs requests on fosite.
type Engine struct {
	config Config
	fosite *fosite.Fosite
}

// New composes the engine by hand: fosite's own "compose all" turns on the password
// and implicit grants (RFC 9700 §2.1.2, §2.4).
func New(config Config) *Engine {
	e := &Engine{config: config}
	c := &fositeConfig{byGrantType: map[string]fosite.TokenEndpointHandlers{}, Config: fosite.Config{
		// Set because its getter writes the default into the struct when it is nil,
		// which is a data race; exact, because the default takes wildcards.
		ScopeStrategy:            fosite.ExactScopeStrategy,
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		// RFC 9700 §2.1.1. Which requests may do without is judged before.
		EnforcePKCE:                 !config.OptionalPKCE,
		EnforcePKCEForPublicClients: true,
		// Which clients get a refresh token is our rule, applied in the unit of work.
		RefreshTokenScopes:           []string{},
		MinParameterEntropy:          len(placeholderState),
		RedirectSecureChecker:        func(context.Context, *url.URL) bool { return true }, // ours ran before
		ClientAuthenticationStrategy: authenticated,
	}}
	strategy, store := credentials{e}, unitStore{}
	core := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy:    strategy,
		RefreshTokenStrategy:   strategy,
		AuthorizeCodeStrategy:  strategy,
		CoreStorage:            store,
		TokenRevocationStorage: store,
		Config:                 c,
	}
	proof := &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: c}
	refresh := &refreshHandler{&oauth2.RefreshTokenGrantHandler{
		AccessTokenStrategy:    strategy,
		RefreshTokenStrategy:   strategy,
		TokenRevocationStorage: store,
		Config:                 c,
	}}
	c.AuthorizeEndpointHandlers.Append(core)
	c.AuthorizeEndpointHandlers.Append(proof)
	c.byGrantType["authorization_code"] = fosite.TokenEndpointHandlers{issuer{core}, proof}
	c.byGrantType["refresh_token"] = fosite.TokenEndpointHandlers{issuer{refresh}}
	e.fosite = fosite.NewOAuth2Provider(store, c)
	return e
}

// fositeConfig shows fosite the handlers of the request's own grant alone. It would ask
// each of them twice, and those that are not concerned answer with an error that
// captures the stack, which costs more than issuing the token.
type fositeConfig struct {
	fosite.Config
	byGrantType map[string]fosite.TokenEndpointHandlers
}

func (c *fositeConfig) GetTokenEndpointHandlers(ctx context.Context) fosite.TokenEndpointHandlers {
	return c.byGrantType[unitFrom(ctx).token.Parameters.Get("grant_type")]
}

// Error is a refusal by fosite or by a handler of ours that runs inside it.
type Error struct {
	Code   string // the RFC's error code
	Reason string // which check
	Err    error  // what fosite said; for logs
}

// Error names the code and the reason.
func (e *Error) Error() string { return "engine: " + e.Code + " (" + e.Reason + ")" }

// Unwrap returns what fosite said.
func (e *Error) Unwrap() error { return e.Err }
