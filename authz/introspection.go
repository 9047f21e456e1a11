package authz

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// Introspect handles a request to the introspection endpoint (RFC 7662 §2.1). Only
// clients that authenticate may ask. A resource server learns about the access tokens for
// the resources it is registered for; any other client only about its own tokens. Refresh
// tokens are their client's own alone. For everything else the answer is that it is not
// active, without a reason (§2.2, §4).
func (s *Server) Introspect(ctx context.Context, req *Request) (Introspection, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	answer, client, err := s.introspect(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, idOf(client), "")
	}
	return answer, nil
}

func (s *Server) introspect(ctx context.Context, req *Request) (Introspection, *Client, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, nil, err
	}
	client, refused := s.authenticateClient(ctx, req)
	if refused == nil && public(client) {
		refused = badClient("public_client")
	}
	if refused != nil {
		return nil, client, refused
	}
	token := req.Parameters.Get("token")
	if token == "" {
		return nil, client, missing("token")
	}
	found, err := s.verifyWithGrant(ctx, token)
	if verified, grant := found.token, found.grant; err == nil {
		if !mayIntrospect(client, verified) {
			return inactive(), client, nil
		}
		answer := s.describe(verified)
		if refused := s.tellAsKnown(answer, client, grant); refused != nil {
			return nil, client, refused
		}
		if at := client.ResourceServerFor; len(at) > 0 { // RFC 9701 §5: only what concerns it
			answer["scope"] = strings.Join(s.scopesAt(within(verified.Audience, at), verified.Scopes), " ")
		}
		return answer, client, nil
	}
	if !errors.Is(err, resource.ErrInvalidToken) {
		return nil, client, unavailable(err)
	}
	answer, grant, err := s.introspectRefreshToken(ctx, client, token)
	if err != nil {
		return nil, client, unavailable(err)
	}
	if refused := s.tellAsKnown(answer, client, grant); refused != nil {
		return nil, client, refused
	}
	return answer, client, nil
}

// tellAsKnown replaces what a client with pairwise subjects must not learn of the user of a
// grant, who is nil for tokens that are about no user. Those who act (RFC 8693 §4.1) may be
// other users, or clients: it has no name for them.
func (s *Server) tellAsKnown(answer Introspection, client *Client, grant *storage.Grant) (refused *Error) {
	if !pairwise(client) {
		return nil
	}
	delete(answer, "act")
	if grant != nil {
		answer["sub"], refused = s.subjectFor(client, grant.Subject)
	}
	return refused
}

// mayIntrospect reports whether a client may learn about an access token (RFC 7662 §2.2, §4,
// RFC 9701 §3, §5).
func mayIntrospect(client *Client, t *resource.Token) bool {
	switch {
	case !client.ResourceServer:
		return t.ClientID == client.ID
	case len(client.ResourceServerFor) == 0:
		return true
	}
	return len(within(t.Audience, client.ResourceServerFor)) > 0
}

func inactive() Introspection { return Introspection{"active": false} }

// describe is the answer for an active access token. The host's claims come first,
// so that they cannot stand in for the server's.
func (s *Server) describe(t *resource.Token) Introspection {
	answer := Introspection{}
	for name, value := range t.Claims {
		answer[name] = value
	}
	answer["active"] = true
	answer["token_type"] = tokenTypeOf(t.Claims["cnf"])
	answer["iss"] = t.Issuer
	answer["sub"] = t.Subject
	answer["client_id"] = t.ClientID
	answer["aud"] = audience(t.Audience)
	answer["scope"] = strings.Join(t.Scopes, " ")
	answer["iat"] = t.IssuedAt.Unix()
	answer["exp"] = t.ExpiresAt.Unix()
	if t.ID != "" {
		answer["jti"] = t.ID
	}
	if !t.AuthTime.IsZero() {
		answer["auth_time"] = t.AuthTime.Unix()
	}
	if t.ACR != "" {
		answer["acr"] = t.ACR
	}
	if len(t.AMR) > 0 {
		answer["amr"] = t.AMR
	}
	return answer
}

// tokenTypeOf is the type of an access token with this cnf claim (RFC 9449 §5). One that
// is bound to a certificate is still a bearer token (RFC 8705 §3).
func tokenTypeOf(confirmation any) string {
	if cnf, _ := confirmation.(map[string]any); cnf["jkt"] != nil {
		return "DPoP"
	}
	return "Bearer"
}

// introspectRefreshToken answers for a client's own refresh token. A resource server
// that is shown one learns nothing: it has no business with it.
func (s *Server) introspectRefreshToken(ctx context.Context, client *Client, token string) (Introspection, *storage.Grant, error) {
	record, err := s.config.Storage.Token(ctx, digestOf(token))
	if errors.Is(err, storage.ErrNotFound) {
		return inactive(), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if record.Kind != storage.RefreshToken || record.ClientID != client.ID || !record.RevokedAt.IsZero() ||
		!record.ConsumedAt.IsZero() || !s.now().Before(record.ExpiresAt) {
		return inactive(), nil, nil
	}
	grant, err := s.config.Storage.Grant(ctx, record.GrantID)
	if errors.Is(err, storage.ErrNotFound) || (err == nil && !grant.RevokedAt.IsZero()) {
		return inactive(), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	answer := Introspection{
		"active": true, "iss": s.config.Issuer, "sub": grant.Subject, "client_id": client.ID,
		"scope": strings.Join(record.Scopes, " "),
		"iat":   record.IssuedAt.Unix(), "exp": record.ExpiresAt.Unix(),
	}
	if len(grant.AuthorizationDetails) > 0 { // RFC 9396 §9.2
		answer["authorization_details"] = json.RawMessage(grant.AuthorizationDetails)
	}
	return answer, grant, nil
}
