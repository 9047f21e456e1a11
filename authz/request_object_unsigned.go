package authz

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Request objects that nobody signed (OpenID Connect Core §6.1, alg none), for clients that have
// registered that and a host that lets them. Such a one is worth as much as parameters in a
// query, and is treated as these: they are taken out of it, and it is forgotten.

const algNone = "none"

// unsignedAllowed reports whether a client's request objects may be unsigned; then all of them
// have to be.
func (s *Server) unsignedAllowed(c *Client) bool {
	return s.config.UnsignedRequestObjects && c.RequestObjectSigningAlg == algNone
}

// requestAlgs are the algorithms of request objects.
func (c *Config) requestAlgs() []string {
	algs := slices.Clone(c.keyAlgs())
	if c.UnsignedRequestObjects {
		algs = append(algs, algNone)
	}
	return algs
}

// parseUnsigned takes an unsecured JWT apart (RFC 7519 §6, RFC 7515 appendix A.5), as strictly as
// parseForeignJWT does others.
func parseUnsigned(compact string) (*foreignJWT, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 || parts[2] != "" {
		return nil, errJWTMalformed
	}
	header, err1 := strictBase64.DecodeString(parts[0])
	payload, err2 := strictBase64.DecodeString(parts[1])
	if err1 != nil || err2 != nil || strings.ContainsAny(compact, "\r\n") {
		return nil, errJWTMalformed
	}
	var said map[string]json.RawMessage
	t := &foreignJWT{payload: payload}
	if decodeStrictly(header, &said) != nil || decodeStrictly(payload, &t.claims) != nil || payload[0] != '{' {
		return nil, errJWTMalformed
	}
	for name, raw := range said {
		switch name {
		case "alg":
			if json.Unmarshal(raw, &t.algorithm) != nil {
				return nil, errJWTMalformed
			}
		case "typ":
			if json.Unmarshal(raw, &t.typ) != nil {
				return nil, errJWTMalformed
			}
			t.typ = strings.TrimPrefix(strings.ToLower(t.typ), "application/")
		case "crit", "b64":
			return nil, errJWTMalformed
		}
	}
	if t.algorithm != algNone {
		return nil, errJWTAlgorithm
	}
	return t, nil
}

// openUnsigned puts the parameters in an unsigned request object in the place of those outside.
// What it says of itself has to be right, but may be missing: nobody vouches for it.
func (a *authorization) openUnsigned(compact string) *Error {
	t, err := parseUnsigned(compact)
	switch {
	case errors.Is(err, errJWTAlgorithm):
		return badRequestObject("alg_not_registered", "is not signed with the request_object_signing_alg of the client")
	case err != nil:
		return badRequestObject("malformed", "is not a JWT that this server understands")
	case !slices.Contains(requestObjectTypes, t.typ):
		return badRequestObject("typ_wrong", "has a typ that is neither oauth-authz-req+jwt nor JWT")
	}
	c := &t.claims
	switch {
	case c.Issuer != "" && c.Issuer != a.client.ID:
		return badRequestObject("iss_wrong", "must have the client_id as iss")
	case len(c.Audience.values) > 0 && !slices.Contains(c.Audience.values, a.config.Issuer):
		return badRequestObject("aud_wrong", "must have the issuer of this server as aud")
	}
	if reason := c.lifeFault(a.at, 100*365*24*time.Hour); reason != "" && reason != "exp_missing" {
		return badRequestObject(reason, requestObjectLife[reason])
	}
	params, refused := requestParameters(t.payload)
	if refused != nil {
		return refused
	}
	if !params.Has("client_id") {
		params.Set("client_id", a.client.ID)
	}
	if refused := a.fitsClient(params); refused != nil {
		return refused
	}
	if since, sent := a.params[sinceParam]; sent {
		params[sinceParam] = since
	}
	a.params = params
	return nil
}
