package authz

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/storage"
)

// Token handles a request to the token endpoint (RFC 6749 §3.2): the grants
// authorization_code (§4.1.3, with RFC 7636 §4.5), refresh_token (§6),
// client_credentials (§4.4) and, where they are configured, those of extensions (§4.5), such
// as device_code (RFC 8628 §3.4) and that of OpenID Connect CIBA Core §10.1. What it returns has been stored.
func (s *Server) Token(ctx context.Context, req *Request) (*TokenResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	client, answer, err := s.token(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, idOf(client), "")
	}
	if !client.ExpiresAt.IsZero() {
		s.usedClient(ctx, client)
	}
	left := answer.ExpiresAt.Sub(s.now().Truncate(time.Second))
	answer.ExpiresIn = max(int64(left/time.Second), 0)
	return &answer.TokenResponse, nil
}

func idOf(c *Client) string {
	if c == nil {
		return ""
	}
	return c.ID
}

// token does what Token says, in the order that keeps a failing request from using
// anything up: form, client, policy, and only then the code or token.
func (s *Server) token(ctx context.Context, req *Request) (*Client, *accessTokenAnswer, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, nil, err
	}
	grantType := req.Parameters.Get("grant_type")
	switch {
	case grantType == "":
		return nil, nil, missing("grant_type")
	case !slices.Contains(s.grantTypes, grantType):
		return nil, nil, failed(unsupportedGrantType, "grant_type_not_supported", "The grant_type is not supported.")
	}
	client, err := s.authenticateClient(ctx, req)
	if err != nil {
		return client, nil, err
	}
	if !slices.Contains(grantTypesOf(client), grantType) {
		return client, nil, failed(unauthorizedClient, "grant_type_not_allowed", "This client may not use this grant type.")
	}
	r := &engine.TokenRequest{
		Client:     client,
		Public:     public(client),
		GrantTypes: grantTypesOf(client),
		Parameters: req.Parameters,
		At:         s.now(),
	}
	policy := &tokenPolicy{Server: s, client: client, params: req.Parameters, at: r.At}
	r.Policy = policy
	if err := policy.bind(ctx, req, r); err != nil {
		return client, nil, err
	}
	var answer *accessTokenAnswer
	switch grantType {
	case grantAuthorizationCode:
		answer, err = s.redeemCode(ctx, policy, r)
	case grantRefreshToken:
		answer, err = s.refresh(ctx, policy, r)
	case grantClientCredentials:
		answer, err = s.issueToClient(ctx, policy)
	case grantTokenExchange:
		answer, err = s.exchange(ctx, policy)
	case grantJWTBearer:
		answer, err = s.redeemAssertion(ctx, policy)
	case grantDeviceCode:
		answer, err = s.redeemDeviceCode(ctx, policy)
	case grantBackchannel:
		answer, err = s.redeemAuthReqID(ctx, policy)
	}
	return client, answer, err
}

// tokenPolicy is what this server decides about one token request.
type tokenPolicy struct {
	*Server
	client *Client
	params url.Values
	at     time.Time
	code   string // that goes to the client beside the ID token; empty at the token endpoint

	held         confirmation // the keys that the request proves to hold
	proof        *dpop.Proof  // to be used up with what is issued; nil if there is none
	confirmation []byte       // the cnf claim of what is issued; nil for a bearer token
}

func (p *tokenPolicy) RedirectURIRegistered(redirectURI string) bool {
	_, err := matchRedirectURI(p.client, redirectURI)
	return err == nil
}

func (p *tokenPolicy) IssueRefreshToken(scopes []string) bool {
	return p.config.IssueRefreshToken(p.client, slices.Clone(scopes))
}

func (p *tokenPolicy) AccessTokenExpiresAt(grant *storage.Grant, resources []string) time.Time {
	// Whole seconds, because that is what a JWT can say (RFC 7519 §2, NumericDate).
	at := p.at.Truncate(time.Second).Add(p.lifetimeAt(resources, p.accessTokenLifetime(p.client)))
	if grant != nil {
		at = earlier(at, grant.ExpiresAt.Truncate(time.Second))
	}
	return at
}

func (p *tokenPolicy) RefreshTokenExpiresAt(grant *storage.Grant) time.Time {
	if p.config.FAPI2 { // it is not rotated, so nothing could move the end of its wait
		return grant.ExpiresAt
	}
	return earlier(p.at.Add(p.refreshTokenIdle(p.client)), grant.ExpiresAt)
}

// redeemCode: RFC 6749 §4.1.3.
func (s *Server) redeemCode(ctx context.Context, p *tokenPolicy, r *engine.TokenRequest) (*accessTokenAnswer, *Error) {
	switch {
	case r.Parameters.Get("code") == "":
		return nil, missing("code")
	case r.Parameters.Get("code_verifier") == "" && (!s.config.OptionalPKCE || public(p.client)): // RFC 7636 §4.5
		return nil, missing("code_verifier") // otherwise the code says whether there has to be one
	}
	issued, lastWill, err := s.engine.Token(ctx, r)
	if lastWill != nil {
		return nil, s.endReplayed(ctx, r, *lastWill)
	}
	if err == nil && !issued.ExpiresAt.After(r.At) {
		return nil, badGrant(reasonGrantEnding)
	}
	if err != nil {
		return nil, s.fromEngine(err)
	}
	if err := p.addIDToken(ctx, issued); err != nil {
		return nil, err
	}
	p.useProof(issued.Write)
	switch err := s.config.Storage.Commit(ctx, *issued.Write); {
	case err == nil:
	case errors.Is(err, storage.ErrConsumed):
		// Somebody redeemed the code between our look at it and the commit. A code that
		// comes twice is a code that comes twice, however close together.
		return nil, s.endReplayed(ctx, r, storage.Write{At: r.At, Revoke: []storage.Revocation{
			{GrantID: issued.Grant.ID, Reason: engine.ReasonCodeReplayed},
		}})
	default:
		return nil, notCommitted(err)
	}
	s.emit(ctx, Event{Type: TokenIssued, ClientID: r.Client.ID, Subject: issued.Grant.Subject, GrantID: issued.Grant.ID, Scopes: issued.Scopes})
	return p.answerOf(issued), nil
}

