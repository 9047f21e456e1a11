package authz

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxParameter is how long a parameter may be, in bytes, and maxParameters all of
// them together.
const (
	maxParameter  = 8 << 10
	maxParameters = 24 << 10
)

// checkParameters refuses parameters that are repeated (RFC 6749 §3.1, §3.2), too
// long, or not text. Only resource may be repeated (RFC 8707 §2), and audience in a token
// exchange (RFC 8693 §2.1). A parameter without a value counts as left out (RFC 6749 §3.1).
func checkParameters(params url.Values) *Error {
	total := 0
	for name, values := range params {
		if len(values) > 1 && name != "resource" && (name != "audience" || once(params, "grant_type") != grantTokenExchange) {
			return failed(invalidRequest, "parameter_repeated", "A request parameter was included more than once.")
		}
		for _, v := range values {
			if total += len(name) + len(v); len(name)+len(v) > maxParameter || total > maxParameters {
				return failed(invalidRequest, "parameter_too_long", "A request parameter is too long.")
			}
			// state is the client's own and goes back as it came, escaped.
			if !text(name) || !utf8.ValidString(v) || (name != "state" && !text(v)) {
				return failed(invalidRequest, "parameter_not_text", "A request parameter is not valid UTF-8 text.")
			}
		}
	}
	return nil
}

// text reports whether s is UTF-8 without control characters and byte order marks.
func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || (0x7f <= r && r < 0xa0) || r == '\ufeff'
	})
}

// once is the value of a parameter that is there exactly once, and "" otherwise.
func once(params url.Values, name string) string {
	if v := params[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// missing is the error for a required parameter that is not there.
func missing(name string) *Error {
	return failed(invalidRequest, name+"_missing", "The "+name+" parameter is missing.")
}
