// Package report writes what came of a run of the conformance suite: as a table for the terminal,
// as JSON for programs, as JUnit XML for CI systems, and as one HTML file for people.
//
//	report, err := conformance.Check(ctx, target, conformance.Options{})
//	…
//	err = report.HTML(file, result)
//
// What servers answer is shown as text and nothing else: it starts no markup, and what would
// move a terminal's cursor, or turn a line around, is written out.
package report

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/grantor-oauth/grantor/conformance"
)

// plain is a text of a server's without the characters that do something instead of being seen.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "�") {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// line is such a text on one line.
func line(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(plain(s))
}

// title says what was tested.
func title(r *conformance.Report) string {
	if r.Name == "" {
		return line(r.Issuer)
	}
	return line(r.Name)
}

var (
	rfc      = regexp.MustCompile(`^RFC ([0-9]+)$`)
	section  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)
	appendix = regexp.MustCompile(`^[A-Z](\.[0-9]+)*$`)
)

// source is where the text of a section stands, empty where that is not known.
func source(spec, at string) string {
	number := rfc.FindStringSubmatch(spec)
	if number == nil {
		return ""
	}
	address := "https://www.rfc-editor.org/rfc/rfc" + number[1]
	switch {
	case section.MatchString(at):
		address += "#section-" + at
	case appendix.MatchString(at):
		address += "#appendix-" + at
	}
	return address
}

// short is a duration as people say it.
func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
