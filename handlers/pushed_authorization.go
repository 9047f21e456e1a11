package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// PushedAuthorization is the pushed authorization request endpoint (RFC 9126 §2).
func PushedAuthorization(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forRegisteredOrigins(e.forPrograms([]string{http.MethodPost}, e.pushedAuthorization))
}

func (e *endpoint) pushedAuthorization(w http.ResponseWriter, r *http.Request) error {
	e.tellNonce(w, r)
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	response, err := e.as.PushAuthorization(r.Context(), request)
	if err != nil {
		return err
	}
	e.writeJSON(w, r, http.StatusCreated, response) // §2.2: 201
	return nil
}
