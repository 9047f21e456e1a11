package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/grantor-oauth/grantor/authz"
)

// Authorization is the authorization endpoint (RFC 6749 §3.1), by GET and by POST.
// Its errors are pages for people; those that the client should get are redirects.
// There is no CORS here (RFC 9700 §2.6).
func Authorization(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPeople([]string{http.MethodGet, http.MethodPost}, e.authorization)
}

func (e *endpoint) authorization(w http.ResponseWriter, r *http.Request) error {
	var params url.Values
	var refused *authz.Error
	if r.Method == http.MethodPost {
		params, refused = e.bodyParameters(w, r)
	} else {
		params, refused = e.queryParameters(r)
	}
	if refused != nil {
		return refused
	}
	browser := e.browser(r)
	if browser == "" {
		browser = newBrowser()
	}
	response, err := e.as.Authorize(r.Context(), &authz.AuthorizationRequest{
		Parameters: params, HTTP: r, Browser: browser, Address: e.address(r),
	})
	if err != nil {
		return err
	}
	return e.answer(w, r, response, browser)
}

// answer sends the browser on, or shows it the consent page.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, response *authz.AuthorizationResponse, browser string) error {
	if e.browser(r) == "" && browser != "" {
		// Already on the way to the sign-in page: tabs opened next find the cookie there.
		e.setBrowser(w, browser)
	}
	switch {
	case response.Consent != nil:
		return e.showConsent(w, r, response.Consent)
	case response.Form != nil:
		return e.sendForm(w, response.Form)
	case response.Redirect != "":
		// RFC 9700 §4.12: 303, so that no browser repeats a POST, with what the user typed
		// into it, to the client.
		w.Header().Set("Location", response.Redirect)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	return errors.New("handlers: authz answered with neither a redirect, nor a form, nor a consent page")
}
