package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// TrustedIssuer is somebody else whose JWTs this server takes for authorization grants (RFC
// 7523 §2.1, Config.JWTBearer) and exchanges (RFC 8693, Config.TokenExchange): an identity
// provider, or a service that knows its own users. What their users are called here is for
// those hooks to say.
type TrustedIssuer struct {
	// Issuer is the iss of its JWTs, compared byte by byte.
	Issuer string

	// JWKS is its key set (RFC 7517 §5), as text; JWKSURI the https URL of it. One of them.
	// A key that is missing there is looked for again, every half minute at most.
	JWKS    string
	JWKSURI string

	// SigningAlgorithms are those that its JWTs may be signed with. Empty for all of those
	// with public keys: ES256, ES384, ES512, PS256, PS384, PS512, RS256, RS384, RS512, EdDSA.
	SigningAlgorithms []string

	// Types are the typ headers that its JWTs may have, in lower case and without
	// application/, such as oauth-id-jag+jwt. Empty for JWT, or none at all. What is typed as
	// something else was made for another purpose (RFC 8725 §3.11).
	Types []string

	// Audiences are what aud may be in a JWT that is exchanged, in addition to Config.Issuer
	// and the token endpoint: the client_id that this server has at an identity provider
	// whose ID tokens it exchanges. An authorization grant has to name this server (RFC 7523
	// §3, item 3).
	Audiences []string

	// MaxLifetime is how far ahead its JWTs may expire. Default 5 minutes, at most 2 hours.
	MaxLifetime time.Duration
}

const (
	defaultForeignLife = 5 * time.Minute
	maxForeignLife     = 2 * time.Hour
)

// completeIssuers fills in the defaults of Config.TrustedIssuers, and says what is wrong.
func (c *Config) completeIssuers(fault func(field, format string, args ...any)) {
	if len(c.TrustedIssuers) > 0 && c.JWTBearer == nil && c.TokenExchange == nil {
		fault("TrustedIssuers", "is set, but neither JWTBearer nor TokenExchange, which say what their users are called here; set one of them")
	}
	if c.JWTBearer != nil && len(c.TrustedIssuers) == 0 && c.FindTrustedIssuer == nil {
		fault("JWTBearer", "is set, but nobody is trusted; name them in TrustedIssuers, or by FindTrustedIssuer")
	}
	issuers := make([]TrustedIssuer, 0, len(c.TrustedIssuers))
	for _, issuer := range c.TrustedIssuers {
		if err := issuer.complete(); err != nil {
			fault("TrustedIssuers", "%q: %v", issuer.Issuer, err)
		}
		if slices.ContainsFunc(issuers, func(other TrustedIssuer) bool { return other.Issuer == issuer.Issuer }) {
			fault("TrustedIssuers", "%q is there twice", issuer.Issuer)
		}
		if issuer.Issuer == c.Issuer {
			fault("TrustedIssuers", "%q is this server itself, whose access tokens are exchanged without it", issuer.Issuer)
		}
		issuers = append(issuers, issuer)
	}
	c.TrustedIssuers = issuers
}

// complete fills in the defaults. Keys that are of no use are overlooked: the issuer has
// others.
func (i *TrustedIssuer) complete() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if i.Issuer == "" {
		fault("Issuer is empty; write the iss of its JWTs")
	}
	switch {
	case (i.JWKS == "") == (i.JWKSURI == ""):
		fault("it has to have one of JWKS and JWKSURI")
	case i.JWKSURI != "":
		if err := fetch.Check(i.JWKSURI); err != nil {
			fault("JWKSURI: %v", err)
		}
	default:
		keys, faults, err := parseKeys([]byte(i.JWKS))
		if err == nil && !slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return key.Use != "enc" }) {
			err = fmt.Errorf("no key that it holds is of use here: %s", strings.Join(faults, "; "))
		}
		if err != nil {
			fault("JWKS: %v", err)
		}
	}
	for _, alg := range without(i.SigningAlgorithms, assertionKeyAlgs) {
		fault("SigningAlgorithms: %q is not supported; use %s", alg, strings.Join(assertionKeyAlgs, ", "))
	}
	if len(i.SigningAlgorithms) == 0 {
		i.SigningAlgorithms = assertionKeyAlgs
	}
	if len(i.Types) == 0 {
		i.Types = []string{"", "jwt"}
	}
	for _, name := range i.Types {
		if name != strings.ToLower(name) || strings.HasPrefix(name, "application/") {
			fault("Types: %q is never met; write it in lower case and without application/", name)
		}
	}
	if i.MaxLifetime == 0 {
		i.MaxLifetime = defaultForeignLife
	}
	if i.MaxLifetime < time.Second || i.MaxLifetime > maxForeignLife {
		fault("MaxLifetime is %v; it must be between 1s and %v, or 0 for %v", i.MaxLifetime, maxForeignLife, defaultForeignLife)
	}
	i.SigningAlgorithms, i.Types, i.Audiences = slices.Clone(i.SigningAlgorithms), slices.Clone(i.Types), slices.Clone(i.Audiences)
	return errors.Join(errs...)
}

