package authz

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage"
)

// assertionType is the client_assertion_type of RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// The algorithms of client assertions (RFC 7518 §3.1, RFC 8037 §3.1). none is not one.
var (
	assertionKeyAlgs    = []string{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA"}
	assertionSecretAlgs = []string{"HS256", "HS384", "HS512"}
	assertionAlgs       = append(slices.Clone(assertionKeyAlgs), assertionSecretAlgs...)
)

const (
	// maxAssertionLife is how far ahead an assertion may expire: until then it is
	// remembered, and whoever got hold of it may try to be faster than the client. Common
	// libraries, such as Python's Authlib, make theirs for an hour and offer no choice.
	maxAssertionLife = time.Hour

	// assertionSkew is how far a client's clock may be ahead (FAPI 2.0 §5.3.2.1).
	assertionSkew = time.Minute

	// assertionWindow is longer than any assertion lives; see onceBy.
	assertionWindow = 2 * time.Hour
)

// presentedAssertion reads the assertion of a request (RFC 7521 §4.2). What it says about
// the client is not proven yet.
func presentedAssertion(req *Request) (presented, *Error) {
	none := presented{}
	assertion := req.Parameters.Get("client_assertion")
	switch {
	case req.Authorization != "" || req.Parameters.Get("client_secret") != "":
		return none, failed(invalidRequest, "two_auth_methods", "The request authenticates the client in two ways. Use one.")
	case assertion == "":
		return none, badClient("assertion_missing")
	case req.Parameters.Get("client_assertion_type") != assertionType:
		return none, badClient("assertion_type_not_supported")
	}
	t, err := parseForeignJWT(assertion, assertionAlgs)
	switch {
	case errors.Is(err, errJWTAlgorithm):
		return none, badClient("assertion_alg_not_allowed")
	case err != nil:
		return none, badClient("assertion_malformed")
	case t.claims.Subject == "" || t.claims.Issuer != t.claims.Subject: // RFC 7523 §3, items 1 and 2.B
		return none, badClient("assertion_not_by_the_client")
	}
	// RFC 7521 §4.2: client_id may be left out, but not name another client.
	if id := req.Parameters.Get("client_id"); id != "" && id != t.claims.Subject {
		return none, badClient("assertion_of_another_client")
	}
	method := authPrivateKeyJWT
	if strings.HasPrefix(t.algorithm, "HS") {
		method = authSecretJWT
	}
	return presented{id: t.claims.Subject, method: method, assertion: t}, nil
}

// checkAssertion: RFC 7523 §3. An assertion counts as used only once everything else about
// it is right, so that nobody but the client can use one up. Each leaves marks in the store for
// a day and more: those of clients that anybody can be are counted in limit.
func (s *Server) checkAssertion(ctx context.Context, client *Client, t *foreignJWT, limit []bucket) *Error {
	if pinned := client.TokenEndpointAuthSigningAlg; pinned != "" && pinned != t.algorithm {
		return badClient("assertion_alg_not_registered")
	}
	now := s.now()
	if reason := s.assertionFault(t, now); reason != "" {
		return badClient(reason)
	}
	var signed bool
	var err error
	if client.TokenEndpointAuthMethod == authSecretJWT {
		signed = s.signedWithSecret(client, t, now)
	} else {
		signed, err = s.someKey(ctx, client, func(key *jose.JSONWebKey) bool {
			return t.signedByKey(key)
		})
	}
	switch {
	case err != nil:
		return keysUnavailable(err)
	case !signed:
		return badClient("assertion_signature_invalid")
	}
	if refused := s.admit(ctx, limit); refused != nil {
		return refused
	}
	return s.markUsed(ctx, client, t, now)
}

// assertionFault is the reason for which an assertion is refused whoever has signed it,
// empty if there is none.
func (s *Server) assertionFault(t *foreignJWT, now time.Time) string {
	c := &t.claims
	if !slices.Contains(s.config.keyAlgs(), t.algorithm) && !slices.Contains(assertionSecretAlgs, t.algorithm) {
		return "assertion_alg_not_allowed"
	}
	// RFC 8725 §3.11: what is typed as something else was not made to authenticate.
	if !slices.Contains([]string{"", "jwt", "client-authentication+jwt"}, t.typ) {
		return "assertion_typ_wrong"
	}
	if !s.assertionAudience(c.Audience) {
		return "assertion_audience_wrong"
	}
	if reason := c.lifeFault(now, maxAssertionLife); reason != "" {
		return "assertion_" + reason
	}
	if c.ID == "" {
		return "assertion_jti_missing"
	}
	return ""
}

// assertionAudience: RFC 7523 §3, item 3. The token endpoint's URL is what OpenID Connect
// Core §9 told clients to send, and RFC 9126 §2 asks for it too. FAPI 2.0 §5.3.2.1 allows
// the issuer alone, as a string: a client that sends a list may have been talked into
// making an assertion for two servers, one of which replays it at the other.
func (s *Server) assertionAudience(aud foreignAudience) bool {
	if s.config.StrictAssertionAudience {
		return !aud.array && len(aud.values) == 1 && aud.values[0] == s.config.Issuer
	}
	return slices.ContainsFunc(aud.values, func(a string) bool { return slices.Contains(s.audiences, a) })
}

// markUsed makes an assertion one that has been used (RFC 7523 §3, item 7), in the store, so
// that of any number that come at once to any number of replicas one gets through.
func (s *Server) markUsed(ctx context.Context, client *Client, t *foreignJWT, now time.Time) *Error {
	w := storage.Write{At: now, Codes: onceBy("client_assertion:"+client.ID+"\x00"+t.claims.ID, client.ID, t.claims.ExpiresAt.Time, assertionWindow, now)}
	switch err := s.config.Storage.Commit(ctx, w); {
	case errors.Is(err, storage.ErrExists):
		return badClient("assertion_replayed")
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// onceBy are the marks that a JWT of this name was used, which are there already if it comes
// again.
//
// A jti counts once even if it comes in two JWTs that expire at different times. The record's
// name begins with a time, which has to be the same then: so there is one record for the
// window in which the JWT expires and one for the next, and any two that can be good at the
// same time, less than a window apart, have one in common.
func onceBy(name, clientID string, expiresAt time.Time, window time.Duration, now time.Time) []storage.Code {
	marks := make([]storage.Code, 2)
	until := expiresAt.UTC().Truncate(window).Add(window + clockSlack)
	for i := range marks {
		marks[i] = storage.Code{
			Digest: storage.NewDigest(until, name), Kind: storage.SeenOnce,
			ClientID: clientID, IssuedAt: now, ExpiresAt: until,
		}
		until = until.Add(window)
	}
	return marks
}

// assertionAlgs are the algorithms of the assertions that this server takes; nil for none.
func (s *Server) assertionAlgs() (algs []string) {
	if s.supports(authPrivateKeyJWT) {
		algs = append(algs, s.config.keyAlgs()...)
	}
	if s.supports(authSecretJWT) {
		algs = append(algs, assertionSecretAlgs...)
	}
	return algs
}
