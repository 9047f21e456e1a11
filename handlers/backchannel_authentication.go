package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// BackchannelAuthentication is the backchannel authentication endpoint (OpenID Connect CIBA Core
// §7), for a server with Config.BackchannelAuthentication.
func BackchannelAuthentication(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPrograms([]string{http.MethodPost}, e.backchannelAuthentication)
}

func (e *endpoint) backchannelAuthentication(w http.ResponseWriter, r *http.Request) error {
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	response, err := e.as.AuthenticateBackchannel(r.Context(), request)
	if err != nil {
		return err
	}
	e.writeJSON(w, r, http.StatusOK, response)
	return nil
}