// issueToClient: RFC 6749 §4.4. There is nothing for the engine to judge: no user, no
// code, and the client and its scopes have been checked. A signed token is stored
// nowhere, so there may be nothing to commit.
func (s *Server) issueToClient(ctx context.Context, p *tokenPolicy) (*accessTokenAnswer, *Error) {
	if public(p.client) {
		// §4.4: confidential clients only. A host's own client storage may say otherwise.
		return nil, failed(unauthorizedClient, "public_client", descriptions[unauthorizedClient])
	}
	scopes, refused := s.resolveScope(p.client, p.params.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	resources, refused := p.resourcesOfClient()
	if refused != nil {
		return nil, refused
	}
	if scopes = s.scopesAt(resources, scopes); len(scopes) == 0 && p.params.Get("scope") != "" {
		return nil, failed(invalidScope, "scope_of_another_resource", "A requested scope means nothing at the requested resource.")
	}
	// offline_access asks for a refresh token, which this grant never yields (§4.4.3).
	if slices.Contains(scopes, offlineAccess) {
		scopes = without(scopes, []string{offlineAccess})
	}
	details, refused := s.resolveDetails(ctx, p.client, p.params.Get("authorization_details"))
	if refused != nil {
		return nil, refused
	}
	expiresAt := p.AccessTokenExpiresAt(nil, resources)
	w := storage.Write{At: p.at}
	token, err := s.mintAccessToken(ctx, engine.Mint{
		Client: p.client, Scopes: scopes, Resources: resources, ExpiresAt: expiresAt,
		Confirmation: p.confirmation, AuthorizationDetails: joinDetails(details),
	}, &w)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	p.useProof(&w)
	if len(w.Tokens) > 0 || len(w.Codes) > 0 {
		if err := s.config.Storage.Commit(ctx, w); err != nil {
			return nil, notCommitted(err)
		}
	}
	s.emit(ctx, Event{Type: TokenIssued, ClientID: p.client.ID, Scopes: scopes})
	return p.answerOf(&engine.Issued{AccessToken: token, ExpiresAt: expiresAt, Scopes: scopes, AuthorizationDetails: joinDetails(details)}), nil
}

// endReplayed ends the grant whose code or refresh token came back (RFC 6749 §4.1.2,
// RFC 9700 §4.14.2). If that cannot be stored the answer is 503, so that the next try
// ends it.
func (s *Server) endReplayed(ctx context.Context, r *engine.TokenRequest, w storage.Write) *Error {
	if err := s.config.Storage.Commit(ctx, w); err != nil {
		return unavailable(err)
	}
	end := w.Revoke[0]
	s.emit(ctx, Event{Type: ReplayDetected, ClientID: r.Client.ID, GrantID: end.GrantID, Reason: end.Reason})
	return badGrant(end.Reason)
}

// reasonGrantEnding is the refusal in the last second of a grant: lives are counted in
// whole seconds, and what would be issued now would be dead already.
const reasonGrantEnding = "grant_expired"

// badGrant is invalid_grant, worded the same whatever is wrong.
func badGrant(reason string) *Error { return failed(invalidGrant, reason, descriptions[invalidGrant]) }

// notCommitted says why a commit of new tokens did not happen.
func notCommitted(err error) *Error {
	switch {
	case errors.Is(err, storage.ErrConsumed):
		return badGrant("already_consumed").because(err)
	case errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrNotFound):
		return badGrant("grant_revoked").because(err)
	case errors.Is(err, storage.ErrExists):
		return proofRefused(dpop.Replayed()) // the one thing added that may be there already
	}
	return unavailable(err)
}

func (p *tokenPolicy) answerOf(issued *engine.Issued) *accessTokenAnswer {
	return &accessTokenAnswer{
		TokenResponse: TokenResponse{
			AccessToken:  issued.AccessToken,
			TokenType:    p.held.tokenType(),
			RefreshToken: issued.RefreshToken,
			Scope:        strings.Join(issued.Scopes, " "),
			IDToken:      issued.IDToken,

			AuthorizationDetails: issued.AuthorizationDetails,
		},
		ExpiresAt: issued.ExpiresAt,
	}
}

// The lifetimes that hold for a client. Those from a host's own client storage are
// bounded here, because nobody checked them.

func (s *Server) accessTokenLifetime(c *Client) time.Duration {
	return lifetime(c.AccessTokenLifetime, s.config.Lifetimes.AccessToken, maxAccessToken)
}

func (s *Server) refreshTokenIdle(c *Client) time.Duration {
	return lifetime(c.RefreshTokenIdle, s.config.Lifetimes.RefreshTokenIdle, maxRefreshToken)
}

func (s *Server) refreshTokenLifetime(c *Client) time.Duration {
	return lifetime(c.RefreshTokenLifetime, s.config.Lifetimes.RefreshToken, maxRefreshToken)
}

func lifetime(clients, servers, most time.Duration) time.Duration {
	if clients < time.Second {
		return servers
	}
	return min(clients, most)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
