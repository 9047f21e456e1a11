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
	id, secret, method, err := presentedCredentials(req)
	if err != nil {
		return nil, err
	}
	client, storeErr := s.findClient(ctx, id)
	if storeErr != nil {
		return nil, unavailable(storeErr)
	}
	if client == nil {
		return nil, s.badGuess(ctx, nil, req, "client_unknown")
	}
	if !slices.Contains(authMethodsOf(client), method) {
		return client, badClient("auth_method_not_registered")
	}
	if method != authNone {
		if guessable(client) {
			if err := s.exhausted(ctx, s.secretGuesses(client, req)); err != nil {
				return client, err
			}
		}
		switch right, err := s.secrets.match(ctx, client, secret, s.now()); {
		case err != nil:
			return client, unavailable(err)
		case !right:
			return client, s.badGuess(ctx, client, req, "secret_mismatch")
		}
	}
	return client, nil
}

// badClient is invalid_client, worded the same whatever is wrong.
func badClient(reason string) *Error {
	return failed(invalidClient, reason, "Client authentication failed.")
}

// presentedCredentials reads the client's name and secret out of a request. More
// than one method in one request is refused (RFC 6749 §2.3).
func presentedCredentials(req *Request) (id, secret, method string, _ *Error) {
	bodyID, bodySecret := req.Parameters.Get("client_id"), req.Parameters.Get("client_secret")
	if once(req.Parameters, "client_assertion") != "" || once(req.Parameters, "client_assertion_type") != "" {
		return "", "", "", badClient("auth_method_not_supported")
	}
	if req.Authorization == "" {
		switch {
		case bodyID == "":
			return "", "", "", badClient("client_missing")
		case bodySecret == "":
			return bodyID, "", authNone, nil
		}
		return bodyID, bodySecret, authPost, nil
	}
	id, secret, ok := parseBasic(req.Authorization)
	switch {
	case !ok:
		return "", "", "", badClient("authorization_header_malformed")
	case bodySecret != "":
		return "", "", "", failed(invalidRequest, "two_auth_methods", "The request authenticates the client in two ways. Use one.")
	case bodyID != "" && bodyID != id:
		return "", "", "", failed(invalidRequest, "two_clients", "The client_id parameter and the Authorization header name different clients.")
	}
	return id, secret, authBasic, nil
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
