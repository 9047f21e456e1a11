package authz

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// matchRedirectURI finds the redirect URI of a request among the client's (RFC 6749
// §3.1.2.3): the one it names, byte for byte (RFC 9700 §2.1), or the only one there
// is if it names none.
func matchRedirectURI(client *Client, requested string) (string, *Error) {
	if requested == "" {
		if len(client.RedirectURIs) == 1 {
			return client.RedirectURIs[0], nil
		}
		return "", failed(invalidRequest, "redirect_uri_missing", "The redirect_uri parameter is missing.")
	}
	if slices.Contains(client.RedirectURIs, requested) {
		return requested, nil
	}
	if client.ApplicationType == "native" {
		for _, registered := range client.RedirectURIs {
			if sameButPort(registered, requested) {
				return requested, nil
			}
		}
	}
	return "", failed(invalidRequest, "redirect_uri_not_registered", "The redirect_uri is not registered for this client.").
		because(fmt.Errorf("%.300q (its query left out) is not, byte for byte, one of %q; register it or correct the request", beforeQuery(requested), client.RedirectURIs))
}

// beforeQuery is what of a URI may be logged: a client that sent the wrong one may have
// sent one with a code in it.
func beforeQuery(uri string) string {
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		return uri[:i]
	}
	return uri
}

// The loopback hosts of RFC 8252 §7.3, and localhost (§8.3 prefers the literals, but
// current native clients send it).
var loopbackPrefixes = []string{"http://127.0.0.1", "http://[::1]", "http://localhost"}

// sameButPort reports whether both are loopback redirect URIs that differ in
// nothing but the port (RFC 8252 §7.3). It works on the bytes, so that no parser's
// idea of a URL (userinfo, escapes, upper case) can slip in between.
func sameButPort(registered, requested string) bool {
	for _, prefix := range loopbackPrefixes {
		a, ok1 := strings.CutPrefix(registered, prefix)
		b, ok2 := strings.CutPrefix(requested, prefix)
		if ok1 && ok2 {
			a, ok1 = cutPort(a)
			b, ok2 = cutPort(b)
			return ok1 && ok2 && a == b
		}
	}
	return false
}

// cutPort cuts an optional ":port" off the front. What is left must begin a path or
// query, or be empty.
func cutPort(s string) (rest string, ok bool) {
	if digits, found := strings.CutPrefix(s, ":"); found {
		n := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
		if n < 0 {
			n = len(digits)
		}
		if n < 1 || n > 5 {
			return "", false
		}
		s = digits[n:]
	}
	return s, s == "" || s[0] == '/' || s[0] == '?'
}

// loopbackHost reports whether host, without port, is this device by one of the
// names we accept. Other spellings of loopback addresses are only used to deceive.
func loopbackHost(host string) bool {
	return host == "127.0.0.1" || host == "::1" || host == "localhost"
}

// checkRedirectURI says what is wrong with a redirect URI as a registration, nil if
// nothing is (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.6).
func checkRedirectURI(raw string, native bool) error {
	if raw == "" || strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune(`"<>\^`+"`{|}", r) }) {
		return errors.New("it must be plain ASCII without spaces; write an international host name in its xn-- form")
	}
	u, err := url.Parse(raw)
	if err != nil || !u.IsAbs() {
		return errors.New("it must be an absolute URI")
	}
	switch {
	case strings.Contains(raw, "#"):
		return errors.New("it must not have a fragment")
	case strings.Contains(raw, "*"):
		return errors.New("wildcards are not supported, because redirect URIs are compared exactly; register each one")
	case u.Scheme != raw[:strings.Index(raw, ":")]:
		return errors.New("its scheme must be in lower case")
	case u.User != nil:
		return errors.New("it must not hold a user name")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" || u.Opaque != "" {
			return errors.New("it needs a host")
		}
	case "http":
		if !loopbackHost(u.Hostname()) {
			return errors.New("http is only for loopback (127.0.0.1, [::1] or localhost); use https")
		}
	default:
		switch {
		case !strings.Contains(u.Scheme, "."):
			return fmt.Errorf("scheme %q is not allowed; a private-use scheme is a domain name of yours in reverse, such as com.example.app (RFC 8252 §7.1)", u.Scheme)
		case !native:
			return errors.New(`a private-use scheme is for native applications; set ApplicationType to "native"`)
		}
	}
	return nil
}

// onDevice reports whether a redirect URI leads to a program on the user's device
// rather than to a host on the network.
func onDevice(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	return err != nil || u.Scheme != "https" && (u.Scheme != "http" || loopbackHost(u.Hostname()))
}

// withQuery adds parameters to the query of a registered redirect URI (RFC 6749
// §3.1.2: what query it has is kept).
func withQuery(redirectURI string, params url.Values) string {
	separator := "?"
	if strings.Contains(redirectURI, "?") {
		separator = "&"
		if last := redirectURI[len(redirectURI)-1]; last == '?' || last == '&' {
			separator = ""
		}
	}
	return redirectURI + separator + params.Encode()
}
