package authz

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	stdjson "encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
)

// Request objects: the parameters of an authorization request as claims of a JWT that the
// client has signed (RFC 9101, OpenID Connect Core §6.1). They come by value, in the parameter
// request, to the authorization endpoint or pushed (RFC 9126 §3), or by reference; see
// request_uri.go.
//
// One may be shown as often as it is good, and is not remembered: each time it leads to the
// question that the client meant, and to no more than that, for whoever is at the browser. A
// client that wants it to count once pushes it.

const (
	// maxRequestObjectLife is how far ahead a request object may expire (FAPI 2.0 Message
	// Signing §5.3.1).
	maxRequestObjectLife = time.Hour

	requestObjectPurpose = "request object"
)

// requestObjectTypes are the typ headers of request objects: what is typed as something else
// was not made for this (RFC 9101 §10.8).
var requestObjectTypes = []string{"", "jwt", "oauth-authz-req+jwt"}

// notParameters are the claims of a request object that are no parameters of the request: what
// RFC 7519 §4.1 says of the JWT itself, and what is ours.
var notParameters = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", resumeParam, sinceParam}

// checkRequestObject puts the parameters in a request object in the place of those outside, of
// which none counts but client_id (RFC 9101 §5, §6.3). A fault is for an error page: where the
// client wants its answers is in what could not be read.
//
// OpenID Connect Core §6.1 has clients repeat response_type and scope outside. It is not asked
// of them here: RFC 9101 §5 took that back, and clients that follow it send neither.
func (a *authorization) checkRequestObject(ctx context.Context) *Error {
	compact := once(a.params, "request")
	if compact != "" && once(a.params, "request_uri") != "" {
		return twoRequests()
	}
	var err *Error
	if compact == "" {
		if compact, err = a.fetchRequestObject(ctx); compact == "" {
			return err
		}
	}
	if len(compact) > maxParameter-len("request") {
		return badRequestObject("too_long", "is too long")
	}
	if a.unsignedAllowed(a.client) { // and not encrypted, for what is inside goes through the browser
		return a.openUnsigned(compact)
	}
	signed, err := a.openRequestObject(ctx, compact)
	if err != nil {
		return err
	}
	t, err := parseRequestObject(signed, a.config.keyAlgs())
	if err != nil {
		return err
	}
	shown, resume := a.at, ""
	if a.pushed == nil {
		if shown, resume, err = a.firstShown(ctx, compact); err != nil {
			return err
		}
	}
	if err := a.checkRequestObjectClaims(t, shown); err != nil {
		return err
	}
	if err := a.checkRequestObjectSignature(ctx, t); err != nil {
		return err
	}
	params, err := requestParameters(t.payload)
	if err == nil {
		err = a.fitsClient(params)
	}
	if err != nil {
		return err
	}
	if a.pushed == nil {
		if since, sent := a.params[sinceParam]; sent {
			params[sinceParam] = since
		}
		// The way back from the sign-in page, and the consent page, carry the request object
		// itself, so that nobody at the browser changes what the client signed, or reads what
		// it encrypted.
		a.reference = url.Values{"client_id": {a.client.ID}, "request": {compact}, resumeParam: {resume}}
	}
	a.params, a.signed, a.asked = params, true, shown
	return nil
}

// fitsClient refuses parameters from a request object that another client could have sent, or
// that lead to another request object.
func (a *authorization) fitsClient(params url.Values) *Error {
	switch {
	case once(params, "client_id") != a.client.ID: // RFC 9101 §6.3
		return badRequestObject("client_id_wrong", "does not hold the client_id of the client")
	case params.Has("request") || params.Has("request_uri"): // RFC 9101 §4
		return badRequestObject("nested", "holds another request or request_uri")
	}
	return nil
}

func parseRequestObject(compact string, algorithms []string) (*foreignJWT, *Error) {
	t, err := parseForeignJWT(compact, algorithms)
	switch {
	case errors.Is(err, errJWTAlgorithm): // RFC 9101 §10.1: none is not one
		return nil, badRequestObject("alg_not_allowed", "is not signed with one of request_object_signing_alg_values_supported")
	case err != nil:
		return nil, badRequestObject("malformed", "is not a JWT that this server understands")
	case !slices.Contains(requestObjectTypes, t.typ):
		return nil, badRequestObject("typ_wrong", "has a typ that is neither oauth-authz-req+jwt nor JWT")
	}
	return t, nil
}

