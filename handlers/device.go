package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"path"

	"github.com/grantor-oauth/grantor/authz"
)

// Device is the page on which people type the code that a device shows them, and decide
// about it (RFC 8628 §3.3), for a server with Config.DeviceGrant. By POST it takes the field
// user_code; or interaction, scope (one for each line left ticked) and decision, which is
// allow or deny. Mount it next to the authorization endpoint, under the name device.
func Device(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPeople([]string{http.MethodGet, http.MethodPost}, e.device)
}

// devicePath is where that page is.
func devicePath(as *authz.Server) string {
	return path.Join(path.Dir(pathOf(as.Metadata().AuthorizationEndpoint)), "device")
}

func (e *endpoint) device(w http.ResponseWriter, r *http.Request) error {
	var params url.Values
	var refused *authz.Error
	if r.Method == http.MethodPost {
		if crossSite(r, e.origin) {
			return e.refuse(r, http.StatusForbidden, "cross_site", "The answer to the page came from another site.")
		}
		params, refused = e.bodyParameters(w, r)
	} else {
		params, refused = e.queryParameters(r)
	}
	if refused != nil {
		return refused
	}
	browser := e.browser(r)
	if r.Method == http.MethodPost && params.Has("interaction") {
		return e.deviceDecision(w, r, params, browser)
	}
	if len(params["user_code"]) > 1 {
		return e.refuse(r, http.StatusBadRequest, "parameter_repeated", "A request parameter was included more than once.")
	}
	if browser == "" {
		browser = newBrowser()
	}
	response, err := e.as.DevicePage(r.Context(), &authz.DevicePageRequest{
		UserCode: params.Get("user_code"), HTTP: r, Browser: browser, Address: e.address(r),
	})
	if err != nil {
		return err
	}
	return e.answerDevice(w, r, response, browser)
}

func (e *endpoint) deviceDecision(w http.ResponseWriter, r *http.Request, params url.Values, browser string) error {
	interaction, decision := params["interaction"], params["decision"]
	if len(interaction) != 1 || len(decision) != 1 || (decision[0] != "allow" && decision[0] != "deny") {
		return e.refuse(r, http.StatusBadRequest, "consent_malformed", "The answer to the page is incomplete.")
	}
	response, err := e.as.SubmitDevice(r.Context(), &authz.ConsentSubmission{
		Interaction: interaction[0], HTTP: r, Browser: browser,
		Approve: decision[0] == "allow", Scopes: params["scope"],
	})
	if err != nil {
		return err
	}
	return e.answerDevice(w, r, response, browser)
}

// answerDevice sends the browser to the sign-in page, or shows what comes next.
func (e *endpoint) answerDevice(w http.ResponseWriter, r *http.Request, response *authz.DevicePageResponse, browser string) error {
	if e.browser(r) == "" && browser != "" {
		e.setBrowser(w, browser)
	}
	switch {
	case response.Redirect != "":
		w.Header().Set("Location", response.Redirect)
		w.WriteHeader(http.StatusSeeOther) // RFC 9700 §4.12
		return nil
	case response.Ask, response.Confirm != nil, response.Decided != nil:
		return e.showDevice(w, r, response)
	}
	return errors.New("handlers: authz answered with neither a redirect nor a page")
}
