package protect

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

// failure is one way to be turned away (RFC 6750 §3.1). Both texts are constant.
type failure struct {
	status      int
	code        string
	description string
}

var (
	// RFC 6750 §3.1: no error code for a request without authentication.
	noCredentials = &failure{status: http.StatusUnauthorized}

	invalidRequest = &failure{http.StatusBadRequest, "invalid_request",
		"The request must carry one access token, in one Authorization header, and nowhere else."}
	invalidToken = &failure{http.StatusUnauthorized, "invalid_token",
		"The access token is malformed, expired, revoked or not meant for this resource."}
	insufficientScope = &failure{http.StatusForbidden, "insufficient_scope",
		"The access token lacks a scope that this resource requires."}
	insufficientAuthentication = &failure{http.StatusUnauthorized, "insufficient_user_authentication",
		"The user has to sign in again, in a way that this resource demands."} // RFC 9470 §3
	// RFC 9449 §7.1 and §9.
	invalidProof = &failure{http.StatusUnauthorized, dpop.InvalidProof,
		"The DPoP proof is missing, or not valid for this request and this token."}
	useNonce = &failure{http.StatusUnauthorized, dpop.UseNonce,
		"The DPoP proof needs the nonce that came in the DPoP-Nonce header."}
	unavailable = &failure{http.StatusServiceUnavailable, "temporarily_unavailable",
		"The access token could not be verified right now. Try again shortly."}
)

// retryAfter is in seconds (RFC 9110 §10.2.3).
const retryAfter = "5"

// refuse writes the failure; proven tells that the request came under the scheme DPoP. A 503 says nothing about the token, so it has no
// challenge: a client that saw one would throw a good token away.
func (g *guard) refuse(w http.ResponseWriter, f *failure, proven bool) {
	header := w.Header()
	if f.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfter)
	} else {
		header["Www-Authenticate"] = g.challenges(f, proven)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.status)
	body := "{}\n"
	if f.code != "" {
		body = `{"error":"` + f.code + `","error_description":"` + f.description + `"}` + "\n"
	}
	// Whoever does not read the answer cannot be told so either.
	_, _ = w.Write([]byte(body))
}

// challenges are the WWW-Authenticate headers: of the scheme that failed, and of those that
// could have been used instead (RFC 9449 §7.2).
func (g *guard) challenges(f *failure, proven bool) []string {
	d := g.options.DPoP
	switch {
	case d == nil:
		return []string{g.challenge("Bearer", f)}
	case proven, d.Required:
		return []string{g.challenge("DPoP", f)}
	}
	return []string{g.challenge("Bearer", f), g.challenge("DPoP", noCredentials)}
}

// challenge is one WWW-Authenticate header (RFC 6750 §3, RFC 9449 §7.1).
func (g *guard) challenge(scheme string, f *failure) string {
	// RFC 9110 §5.6.4: the two characters that a quoted string has to escape.
	c := scheme + ` realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(g.options.Realm) + `"`
	if scheme == "DPoP" {
		c += `, algs="` + strings.Join(g.options.DPoP.Algorithms, " ") + `"`
	}
	if f.code != "" {
		c += `, error="` + f.code + `", error_description="` + f.description + `"`
	}
	switch f {
	case noCredentials, invalidToken, insufficientScope:
		// RFC 6750 §3: what to ask for. A client that has no token, or one that is no good
		// any more, would otherwise ask for all that there is.
		if len(g.scopes) > 0 {
			c += `, scope="` + strings.Join(g.scopes, " ") + `"`
		}
	case insufficientAuthentication:
		if len(g.options.ACRValues) > 0 {
			c += `, acr_values="` + strings.Join(g.options.ACRValues, " ") + `"`
		}
		if g.options.MaxAge > 0 {
			c += `, max_age="` + strconv.FormatInt(int64(g.options.MaxAge/time.Second), 10) + `"`
		}
	}
	if g.options.ResourceMetadata != "" {
		c += `, resource_metadata="` + g.options.ResourceMetadata + `"`
	}
	return c
}