// checkRequestObjectClaims: RFC 9101 §4, with more of it required than there, so that no JWT
// that a client makes for another server, or another purpose, is taken for a request.
func (a *authorization) checkRequestObjectClaims(t *foreignJWT, shown time.Time) *Error {
	c := &t.claims
	switch {
	case c.Issuer != a.client.ID:
		return badRequestObject("iss_wrong", "must have the client_id as iss")
	case c.Subject == a.client.ID: // RFC 9101 §10.8: it may be an assertion that authenticates the client
		return badRequestObject("sub_is_client", "must not have the client_id as sub")
	case !slices.Contains(c.Audience.values, a.config.Issuer):
		return badRequestObject("aud_wrong", "must have the issuer of this server as aud")
	}
	reason := c.lifeFault(shown, maxRequestObjectLife)
	if a.config.FAPI2 && c.NotBefore == nil { // FAPI 2.0 Message Signing §5.3.1
		reason = "nbf_missing"
	}
	if reason == "" && c.NotBefore != nil && c.ExpiresAt.After(c.NotBefore.Add(maxRequestObjectLife)) {
		reason = "lives_too_long"
	}
	if reason != "" {
		return badRequestObject(reason, requestObjectLife[reason])
	}
	return nil
}

// requestObjectLife words the faults of lifeFault.
var requestObjectLife = map[string]string{
	"exp_missing":     "must have an exp",
	"nbf_missing":     "must have an nbf",
	"expired":         "has expired. Go back to the application and start again",
	"lives_too_long":  "must expire within an hour",
	"not_yet_valid":   "is not good yet, by its nbf",
	"from_the_future": "has an iat in the future",
}

func (a *authorization) checkRequestObjectSignature(ctx context.Context, t *foreignJWT) *Error {
	switch pinned := a.client.RequestObjectSigningAlg; {
	case pinned != "" && pinned != t.algorithm:
		return badRequestObject("alg_not_registered", "is not signed with the request_object_signing_alg of the client")
	case a.client.JWKS == "" && a.client.JWKSURI == "":
		return badRequestObject("keys_missing", "cannot be verified: the client has registered no keys")
	}
	signed, err := a.someKey(ctx, a.client, t.signedByKey)
	switch {
	case err != nil:
		return keysUnavailable(err)
	case !signed:
		return badRequestObject("signature_invalid", "is not signed by a key of the client")
	}
	return nil
}

// firstShown is when a request object was shown first, as the sealed parameter beside it says,
// or else now; and the parameter that says so from now on. Request objects live for a minute,
// people take longer to sign in.
func (a *authorization) firstShown(ctx context.Context, compact string) (time.Time, string, *Error) {
	sum := sha256.Sum256([]byte(compact))
	resume := once(a.params, resumeParam)
	plain, err := a.keys.Unseal(ctx, requestObjectPurpose, resume)
	switch {
	case err != nil && !errors.Is(err, keyring.ErrInvalid):
		return time.Time{}, "", unavailable(err)
	case err == nil && len(plain) == len(sum)+8 && bytes.HasPrefix(plain, sum[:]):
		shown := time.Unix(int64(binary.BigEndian.Uint64(plain[len(sum):])), 0)
		if a.at.Before(shown.Add(completion)) {
			return shown, resume, nil
		}
	}
	plain = binary.BigEndian.AppendUint64(sum[:], uint64(a.at.Unix()))
	if resume, err = a.keys.Seal(ctx, requestObjectPurpose, plain); err != nil {
		return time.Time{}, "", unavailable(err)
	}
	return a.at, resume, nil
}

