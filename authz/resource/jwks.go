package resource

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxTokenBytes bounds what is looked at when a token is presented.
const maxTokenBytes = 16 << 10

// JWKSConfig is what [JWKS] makes a verifier of. Issuer and Audience are required;
// every other zero value is a safe default.
type JWKSConfig struct {
	// Issuer is the authorization server's identifier, exactly as it writes it in
	// its tokens (RFC 9068 §4).
	Issuer string

	// Audience is this resource server's identifier. A token that is not for it is
	// invalid here (RFC 9068 §4).
	Audience string

	// URL is where the issuer publishes its keys. Empty means the jwks_uri of its
	// metadata (RFC 8414 §3).
	URL string

	// Algorithms are the JWS algorithms to accept. Default all of ES256, ES384,
	// ES512, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512, which is also all that
	// can be chosen from: neither none nor the symmetric ones (RFC 8725 §3.1).
	Algorithms []string

	// HTTPClient fetches metadata and keys; nil for a plain one. Its redirect policy
	// is replaced, and 5 seconds are the limit whatever its own is.
	HTTPClient *http.Client

	// Clock tells the time; nil for time.Now.
	Clock func() time.Time

	// Leeway is how far the issuer's clock may be off. Default 30 s, at most 5
	// minutes; negative for none.
	Leeway time.Duration
}

// JWKS verifies signed access tokens (RFC 9068 §4) with the keys that their issuer
// publishes (RFC 7517 §5). It fetches nothing until the first token comes.
//
// Keys are kept as long as their Cache-Control header says, within one minute and one
// hour, five minutes without it. A token that names an unknown key makes it look
// sooner, but not within 30 seconds of the last time. While the issuer is out of
// reach, the keys it had last go on verifying for a day.
func JWKS(config JWKSConfig) (Verifier, error) {
	v := &jwtVerifier{
		signatures: signatures{typ: "at+jwt", section: "RFC 9068 §2.1"},
		issuer:     config.Issuer, audience: config.Audience, now: config.Clock,
	}
	var faults []error
	faults = append(faults, checkIssuer(config.Issuer), checkAudienceConfig(config.Audience))
	if config.URL != "" {
		faults = append(faults, checkURL("URL", config.URL))
	}
	var err error
	v.leeway, err = checkLeeway(config.Leeway)
	faults = append(faults, err)
	v.algorithms, err = allowed(config.Algorithms)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.keys = &keySet{issuer: config.Issuer, url: config.URL, client: outbound(config.HTTPClient), now: v.now}
	return v, nil
}

func checkAudienceConfig(audience string) error {
	if audience == "" {
		return errors.New("resource: Audience is missing; set it to this API's identifier, so that a token for another API does not open it")
	}
	return nil
}

func checkLeeway(leeway time.Duration) (time.Duration, error) {
	switch {
	case leeway == 0:
		return 30 * time.Second, nil
	case leeway > 5*time.Minute:
		return 0, errors.New("resource: Leeway is more than 5 minutes; set the clocks instead")
	}
	return max(leeway, 0), nil
}

type jwtVerifier struct {
	signatures
	issuer, audience string
	leeway           time.Duration
	now              func() time.Time
}

// VerifyAccessToken checks in the order of RFC 9068 §4. Whatever needs no key comes
// first, so that rubbish never makes it fetch any.
func (v *jwtVerifier) VerifyAccessToken(ctx context.Context, token string) (*Token, error) {
	if token == "" || len(token) > maxTokenBytes {
		return nil, refused("empty, or longer than %d bytes", maxTokenBytes)
	}
	payload, err := v.open(ctx, token)
	var bad *badJWS
	switch {
	case errors.Is(err, errNotCompact):
		return nil, refused("%v; if the issuer's tokens are opaque, use Introspection", err)
	case errors.As(err, &bad):
		return nil, refused("%v", bad)
	case err != nil:
		return nil, err
	}
	c, err := decodeClaims(payload)
	if err != nil {
		return nil, refused("its claims are not a JSON object of the expected shape (RFC 9068 §2.2)")
	}
	if err := v.check(c); err != nil {
		return nil, err
	}
	return c.token(), nil
}

// check is the part of RFC 9068 §4 that looks at claims.
func (v *jwtVerifier) check(c *claims) error {
	if c.Issuer != v.issuer {
		return refused("not from issuer %q", v.issuer)
	}
	if err := c.checkAudience(v.audience); err != nil {
		return err
	}
	// RFC 9068 §2.2: these are required; iss and aud were found above.
	if c.ExpiresAt == nil || c.IssuedAt == nil || c.Subject == "" || c.ClientID == "" || c.ID == "" {
		return refused("it lacks one of the claims exp, iat, sub, client_id, jti (RFC 9068 §2.2)")
	}
	return c.checkTimes(v.now(), v.leeway)
}
