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
		if f := float64(v) / 255; f <= 0.04045 {
			return f / 12.92
		} else {
			return math.Pow((f+0.055)/1.055, 2.4)
		}
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

// against is the colour, moved towards black or white until controls drawn in it stand
// out from the surface (WCAG 2.2 §1.4.11: 3 to 1).
func (c colour) against(surface colour) colour {
	target := colour{255, 255, 255}
	if surface.luminance() > 0.18 {
		target = colour{}
	}
	for mixed, step := c, 0.0; ; {
		if contrast(mixed, surface) >= 3.2 {
			return mixed
		}
		step += 0.05
		blend := func(from, to uint8) uint8 {
			return uint8(math.Round(float64(from) + (float64(to)-float64(from))*min(step, 1)))
		}
		mixed = colour{blend(c.r, target.r), blend(c.g, target.g), blend(c.b, target.b)}
	}
}
