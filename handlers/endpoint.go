package handlers

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// endpoint is what the handlers share. It does not change once it is made.
type endpoint struct {
	as     *authz.Server
	log    *slog.Logger
	origin string // of the issuer
	secure bool   // the issuer is https
	pages  *pages

	proxies     []netip.Prefix
	certificate func(*http.Request) (*x509.Certificate, error)
	clientCAs   *x509.CertPool

	consentPage func(http.ResponseWriter, *http.Request, *ConsentPage)
	errorPage   func(http.ResponseWriter, *http.Request, *ErrorPage)
	devicePage  func(http.ResponseWriter, *http.Request, *DevicePage)
	logoutPage  func(http.ResponseWriter, *http.Request, *LogoutPage)
}

func newEndpoint(as *authz.Server, options []Options) *endpoint {
	if len(options) > 1 {
		panic("handlers: more than one Options given; put everything into one")
	}
	var o Options
	if len(options) == 1 {
		o = options[0]
	}
	if o.Logger == nil {
		o.Logger = as.Logger()
	}
	// RFC 9700 §4.13: whose server this is comes from the configuration alone, never
	// from the Host header or X-Forwarded-*.
	issuer, err := url.Parse(as.Issuer())
	if err != nil {
		panic("handlers: the issuer is no URL: " + err.Error()) // authz.New has checked it
	}
	pages, err := newPages(o.Theme, issuer)
	if err != nil {
		panic(err.Error())
	}
	certificate := protect.TLSCertificate
	if o.ClientCertHeader != "" {
		if len(o.TrustedProxies) == 0 {
			panic("handlers: Options.ClientCertHeader is set, but nobody is trusted to send it; name the proxies in Options.TrustedProxies")
		}
		certificate = protect.ForwardedCertificate(o.ClientCertHeader, o.TrustedProxies...)
	}
	return &endpoint{
		as: as, log: o.Logger, pages: pages,
		origin: issuer.Scheme + "://" + issuer.Host, secure: issuer.Scheme == "https",
		proxies:     slices.Clone(o.TrustedProxies),
		certificate: certificate, clientCAs: o.ClientCAs,
		consentPage: o.ConsentPage, errorPage: o.ErrorPage, devicePage: o.DevicePage, logoutPage: o.LogoutPage,
	}
}

// action handles one request. If it returns an error, it has written nothing.
type action func(w http.ResponseWriter, r *http.Request) error

// forPrograms wraps an action whose errors are read by a program (RFC 6749 §5.2).
func (e *endpoint) forPrograms(methods []string, act action) http.Handler {
	return e.wrap(methods, act, e.writeError)
}

// forPeople wraps an action whose errors are read by whoever sits at the browser.
func (e *endpoint) forPeople(methods []string, act action) http.Handler {
	return e.wrap(methods, act, e.showError)
}

func (e *endpoint) wrap(methods []string, act action, fail func(http.ResponseWriter, *http.Request, *authz.Error)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &responseWriter{ResponseWriter: rw}
		defer e.recover(w, r, fail)
		setSecurityHeaders(w.Header())
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			fail(w, r, e.refuse(r, http.StatusMethodNotAllowed, "method_not_allowed", "This endpoint does not support the request method."))
			return
		}
		if err := act(w, r); err != nil {
			fail(w, r, e.asError(r, err))
		}
	})
}

// setSecurityHeaders sets what every response carries. What may be cached, framed or
// styled says so itself.
func setSecurityHeaders(h http.Header) {
	h["Cache-Control"] = noStore
	h["Referrer-Policy"] = noReferrer
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = nothing
	h["X-Frame-Options"] = deny
}

// Values of headers that every response shares. A host that adds to one gets a copy,
// because there is no room behind them; and Header.Set replaces them.
var (
	noStore    = []string{"no-store"}                                   // RFC 6749 §5.1
	noReferrer = []string{"no-referrer"}                                // RFC 9700 §4.2.4
	noSniff    = []string{"nosniff"}                                    // JSON is not to be run
	nothing    = []string{"default-src 'none'; frame-ancestors 'none'"} // RFC 9700 §4.16
	deny       = []string{"DENY"}                                       // the same, for older browsers
	noCache    = []string{"no-cache"}                                   // RFC 6749 §5.1, of Pragma
	varyOrigin = []string{"Origin"}
	inJSON     = []string{"application/json"}
)

// recover turns a panic, a hook's most likely, into a server_error. What had the panic
// said may hold secrets, so the log gets it only from the runtime itself; the stack
// tells the place.
func (e *endpoint) recover(w *responseWriter, r *http.Request, fail func(http.ResponseWriter, *http.Request, *authz.Error)) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	attrs := []slog.Attr{slog.String("path", r.URL.Path), slog.String("stack", string(debug.Stack()))}
	if err, ok := p.(runtime.Error); ok {
		attrs = append(attrs, slog.String("panic", err.Error()))
	}
	e.log.LogAttrs(r.Context(), slog.LevelError, "a handler or a hook of the host panicked", attrs...)
	if w.written {
		panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
	}
	// What was prepared for the answer that did not come is not part of this one.
	for _, name := range []string{"Set-Cookie", "Location", "ETag", "Content-Length"} {
		w.Header().Del(name)
	}
	setSecurityHeaders(w.Header())
	fail(w, r, broken(panicked))
}

// responseWriter knows whether the answer has begun.
type responseWriter struct {
	http.ResponseWriter
	written bool
}

func (w *responseWriter) WriteHeader(status int) {
	w.written = w.written || status >= 200 // 1xx are not the answer
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
