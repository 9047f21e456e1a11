// Package protect puts an API behind access tokens (RFC 6750):
//
//	verifier, err := resource.JWKS(resource.JWKSConfig{
//		Issuer:   "https://auth.example.com",
//		Audience: "https://api.example.com",
//	})
//	options := protect.Options{Audience: "https://api.example.com"}
//	mux.Handle("/alerts", protect.Require(verifier, options, "alerts:read")(alerts))
//
// The handler behind it finds the verified token with [TokenFrom].
//
// This package is for an API in another process than its authorization server, and
// links neither the server nor its storage. In the same process, handlers.Protect is
// shorter.
//
// A token that is bound to a TLS certificate (RFC 8705 §3) is good only in a request that
// comes with it: [Options].Certificate says where to look for that.
//
// # What the client sees
//
//   - no token: 401, a challenge without an error code (RFC 6750 §3.1)
//   - a malformed request: 400 invalid_request
//   - a token that is not good here: 401 invalid_token
//   - a proof that is not good for it, with Options.DPoP: 401 invalid_dpop_proof, or
//     use_dpop_nonce (RFC 9449)
//   - a good token that lacks a scope: 403 insufficient_scope
//   - the verifier could not find out: 503 with Retry-After, and no word about the token
//
// A browser's CORS preflight carries no token: put the CORS middleware outside of this
// one.
package protect
