package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/storage"
)

// grantJWTBearer is the grant of RFC 7523 §2.1.
const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// AssertionRequest is what Config.JWTBearer decides on. Everything in it has been verified:
// a trusted issuer signed the assertion, for this server, and it was not used before.
type AssertionRequest struct {
	// Client asks. One that is public has not authenticated.
	Client *Client

	// Issuer is the trusted issuer, and Subject its name for whom the token will be about,
	// which may be somebody else's name here. Claims are all claims of the assertion.
	Issuer  string
	Subject string
	Claims  map[string]any

	// Scopes are those that the client asks for, or its default, of those that it may ask
	// for. A scope claim in the assertion limits them.
	Scopes []string

	// Resources are the resource servers that the token is to be for: those that the client
	// names, or that a resource claim does, or the client's default. Such a claim limits
	// them.
	Resources []string

	// AuthorizationDetails is the JSON array of RFC 9396 §2 that the client asks for, valid
	// and nil for none.
	AuthorizationDetails json.RawMessage
}

// AssertionGrant is what an assertion yields.
type AssertionGrant struct {
	// User is whom the token is about, by the host's own name. AuthTime, ACR and AMR are
	// what the host believes of what the issuer says of the sign-in.
	User User

	// Scopes and Resources of the token, and its AuthorizationDetails: what was asked for, or
	// part of it.
	Scopes               []string
	Resources            []string
	AuthorizationDetails json.RawMessage
}

// Grant is what is asked for, for this user.
func (r *AssertionRequest) Grant(user User) (*AssertionGrant, error) {
	return &AssertionGrant{User: user, Scopes: r.Scopes, Resources: r.Resources, AuthorizationDetails: r.AuthorizationDetails}, nil
}

// redeemAssertion: RFC 7523 §2.1. There is no refresh token (RFC 7521 §4.1): who may still
// act for the user is for the issuer to say, anew each time. The grant behind the token is
// what RevokeUser and Disconnect find it by; it ends with the token.
func (s *Server) redeemAssertion(ctx context.Context, p *tokenPolicy) (*accessTokenAnswer, *Error) {
	presented := p.params.Get("assertion")
	if presented == "" {
		return nil, missing("assertion")
	}
	t, reason, refused := s.verifyTrusted(ctx, presented, false, p.at)
	switch {
	case refused != nil:
		return nil, refused
	case reason != "": // RFC 7523 §3.1
		return nil, badGrant("assertion_" + reason)
	}
	// An identity provider that names the client it made the assertion for means nobody
	// else (draft-ietf-oauth-identity-assertion-authz-grant).
	if named, there := t.members["client_id"]; there && named != p.client.ID {
		return nil, badGrant("assertion_for_another_client")
	}
	if !p.confirms(t.members) {
		return nil, badGrant("assertion_bound_to_another_key")
	}
	granted, refused := p.decideAssertion(ctx, t)
	if refused != nil {
		return nil, refused
	}
	expiresAt := p.AccessTokenExpiresAt(nil, granted.Resources)
	grant := storage.Grant{
		ID: storage.NewGrantID(expiresAt), ClientID: p.client.ID, Subject: granted.User.Subject,
		Scopes: granted.Scopes, Resources: granted.Resources, AuthorizationDetails: granted.AuthorizationDetails,
		AuthTime: granted.User.AuthTime, ACR: granted.User.ACR, AMR: granted.User.AMR,
		CreatedAt: p.at, ExpiresAt: expiresAt,
	}
	w := storage.Write{At: p.at, Grants: []storage.Grant{grant}, Codes: t.used(p.at), Unended: p.unended(&grant)}
	used := slices.Clone(w.Codes)
	token, err := s.mintAccessToken(ctx, engine.Mint{
		Client: p.client, Grant: &grant, Scopes: granted.Scopes, Resources: granted.Resources, ExpiresAt: expiresAt,
		Confirmation: p.confirmation, AuthorizationDetails: granted.AuthorizationDetails,
	}, &w)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	p.useProof(&w)
	switch err := s.config.Storage.Commit(ctx, w); {
	case errors.Is(err, storage.ErrExists):
		return nil, s.usedBefore(ctx, p, used, err)
	case err != nil:
		return nil, notCommitted(err)
	}
	s.emit(ctx, Event{Type: TokenIssued, ClientID: p.client.ID, Subject: grant.Subject, GrantID: grant.ID, Scopes: grant.Scopes})
	return p.answerOf(&engine.Issued{AccessToken: token, ExpiresAt: expiresAt, Scopes: granted.Scopes, AuthorizationDetails: granted.AuthorizationDetails}), nil
}

// assertionGrantWindow is longer than any assertion that is a grant lives; see onceBy.
const assertionGrantWindow = 2 * maxForeignLife

// used are the marks that an assertion was used (RFC 7523 §3, item 7). One without a jti is
// known by its text, but for the signature, which may be made anew.
func (t *trustedJWT) used(now time.Time) []storage.Code {
	id := "jti\x00" + t.claims.ID
	if t.claims.ID == "" {
		id = "text\x00" + t.signedText
	}
	return onceBy("assertion:"+t.issuer.Issuer+"\x00"+id, "", t.claims.ExpiresAt.Time, assertionGrantWindow, now)
}

