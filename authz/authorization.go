package authz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/storage"
)

// authorization is one authorization request on its way through the checks.
type authorization struct {
	*Server
	params url.Values
	path   string // of the page to come back to from the sign-in page
	at     time.Time

	address netip.Addr // where the request came from, if that is known

	client       *Client
	documentHost string // of the client's metadata document; empty for none
	redirectURI  string
	formPost     bool // the answer goes by POST
	fragment     bool // the answer goes in the fragment
	jarm         bool // the answer is signed
	scopes       []string
	resources    []string // their identifiers
	details      []detail // RFC 9396

	// pushed is the record of a pushed request, nil for one that was not; signed tells that
	// the parameters come from a request object. reference is what stands for either in URLs,
	// nil for parameters that came by themselves. asked is when the request came first: what
	// is behind a reference may come again. answering tells that the consent page of this
	// request comes back, maybe for the second time.
	pushed    *storage.Code
	signed    bool
	reference url.Values
	asked     time.Time
	answering bool

	claims    *claimsRequest // OpenID Connect Core §5.5; nil for none
	expected  string         // the subject that the client means; empty for anybody
	wanted    AuthenticationRequest
	remembers bool // it comes back from the sign-in page

	// unendedSince is the time from which on nobody may have ended the user's
	// authorizations: when the request came, before the host was asked who the user is,
	// or when the consent was given that it relies on.
	unendedSince time.Time
}

func (s *Server) newAuthorization(params url.Values, at time.Time) *authorization {
	return &authorization{Server: s, params: params, path: s.paths.authorization, at: at, asked: at, unendedSince: at}
}

// check is one thing that must hold of an authorization request.
type check func(*authorization, context.Context) *Error

// The checks, in order. A request that fails the first list gets an error page: until
// client and redirect URI are known to belong together there is no safe place to
// redirect to (RFC 6749 §4.1.2.1, RFC 9700 §4.11). A request that fails the second
// sends the user back to the client with the error. Both lists run again when the
// consent page comes back, so that what changed in between counts.
var (
	checksBeforeRedirect = []check{
		(*authorization).checkPushedRequest,
		(*authorization).checkClient,
		(*authorization).checkRequestObject,
		(*authorization).checkState,
		(*authorization).checkRedirectURI,
	}
	checksAfterRedirect = []check{
		(*authorization).checkResponseMode, // by which the others are answered
		(*authorization).checkSignsResponse,
		(*authorization).checkParameters,
		(*authorization).checkUnsupported,
		(*authorization).checkWasPushed,
		(*authorization).checkWasSigned,
		(*authorization).checkResponseType,
		(*authorization).checkCodeChallenge,
		(*authorization).checkDPoPKey,
		(*authorization).checkScope,
		(*authorization).checkResource,
		(*authorization).checkDetails,
		(*authorization).checkPrompt,
		(*authorization).checkAuthentication,
		(*authorization).checkOpenID,
		(*authorization).checkIDTokenResponse,
		(*authorization).checkWithEngine,
	}
)

// Authorize handles a request to the authorization endpoint (RFC 6749 §4.1.1). An
// *Error is for an error page; errors that the client should get are in the
// response, as a redirect. Nothing is stored unless a code is issued.
func (s *Server) Authorize(ctx context.Context, req *AuthorizationRequest) (*AuthorizationResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	a := s.newAuthorization(req.Parameters, s.now())
	a.address = req.Address
	if response, err := a.validate(ctx); response != nil || err != nil {
		return response, asError(err)
	}
	user, response, err := a.user(req)
	if response != nil || err != nil {
		return response, err
	}
	return a.decide(ctx, user, req.Browser)
}

// asError keeps a nil *Error from becoming a non-nil error.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

// validate runs the checks. If it returns two nils, the request is good.
func (a *authorization) validate(ctx context.Context) (*AuthorizationResponse, *Error) {
	for _, check := range checksBeforeRedirect {
		if err := check(a, ctx); err != nil {
			return nil, a.report(ctx, err, a.clientID(), "")
		}
	}
	for _, check := range checksAfterRedirect {
		if err := check(a, ctx); err != nil {
			return a.refuse(ctx, err, ""), nil
		}
	}
	return nil, nil
}

func (a *authorization) clientID() string {
	if a.client == nil {
		return "" // whatever was sent is not the name of a client
	}
	return a.client.ID
}

