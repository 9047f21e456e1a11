// Package dpop checks proofs of possession (RFC 9449): that whoever sends a request holds
// the key that a token is bound to. It is for both ends, the authorization server and the
// resource servers, and as light as package resource.
//
// Most programs need nothing of it: authz.Config.DPoP turns it on at the server, and
// protect.Options.DPoP at an API.
package dpop
