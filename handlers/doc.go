// Package handlers puts an authorization server on the web: its endpoints, the router
// and the pages that people see. [Mount] is all that most hosts need:
//
//	mux := http.NewServeMux()
//	handlers.Mount(mux, as)
//
// This serves, under the default prefix,
//
//	/oauth2/authorize    GET, POST  authorization endpoint (RFC 6749 §3.1)
//	/oauth2/consent      POST       the answer of the consent page
//	/oauth2/par          POST       pushed authorization requests (RFC 9126)
//	/oauth2/token        POST       token endpoint (RFC 6749 §3.2)
//	/oauth2/introspect   POST       introspection endpoint (RFC 7662), signed on request (RFC 9701)
//	/oauth2/revoke       POST       revocation endpoint (RFC 7009)
//	/oauth2/jwks         GET        signing keys (RFC 7517)
//	/oauth2/register     POST       registration (RFC 7591), with authz.Config.Registration; below it,
//	                                each client's own (RFC 7592)
//	/oauth2/userinfo     GET, POST  who the user is (OpenID Connect Core §5.3), with the scope openid
//	/oauth2/logout       GET, POST  sign-out for clients (OpenID Connect RP-Initiated Logout), with authz.Config.Logout
//	/oauth2/device_authorization    POST       what a device asks (RFC 8628), with authz.Config.DeviceGrant
//	/oauth2/device                  GET, POST  the page on which its user decides
//	/oauth2/backchannel_authentication  POST   what a client asks of a user on another device (OpenID
//	                                           Connect CIBA Core), with authz.Config.BackchannelAuthentication
//	/.well-known/oauth-authorization-server     metadata (RFC 8414)
//	                                            where the issuer has a path, below it as well
//	/.well-known/openid-configuration           the same (OpenID Connect Discovery §4), with the scope openid
//	/.well-known/oauth-protected-resource       that of resources under the issuer's origin (RFC 9728)
//
// A host with another router takes [New], or each endpoint by itself: [Authorization],
// [Consent], [PushedAuthorization], [Token], [Introspection], [Revocation], [JWKS], [Metadata],
// and those of the extensions. [Protect] puts an API in the same process behind access tokens. [Check] tells whether all of it can
// be reached as clients will.
//
// # Look
//
// The consent and the error page are plain HTML and CSS, without scripts, fonts or
// pictures from elsewhere, in light and dark. [Theme] gives them the host's name, logo
// and colour. Options.ConsentPage and Options.ErrorPage replace them.
//
// # Middleware
//
// Keep the endpoints outside of middleware that asks for a session or a CSRF token: the
// authorization endpoint asks authz.Config.Login who is signed in, the consent page is
// tied to the browser that was shown it by a cookie of its own, and the rest is called
// by programs. Set timeouts on the http.Server (ReadHeaderTimeout at the least), as for
// any handler; bodies are bounded here.
//
// A proxy in front needs to pass the paths above on unchanged, nothing more: nothing is
// derived from Host or X-Forwarded headers, only from authz.Config.Issuer.
package handlers
