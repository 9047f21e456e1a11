package handlers

import (
	"strings"
	"unicode"
)

const (
	maxShown = 80 // characters of a name
	maxSaid  = 1000
	maxMarks = 3 // combining marks in a row
)

// plainText is a name that somebody else chose, without what could make it look like
// another or reach out of its place: control and formatting characters (bidirectional
// overrides among them), line breaks, characters that show as nothing, piles of
// accents. The page isolates its direction with bdi besides (Unicode TR36 §2, TR9).
func plainText(s string) string { return plain(s, maxShown) }

// plainSentence is the same for what may take some lines.
func plainSentence(s string) string { return plain(s, maxSaid) }

func plain(s string, most int) string {
	var b strings.Builder
	shown, marks, space := 0, 0, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			space = true
			continue
		case invisible(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks || shown == 0 {
				continue
			}
		default:
			marks = 0
			if shown++; shown > most {
				return strings.TrimRight(b.String(), " ") + "…"
			}
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

func invisible(r rune) bool {
	switch r {
	case 0x200c, 0x200d: // joiners: Persian, Indic scripts and emoji need them
		return false
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0: // fillers and blanks
		return true
	}
	// Cc, Cf, Cs, Co and what is not assigned.
	return !unicode.IsGraphic(r)
}

// initial stands for a name where there is no picture.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "•"
}
