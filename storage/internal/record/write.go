package record

import "encoding/binary"

// The counterpart of read.go: the bytes are those that the library would write.

func (w *code) appendTo(b []byte) []byte {
	to := writerBehind(b)
	to.mustText(2, string(w.Kind))
	to.text(3, w.ClientID)
	to.text(4, w.GrantID)
	to.text(5, w.RedirectURI)
	to.text(6, w.CodeChallenge)
	to.instant(7, w.IssuedAt)
	to.instant(8, w.ExpiresAt)
	to.instant(9, w.ConsumedAt)
	to.bytes(10, w.Answer)
	to.bool(11, w.RedirectURIOmitted)
	to.bytes(12, w.Request)
	to.bytes(13, w.Confirmation)
	to.text(14, w.Nonce)
	return to.buf
}

func (w *token) appendTo(b []byte) []byte {
	to := writerBehind(b)
	to.mustText(2, string(w.Kind))
	to.text(3, w.ClientID)
	to.text(4, w.GrantID)
	to.texts(5, w.Scopes)
	to.texts(6, w.Resources)
	to.bytes(7, w.Claims)
	to.instant(8, w.IssuedAt)
	to.instant(9, w.ExpiresAt)
	to.instant(10, w.ConsumedAt)
	to.bytes(11, w.Answer)
	to.instant(12, w.RevokedAt)
	to.bytes(13, w.Confirmation)
	to.bytes(14, w.AuthorizationDetails)
	to.bytes(15, w.Actor)
	to.text(16, w.Subject)
	return to.buf
}

func (w *grant) appendTo(b []byte) []byte {
	to := writerBehind(b)
	to.mustText(1, w.ID)
	to.mustText(2, w.ClientID)
	to.mustText(3, w.Subject)
	to.texts(4, w.Scopes)
	to.texts(5, w.Resources)
	to.instant(6, w.AuthTime)
	to.text(7, w.ACR)
	to.texts(8, w.AMR)
	to.instant(9, w.CreatedAt)
	to.instant(10, w.ExpiresAt)
	to.instant(11, w.RevokedAt)
	to.text(12, w.RevokedReason)
	to.bytes(13, w.AuthorizationDetails)
	to.bytes(14, w.Claims)
	to.text(15, w.ClaimsLocales)
	to.text(16, w.SessionID)
	return to.buf
}

// writer writes one map, of fewer than 24 fields. What is empty is left out.
type writer struct {
	buf  []byte
	head int // where the map begins
}

func writerBehind(b []byte) writer { return writer{append(b, majorMap), len(b)} }

// field begins one.
func (w *writer) field(key byte) {
	w.buf[w.head]++
	w.buf = append(w.buf, majorUint|key)
}

func (w *writer) mustText(key byte, s string) {
	w.field(key)
	w.buf = append(appendHead(w.buf, majorText, uint64(len(s))), s...)
}

func (w *writer) text(key byte, s string) {
	if s != "" {
		w.mustText(key, s)
	}
}

func (w *writer) bytes(key byte, b []byte) {
	if len(b) > 0 {
		w.field(key)
		w.buf = append(appendHead(w.buf, majorBytes, uint64(len(b))), b...)
	}
}

func (w *writer) texts(key byte, list []string) {
	if len(list) == 0 {
		return
	}
	w.field(key)
	w.buf = appendHead(w.buf, majorArray, uint64(len(list)))
	for _, s := range list {
		w.buf = append(appendHead(w.buf, majorText, uint64(len(s))), s...)
	}
}

func (w *writer) instant(key byte, i instant) {
	switch {
	case i > 0:
		w.field(key)
		w.buf = appendHead(w.buf, majorUint, uint64(i))
	case i < 0: // before the year 1
		w.field(key)
		w.buf = appendHead(w.buf, majorNegative, uint64(-1-i))
	}
}

func (w *writer) bool(key byte, b bool) {
	if b {
		w.field(key)
		w.buf = append(w.buf, simpleTrue)
	}
}

// appendHead writes the shortest head (RFC 8949 §3, §4.2.1).
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= 0xff:
		return append(b, major|24, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}
