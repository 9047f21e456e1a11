package handlers

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
)

// A random cookie ties a consent page to the browser that was shown it (RFC 6819
// §4.4.1.8, RFC 9700 §4.7).

const (
	browserCookie = "grantor-browser"
	browserBytes  = 32
)

// browserName is the cookie's name. The __Host- prefix keeps other hosts of the same
// site, and plain http, from planting one of theirs (RFC 6265bis §4.1.3.2). It needs
// https, which a loopback issuer may lack.
func (e *endpoint) browserName() string {
	if e.secure {
		return "__Host-" + browserCookie
	}
	return browserCookie
}

// browser is the value that this browser holds, "" if none.
func (e *endpoint) browser(r *http.Request) string {
	for _, cookie := range r.CookiesNamed(e.browserName()) {
		// Only what newBrowser made: a value that somebody chose could be known to others.
		if b, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value); err == nil && len(b) == browserBytes {
			return cookie.Value
		}
	}
	return ""
}

// newBrowser is a value for a browser that holds none: 256 random bits.
func newBrowser() string {
	b := make([]byte, browserBytes)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// setBrowser gives it to the browser, for as long as that stays open.
func (e *endpoint) setBrowser(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: e.browserName(), Value: value, Path: "/", // __Host- demands this path
		HttpOnly: true, Secure: e.secure, SameSite: http.SameSiteLaxMode,
	})
}
