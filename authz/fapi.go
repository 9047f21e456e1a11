package authz

import (
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/storage"
)

// The FAPI 2.0 Security Profile, as far as it asks for more than the rest of the configuration
// can say. The tests, which are named after its sections, say where each requirement holds.

// fapiAlgs are the JWS algorithms of the Security Profile §5.4.1.
var fapiAlgs = []string{"ES256", "PS256", "EdDSA"}

const (
	maxFAPICode   = time.Minute      // Security Profile §5.3.2.1, item 11
	maxFAPIPushed = 10 * time.Minute // §5.3.2.2, item 12: less than that
)

// keyAlgs are the algorithms for public keys that whatever others have signed may have.
func (c *Config) keyAlgs() []string {
	if c.FAPI2 {
		return fapiAlgs
	}
	return assertionKeyAlgs
}

// proofAlgs are those of DPoP proofs.
func (c *Config) proofAlgs() []string { return within(dpop.Algorithms(), c.keyAlgs()) }

// checkFAPI2 finds what departs from the profile: each check that others make by a setting of
// their own.
func (c *Config) checkFAPI2(fault func(field, format string, args ...any)) {
	if !c.FAPI2 {
		return
	}
	for field, on := range map[string]bool{
		"RequirePushedAuthorizationRequests": c.RequirePushedAuthorizationRequests, // §5.3.2.2, item 3
		"StrictAssertionAudience":            c.StrictAssertionAudience,            // §5.3.2.1, item 8
		"RequireBoundAccessTokens":           c.RequireBoundAccessTokens,           // §5.3.2.1, item 4
	} {
		if !on {
			fault(field, "is off, which Config.FAPI2 does not allow; turn it on, as ProfileFAPI2 does")
		}
	}
	// §5.3.2.1, items 3 and 6.
	methods := []string{authPrivateKeyJWT, authTLS, authSelfSignedTLS}
	if len(c.TokenEndpointAuthMethods) == 0 || len(without(c.TokenEndpointAuthMethods, methods)) > 0 {
		fault("TokenEndpointAuthMethods", "is %q; Config.FAPI2 allows %s, so name those of them that you want", c.TokenEndpointAuthMethods, strings.Join(methods, ", "))
	}
	if c.UnsignedRequestObjects { // §5.4.1
		fault("UnsignedRequestObjects", "is on, which Config.FAPI2 does not allow; turn it off")
	}
	for _, alg := range without(c.SigningAlgorithms, fapiAlgs) { // §5.4.1
		fault("SigningAlgorithms", "%q is not allowed by Config.FAPI2; use %s", alg, strings.Join(fapiAlgs, ", "))
	}
	if c.Lifetimes.AuthorizationCode > maxFAPICode {
		fault("Lifetimes.AuthorizationCode", "is %v; Config.FAPI2 allows %v at most", c.Lifetimes.AuthorizationCode, maxFAPICode)
	}
	if c.Lifetimes.PushedRequest >= maxFAPIPushed {
		fault("Lifetimes.PushedRequest", "is %v; Config.FAPI2 wants it below %v", c.Lifetimes.PushedRequest, maxFAPIPushed)
	}
}

// checkPushedRedirectURI: FAPI 2.0 Security Profile §5.3.2.2, item 6.
func (a *authorization) checkPushedRedirectURI() *Error {
	if a.config.FAPI2 && once(a.params, "redirect_uri") == "" {
		return missing("redirect_uri")
	}
	return nil
}

// keepRefreshToken gives the presented refresh token back instead of a successor (FAPI 2.0
// Security Profile §5.3.2.1, item 9): rotation protects nobody where clients authenticate and
// tokens are bound, and a lost answer would cost the client its access. Ending the grant ends
// the token as before.
func keepRefreshToken(issued *engine.Issued, presented string) {
	issued.RefreshToken = presented
	issued.Write.ConsumeTokens = nil
	issued.Write.Tokens = slices.DeleteFunc(issued.Write.Tokens, func(t storage.Token) bool { return t.Kind == storage.RefreshToken })
}
