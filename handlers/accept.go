package handlers

import (
	"mime"
	"net/http"
	"strings"
)

// Content negotiation (RFC 9110 §12.5.1).

// prefers reports whether a request wants the special media type rather than the usual one.
// Where it likes both as well, it must have named the special one: a range with a wildcard,
// or no Accept header at all, is what those send that know nothing of it. One that wants
// neither gets the usual one, which §12.4.1 leaves to us.
func prefers(h http.Header, special, usual string) bool {
	list := strings.Join(h.Values("Accept"), ",")
	s, u := weighed(list, special), weighed(list, usual)
	return s.quality > u.quality || s.quality == u.quality && s.quality > 0 && s.precision == named
}

// weight is how much a media type is wanted, and by what kind of range that was said.
type weight struct{ quality, precision int }

// The kinds of media ranges; the most precise one that matches counts.
const (
	anything = 1 + iota // */*
	subtypes            // application/*
	named               // application/json
)

// weighed looks a media type up in an Accept header. Parameters of a range other than q are
// passed over: our types have none, and charset=utf-8 says nothing about JSON.
func weighed(list, mediaType string) weight {
	if strings.Trim(list, ", \t") == "" {
		return weight{1000, anything}
	}
	most := weight{}
	for _, element := range elements(list) {
		name, params, err := mime.ParseMediaType(element)
		quality, ok := qvalue(params["q"])
		if err != nil || !ok {
			continue
		}
		precision := 0
		switch kind, _, _ := strings.Cut(mediaType, "/"); name {
		case mediaType:
			precision = named
		case kind + "/*":
			precision = subtypes
		case "*/*":
			precision = anything
		}
		if precision > most.precision || precision == most.precision && precision > 0 && quality > most.quality {
			most = weight{quality, precision}
		}
	}
	return most
}

// elements splits a list at its commas, but for those in quoted strings (RFC 9110 §5.6.1,
// §5.6.4).
func elements(list string) []string {
	var split []string
	begin, quoted := 0, false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++ // and what it escapes
		case c == ',' && !quoted:
			split, begin = append(split, list[begin:i]), i+1
		}
	}
	return append(split, list[begin:])
}

// qvalue is a weight in thousandths (RFC 9110 §12.4.2); what is not said counts as 1.
func qvalue(s string) (thousandths int, ok bool) {
	if s == "" {
		return 1000, true
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0, false
	}
	for _, digit := range (fraction + "000")[:3] {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		thousandths = thousandths*10 + int(digit-'0')
	}
	if whole == "1" {
		return 1000, thousandths == 0
	}
	return thousandths, true
}
