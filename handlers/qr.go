package handlers

import (
	"bytes"
	"fmt"
	"io"

	"rsc.io/qr"
)

// The device's side of RFC 8628 §3.3.1: what it shows so that nobody has to type.

// quietZone is the margin, in modules, that readers need around a code (ISO/IEC 18004
// §5.3.8).
const quietZone = 4

// WriteQRCode writes the QR code of a URI as an SVG image without scripts and styles, for
// a web page or a screen: the verification_uri_complete that a client was given, say. It is
// black on white in either colour scheme, because many readers want it so.
func WriteQRCode(w io.Writer, uri string) error {
	code, err := encodeQR(uri)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	size := code.Size + 2*quietZone
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="QR code"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, size, size, size, size)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	_, err = w.Write(b.Bytes())
	return err
}

// WriteQRCodeText writes the QR code of a URI for a terminal, two modules to a character
// and in colours of its own, so that a dark terminal does not turn it inside out.
func WriteQRCodeText(w io.Writer, uri string) error {
	code, err := encodeQR(uri)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("\x1b[30;107m") // black on bright white
		for x := -quietZone; x < code.Size+quietZone; x++ {
			b.WriteString([4]string{" ", "▄", "▀", "█"}[2*dark(code, x, y)+dark(code, x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	_, err = w.Write(b.Bytes())
	return err
}

func encodeQR(uri string) (*qr.Code, error) {
	code, err := qr.Encode(uri, qr.M)
	if err != nil {
		return nil, fmt.Errorf("handlers: %d bytes do not fit into a QR code: %w", len(uri), err)
	}
	return code, nil
}

// dark is 1 for a black module; what is around the code is white.
func dark(code *qr.Code, x, y int) int {
	if code.Black(x, y) {
		return 1
	}
	return 0
}