// checkState refuses what could not be sent back.
func (a *authorization) checkState(context.Context) *Error {
	if len(once(a.params, "state")) > maxParameter/2 {
		return failed(invalidRequest, "state_too_long", "The state parameter is too long.")
	}
	return nil
}

// checkClient: RFC 6749 §4.1.1, client_id.
func (a *authorization) checkClient(ctx context.Context) *Error {
	id := once(a.params, "client_id")
	if id == "" {
		return missing("client_id")
	}
	if a.client != nil && a.client.ID == id {
		return nil // it has authenticated itself
	}
	client, documentHost, err := a.findClient(ctx, id, a.address)
	if err != nil {
		return unavailable(err)
	}
	if client == nil {
		// Not invalid_client with 401: nobody tried to authenticate.
		return failed(invalidRequest, "client_unknown", "The application that sent you here is not known to this server.").
			because(fmt.Errorf("no active client has the client_id %.200q", id))
	}
	a.client, a.documentHost = client, documentHost
	return nil
}

// checkRedirectURI: RFC 6749 §3.1.2.3, RFC 9700 §2.1. What is registered is checked
// again, because a host's own client storage may hold anything.
func (a *authorization) checkRedirectURI(context.Context) *Error {
	if len(a.params["redirect_uri"]) > 1 {
		return failed(invalidRequest, "parameter_repeated", "A request parameter was included more than once.")
	}
	uri, err := matchRedirectURI(a.client, once(a.params, "redirect_uri"))
	if err != nil {
		return err
	}
	if once(a.params, "redirect_uri") == "" && a.config.openID() && slices.Contains(strings.Fields(once(a.params, "scope")), openID) {
		return missing("redirect_uri") // OpenID Connect Core §3.1.2.1
	}
	if fault := checkRedirectURI(uri, a.client.ApplicationType == "native"); fault != nil {
		return failed(invalidRequest, "redirect_uri_unsafe", "The redirect_uri registered for this client cannot be used.").because(fault)
	}
	a.redirectURI = uri
	return nil
}

// checkParameters: RFC 6749 §3.1, no parameter more than once.
func (a *authorization) checkParameters(context.Context) *Error { return checkParameters(a.params) }

// checkUnsupported: OpenID Connect Core §3.1.2.6. Ignoring a reference to a request object
// would mean to act on parameters that the client did not mean; where Config.RequestURIs is on,
// one that is there has been followed by now.
func (a *authorization) checkUnsupported(context.Context) *Error {
	for _, name := range []string{"request_uri", "registration"} {
		if once(a.params, name) != "" {
			return failed(name+"_not_supported", name+"_not_supported", "The "+name+" parameter is not supported.")
		}
	}
	return nil
}

// checkScope: RFC 6749 §3.3.
func (a *authorization) checkScope(context.Context) (err *Error) {
	a.scopes, err = a.resolveScope(a.client, once(a.params, "scope"))
	return err
}

// checkWithEngine has fosite judge the request as well, before the user is bothered
// with it.
func (a *authorization) checkWithEngine(ctx context.Context) *Error {
	if !a.asksFor(responseCode) {
		return nil
	}
	return a.fromEngine(a.engine.ParseAuthorization(ctx, a.engineRequest()))
}

// engineRequest is what fosite is asked for: the code, whatever comes beside it.
func (a *authorization) engineRequest() *engine.AuthorizationRequest {
	params := a.params
	if a.asksFor(responseIDToken) {
		params = maps.Clone(params)
		params.Set("response_type", responseCode)
	}
	return &engine.AuthorizationRequest{
		Client:        a.client,
		Public:        public(a.client),
		GrantTypes:    grantTypesOf(a.client),
		Parameters:    params,
		RedirectURI:   a.redirectURI,
		Scopes:        a.scopes,
		Confirmation:  a.dpopKey().claim(),
		Nonce:         a.nonce(),
		At:            a.at,
		CodeExpiresAt: a.at.Add(a.config.Lifetimes.AuthorizationCode),
	}
}

// fromEngine turns a refusal by the engine into ours. Anything that is not a refusal
// means that the store or a hook failed.
func (s *Server) fromEngine(err error) *Error {
	var refused *engine.Error
	var ours *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return ours
	case !errors.As(err, &refused):
		return unavailable(err)
	}
	if description, ok := descriptions[refused.Code]; ok {
		return failed(refused.Code, refused.Reason, description).because(refused.Err)
	}
	return broken("engine_"+refused.Code, err)
}

