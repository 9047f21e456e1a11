package handlers

import (
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"

	"github.com/grantor-oauth/grantor/authz"
)

// What people are told before they allow something: RFC 6819 §5.2.4.2, RFC 8252 §8.6.

// ConsentPage is what the consent page shows. Its form is a POST to Action with the
// hidden field interaction, a field scope for each line left ticked, and decision,
// which is allow or deny.
type ConsentPage struct {
	*authz.ConsentPrompt

	// Action is the path of the consent endpoint.
	Action string

	// ClientName and Account are names fit to be shown: without control characters,
	// bidirectional overrides and blanks, and not too long. Escape them nevertheless.
	ClientName string
	Account    string

	// ClientHost is the host of the URL that the client is named by or, where it is not named
	// by one, that of its home page, which the client itself named;
	// PolicyURL and TermsURL are its links. They are empty unless http or https.
	ClientHost string
	PolicyURL  string
	TermsURL   string

	// Places are the names of the resource servers that access is asked for to; empty if
	// that is only the default one.
	Places []string

	// Details are what the client asks for beside scopes, all or nothing (RFC 9396), as
	// text fit to be shown. Escape it nevertheless.
	Details []string
}

// showConsent shows the consent page.
func (e *endpoint) showConsent(w http.ResponseWriter, r *http.Request, prompt *authz.ConsentPrompt) error {
	page := &ConsentPage{
		ConsentPrompt: prompt,
		Action:        consentPath(e.as),
		ClientName:    firstNonEmpty(plainText(prompt.Client.Name), plainText(prompt.Client.ID)),
		Account:       firstNonEmpty(plainText(prompt.User.Name), plainText(prompt.User.Subject)),
		ClientHost:    firstNonEmpty(prompt.ClientIDHost, hostOf(prompt.Client.URI)),
		PolicyURL:     webLink(prompt.Client.PolicyURI),
		TermsURL:      webLink(prompt.Client.TOSURI),
	}
	for _, r := range prompt.Resources {
		page.Places = append(page.Places, firstNonEmpty(plainText(r.Name), plainText(r.Identifier)))
	}
	page.Details = descriptions(prompt.Details)
	if len(prompt.Resources) == 1 && prompt.Resources[0].Identifier == e.as.Resource() {
		page.Places = nil
	}
	if e.consentPage != nil {
		e.consentPage(w, r, page)
		return nil
	}
	return e.pages.write(w, "consent.html", http.StatusOK, e.pages.consentView(page))
}

// descriptions are the texts of details, fit to be shown.
func descriptions(details []authz.DetailPrompt) (texts []string) {
	for _, d := range details {
		texts = append(texts, plainSentence(d.Description))
	}
	return texts
}

// consentView is what the built-in template is given.
type consentView struct {
	*ConsentPage
	Look    *look
	Style   template.CSS
	Initial string
	Tile    uint32 // which colour the client's tile has

	AccountInitial string

	// OnDevice is set if the answer goes to a loopback address, Scheme if it goes to
	// whatever application opens such links.
	OnDevice bool
	Scheme   string
}

func (p *pages) consentView(page *ConsentPage) *consentView {
	h := fnv.New32a()
	h.Write([]byte(page.Client.ID))
	v := &consentView{
		ConsentPage: page, Look: p.look, Style: p.style,
		Initial: initial(page.ClientName), Tile: h.Sum32() % tiles, AccountInitial: initial(page.Account),
	}
	v.OnDevice = loopback(page.RedirectHost)
	if page.Loopback && !v.OnDevice {
		v.Scheme = page.RedirectHost
	}
	return v
}

const tiles = 6 // colours in style.css

// loopback reports whether a host, with or without port, is this device.
func loopback(host string) bool {
	u := url.URL{Host: host}
	return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
}
