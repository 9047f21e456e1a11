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
// can say. Where each of its requirements for authorization servers holds (the subtests of
// fapi_test.go have the same names):
//
//	§5.3.2.1   1  metadata                    Server.Metadata
//	           2  no password grant           Config.grantTypes, which has none
//	           3  confidential clients alone  Config.TokenEndpointAuthMethods, checkFAPI2
//	           4  bound access tokens alone   Config.RequireBoundAccessTokens, tokenPolicy.bind
//	           5  by certificate or DPoP      tokenPolicy.bind
//	           6  clients authenticate by key Config.TokenEndpointAuthMethods, authenticateClient
//	           7  no open redirector          checksBeforeRedirect
//	           8  the issuer alone as aud     Config.StrictAssertionAudience, assertionAudience
//	           9  no rotation                 keepRefreshToken
//	          10  nonces if it likes          Config.DPoPNonces
//	          11  codes of 60 s               checkFAPI2
//	          12  codes bound to a key        PushAuthorization, checkDPoPKey
//	          13  clocks                      assertionSkew, dpop.MaxAhead
//	          14  least privilege             resources, scopes and consent, as ever
//	§5.3.2.2   1  code alone                  completeResponseTypes
//	        2 - 4 pushed by clients alone     checkWasPushed, authenticateClient
//	           5  PKCE                        checkCodeChallenge, as ever
//	           6  redirect_uri                checkPushedRedirectURI
//	           7  iss                         authorization.redirect, as ever
//	           8  https                       checkRedirectURI, as ever
//	           9  a code once                 engine, as ever
//	      10, 11  303                         handlers, as ever
//	          12  request_uri below 600 s     checkFAPI2
//	          13  consent                     the consent page
//	          14  nonce of 64 characters      maxNonce
//	§5.4.1     1  algorithms                  Config.keyAlgs, checkFAPI2
//	        2, 3  lengths of keys             parseKey, keyring, dpop
//	           4  128 bits                    newCredential
//	§5.4.3        kids that are there twice   clientKeys.some, which tries every key that fits

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
	if c.OptionalPKCE { // §5.3.2.2, item 5
		fault("OptionalPKCE", "is on, which Config.FAPI2 does not allow; turn it off")
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
