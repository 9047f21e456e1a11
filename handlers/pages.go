package handlers

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// The pages are html/template files with one style sheet, which is put into each page so
// that the Content-Security-Policy can name it by its hash (CSP 3 §8.5).

//go:embed pages
var pageFiles embed.FS

// pages are the built-in ones.
type pages struct {
	look    *look
	style   template.CSS
	csp     string
	cspForm string      // the same, with that script
	script  template.JS // of the page that sends a form by itself
	layout  *template.Template
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
	script, err := pageFiles.ReadFile("pages/form_post.js")
	if err != nil {
		return nil, err
	}
	p.script = template.JS(script)
	sum = sha256.Sum256(script)
	p.cspForm = p.csp + "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return p, nil
}

// write sends a page whole.
func (p *pages) write(w http.ResponseWriter, name string, status int, data any) error {
	return p.writeWith(w, p.csp, name, status, data)
}

func (p *pages) writeWith(w http.ResponseWriter, csp, name string, status int, data any) error {
	var body bytes.Buffer
	if err := p.layout.ExecuteTemplate(&body, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", csp)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
	return nil
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
