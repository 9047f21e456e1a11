package handlers

import (
	"log/slog"
	"net/http"
)

// CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): the documents are open to
// every page, the token and revocation endpoints to the origins that were registered,
// the authorization endpoint, being for people, to none (RFC 9700 §2.6). Cookies are
// never part of it.

const (
	preflightMaxAge = "600"
	// What a client has to read besides the body.
	exposedHeaders = "WWW-Authenticate, Retry-After, DPoP-Nonce"
)

// forAnyOrigin lets every page read a public document, whatever headers it sends along
// (MCP clients send MCP-Protocol-Version).
func forAnyOrigin(h http.Handler) http.Handler { return forAnyOriginWith(h, "GET, HEAD", "*") }

// forAnyOriginWith is the same for other methods: at the registration endpoints, where a
// page sends what it knows, and no cookie counts.
func forAnyOriginWith(h http.Handler, methods, headers string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if preflight(r) {
			setSecurityHeaders(w.Header())
			w.Header().Set("Access-Control-Allow-Methods", methods)
			w.Header().Set("Access-Control-Allow-Headers", headers)
			w.Header().Set("Access-Control-Max-Age", preflightMaxAge)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// vary adds the Origin header to what the response depends on.
func vary(h http.Header) {
	if len(h["Vary"]) == 0 {
		h["Vary"] = varyOrigin
		return
	}
	h.Add("Vary", "Origin")
}

// forRegisteredOrigins lets pages of the clients' origins read the answers of h. A
// request from any other page is handled like that of a program: CORS keeps the answer
// from the page, and it is client authentication that guards the endpoint.
func (e *endpoint) forRegisteredOrigins(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vary(w.Header()) // even without an Origin, for caches
		origin := r.Header.Get("Origin")
		allowed := origin != "" && len(r.Header.Values("Origin")) == 1 && e.as.OriginAllowed(origin)
		if allowed {
			w.Header().Set("Access-Control-Allow-Origin", origin)
		}
		switch {
		case !preflight(r):
			if allowed {
				w.Header().Set("Access-Control-Expose-Headers", exposedHeaders)
			}
			h.ServeHTTP(w, r)
		case allowed:
			setSecurityHeaders(w.Header())
			w.Header().Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
			w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
			w.Header().Set("Access-Control-Max-Age", preflightMaxAge)
			w.WriteHeader(http.StatusNoContent)
		default:
			e.log.LogAttrs(r.Context(), slog.LevelInfo, "a page of an origin that is not registered wants to call this endpoint; "+
				"if it is a client of yours, add the origin to authz.Config.AllowedOrigins",
				slog.String("origin", firstBytes(origin, 200)), slog.String("path", r.URL.Path))
			h.ServeHTTP(w, r) // 405
		}
	})
}

// preflight reports whether a browser asks what it may send.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

func firstBytes(s string, n int) string { return s[:min(len(s), n)] }
