package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// maxActors bounds the chain of those who act for each other (RFC 8693 §4.1), each of whom
// makes the token longer.
const maxActors = 8

// ExchangeRequest is what Config.TokenExchange decides on. Everything in it has been
// verified.
type ExchangeRequest struct {
	// Client asks; it has authenticated.
	Client *Client

	// Subject is the token that is to be exchanged. Its Audience is worth a look: whom it
	// is for had the right to have it, and anybody else has come by it somehow. If Issuer is
	// one of Config.TrustedIssuers, it is a JWT of theirs, and Subject.Subject their name for
	// whom it is about.
	Subject *resource.Token

	// Actor is the token of who is to act for the subject (delegation), nil if the client
	// wants to be taken for the subject (impersonation, RFC 8693 §1.1).
	Actor *resource.Token

	// Requested are the scopes that the client asks for, of those that it may ask for; nil if
	// it names none. Scopes are the part of them that the subject's token carries, all that
	// the token carries and the client may have if it names none. The JWT of a trusted issuer
	// that has no scope claim limits nothing: then they are what the client asks for, or its
	// default.
	Requested []string
	Scopes    []string

	// Resources are the resource servers that the new token is to be for: those that the
	// client names by resource or, by the identifier, as audience, or the client's default.
	Resources []string

	// Audiences are the names in audience parameters (RFC 8693 §2.1) that are no
	// resource's identifier. What they mean is for the hook to say, by Exchange.Resources.
	Audiences []string
}

// Exchange is what a token exchange yields.
type Exchange struct {
	// User is whom the token is about, by the host's own name, if somebody else issued the
	// subject's token. AuthTime, ACR and AMR are what the host believes of what the issuer
	// says of the sign-in. Otherwise it is left empty: an exchange does not make one user
	// another.
	User User

	// Scopes of the new token. There may be others than the subject's token carries, if the
	// client is registered for them: that is for the hook to answer for.
	Scopes []string

	// Resources that it is for, by their identifiers in Config.Resources.
	Resources []string
}

// Grant is what is asked for, without any scope that the subject's token lacks. It fails with
// invalid_target if the client asks for an audience by a name that nobody has explained. Of
// the token of a trusted issuer the hook has to say whom it is about, in Exchange.User.
func (r *ExchangeRequest) Grant() (*Exchange, error) {
	if len(r.Audiences) > 0 {
		return nil, failed(invalidTarget, "audience_unknown", "The requested audience is not one that this server issues tokens for.")
	}
	return &Exchange{Scopes: r.Scopes, Resources: r.Resources}, nil
}

// exchange: RFC 8693. A token that is presented is not used up: it lives on as it was.
//
// The new one ends with it at the latest. If there is a grant behind the old one, it stands
// behind the new one too, which therefore dies with it. If somebody else issued the old one,
// a grant is made, for RevokeUser and Disconnect to find the new one by.
func (s *Server) exchange(ctx context.Context, p *tokenPolicy) (*accessTokenAnswer, *Error) {
	if public(p.client) {
		return nil, failed(unauthorizedClient, "public_client", descriptions[unauthorizedClient])
	}
	if p.params.Get("authorization_details") != "" {
		return nil, badDetails("authorization_details_not_exchangeable", errors.New("a token exchange yields scopes; no specification says what becomes of authorization_details"))
	}
	issuedType, refused := p.requestedTokenType()
	if refused != nil {
		return nil, refused
	}
	subject, refused := p.exchanged(ctx, "subject_token")
	if refused != nil {
		return nil, refused
	}
	if subject == nil {
		return nil, missing("subject_token")
	}
	acting, refused := p.exchanged(ctx, "actor_token")
	if refused != nil {
		return nil, refused
	}
	var actor *resource.Token
	if acting != nil {
		actor = acting.Token
	}
	if refused := p.mayAct(subject, actor); refused != nil {
		return nil, refused
	}
	act, refused := actorClaim(subject, actor)
	if refused != nil {
		return nil, refused
	}
	granted, refused := p.decideExchange(ctx, subject, actor)
	if refused != nil {
		return nil, refused
	}
	if issuedType == typeJWT && s.formatAt(granted.Resources, p.client) != "jwt" {
		return nil, failed(invalidRequest, "requested_token_type_not_supported", "The requested_token_type is not supported for this client at this resource.")
	}
	expiresAt := earlier(p.AccessTokenExpiresAt(subject.grant, granted.Resources), subject.ExpiresAt)
	if actor != nil {
		expiresAt = earlier(expiresAt, actor.ExpiresAt)
	}
	if !expiresAt.After(p.at) {
		return nil, badExchange("subject_token_ending")
	}
	w := storage.Write{At: p.at}
	grant := subject.grant
	switch {
	case subject.foreign != nil:
		grant = p.grantOfForeign(granted, expiresAt)
		w.Grants, w.Unended = []storage.Grant{*grant}, p.unended(grant)
	case grant != nil:
		w.Live = []string{grant.ID}
	}
	token, err := s.mintAccessToken(ctx, engine.Mint{
		Client: p.client, Grant: grant, Subject: subject.Subject, Scopes: granted.Scopes, Resources: granted.Resources,
		ExpiresAt: expiresAt, Confirmation: p.confirmation, Actor: act,
	}, &w)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	event := Event{Type: TokenExchanged, ClientID: p.client.ID, Subject: subject.Subject, Scopes: granted.Scopes}
	if grant != nil {
		event.GrantID, event.Subject = grant.ID, grant.Subject
	}
	p.useProof(&w)
	if len(w.Grants)+len(w.Tokens)+len(w.Codes) > 0 {
		switch err := s.config.Storage.Commit(ctx, w); {
		case errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrNotFound):
			return nil, badExchange("subject_token_invalid").because(err)
		case err != nil:
			return nil, notCommitted(err)
		}
	}
	s.emit(ctx, event)
	answer := p.answerOf(&engine.Issued{AccessToken: token, ExpiresAt: expiresAt, Scopes: granted.Scopes})
	answer.IssuedTokenType = issuedType
	return answer, nil
}

