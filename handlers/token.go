package handlers

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// Token is the token endpoint (RFC 6749 §3.2).
func Token(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forRegisteredOrigins(e.forPrograms([]string{http.MethodPost}, e.token))
}

func (e *endpoint) token(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Pragma"] = noCache
	e.tellNonce(w, r)
	request, err := e.clientRequest(w, r)
	if err != nil {
		return err
	}
	response, err := e.as.Token(r.Context(), request)
	if err != nil {
		return err
	}
	a := answers.Get().(*answer)
	a.text.Write(append(response.AppendJSON(a.text.AvailableBuffer()), '\n'))
	a.send(w, http.StatusOK)
	return nil
}
