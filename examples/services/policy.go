package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/grantor-oauth/grantor/authz"
)

// exchangePolicy decides who may carry a token on. That the client is registered for the
// service that it wants to call, and for the scopes, is seen to by the server; what is added
// here is about the tokens.
func exchangePolicy(u urls) func(context.Context, *authz.ExchangeRequest) (*authz.Exchange, error) {
	own := map[string]string{"orders": u.orders, "billing": u.billing, "ledger": u.ledger}
	return func(_ context.Context, r *authz.ExchangeRequest) (*authz.Exchange, error) {
		switch id := r.Client.ID; {
		// Only a token that was sent to this service. One that was meant for another it can
		// only have found.
		case !slices.Equal(r.Subject.Audience, []string{own[id]}):
			return nil, refuse("invalid_request", "subject_token_of_another_service", "The subject_token was not issued for this client's own service.")
		// Delegation, not impersonation (RFC 8693 §1.1): the next service sees who acts.
		case r.Actor == nil:
			return nil, refuse("invalid_request", "actor_token_missing", "An actor_token is required.")
		// The actor is the client itself, by a token that it shows nobody else.
		case r.Actor.Subject != id || r.Actor.ClientID != id || !r.Actor.HasScope(mayAct) || !slices.Equal(r.Actor.Audience, []string{u.issuer}):
			return nil, refuse("invalid_request", "actor_is_another", "The actor_token is not one of the client's own for this server.")
		// What to give on is a decision to make, and all or nothing.
		case len(r.Requested) == 0 || len(r.Scopes) < len(r.Requested):
			return nil, refuse("invalid_scope", "scope_not_in_subject_token", "Name the scopes to pass on, of those that the subject_token has.")
		}
		return r.Grant()
	}
}

func refuse(code, reason, description string) error {
	return &authz.Error{Code: code, Reason: reason, Description: description, Status: http.StatusBadRequest}
}