// badExchange is the answer to tokens that will not do, whatever is wrong with them:
// invalid_request, and not invalid_grant (RFC 8693 §2.2.2).
func badExchange(reason string) *Error {
	return failed(invalidRequest, reason, "A presented token is invalid, or may not be exchanged by this client.")
}

// requestedTokenType: RFC 8693 §2.1. A jwt is an access token too, in that format.
func (p *tokenPolicy) requestedTokenType() (string, *Error) {
	switch wanted := p.params.Get("requested_token_type"); wanted {
	case "", typeAccessToken:
		return typeAccessToken, nil
	case typeJWT:
		return typeJWT, nil
	}
	return "", failed(invalidRequest, "requested_token_type_not_supported", "The requested_token_type is not supported.")
}

// mayAct holds whoever is to act against the may_act claim of the subject's token, if it has
// one (RFC 8693 §4.4): every member has to be true of the actor, or of the client if that
// acts for itself. In a JWT of another issuer they are names of that issuer's, unless the
// claim says whose they are: a client here may be called the same by chance.
func (p *tokenPolicy) mayAct(subject *exchangedToken, actor *resource.Token) *Error {
	claim, there := subject.Claims["may_act"]
	if !there {
		return nil
	}
	is := map[string]any{"iss": p.config.Issuer, "sub": p.client.ID, "client_id": p.client.ID}
	if actor != nil {
		maps.Copy(is, actor.Claims)
		is["sub"], is["client_id"] = actor.Subject, actor.ClientID
	}
	allowed, ok := claim.(map[string]any)
	for name, value := range allowed {
		ok = ok && reflect.DeepEqual(is[name], value)
	}
	if _, said := allowed["iss"]; !ok || len(allowed) == 0 || subject.foreign != nil && !said {
		return badExchange("actor_not_allowed")
	}
	return nil
}

// actorClaim is the act claim of the new token (RFC 8693 §4.1): the actor, and inside it
// whoever acted before. Without an actor that is still whoever acted before, because the
// subject does not begin to act itself by an exchange.
func actorClaim(subject *exchangedToken, actor *resource.Token) ([]byte, *Error) {
	before, acted := subject.Claims["act"]
	if subject.foreign != nil {
		before = namedBy(subject.Issuer, before)
	}
	if actor == nil && !acted {
		return nil, nil
	}
	act := before
	if actor != nil {
		named := map[string]any{"sub": actor.Subject}
		if acted {
			named["act"] = before
		}
		act = named
	}
	if _, ok := act.(map[string]any); !ok {
		return nil, badExchange("act_malformed") // in the token of another issuer
	}
	depth := 0
	for at, ok := act.(map[string]any); ok; at, ok = at["act"].(map[string]any) {
		depth++
	}
	if depth > maxActors {
		return nil, badExchange("too_many_actors")
	}
	encoded, err := json.Marshal(act)
	if err != nil {
		return nil, broken("actor_unencodable", err)
	}
	return encoded, nil
}

// namedBy is the act claim of another issuer, which says of everybody in it whose name that
// is (RFC 8693 §4.1): in a token of ours it would be taken for our own.
func namedBy(issuer string, act any) any {
	claim, ok := act.(map[string]any)
	if !ok {
		return act
	}
	claim = maps.Clone(claim)
	if _, said := claim["iss"]; !said {
		claim["iss"] = issuer
	}
	if before, acted := claim["act"]; acted {
		claim["act"] = namedBy(issuer, before)
	}
	return claim
}

