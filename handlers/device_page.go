package handlers

import (
	"hash/fnv"
	"html/template"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// What people are told before they let a device in: RFC 8628 §3.3, §5.4.

// DevicePage is what the pages of the device grant show. Without Confirm and Decided it is
// the page on which the code is typed; its form is a POST to Action with the field
// user_code. With Confirm it asks: its form is a POST with the hidden field interaction, a
// field scope for each line left ticked, and decision, which is allow or deny; it must show
// the code and warn whoever did not start this. With Decided it says what came of it.
type DevicePage struct {
	*authz.DevicePageResponse

	// Action is the path of the page itself.
	Action string

	// ClientName and Account are names fit to be shown, as in [ConsentPage]; ClientHost,
	// Places, Details, PolicyURL and TermsURL are as there. Those of a client are empty where
	// the code is typed.
	ClientName string
	Account    string
	ClientHost string
	Places     []string
	Details    []string
	PolicyURL  string
	TermsURL   string
}

// showDevice shows one of the pages.
func (e *endpoint) showDevice(w http.ResponseWriter, r *http.Request, response *authz.DevicePageResponse) error {
	page := &DevicePage{DevicePageResponse: response, Action: devicePath(e.as)}
	if u := response.User; u != nil {
		page.Account = firstNonEmpty(plainText(u.Name), plainText(u.Subject))
	}
	var client *authz.Client
	if response.Confirm != nil {
		client = response.Confirm.Client
		page.Details = descriptions(response.Confirm.Details)
		for _, r := range response.Confirm.Resources {
			page.Places = append(page.Places, firstNonEmpty(plainText(r.Name), plainText(r.Identifier)))
		}
		if len(page.Places) == 1 && response.Confirm.Resources[0].Identifier == e.as.Resource() {
			page.Places = nil
		}
	}
	if response.Decided != nil {
		client = response.Decided.Client
	}
	if client != nil {
		page.ClientName = firstNonEmpty(plainText(client.Name), plainText(client.ID))
		page.ClientHost, page.PolicyURL, page.TermsURL = hostOf(client.URI), webLink(client.PolicyURI), webLink(client.TOSURI)
	}
	if response.Confirm != nil && response.Confirm.ClientIDHost != "" {
		page.ClientHost = response.Confirm.ClientIDHost
	}
	if e.devicePage != nil {
		e.devicePage(w, r, page)
		return nil
	}
	view := &deviceView{DevicePage: page, Look: e.pages.look, Style: e.pages.style, AccountInitial: initial(page.Account)}
	if client != nil {
		h := fnv.New32a()
		h.Write([]byte(client.ID))
		view.Initial, view.Tile = initial(page.ClientName), h.Sum32()%tiles
	}
	name := "device_code.html"
	switch {
	case response.Confirm != nil:
		name = "device_confirm.html"
		view.Address = ""
		if response.Confirm.Address.IsValid() {
			view.Address = response.Confirm.Address.String()
		}
	case response.Decided != nil:
		name = "device_done.html"
	}
	return e.pages.write(w, name, http.StatusOK, view)
}

// deviceView is what the built-in templates are given.
type deviceView struct {
	*DevicePage
	Look    *look
	Style   template.CSS
	Initial string
	Tile    uint32

	AccountInitial string

	Address string // where the device asked from; empty if that is not known
}