// requestParameters are the claims of a request object as parameters: strings as they are, other
// JSON by its text, as OpenID Connect Core §6.1 has it for claims and RFC 9396 §2 for
// authorization_details. resource may be a list (RFC 8707 §2).
func requestParameters(payload []byte) (url.Values, *Error) {
	malformed := badRequestObject("malformed", "is not a JWT that this server understands")
	var claims map[string]json.RawMessage
	if err := decodeStrictly(payload, &claims); err != nil || !utf8.Valid(payload) {
		return nil, malformed
	}
	params := url.Values{}
	for name, raw := range claims {
		if slices.Contains(notParameters, name) {
			continue
		}
		var one string
		switch {
		case string(raw) == "null":
		case raw[0] == '"':
			if json.Unmarshal(raw, &one) != nil {
				return nil, malformed
			}
			params.Set(name, one)
		case raw[0] == '[' && name == "resource":
			var several []string
			if json.Unmarshal(raw, &several) != nil {
				return nil, malformed
			}
			params[name] = several
		default:
			var compact bytes.Buffer
			if stdjson.Compact(&compact, raw) != nil {
				return nil, malformed
			}
			params.Set(name, compact.String())
		}
	}
	return params, nil
}

// checkWasSigned: RFC 9101 §10.5. Of a pushed request that was judged when it came.
func (a *authorization) checkWasSigned(context.Context) *Error {
	pushedBefore := a.pushed != nil && a.reference != nil
	if !a.signed && !pushedBefore && (a.config.RequireSignedRequestObjects || a.client.RequireSignedRequestObject) {
		return failed(invalidRequest, "request_object_required", "Authorization requests have to be signed request objects (RFC 9101).")
	}
	return nil
}

// badRequestObject is invalid_request_object (RFC 9101 §6); why is constant text.
func badRequestObject(reason, why string) *Error {
	return failed(invalidRequestObject, "request_object_"+reason, "The request object "+why+".")
}

// twoRequests: RFC 9101 §5.
func twoRequests() *Error {
	return failed(invalidRequest, "request_and_request_uri", "The parameters request and request_uri must not both be there.")
}

// requestObjectMetadata refuses what a client registers about its request objects and would not get
// (OpenID Connect Registration §2).
func (s *Server) requestObjectMetadata(m clientMetadata, c *Client) *Error {
	if alg := c.RequestObjectSigningAlg; alg != "" && !slices.Contains(s.config.requestAlgs(), alg) {
		return badMetadata("request_object_signing_alg", "is none of request_object_signing_alg_values_supported")
	}
	if !s.config.RequestURIs { // which discovery tells
		return nil
	}
	return m.requestURIs(c)
}

// checkRequestObjects finds the faults in a client's request objects; asks tells that it makes
// authorization requests.
func (s *Server) checkRequestObjects(c *Client, asks bool, fault func(field, format string, args ...any)) {
	alg := c.RequestObjectSigningAlg
	for _, uri := range c.RequestURIs {
		if err := checkRequestURI(uri); err != nil {
			fault("RequestURIs", "%q: %v", uri, err)
		}
	}
	if len(c.RequestURIs) > 0 && !s.config.RequestURIs {
		fault("RequestURIs", "needs Config.RequestURIs; turn that on, or leave it out here")
	}
	if alg != "" && !slices.Contains(s.config.requestAlgs(), alg) {
		fault("RequestObjectSigningAlg", "is %q; use one of %s", alg, strings.Join(s.config.requestAlgs(), ", "))
		return
	}
	if alg == algNone {
		if c.RequireSignedRequestObject || s.config.RequireSignedRequestObjects {
			fault("RequestObjectSigningAlg", "is none, but request objects have to be signed (RequireSignedRequestObject); take one of them out")
		}
		return
	}
	if c.JWKS == "" && c.JWKSURI == "" {
		switch {
		case alg != "" || c.RequireSignedRequestObject:
			fault("JWKS", "is empty, and JWKSURI too; signed request objects need the client's public keys")
		case asks && s.config.RequireSignedRequestObjects:
			fault("JWKS", "is empty, and JWKSURI too; Config.RequireSignedRequestObjects needs the client's public keys")
		}
		return
	}
	keys, _, err := parseKeys([]byte(c.JWKS))
	if alg != "" && c.JWKS != "" && err == nil && !slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return fits(&key, alg) }) {
		fault("JWKS", "holds no key for RequestObjectSigningAlg, %s", alg)
	}
}