// decideExchange works out what is asked for, asks the hook, and holds what it says against
// the registration of the client.
func (p *tokenPolicy) decideExchange(ctx context.Context, subject *exchangedToken, actor *resource.Token) (*Exchange, *Error) {
	ask := &ExchangeRequest{Client: cloneClient(p.client), Subject: copyOf(subject.Token), Actor: copyOf(actor)}
	possible, refused := p.resolveScope(p.client, p.params.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	if p.params.Get("scope") != "" {
		ask.Requested = slices.Clone(possible)
	} else if subject.foreign == nil {
		// Not the client's default: what the token carries was asked for once already.
		possible = slices.DeleteFunc(slices.Clone(p.client.Scopes), func(scope string) bool {
			_, known := p.config.Scopes[scope]
			return !known
		})
	}
	if subject.foreign != nil {
		ask.Scopes = subject.foreign.scopes(possible)
	} else {
		ask.Scopes = within(possible, subject.Scopes)
	}
	if ask.Resources, ask.Audiences, refused = p.targets(); refused != nil {
		return nil, refused
	}
	given, err := p.config.TokenExchange(ctx, ask)
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return nil, refusal.fromHost()
	case err == nil && given == nil:
		err = errors.New("it returned neither an Exchange nor an error; return req.Grant() to grant what is asked for")
	case err == nil:
		err = p.checkExchange(given, subject)
	}
	if err != nil {
		return nil, broken("token_exchange_hook_failed", fmt.Errorf("the TokenExchange hook: %w", err))
	}
	if len(given.Resources) > 1 && !p.config.SeveralAudiences {
		return nil, failed(invalidTarget, "several_resources", "An access token is for one resource. Ask for one at a time.")
	}
	// An exchange yields no refresh token, so there is nothing offline_access could mean.
	scopes := within(p.scopesAt(given.Resources, given.Scopes), p.client.Scopes)
	if scopes = without(scopes, []string{offlineAccess}); len(scopes) == 0 && len(ask.Requested) > 0 {
		return nil, failed(invalidScope, "scope_not_exchangeable", "None of the requested scopes can be had for the presented token at the requested resource.")
	}
	return &Exchange{User: given.User, Scopes: scopes, Resources: slices.Clone(given.Resources)}, nil
}

// copyOf is a token that the hook may do with as it likes, but for what it holds.
func copyOf(t *resource.Token) *resource.Token {
	if t == nil {
		return nil
	}
	c := *t
	c.Audience, c.Scopes, c.AMR, c.Claims = slices.Clone(t.Audience), slices.Clone(t.Scopes), slices.Clone(t.AMR), maps.Clone(t.Claims)
	return &c
}

// targets are the resources and the other audiences that a request names (RFC 8693 §2.1).
func (p *tokenPolicy) targets() (resources, audiences []string, _ *Error) {
	resources, refused := p.resourcesFor(p.client, p.params)
	if refused != nil {
		return nil, nil, refused
	}
	if len(p.params["audience"]) > maxResources {
		return nil, nil, failed(invalidTarget, "too_many_resources", "The request names too many resources.")
	}
	for _, name := range p.params["audience"] {
		switch identifier, known := p.identify(name); {
		case name == "":
		case !known:
			audiences = append(audiences, name)
		case len(p.client.Resources) > 0 && !slices.Contains(p.client.Resources, identifier):
			return nil, nil, failed(invalidTarget, "resource_unknown", "The requested audience is not one that this client may ask for.")
		case !slices.Contains(resources, identifier):
			resources = append(resources, identifier)
		}
	}
	if resources == nil && audiences == nil {
		resources = slices.Clone(p.defaultResources(p.client))
	}
	return resources, audiences, nil
}

// checkExchange says what the hook may not grant: its client's registration is the limit.
func (p *tokenPolicy) checkExchange(given *Exchange, presented *exchangedToken) error {
	switch {
	case presented.foreign != nil && !subject(given.User.Subject):
		return fmt.Errorf("it returned a User.Subject that is empty or not text, and the token is about a user of %.200q; say what they are called here, or refuse", presented.Issuer)
	case presented.foreign == nil && given.User.Subject != "" && given.User.Subject != presented.Subject:
		return errors.New("it returned another User than that of the token; leave it empty")
	case len(given.Resources) == 0:
		return errors.New("it returned no Resources; name what the token is for")
	}
	for _, identifier := range given.Resources {
		if p.resource(identifier) == nil {
			return fmt.Errorf("it returned the resource %q, which is not in Config.Resources; add it there", identifier)
		}
		if len(p.client.Resources) > 0 && !slices.Contains(p.client.Resources, identifier) {
			return fmt.Errorf("it returned the resource %q, which client %q is not registered for; add it to its Resources", identifier, p.client.ID)
		}
	}
	for _, scope := range given.Scopes {
		if _, known := p.config.Scopes[scope]; !known || !slices.Contains(p.client.Scopes, scope) {
			return fmt.Errorf("it returned the scope %.100q, which client %q is not registered for; add it to its Scopes", scope, p.client.ID)
		}
	}
	return nil
}
