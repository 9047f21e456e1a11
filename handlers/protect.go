package handlers

import (
	"context"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// Protect puts an API in the same process behind access tokens of this server (RFC
// 6750): for its resource, and with all the scopes. It asks the server itself, so a
// revocation counts with the next request. The API reads the token with [TokenFrom].
//
// A token that is bound to a certificate (RFC 8705 §3) is good together with that, from the
// TLS connection. Behind a proxy that ends TLS use [ProtectWith] and
// [protect.ForwardedCertificate].
//
// What the client sees, and what is refused, is told in package protect, which does the
// same for an API in another process. Protect panics if a scope is not one (RFC 6749
// §3.3).
func Protect(as *authz.Server, scopes ...string) func(http.Handler) http.Handler {
	return ProtectWith(as, protect.Options{}, scopes...)
}

// ProtectWith is Protect for another resource of authz.Config.Resources, Options.Audience,
// or with further demands. What is left out of the options is filled in: the server's
// default resource, its clock and logger, the place of the resource's metadata if [Mount]
// serves it, and, with authz.Config.DPoP, that tokens bound to a key are taken: by nonces if the
// server has them, and with the server's memory of what was used. For that, clients have to
// reach the resource where its identifier says, or under the issuer's origin if that is no URL;
// otherwise set protect.DPoP.URL.
func ProtectWith(as *authz.Server, options protect.Options, scopes ...string) func(http.Handler) http.Handler {
	if options.Audience == "" {
		options.Audience = as.Resource()
	}
	if options.ResourceMetadata == "" {
		options.ResourceMetadata, _ = metadataPlace(as, options.Audience)
	}
	if options.Clock == nil {
		options.Clock = as.Now
	}
	if options.Logger == nil {
		options.Logger = as.Logger()
	}
	options.DPoP = proofsFor(as, options)
	return protect.Require(as, options, scopes...)
}

// TokenFrom returns the verified access token (RFC 9068 §2.2) of a request that has
// passed [Protect]; nil if it has not.
func TokenFrom(ctx context.Context) *resource.Token { return protect.TokenFrom(ctx) }
