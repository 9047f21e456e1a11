package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// Revocation is the revocation endpoint (RFC 7009 §2).
func Revocation(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forRegisteredOrigins(e.forPrograms([]string{http.MethodPost}, e.revocation))
}

func (e *endpoint) revocation(w http.ResponseWriter, r *http.Request) error {
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	if err := e.as.Revoke(r.Context(), request); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK) // RFC 7009 §2.2: the body is empty
	return nil
}
