package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Signed answers of the introspection endpoint (RFC 9701).

// introspectionType is the typ header of such an answer (RFC 9701 §5).
const introspectionType = "token-introspection+jwt"

// introspectionClaims are those of RFC 9701 §5. There is neither sub nor exp, so that
// nobody takes the answer for an access token (§8.1).
type introspectionClaims struct {
	Issuer        string        `json:"iss"`
	Audience      string        `json:"aud"`
	IssuedAt      int64         `json:"iat"`
	Introspection Introspection `json:"token_introspection"`
}

// IntrospectJWT is [Server.Introspect] with an answer that this server has signed, as
// application/token-introspection+jwt (RFC 9701). It is for the client that asked, whose
// client_id is its aud, and encrypted to it if it has registered for that. What is refused is
// refused as there.
func (s *Server) IntrospectJWT(ctx context.Context, req *Request) (string, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	answer, client, err := s.introspect(ctx, req)
	var signed string
	switch {
	case err == nil:
		signed, err = s.signIntrospection(ctx, client, answer)
	case err.Code == invalidClient && anonymous(req):
		// RFC 9701 §5. Where JSON is asked for, it is 401 (RFC 7662 §2.3, RFC 6749 §5.2).
		err.Status = http.StatusBadRequest
	}
	if err != nil {
		return "", s.report(ctx, err, idOf(client), "")
	}
	return signed, nil
}

// anonymous reports whether a request does not even try to authenticate its client.
func anonymous(req *Request) bool {
	return req.Authorization == "" && req.Certificate == nil && req.Parameters.Get("client_secret") == "" &&
		req.Parameters.Get("client_assertion") == "" && req.Parameters.Get("client_assertion_type") == ""
}

func (s *Server) signIntrospection(ctx context.Context, client *Client, answer Introspection) (string, *Error) {
	algorithm := s.responseAlg(client.IntrospectionSignedResponseAlg)
	if !slices.Contains(s.config.SigningAlgorithms, algorithm) { // it was when the client was registered
		return "", broken("introspection_alg_gone",
			fmt.Errorf("client %q has IntrospectionSignedResponseAlg %q, which is not in Config.SigningAlgorithms; add it there, or change the client", client.ID, algorithm))
	}
	payload, err := json.Marshal(introspectionClaims{s.config.Issuer, client.ID, s.clock.issuedAt(s.now()).Unix(), answer})
	if err != nil {
		return "", broken("claims_unencodable", err)
	}
	signed, err := s.keys.Sign(ctx, algorithm, introspectionType, payload)
	if err != nil {
		return "", unavailable(err)
	}
	return s.encrypted(ctx, client, client.IntrospectionEncryptedResponseAlg, client.IntrospectionEncryptedResponseEnc, nestedJWT, signed)
}

// responseAlg is the algorithm of signed answers to a client that has registered this one, or
// none. For none, RFC 9701 §6 and JARM §3 say RS256; a server without such a key takes its first,
// because a client that insists on RS256 is no worse off with that than without an answer.
func (s *Server) responseAlg(registered string) string {
	switch {
	case registered != "":
		return registered
	case slices.Contains(s.config.SigningAlgorithms, commonAlg):
		return commonAlg
	}
	return s.config.SigningAlgorithms[0]
}
