package handlers

import "testing"

// For the external tests.
var (
	ParseForm = parseForm
	PlainText = plainText
)

// CheckContrast reports a theme colour that people could not read.
func CheckContrast(t testing.TB, accent string) {
	t.Helper()
	c, ok := parseColour(accent)
	if !ok {
		t.Fatalf("%q is not a colour", accent)
	}
	for _, surface := range []colour{lightSurface, darkSurface} {
		mark := c.standOut(surface, 3.2)
		if got := contrast(mark, surface); got < 3 {
			t.Errorf("%s: ticks have a contrast of %.2f on %s", accent, got, surface)
		}
		for _, ground := range []colour{mark, c.standOut(surface, 1.25)} {
			if got := contrast(ground, ground.text()); got < 4.5 {
				t.Errorf("%s: text has a contrast of %.2f on %s", accent, got, ground)
			}
		}
	}
}
