package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// DeviceAuthorization is the device authorization endpoint (RFC 8628 §3.1), for a server
// with Config.DeviceGrant.
func DeviceAuthorization(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPrograms([]string{http.MethodPost}, e.deviceAuthorization)
}

func (e *endpoint) deviceAuthorization(w http.ResponseWriter, r *http.Request) error {
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	answer, err := e.as.AuthorizeDevice(r.Context(), request)
	if err != nil {
		return err
	}
	e.writeJSON(w, r, http.StatusOK, answer)
	return nil
}
