package handlers

import (
	"crypto/x509"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
)

// Options are what a host may change. The zero value is right.
type Options struct {
	// Theme is the look of the built-in pages.
	Theme Theme

	// ConsentPage and ErrorPage, if set, write the page instead of the built-in one:
	// with a template of the host's, in the host's layout and language. The response
	// headers already hold a Content-Security-Policy that allows no script, style or
	// image at all; set it anew, keeping frame-ancestors 'none', and leave form-action
	// out of it: Chromium holds it against every redirect that follows the form. A
	// host that writes no status gets 200 for consent and ErrorPage.Status for errors.
	ConsentPage func(w http.ResponseWriter, r *http.Request, page *ConsentPage)
	ErrorPage   func(w http.ResponseWriter, r *http.Request, page *ErrorPage)

	// DevicePage, likewise, writes the pages on which people type the code that a device
	// shows them (RFC 8628 §3.3), are asked, and are told what came of it.
	DevicePage func(w http.ResponseWriter, r *http.Request, page *DevicePage)

	// LogoutPage, likewise, writes the pages that ask whether to sign out, and say that it is
	// done (OpenID Connect RP-Initiated Logout §2).
	LogoutPage func(w http.ResponseWriter, r *http.Request, page *LogoutPage)

	// TrustedProxies are the addresses of the proxies between the clients and the host.
	// Only what these say in X-Forwarded-For counts when limits are kept by address, and in
	// ClientCertHeader.
	TrustedProxies []netip.Prefix

	// ClientCertHeader is in which header the TrustedProxies hand on the TLS certificate that
	// a client presented to them: Client-Cert (RFC 9440), or one that holds PEM,
	// percent-encoded (nginx's $ssl_client_escaped_cert). They must take it out of what clients
	// send. Empty if TLS ends in this process.
	//
	// Where it does, the listener has to ask: set tls.Config.ClientAuth to
	// tls.VerifyClientCertIfGiven, with tls.Config.ClientCAs, for clients with tls_client_auth
	// (RFC 8705 §2.1); to tls.RequestClientCert for self_signed_tls_client_auth (§2.2), for
	// certificates that tokens are only bound to, and, with ClientCAs here, for all of them.
	// authz.Config.MutualTLS switches all of it on.
	ClientCertHeader string

	// ClientCAs are the authorities that vouch for the certificates of clients with
	// tls_client_auth, intermediate ones too where a proxy hands on certificates. Nil for those
	// that the listener has checked by its own tls.Config.ClientCAs; behind a proxy that leaves
	// nobody, for a header does not tell whether the proxy has checked anything.
	ClientCAs *x509.CertPool

	// Logger is where failures go; nil for the server's.
	Logger *slog.Logger
}

// Mount puts every endpoint on the host's mux, at the paths that as.Metadata names,
// the metadata itself at its well-known path (RFC 8414 §3.1), that of the resources under
// the issuer's origin at theirs (RFC 9728 §3.1) and the consent page next to the
// authorization endpoint. At most one Options may be given. Like
// [http.ServeMux.Handle], it panics if that is wrong or a path is taken.
//
// Start [Check] once the application serves, to hear of what a proxy in front of it
// gets wrong.
func Mount(mux *http.ServeMux, as *authz.Server, options ...Options) {
	for p, h := range routes(as, options) {
		mux.Handle(p, h)
	}
}

// New is all endpoints in one handler, for a host with another router. It goes by the
// full path of the request, as Mount does: send it what begins with the endpoints'
// prefix (/oauth2/), with /.well-known/oauth-authorization-server and with
// /.well-known/oauth-protected-resource, unstripped, and whatever is below the issuer's path.
// Everything else is 404.
func New(as *authz.Server, options ...Options) http.Handler {
	routes := routes(as, options)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, found := routes[r.URL.Path]
		if !found { // a path that ends in a slash is for what is right below it, as in a mux
			h, found = routes[r.URL.Path[:strings.LastIndexByte(r.URL.Path, '/')+1]]
		}
		if !found {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// routes are the endpoints by path.
func routes(as *authz.Server, options []Options) map[string]http.Handler {
	m := as.Metadata()
	endpoints := map[string]http.Handler{
		pathOf(m.AuthorizationEndpoint):              Authorization(as, options...),
		consentPath(as):                              Consent(as, options...),
		pathOf(m.PushedAuthorizationRequestEndpoint): PushedAuthorization(as, options...),
		pathOf(m.TokenEndpoint):                      Token(as, options...),
		pathOf(m.IntrospectionEndpoint):              Introspection(as, options...),
		pathOf(m.RevocationEndpoint):                 Revocation(as, options...),
		pathOf(m.JWKSURI):                            JWKS(as, options...),
		wellKnown + pathOf(m.Issuer):                 Metadata(as, options...),
	}
	// Where the issuer has a path, some clients look below it, as OpenID Connect Discovery §4
	// has it for its own document.
	endpoints[pathOf(m.Issuer)+wellKnown] = endpoints[wellKnown+pathOf(m.Issuer)]
	if m.EndSessionEndpoint != "" {
		endpoints[pathOf(m.EndSessionEndpoint)] = Logout(as, options...)
	}
	if m.UserInfoEndpoint != "" {
		endpoints[pathOf(m.UserInfoEndpoint)] = UserInfo(as, options...)
		// OpenID Connect Discovery §4, and where RFC 8414 §5 would have it.
		endpoints[pathOf(m.Issuer)+openIDWellKnown] = endpoints[wellKnown+pathOf(m.Issuer)]
		endpoints[openIDWellKnown+pathOf(m.Issuer)] = endpoints[wellKnown+pathOf(m.Issuer)]
	}
	if m.RegistrationEndpoint != "" {
		endpoints[pathOf(m.RegistrationEndpoint)] = Registration(as, options...)
		endpoints[pathOf(m.RegistrationEndpoint)+"/"] = ClientConfiguration(as, options...)
	}
	if m.DeviceAuthorizationEndpoint != "" {
		endpoints[pathOf(m.DeviceAuthorizationEndpoint)] = DeviceAuthorization(as, options...)
		endpoints[devicePath(as)] = Device(as, options...)
	}
	if m.BackchannelAuthenticationEndpoint != "" {
		endpoints[pathOf(m.BackchannelAuthenticationEndpoint)] = BackchannelAuthentication(as, options...)
	}
	maps.Copy(endpoints, resourceMetadata(as))
	return endpoints
}

// consentPath is where the consent page is sent back to.
func consentPath(as *authz.Server) string {
	return path.Join(path.Dir(pathOf(as.Metadata().AuthorizationEndpoint)), "consent")
}

// pathOf is the path of a URL of the metadata, which authz has made and checked.
func pathOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		panic("handlers: authz.Server.Metadata holds a URL that is none: " + err.Error())
	}
	return u.Path
}
