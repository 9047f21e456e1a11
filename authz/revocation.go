package authz

import (
	"context"
	"errors"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// Revoke handles a request to the revocation endpoint (RFC 7009 §2.1). A refresh
// token takes its whole grant with it; an access token goes alone. A token that is
// unknown, already dead, or another client's is answered like a success (§2.2), and
// nothing happens. When it returns nil for a live token, that token is dead for good.
func (s *Server) Revoke(ctx context.Context, req *Request) error {
	ctx, release := s.bounded(ctx)
	defer release()
	client, err := s.revoke(ctx, req)
	if err != nil {
		return s.report(ctx, err, idOf(client), "")
	}
	return nil
}

func (s *Server) revoke(ctx context.Context, req *Request) (*Client, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, err
	}
	client, refused := s.authenticateClient(ctx, req)
	if refused != nil {
		return client, refused
	}
	token := req.Parameters.Get("token")
	if token == "" {
		return client, missing("token")
	}
	// token_type_hint is only a hint (§2.1): where a token is filed tells what it is.
	what, event, err := s.revocationOf(ctx, client, token)
	if err != nil {
		return client, unavailable(err)
	}
	if what == nil {
		return client, nil
	}
	if err := s.config.Storage.Commit(ctx, storage.Write{At: s.now(), Revoke: []storage.Revocation{*what}}); err != nil {
		return client, unavailable(err)
	}
	event.Type, event.ClientID, event.Reason = TokenRevoked, client.ID, what.Reason
	s.emit(ctx, event)
	return client, nil
}

// revocationOf finds what has to be ended; nil if there is nothing.
func (s *Server) revocationOf(ctx context.Context, client *Client, token string) (*storage.Revocation, Event, error) {
	const reason = "revoked_by_client"
	record, err := s.config.Storage.Token(ctx, digestOf(token))
	switch {
	case err == nil && record.Kind == storage.RefreshToken:
		if record.ClientID != client.ID {
			return nil, Event{}, nil
		}
		return &storage.Revocation{GrantID: record.GrantID, Reason: reason}, Event{GrantID: record.GrantID}, nil
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return nil, Event{}, err
	}
	found, err := s.verify(ctx, token)
	switch {
	case errors.Is(err, resource.ErrInvalidToken):
		return nil, Event{}, nil
	case err != nil:
		return nil, Event{}, err
	case found.token.ClientID != client.ID:
		return nil, Event{}, nil
	}
	return &storage.Revocation{Token: found.digest, Reason: reason}, Event{Subject: found.token.Subject}, nil
}