// trustedIssuer finds an issuer: those in code first. nil is one that nobody trusts.
func (s *Server) trustedIssuer(ctx context.Context, name string) (*TrustedIssuer, *Error) {
	for i := range s.config.TrustedIssuers {
		if s.config.TrustedIssuers[i].Issuer == name {
			return &s.config.TrustedIssuers[i], nil
		}
	}
	// What is no name is not worth a look-up, which some databases would fail.
	if s.config.FindTrustedIssuer == nil || name == s.config.Issuer || name == "" || !text(name) || len(name) > maxMetadataURL {
		return nil, nil
	}
	found, err := s.config.FindTrustedIssuer(ctx, name)
	if err != nil {
		return nil, failed(temporarilyUnavailable, "trusted_issuer_unavailable", "The server cannot answer right now. Try again shortly.").
			because(fmt.Errorf("the FindTrustedIssuer hook: %w", err))
	}
	if found == nil {
		return nil, nil
	}
	issuer := *found
	err = issuer.complete()
	if issuer.Issuer != name {
		err = errors.Join(err, fmt.Errorf("it is %.200q", issuer.Issuer))
	}
	if err != nil {
		return nil, broken("trusted_issuer_hook_failed", fmt.Errorf("what the FindTrustedIssuer hook returned for %.200q: %w", name, err))
	}
	return &issuer, nil
}

// trustedJWT is a JWT that a trusted issuer has signed, for this server and for now.
type trustedJWT struct {
	*foreignJWT
	issuer  *TrustedIssuer
	members map[string]any // all claims
}

// verifyTrusted verifies a JWT of a trusted issuer (RFC 7523 §3, RFC 8725), which is for
// this server, or for one of those audiences if exchanged is set. A reason says why it will
// not do; an *Error that nobody could find out.
func (s *Server) verifyTrusted(ctx context.Context, compact string, exchanged bool, now time.Time) (*trustedJWT, string, *Error) {
	no := func(reason string) (*trustedJWT, string, *Error) { return nil, reason, nil }
	t, err := parseForeignJWT(compact, s.config.keyAlgs())
	switch {
	case errors.Is(err, errJWTAlgorithm):
		return no("alg_not_allowed")
	case err != nil:
		return no("malformed")
	}
	issuer, refused := s.trustedIssuer(ctx, t.claims.Issuer)
	switch {
	case refused != nil:
		return nil, "", refused
	case issuer == nil:
		return no("issuer_unknown")
	case !slices.Contains(issuer.SigningAlgorithms, t.algorithm):
		return no("alg_not_allowed")
	case !slices.Contains(issuer.Types, t.typ):
		return no("typ_wrong")
	case t.claims.Subject == "":
		return no("sub_missing")
	case !s.forUs(t.claims.Audience, issuer, exchanged):
		return no("audience_wrong")
	}
	if reason := t.claims.lifeFault(now, issuer.MaxLifetime); reason != "" {
		return no(reason)
	}
	signed, err := s.issuerKeys.some(ctx, issuer.JWKS, issuer.JWKSURI, func(key *jose.JSONWebKey) bool { return t.signedByKey(key) })
	switch {
	case err != nil:
		return nil, "", failed(temporarilyUnavailable, "issuer_keys_unavailable", "The keys of the issuer of the JWT cannot be had right now. Try again shortly.").because(err)
	case !signed:
		return no("signature_invalid")
	}
	out := &trustedJWT{foreignJWT: t, issuer: issuer}
	if err := decodeStrictly(t.payload, &out.members); err != nil {
		return no("malformed")
	}
	return out, "", nil
}

// forUs: RFC 7523 §3, item 3.
func (s *Server) forUs(aud foreignAudience, issuer *TrustedIssuer, exchanged bool) bool {
	return s.assertionAudience(aud) ||
		exchanged && slices.ContainsFunc(aud.values, func(a string) bool { return slices.Contains(issuer.Audiences, a) })
}

// strings are a claim that is one string or a list of them (RFC 8707 §2 has resource so,
// RFC 6749 §3.3 scope); there is false if it is absent. Anything else is nobody's.
func (t *trustedJWT) strings(name string) (values []string, there bool) {
	switch claim := t.members[name].(type) {
	case nil:
		_, there = t.members[name]
		return nil, there
	case string:
		return []string{claim}, true
	case []any:
		for _, v := range claim {
			if s, ok := v.(string); ok {
				values = append(values, s)
			}
		}
	}
	return values, true
}

// scopes is what a scope claim leaves of these: its issuer has set a limit (RFC 7521 §4.1).
func (t *trustedJWT) scopes(scopes []string) []string {
	claim, there := t.strings("scope")
	if !there {
		return scopes
	}
	return within(scopes, fields(claim))
}

// fields are the values of a claim that are separated by spaces or are a list.
func fields(claim []string) []string { return strings.Fields(strings.Join(claim, " ")) }
