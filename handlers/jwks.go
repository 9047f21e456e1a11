package handlers

import (
	"log/slog"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// JWKS publishes the keys that access tokens are signed with (RFC 7517 §5).
func JWKS(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return forAnyOrigin(e.forPrograms([]string{http.MethodGet, http.MethodHead}, func(w http.ResponseWriter, r *http.Request) error {
		keys, err := e.as.JWKS(r.Context())
		if err != nil {
			e.log.LogAttrs(r.Context(), slog.LevelError, "the key set cannot be read", slog.String("cause", err.Error()))
			return err
		}
		return e.publish(w, r, "application/jwk-set+json", keys) // RFC 7517 §8.5.2
	}))
}
