package handlers

import (
	"net/http"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
)

// The consent page and its answer: OpenID Connect Core §3.1.2.4, RFC 6819 §5.2.3.2.

// Consent takes the answer of the consent page: a POST of the form fields interaction,
// scope (one for each line left ticked) and decision, which is allow or deny. Mount it
// next to the authorization endpoint, under the name consent.
func Consent(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return e.forPeople([]string{http.MethodPost}, e.consent)
}

func (e *endpoint) consent(w http.ResponseWriter, r *http.Request) error {
	if crossSite(r, e.origin) {
		return e.refuse(r, http.StatusForbidden, "cross_site", "The answer to the consent page came from another site.")
	}
	params, refused := e.bodyParameters(w, r)
	if refused != nil {
		return refused
	}
	interaction, decision := params["interaction"], params["decision"]
	if len(interaction) != 1 || len(decision) != 1 || (decision[0] != "allow" && decision[0] != "deny") {
		return e.refuse(r, http.StatusBadRequest, "consent_malformed", "The answer to the consent page is incomplete.")
	}
	browser := e.browser(r)
	response, err := e.as.SubmitConsent(r.Context(), &authz.ConsentSubmission{
		Interaction: interaction[0], HTTP: r, Browser: browser,
		Approve: decision[0] == "allow", Scopes: params["scope"],
	})
	if err != nil {
		return err
	}
	return e.answer(w, r, response, browser)
}

// crossSite reports whether a form was sent by a page of somebody else's. issuer is
// our own origin, from the configuration.
func crossSite(r *http.Request, issuer string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	// Deliberate: browsers older than Sec-Fetch-Site send "null" for our own page, since
	// it has Referrer-Policy: no-referrer. The sealed interaction and the cookie, which
	// no other page has, decide about them.
	origin := strings.Join(r.Header.Values("Origin"), ",")
	return origin != "" && origin != "null" && origin != issuer
}