// unended is the condition that nobody has ended the user's authorizations since the request
// came: by then the host, which was asked later, may have said who that is.
func (p *tokenPolicy) unended(grant *storage.Grant) []storage.Unended {
	return []storage.Unended{{Subject: grant.Subject, ClientID: grant.ClientID, Since: p.at}}
}

// usedBefore says which it was that came a second time: the assertion, which has left one of
// these marks at least, or the DPoP proof beside it.
func (s *Server) usedBefore(ctx context.Context, p *tokenPolicy, marks []storage.Code, found error) *Error {
	if p.proof == nil {
		return badGrant("assertion_replayed").because(found)
	}
	for _, mark := range marks {
		switch _, err := s.config.Storage.Code(ctx, mark.Digest); {
		case err == nil:
			return badGrant("assertion_replayed").because(found)
		case !errors.Is(err, storage.ErrNotFound):
			return unavailable(err)
		}
	}
	return notCommitted(found)
}

// decideAssertion works out what is asked for, asks the hook, and holds what it says
// against that.
func (p *tokenPolicy) decideAssertion(ctx context.Context, t *trustedJWT) (*AssertionGrant, *Error) {
	scopes, refused := p.resolveScope(p.client, p.params.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	resources, refused := p.resourcesOfAssertion(t)
	if refused != nil {
		return nil, refused
	}
	details, refused := p.resolveDetails(ctx, p.client, p.params.Get("authorization_details"))
	if refused != nil {
		return nil, refused
	}
	scopes = without(p.scopesAt(resources, t.scopes(scopes)), []string{offlineAccess}) // which asks for a refresh token
	if len(scopes) == 0 && p.params.Get("scope") != "" {
		return nil, failed(invalidScope, "scope_not_in_assertion", "None of the requested scopes can be had for this assertion at the requested resource.")
	}
	ask := &AssertionRequest{
		Client: cloneClient(p.client), Issuer: t.issuer.Issuer, Subject: t.claims.Subject, Claims: t.members,
		Scopes: slices.Clone(scopes), Resources: slices.Clone(resources), AuthorizationDetails: joinDetails(details),
	}
	given, err := p.config.JWTBearer(ctx, ask)
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return nil, refusal.fromHost()
	case err == nil && given == nil:
		err = errors.New("it returned neither an AssertionGrant nor an error; return req.Grant(user) to grant what is asked for")
	case err == nil:
		err = checkAssertionGrant(given, scopes, resources)
	}
	var allowed []detail
	if err == nil && len(given.AuthorizationDetails) > 0 {
		if allowed, refused = p.resolveDetails(ctx, p.client, string(given.AuthorizationDetails)); refused != nil {
			err = fmt.Errorf("it returned AuthorizationDetails that are not valid: %w", refused)
		}
	}
	if err != nil {
		return nil, broken("jwt_bearer_hook_failed", fmt.Errorf("the JWTBearer hook: %w", err))
	}
	return &AssertionGrant{
		User: given.User, Scopes: slices.Clone(given.Scopes), Resources: slices.Clone(given.Resources), AuthorizationDetails: joinDetails(allowed),
	}, nil
}

// checkAssertionGrant says what the hook may not grant.
func checkAssertionGrant(given *AssertionGrant, scopes, resources []string) error {
	switch {
	case !subject(given.User.Subject):
		return errors.New("it returned a User whose Subject is empty or not text; say what the user is called here")
	case len(given.Resources) == 0:
		return errors.New("it returned no Resources; name what the token is for")
	}
	for _, identifier := range without(given.Resources, resources) {
		return fmt.Errorf("it returned the resource %q, which was not asked for; return some of req.Resources", identifier)
	}
	for _, scope := range without(given.Scopes, scopes) {
		return fmt.Errorf("it returned the scope %.100q, which was not asked for; return some of req.Scopes", scope)
	}
	return nil
}

// resourcesOfAssertion are those that the request names, or that the assertion does in a
// resource claim, which is a limit as well.
func (p *tokenPolicy) resourcesOfAssertion(t *trustedJWT) ([]string, *Error) {
	claim, limited := t.strings("resource")
	if !limited {
		return p.resourcesOfClient()
	}
	var allowed []string
	for _, name := range claim {
		identifier, known := p.identify(name)
		if known && (len(p.client.Resources) == 0 || slices.Contains(p.client.Resources, identifier)) {
			allowed = append(allowed, identifier)
		}
	}
	named, refused := p.resourcesFor(p.client, p.params)
	switch {
	case refused != nil:
		return nil, refused
	case named == nil:
		named = allowed
	case len(without(named, allowed)) > 0:
		named = nil
	}
	switch {
	case len(named) == 0:
		return nil, failed(invalidTarget, "resource_not_in_assertion", "The assertion is for another resource.")
	case len(named) > 1 && !p.config.SeveralAudiences:
		return nil, failed(invalidTarget, "several_resources", "An access token is for one resource. Ask for one at a time.")
	}
	return named, nil
}
