package dpop

import (
	"net/url"
	"strings"
)

// sameTarget reports whether the htu of a proof is the address that was called, without
// query and fragment and after the normalisation of RFC 3986 §6.2.2 and §6.2.3, as RFC 9449
// §4.3 asks.
func sameTarget(htu, called string) bool {
	if htu == called {
		return true
	}
	a, ok := normal(htu)
	b, known := normal(called)
	return ok && known && a == b
}

func normal(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // IPv6
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port != "" && !(scheme == "https" && port == "443") && !(scheme == "http" && port == "80") {
		host += ":" + port
	}
	path := normalEscapes(new(url.URL).ResolveReference(u).EscapedPath()) // without . and ..
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, true
}

// normalEscapes decodes what need not be escaped, and writes the rest of the escapes in
// upper case (RFC 3986 §6.2.2.1, §6.2.2.2).
func normalEscapes(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		high, low := strings.IndexByte(hex, upper(path[i+1])), strings.IndexByte(hex, upper(path[i+2]))
		if high < 0 || low < 0 {
			b.WriteByte('%')
			continue
		}
		if c := byte(high<<4 | low); unreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[high], hex[low]})
		}
		i += 2
	}
	return b.String()
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}

// unreserved is RFC 3986 §2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
