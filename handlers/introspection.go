package handlers

import (
	"io"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// introspectionJWT is the media type of a signed answer (RFC 9701 §5).
const introspectionJWT = "application/token-introspection+jwt"

// Introspection is the introspection endpoint (RFC 7662 §2), with signed answers for those
// that ask for them by the Accept header (RFC 9701 §4). It is for resource servers, so no
// page of any origin may call it.
func Introspection(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPrograms([]string{http.MethodPost}, e.introspection)
}

func (e *endpoint) introspection(w http.ResponseWriter, r *http.Request) error {
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	if prefers(r.Header, introspectionJWT, inJSON[0]) {
		signed, err := e.as.IntrospectJWT(r.Context(), request)
		if err != nil {
			return err // in JSON, like every other
		}
		w.Header().Set("Content-Type", introspectionJWT)
		io.WriteString(w, signed) // if the peer is gone, nobody is left to tell
		return nil
	}
	answer, err := e.as.Introspect(r.Context(), request)
	if err != nil {
		return err
	}
	e.writeJSON(w, r, http.StatusOK, answer)
	return nil
}