// descriptions are what is said about a refusal by the engine, whose own words
// repeat the request.
var descriptions = map[string]string{
	invalidRequest:          "The request is missing a parameter or is otherwise malformed.",
	invalidGrant:            "The authorization code or refresh token is invalid, expired, used or revoked, or belongs to another client.",
	unauthorizedClient:      "This client may not use this grant type.",
	unsupportedGrantType:    "The grant_type is not supported.",
	unsupportedResponseType: "The response_type is not supported. Use code.",
	invalidScope:            "A requested scope is unknown, or this client may not request it.",
}

// issue stores the grant and its code in one commit, and sends the browser to the
// client with the code (RFC 6749 §4.1.2), and an ID token if that is asked for. If that answers
// a consent page, the answer and what is remembered of it are part of the same commit.
func (a *authorization) issue(ctx context.Context, user *User, scopes []string, page *answeredPage) (*AuthorizationResponse, error) {
	request := a.engineRequest()
	expiresAt := request.CodeExpiresAt.Add(a.accessTokenLifetime(a.client))
	if slices.Contains(grantTypesOf(a.client), grantRefreshToken) && a.config.IssueRefreshToken(a.client, scopes) {
		expiresAt = a.at.Add(a.refreshTokenLifetime(a.client))
	}
	// A used code is remembered for as long as anything that it yielded may live, so that
	// its replay is noticed while that matters.
	request.CodeKeptUntil = expiresAt
	expiresAt = a.rememberSession(user, expiresAt)
	grant := &storage.Grant{
		ID:                   storage.NewGrantID(expiresAt),
		ClientID:             a.client.ID,
		Subject:              user.Subject,
		Scopes:               scopes,
		Resources:            a.resources,
		AuthorizationDetails: joinDetails(a.details),
		AuthTime:             user.AuthTime,
		ACR:                  user.ACR,
		AMR:                  user.AMR,
		CreatedAt:            a.at,
		ExpiresAt:            expiresAt,
	}
	if a.asksOpenID() {
		grant.Claims, grant.ClaimsLocales = a.claims.json(), once(a.params, "claims_locales")
		grant.SessionID = user.SessionID
	}
	request.Scopes = scopes
	answer, write := url.Values{}, &storage.Write{At: a.at}
	if !a.asksFor(responseCode) {
		if a.joinsSession(user) { // otherwise nothing is left of an ID token alone
			write.Grants = []storage.Grant{*grant}
		}
	} else {
		code, w, err := a.engine.IssueCode(ctx, request, grant)
		if err != nil {
			return a.refuse(ctx, a.fromEngine(err), user.Subject), nil
		}
		answer.Set("code", code)
		write = w
	}
	if refused := a.addIDToken(ctx, grant, answer); refused != nil {
		return a.refuse(ctx, refused, user.Subject), nil
	}
	write.Unended = a.unended(user)
	a.consumePushed(write)
	response, refused := a.redirect(ctx, answer)
	if refused != nil {
		return a.refuse(ctx, refused, user.Subject), nil
	}
	if page != nil {
		if err := page.file(write, response); err != nil {
			return a.refuse(ctx, broken("answer_unsealable", err), user.Subject), nil
		}
	}
	switch err := a.config.Storage.Commit(ctx, *write); {
	case page != nil && (errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConsumed)):
		return a.answerAgain(ctx, user, page)
	case a.pushed != nil && (errors.Is(err, storage.ErrConsumed) || errors.Is(err, storage.ErrNotFound)):
		return nil, a.pushedGone(ctx, user.Subject)
	case errors.Is(err, storage.ErrRevoked):
		return a.refuse(ctx, failed(accessDenied, "ended_meanwhile", "The user's authorizations were ended while this one was being given. Start again.").because(err), user.Subject), nil
	case err != nil:
		return a.refuse(ctx, unavailable(err), user.Subject), nil
	}
	granted := Event{Type: AuthorizationGranted, ClientID: a.client.ID, Subject: user.Subject, Scopes: scopes}
	if len(write.Grants) > 0 {
		granted.GrantID = grant.ID
	}
	a.emit(ctx, granted)
	return response, nil
}
