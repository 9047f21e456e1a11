package protect

import (
	"net/http"
	"net/url"
	"strings"
)

// presented takes the token from the request (RFC 6750 §2), and tells whether it came under
// the scheme DPoP (RFC 9449 §7.1).
//
// Deliberate: the header (§2.1) is the only way. A token in the query (§2.3) ends up in
// logs, which is why OAuth 2.1 drops it. A token in the body (§2.2) would have to be
// read before the API gets to bound or parse it; the body is left alone.
func (g *guard) presented(r *http.Request) (token string, proven bool, _ *failure) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return "", false, noCredentials
	case 1:
	default:
		return "", false, invalidRequest // RFC 6750 §3.1: more than one method, or repeated
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	// RFC 6750 §3.1: another scheme is like none at all. RFC 9110 §11.1: in any case.
	d := g.options.DPoP
	proven = d != nil && strings.EqualFold(scheme, "DPoP")
	if !proven && (!strings.EqualFold(scheme, "Bearer") || d != nil && d.Required) {
		return "", false, noCredentials
	}
	token = strings.TrimLeft(rest, " ")
	if !b64token(token) {
		return "", proven, invalidRequest
	}
	// RFC 6750 §2: a client must not use more than one method.
	if inQuery(r.URL.RawQuery) {
		return "", proven, invalidRequest
	}
	return token, proven, nil
}

// b64token is the syntax of a token (RFC 6750 §2.1):
//
//	1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
func b64token(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// inQuery reports whether there is a parameter access_token, in any encoding. It looks
// at names alone, because parsing the whole query is for the API to do.
func inQuery(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		if strings.ContainsAny(name, "%+") {
			name, _ = url.QueryUnescape(name)
		}
		if name == "access_token" {
			return true
		}
	}
	return false
}
