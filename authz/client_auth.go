package authz

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// authenticateClient finds out which client sent a request to the token,
// introspection or revocation endpoint (RFC 6749 §2.3, §3.2.1). It runs before any
// code or token is looked at, so that a client which tries another style of
// authentication first neither burns its code nor appears to replay it. With an error
// it returns the client that was named, if there is one, for the log alone.
func (s *Server) authenticateClient(ctx context.Context, req *Request) (*Client, *Error) {
	p, err := presentedCredentials(req)
	if err != nil {
		return nil, err
	}
	client, documentHost, storeErr := s.findClient(ctx, p.id, req.Address)
	if storeErr != nil {
		return nil, unavailable(storeErr)
	}
	if client == nil {
		return nil, s.badGuess(ctx, nil, req, "client_unknown")
	}
	if p.method == authNone && byCertificate(client) {
		p.method = client.TokenEndpointAuthMethod // RFC 8705 §2: the request only names the client
	}
	if !slices.Contains(authMethodsOf(client), p.method) {
		return client, badClient("auth_method_not_registered")
	}
	if !s.supports(p.method) {
		return client, badClient("auth_method_not_supported") // a host's own client storage may hold anything
	}
	switch p.method {
	case authBasic, authPost:
		if guessable(client) {
			if err := s.exhausted(ctx, s.secretGuesses(client, req)); err != nil {
				return client, err
			}
		}
		switch right, err := s.secrets.match(ctx, client, p.secret, s.now()); {
		case err != nil:
			return client, unavailable(err)
		case !right:
			return client, s.badGuess(ctx, client, req, "secret_mismatch")
		}
	case authSecretJWT, authPrivateKeyJWT:
		var limit []bucket
		if selfDescribed(client, documentHost) {
			limit = buckets(LimitClientAssertions, s.config.Limits.ClientAssertions, client.ID, "", req.Address)
		}
		return client, s.checkAssertion(ctx, client, p.assertion, limit)
	case authTLS, authSelfSignedTLS:
		return client, s.checkCertificate(ctx, client, req)
	}
	return client, nil
}

// confidentialMethods are all ways to authenticate that there are.
var confidentialMethods = []string{authBasic, authPost, authPrivateKeyJWT, authSecretJWT, authTLS, authSelfSignedTLS}

// authMethods are the ways in which clients can authenticate to this server.
func (s *Server) authMethods() []string {
	return slices.DeleteFunc(slices.Clone(confidentialMethods), func(method string) bool { return !s.supports(method) })
}

// supports reports whether the configuration allows an authentication method, none
// included, and has what it needs.
func (s *Server) supports(method string) bool {
	if allowed := s.config.TokenEndpointAuthMethods; len(allowed) > 0 && !slices.Contains(allowed, method) {
		return false
	}
	switch method {
	case authSecretJWT:
		return s.config.EncryptionKey != nil
	case authTLS, authSelfSignedTLS:
		return s.config.MutualTLS
	}
	return true
}

// badClient is invalid_client, worded the same whatever is wrong.
func badClient(reason string) *Error {
	return failed(invalidClient, reason, "Client authentication failed.")
}

// presented is what a request says about its client.
type presented struct {
	id, secret, method string

	assertion *foreignJWT // of private_key_jwt and client_secret_jwt; not verified yet
}

// presentedCredentials reads the client's name and credentials out of a request. More
// than one method in one request is refused (RFC 6749 §2.3). A certificate is none of
// them: it may be there for tokens to be bound to.
func presentedCredentials(req *Request) (presented, *Error) {
	none := presented{}
	bodyID, bodySecret := req.Parameters.Get("client_id"), req.Parameters.Get("client_secret")
	if req.Parameters.Get("client_assertion") != "" || req.Parameters.Get("client_assertion_type") != "" {
		return presentedAssertion(req)
	}
	if req.Authorization == "" {
		switch {
		case bodyID == "":
			return none, badClient("client_missing")
		case bodySecret == "":
			return presented{id: bodyID, method: authNone}, nil
		}
		return presented{id: bodyID, secret: bodySecret, method: authPost}, nil
	}
	id, secret, ok := parseBasic(req.Authorization)
	switch {
	case !ok:
		return none, badClient("authorization_header_malformed")
	case bodySecret != "":
		return none, failed(invalidRequest, "two_auth_methods", "The request authenticates the client in two ways. Use one.")
	case bodyID != "" && bodyID != id:
		return none, failed(invalidRequest, "two_clients", "The client_id parameter and the Authorization header name different clients.")
	}
	return presented{id: id, secret: secret, method: authBasic}, nil
}

// parseBasic reads HTTP Basic credentials, whose two halves are form-urlencoded
// first (RFC 6749 §2.3.1).
func parseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") || len(encoded) > maxParameter {
		return "", "", false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return "", "", false
	}
	id, secret, found = strings.Cut(string(raw), ":")
	if !found {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil || id == "" || !text(id) || !text(secret) {
		return "", "", false
	}
	return id, secret, true
}
