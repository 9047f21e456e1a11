package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
)

// Registration is the endpoint at which clients register themselves (RFC 7591 §3). Pages
// of every origin may: what they send is all that counts.
func Registration(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forAnyPage(e.forPrograms([]string{http.MethodPost}, e.register), http.MethodPost)
}

// ClientConfiguration is where a client that registered itself reads, changes and deletes
// what is registered of it (RFC 7592 §2). Mount it below the registration endpoint: the
// last segment of the path is the client_id.
func ClientConfiguration(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	methods := []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	return e.forAnyPage(e.forPrograms(methods, e.configureClient), strings.Join(methods, ", "))
}

func (e *endpoint) forAnyPage(h http.Handler, methods string) http.Handler {
	return forAnyOriginWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			w.Header().Set("Access-Control-Expose-Headers", exposedHeaders)
		}
		h.ServeHTTP(w, r)
	}), methods, "*, Authorization") // which the asterisk leaves out
}

func (e *endpoint) register(w http.ResponseWriter, r *http.Request) error {
	request, err := e.registrationRequest(w, r, true)
	if err != nil {
		return err
	}
	information, err := e.as.Register(r.Context(), request)
	if err != nil {
		return err
	}
	w.Header()["Pragma"] = noCache
	e.writeJSON(w, r, http.StatusCreated, information)
	return nil
}

func (e *endpoint) configureClient(w http.ResponseWriter, r *http.Request) error {
	request, err := e.registrationRequest(w, r, r.Method == http.MethodPut)
	if err != nil {
		return err
	}
	request.ClientID = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	var information *authz.ClientInformation
	switch r.Method {
	case http.MethodGet:
		information, err = e.as.ReadRegistration(r.Context(), request)
	case http.MethodPut:
		information, err = e.as.UpdateRegistration(r.Context(), request)
	default:
		if err = e.as.DeleteRegistration(r.Context(), request); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	}
	if err != nil {
		return err
	}
	w.Header()["Pragma"] = noCache
	e.writeJSON(w, r, http.StatusOK, information)
	return nil
}

// registrationRequest reads a request to one of the two endpoints. Its body is JSON
// (RFC 7591 §3.1).
func (e *endpoint) registrationRequest(w http.ResponseWriter, r *http.Request, withBody bool) (*authz.RegistrationRequest, error) {
	if r.URL.RawQuery != "" {
		return nil, e.refuse(r, http.StatusBadRequest, "query_not_allowed", "Parameters belong in the request body, not in the URL.")
	}
	authorization := r.Header.Values("Authorization")
	if len(authorization) > 1 {
		return nil, e.refuse(r, http.StatusBadRequest, "authorization_repeated", "The Authorization header was included more than once.")
	}
	request := &authz.RegistrationRequest{Authorization: strings.Join(authorization, ""), Address: e.address(r)}
	if !withBody {
		return request, nil
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || r.Header.Get("Content-Encoding") != "" {
		return nil, e.refuse(r, http.StatusBadRequest, "content_type_not_json", "The Content-Type must be application/json.")
	}
	request.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, e.refuse(r, http.StatusRequestEntityTooLarge, "body_too_large", "The request body is too large.")
	case err != nil:
		return nil, e.refuse(r, http.StatusBadRequest, "body_unreadable", "The request body could not be read.")
	}
	return request, nil
}
