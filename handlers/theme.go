package handlers

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
)

// Theme is the look of the built-in pages: the host's name and colours. Every field
// may be empty.
type Theme struct {
	// Name is what people call the host's product. Default: the issuer's host.
	Name string

	// Logo is an image of the host, about square: an https URL, a path on this host, or
	// a data:image/ URL. LogoDark, if set, replaces it in dark mode.
	Logo     string
	LogoDark string

	// Accent is the colour of the main button and of the ticks, as #rrggbb. The text on
	// it is made black or white, and the ticks are lightened or darkened where they would
	// not stand out in dark or light mode (WCAG 2.2 §1.4.3, §1.4.11).
	Accent string

	// SupportURL is where people get help: an https or mailto URL, or a path on this
	// host.
	SupportURL string

	// CSS is added after the built-in style sheet. It cannot load fonts or images.
	CSS string
}

// defaultAccent is a blue that suits most.
const defaultAccent = "#2457d6"

// The grounds that the accent colour stands on, as in style.css.
var (
	lightSurface = colour{255, 255, 255}
	darkSurface  = colour{24, 26, 32}
)

// look is a Theme that has been checked, in the form that the pages want it.
type look struct {
	Name           string
	Initial        string
	Logo, LogoDark template.URL
	Support        template.URL
	css            string
	imageSources   string // for img-src of the Content-Security-Policy
}

// check returns every fault of the theme at once.
func (t Theme) check(issuer *url.URL) (*look, error) {
	var errs []error
	fault := func(field, value, cure string) {
		errs = append(errs, fmt.Errorf("handlers: Theme.%s: %q %s", field, value, cure))
	}
	l := &look{Name: plainText(t.Name)}
	if l.Name == "" {
		l.Name = issuer.Host
	}
	l.Initial = initial(l.Name)

	var sources []string
	image := func(field, link string) template.URL {
		if link == "" {
			return ""
		}
		source, ok := imageSource(link)
		if !ok {
			fault(field, firstBytes(link, 100), "must be an https URL, a path such as /logo.svg, or a data:image/ URL")
		}
		sources = append(sources, source)
		return template.URL(link) // checked
	}
	l.Logo = image("Logo", t.Logo)
	l.LogoDark = image("LogoDark", t.LogoDark)
	if l.LogoDark != "" && l.Logo == "" {
		fault("LogoDark", firstBytes(t.LogoDark, 100), "needs Logo to stand in for; set Logo too")
	}
	l.imageSources = strings.Join(sources, " ")

	if t.SupportURL != "" {
		u, err := url.Parse(t.SupportURL)
		if err != nil || !(localPath(t.SupportURL) || u.Scheme == "mailto" || (u.Scheme == "https" && u.Host != "")) {
			fault("SupportURL", t.SupportURL, "must be an https or mailto URL, or a path such as /help")
		}
		l.Support = template.URL(t.SupportURL)
	}
	if t.Accent == "" {
		t.Accent = defaultAccent
	}
	accent, ok := parseColour(t.Accent)
	if !ok {
		fault("Accent", t.Accent, "is not a colour; write it as #rrggbb")
	}
	if strings.Contains(strings.ToLower(t.CSS), "</") || strings.Contains(t.CSS, "<!--") {
		fault("CSS", firstBytes(t.CSS, 40)+"…", "holds HTML; give CSS only, without the style element")
	}
	l.css = ":root{" + accent.on(lightSurface) + "}@media(prefers-color-scheme:dark){:root{" + accent.on(darkSurface) + "}}\n" + t.CSS
	return l, errors.Join(errs...)
}

// localPath reports whether a link is a path on this host.
func localPath(link string) bool {
	return strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") && !strings.ContainsAny(link, `\`+"\r\n\t")
}

// imageSource is the source expression (CSP 3 §2.3.1) that lets an image load.
func imageSource(link string) (string, bool) {
	if localPath(link) {
		return "'self'", true
	}
	if strings.HasPrefix(link, "data:image/") {
		return "data:", true
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Host, ";,' \"") {
		return "", false
	}
	return "https://" + u.Host, true
}
