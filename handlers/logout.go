package handlers

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/grantor-oauth/grantor/authz"
)

// LogoutPage is what the pages of the end session endpoint show. With Confirm it asks: its
// form is a POST to Action with the hidden field interaction and decision, which is allow or
// deny. With Stayed, it says that the user is still signed in, and otherwise that the user is signed
// out.
//
// A page of the host's own has to open the Frames, if there are any, in frames of its own (OpenID
// Connect Front-Channel Logout §3), let its Content-Security-Policy allow their origins in
// frame-src, and go on to Redirect, if there is one, when they have been opened.
type LogoutPage struct {
	*authz.LogoutResponse

	// Action is the path of the endpoint.
	Action string

	// ClientName and Account are names fit to be shown, as in [ConsentPage]; ClientName is
	// empty if nobody knows who asks.
	ClientName string
	Account    string
}

// Logout is the end session endpoint (OpenID Connect RP-Initiated Logout §2), for a server
// with Config.Logout, and the page that asks.
func Logout(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPeople([]string{http.MethodGet, http.MethodPost}, e.logout)
}

func (e *endpoint) logout(w http.ResponseWriter, r *http.Request) error {
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
	switch {
	case r.Method == http.MethodPost && params.Has("interaction"):
		return e.logoutDecision(w, r, params, browser)
	case r.Method == http.MethodPost && crossSite(r, e.origin):
		// The host's session cookie does not come along with a form of another site
		// (SameSite=Lax), and the user would seem to be signed out already.
		return e.sendForm(w, &authz.FormPost{Action: e.as.Metadata().EndSessionEndpoint, Parameters: params})
	}
	if browser == "" {
		browser = newBrowser()
	}
	response, err := e.as.EndSession(r.Context(), &authz.LogoutRequest{Parameters: params, HTTP: r, Writer: w, Browser: browser, Address: e.address(r)})
	if err != nil {
		return err
	}
	if response.Confirm != nil && e.browser(r) == "" {
		e.setBrowser(w, browser)
	}
	return e.answerLogout(w, r, response)
}

func (e *endpoint) logoutDecision(w http.ResponseWriter, r *http.Request, params url.Values, browser string) error {
	if crossSite(r, e.origin) {
		return e.refuse(r, http.StatusForbidden, "cross_site", "The answer to the page came from another site.")
	}
	interaction, decision := params["interaction"], params["decision"]
	if len(interaction) != 1 || len(decision) != 1 || (decision[0] != "allow" && decision[0] != "deny") {
		return e.refuse(r, http.StatusBadRequest, "consent_malformed", "The answer to the page is incomplete.")
	}
	response, err := e.as.SubmitLogout(r.Context(), w, &authz.ConsentSubmission{
		Interaction: interaction[0], HTTP: r, Browser: browser, Approve: decision[0] == "allow",
	})
	if err != nil {
		return err
	}
	return e.answerLogout(w, r, response)
}

// answerLogout sends the browser back to the client, or shows a page.
func (e *endpoint) answerLogout(w http.ResponseWriter, r *http.Request, response *authz.LogoutResponse) error {
	if response.Redirect != "" && len(response.Frames) == 0 {
		w.Header().Set("Location", response.Redirect)
		w.WriteHeader(http.StatusSeeOther) // RFC 9700 §4.12
		return nil
	}
	page := &LogoutPage{LogoutResponse: response, Action: pathOf(e.as.Metadata().EndSessionEndpoint)}
	if c := response.Confirm; c != nil {
		page.Account = firstNonEmpty(plainText(c.User.Name), plainText(c.User.Subject))
		if c.Client != nil {
			page.ClientName = firstNonEmpty(plainText(c.Client.Name), plainText(c.Client.ID))
		}
	}
	if e.logoutPage != nil {
		e.logoutPage(w, r, page)
		return nil
	}
	csp := e.pages.csp
	for i, frame := range response.Frames {
		if i == 0 {
			csp += "; frame-src"
		}
		csp += " " + frame.Origin
	}
	return e.pages.writeWith(w, csp, "logout.html", http.StatusOK, &logoutView{
		LogoutPage: page, Look: e.pages.look, Style: e.pages.style, AccountInitial: initial(page.Account),
		Host: hostOf(response.Redirect), Next: template.URL(response.Redirect),
	})
}

// logoutView is what the built-in template is given.
type logoutView struct {
	*LogoutPage
	Look  *look
	Style template.CSS

	AccountInitial string

	// Next is where to go on, a registered URI, and Host where that is, if it can be named.
	Next template.URL
	Host string
}
