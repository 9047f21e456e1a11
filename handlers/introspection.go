package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// Introspection is the introspection endpoint (RFC 7662 §2). It is for resource
// servers, so no page of any origin may call it.
func Introspection(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPrograms([]string{http.MethodPost}, e.introspection)
}

func (e *endpoint) introspection(w http.ResponseWriter, r *http.Request) error {
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	answer, err := e.as.Introspect(r.Context(), request)
	if err != nil {
		return err
	}
	e.writeJSON(w, r, http.StatusOK, answer)
	return nil
}
