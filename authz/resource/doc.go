// Package resource verifies access tokens. It is what an API needs of OAuth, and
// light: it links neither the authorization server nor its storage.
//
// An API in another process than its authorization server picks one of two ways:
//
//	verifier, err := resource.JWKS(resource.JWKSConfig{
//		Issuer:   "https://auth.example.com",
//		Audience: "https://api.example.com",
//	})
//
// [JWKS] checks signed tokens (RFC 9068) with the issuer's published keys. It asks
// nobody per request, and so learns of a revocation only when the token expires.
//
// [Introspection] asks the issuer about every token (RFC 7662). It sees a revocation
// at once, at the price of a request to the issuer, and also understands opaque tokens.
// With IntrospectionConfig.SignedAnswers it believes only what the issuer has signed (RFC
// 9701).
//
// Package handlers/protect puts either of them in front of an [net/http.Handler]. An
// API in the same process as the server uses handlers.Protect instead, which is both
// fast and up to date.
//
// # Errors
//
// A [Verifier] keeps two failures apart. An error that wraps [ErrInvalidToken] is a
// statement about the token. Any other says that the verifier could not find out, for
// example because the issuer is down; whoever asked may try again, and should be told
// so with status 503, not 401.
//
// No error holds the token or any part of it.
//
// # What is fetched
//
// The verifiers fetch from the issuer alone: its metadata (RFC 8414), its keys, its
// introspection endpoint. URLs inside a token (jku, x5u) are never followed. Answers
// are bounded in size and time, and redirects never leave the host that was asked.
package resource
