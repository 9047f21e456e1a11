package handlers

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"hash/fnv"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
)

//go:embed pages
var pageFiles embed.FS

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

	// ClientHost is the host of the client's home page, which the client itself named;
	// PolicyURL and TermsURL are its links. They are empty unless http or https.
	ClientHost string
	PolicyURL  string
	TermsURL   string
}

// ErrorPage is what the error page shows. All of it is constant text of this module;
// nothing in it comes from the request.
type ErrorPage struct {
	Status int
	Code   string // the error code of RFC 6749 §4.1.2.1

	// Title and Message are for everybody, Detail is for whoever made the client.
	Title   string
	Message string
	Detail  string
}

// pages are the built-in ones.
type pages struct {
	look   *look
	style  template.CSS
	csp    string
	layout *template.Template
}

func newPages(theme Theme, issuer *url.URL) (*pages, error) {
	look, err := theme.check(issuer)
	if err != nil {
		return nil, err
	}
	layout, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	sheet, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, err
	}
	p := &pages{look: look, layout: layout, style: template.CSS(string(sheet) + look.css)}
	sum := sha256.Sum256([]byte(p.style))
	// Deliberate: no form-action. Chromium holds it against every redirect that follows a
	// form, so it would have to list the client's callback and wherever the client sends
	// its user from there, which nobody but the client knows.
	p.csp = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; "
	if look.imageSources != "" {
		p.csp += "img-src " + look.imageSources + "; "
	}
	p.csp += "base-uri 'none'; frame-ancestors 'none'"
	return p, nil
}

// write sends a page whole.
func (p *pages) write(w http.ResponseWriter, name string, status int, data any) error {
	var body bytes.Buffer
	if err := p.layout.ExecuteTemplate(&body, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", p.csp)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
	return nil
}

// showConsent shows the consent page.
func (e *endpoint) showConsent(w http.ResponseWriter, r *http.Request, prompt *authz.ConsentPrompt) error {
	page := &ConsentPage{
		ConsentPrompt: prompt,
		Action:        consentPath(e.as),
		ClientName:    firstNonEmpty(plainText(prompt.Client.Name), plainText(prompt.Client.ID)),
		Account:       firstNonEmpty(plainText(prompt.User.Name), plainText(prompt.User.Subject)),
		ClientHost:    hostOf(prompt.Client.URI),
		PolicyURL:     webLink(prompt.Client.PolicyURI),
		TermsURL:      webLink(prompt.Client.TOSURI),
	}
	if e.consentPage != nil {
		e.consentPage(w, r, page)
		return nil
	}
	return e.pages.write(w, "consent.html", http.StatusOK, e.pages.consentView(page))
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

// errorView is what the built-in template is given.
type errorView struct {
	*ErrorPage
	Look  *look
	Style template.CSS
}

// showError shows the error page (RFC 6749 §4.1.2.1: inform the resource owner).
func (e *endpoint) showError(w http.ResponseWriter, r *http.Request, refused *authz.Error) {
	setRetryAfter(w.Header(), refused)
	page := &ErrorPage{Status: refused.Status, Code: refused.Code, Detail: refused.Description}
	page.Title, page.Message = inPlainWords(refused)
	if e.errorPage != nil {
		rw := &defaultStatus{ResponseWriter: w, status: refused.Status}
		e.errorPage(rw, r, page)
		return
	}
	if err := e.pages.write(w, "error.html", refused.Status, &errorView{page, e.pages.look, e.pages.style}); err != nil {
		e.log.LogAttrs(r.Context(), slog.LevelError, "the error page cannot be made", slog.String("cause", err.Error()))
		http.Error(w, page.Title, refused.Status)
	}
}

// defaultStatus answers with the error's status if the host's page names none.
type defaultStatus struct {
	http.ResponseWriter
	status int
	set    bool
}

func (w *defaultStatus) WriteHeader(status int) {
	w.set = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *defaultStatus) Write(b []byte) (int, error) {
	if !w.set {
		w.WriteHeader(w.status)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *defaultStatus) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// inPlainWords says what happened to somebody who has never heard of OAuth, and what
// to do now.
func inPlainWords(refused *authz.Error) (title, message string) {
	switch {
	case refused.Status == http.StatusServiceUnavailable:
		return "We cannot do this right now", "Our server is not able to answer at the moment. Nothing is wrong on your side. Wait a little, then go back to the application and try again."
	case refused.Status >= 500:
		return "Something went wrong on our side", "This has been recorded. Nothing was shared with the application. Go back to it and try again; if that does not help, tell us."
	case refused.Reason == "interaction_answered":
		return "You have answered this already", "Each request can be answered once. If you want to change your answer, go back to the application and start again."
	case refused.Reason == "interaction_expired":
		return "This page was open for too long", "For your safety, requests end after a while. Go back to the application and start again."
	case refused.Status == http.StatusForbidden:
		return "This page is not valid any more", "It may have been opened in another browser or tab, or come from another site. Nothing was shared. Go back to the application and start again."
	case refused.Status == http.StatusMethodNotAllowed:
		return "This page cannot be opened by itself", "It belongs to a request by an application. Go back to the application and start again."
	}
	return "This request cannot be completed", "The application that sent you here made a request that we do not accept. Nothing was shared with it, and there is nothing you need to do. If you want to help, tell its makers what it says below."
}

// webLink is link if a person can follow it without harm.
func webLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// hostOf is the host that a web link leads to, unless it is written in letters that can
// be mistaken for others (its xn-- form is shown).
func hostOf(link string) string {
	u, err := url.Parse(webLink(link))
	if err != nil || strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return u.Host
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
