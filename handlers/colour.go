package handlers

import (
	"fmt"
	"math"
	"strconv"
)

// colour is an sRGB colour. The arithmetic is that of WCAG 2.2, definitions of
// "relative luminance" and "contrast ratio".
type colour struct{ r, g, b uint8 }

// parseColour reads #rrggbb or #rgb, and nothing else: what it returns is safe in CSS.
func parseColour(s string) (colour, bool) {
	if len(s) == 4 && s[0] == '#' {
		s = string([]byte{'#', s[1], s[1], s[2], s[2], s[3], s[3]})
	}
	if len(s) != 7 || s[0] != '#' {
		return colour{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil
}

// String is the colour in CSS.
func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// text is what can be read on this colour. One of the two always has a contrast of
// 4.5 or more.
func (c colour) text() colour {
	black, white := colour{0, 0, 0}, colour{255, 255, 255}
	if contrast(c, white) >= 4.5 {
		return white
	}
	return black
}

// on is the accent colour as CSS variables for pages with this surface: brand, for what
// its text makes plain, and accent, for what has nothing but its colour.
func (c colour) on(surface colour) string {
	accent, brand := c.standOut(surface, 3.2), c.standOut(surface, 1.25)
	return fmt.Sprintf("--brand:%s;--on-brand:%s;--accent:%s;--on-accent:%s", brand, brand.text(), accent, accent.text())
}

// standOut is the colour or, if that does not have the contrast to the surface, the
// first that is on the way from it to black or white (WCAG 2.2 §1.4.11: 3 to 1).
func (c colour) standOut(surface colour, least float64) colour {
	target := colour{255, 255, 255}
	if surface.luminance() > 0.18 {
		target = colour{}
	}
	for step := 0; ; step++ {
		blend := func(from, to uint8) uint8 { return uint8(int(from) + (int(to)-int(from))*step/20) }
		mixed := colour{blend(c.r, target.r), blend(c.g, target.g), blend(c.b, target.b)}
		if step == 20 || contrast(mixed, surface) >= least {
			return mixed
		}
	}
}
