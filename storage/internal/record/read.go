package record

import (
	"math"

	"github.com/grantor-oauth/grantor/storage"
)

// Every token request reads four records, and the library takes longer to look up what
// each of their fields is than all else about them takes. So what AppendTo writes is read
// by hand. Whatever is not exactly that goes to the library, which also says what is wrong
// with it.

func (w *code) read(data []byte) bool {
	r := readerOf(data)
	for r.next() {
		switch r.key {
		case 2:
			w.Kind = storage.CodeKind(r.text())
		case 3:
			w.ClientID = r.text()
		case 4:
			w.GrantID = r.text()
		case 5:
			w.RedirectURI = r.text()
		case 6:
			w.CodeChallenge = r.text()
		case 7:
			w.IssuedAt = r.instant()
		case 8:
			w.ExpiresAt = r.instant()
		case 9:
			w.ConsumedAt = r.instant()
		case 10:
			w.Answer = r.bytes()
		case 11:
			w.RedirectURIOmitted = r.true()
		case 12:
			w.Request = r.bytes()
		case 13:
			w.Confirmation = r.bytes()
		case 14:
			w.Nonce = r.text()
		default:
			return false
		}
	}
	return r.done()
}

func (w *token) read(data []byte) bool {
	r := readerOf(data)
	for r.next() {
		switch r.key {
		case 2:
			w.Kind = storage.TokenKind(r.text())
		case 3:
			w.ClientID = r.text()
		case 4:
			w.GrantID = r.text()
		case 5:
			w.Scopes = r.texts()
		case 6:
			w.Resources = r.texts()
		case 7:
			w.Claims = r.bytes()
		case 8:
			w.IssuedAt = r.instant()
		case 9:
			w.ExpiresAt = r.instant()
		case 10:
			w.ConsumedAt = r.instant()
		case 11:
			w.Answer = r.bytes()
		case 12:
			w.RevokedAt = r.instant()
		case 13:
			w.Confirmation = r.bytes()
		case 14:
			w.AuthorizationDetails = r.bytes()
		case 15:
			w.Actor = r.bytes()
		case 16:
			w.Subject = r.text()
		default:
			return false
		}
	}
	return r.done()
}

func (w *grant) read(data []byte) bool {
	r := readerOf(data)
	for r.next() {
		switch r.key {
		case 1:
			w.ID = r.text()
		case 2:
			w.ClientID = r.text()
		case 3:
			w.Subject = r.text()
		case 4:
			w.Scopes = r.texts()
		case 5:
			w.Resources = r.texts()
		case 6:
			w.AuthTime = r.instant()
		case 7:
			w.ACR = r.text()
		case 8:
			w.AMR = r.texts()
		case 9:
			w.CreatedAt = r.instant()
		case 10:
			w.ExpiresAt = r.instant()
		case 11:
			w.RevokedAt = r.instant()
		case 12:
			w.RevokedReason = r.text()
		case 13:
			w.AuthorizationDetails = r.bytes()
		case 14:
			w.Claims = r.bytes()
		case 15:
			w.ClaimsLocales = r.text()
		case 16:
			w.SessionID = r.text()
		default:
			return false
		}
	}
	return r.done()
}

// The major types of RFC 8949 §3.1, and the one simple value that is written (§3.3).
const (
	majorUint     = 0 << 5
	majorNegative = 1 << 5
	majorBytes    = 2 << 5
	majorText     = 3 << 5
	majorArray    = 4 << 5
	majorMap      = 5 << 5
	simpleTrue    = 7<<5 | 21
)

// reader goes through one map. Its methods return zero values once something is not as
// AppendTo writes it.
type reader struct {
	rest  string // a copy of the record, of which every text is a part
	pairs uint64 // that are still to come
	key   uint64
	odd   bool
}

func readerOf(data []byte) reader {
	r := reader{rest: string(data)}
	r.pairs = r.head(majorMap)
	return r
}

// next goes to the next pair. Its key is higher than the last: no field comes twice.
func (r *reader) next() bool {
	if r.odd || r.pairs == 0 {
		return false
	}
	r.pairs--
	last := r.key
	r.key = r.head(majorUint)
	r.odd = r.odd || r.key <= last
	return !r.odd
}

// done reports whether all has been read, and was as it should be.
func (r *reader) done() bool { return !r.odd && r.pairs == 0 && r.rest == "" }

// head reads the head of an item of this type, and returns its argument (RFC 8949 §3).
func (r *reader) head(major byte) uint64 {
	if r.odd || r.rest == "" || r.rest[0]&^31 != major {
		r.odd = true
		return 0
	}
	n := uint64(r.rest[0] & 31)
	r.rest = r.rest[1:]
	if n < 24 {
		return n
	}
	size := 1 << (n - 24) // bytes
	if n > 27 || len(r.rest) < size {
		r.odd = true
		return 0
	}
	n = 0
	for _, b := range []byte(r.rest[:size]) {
		n = n<<8 | uint64(b)
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string { return r.string(majorText) }

func (r *reader) bytes() []byte { return []byte(r.string(majorBytes)) }

func (r *reader) string(major byte) string {
	n := r.head(major)
	if r.odd || n > uint64(len(r.rest)) {
		r.odd = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// texts reads a list. Each of its elements takes a byte at least.
func (r *reader) texts() []string {
	n := r.head(majorArray)
	if r.odd || n > uint64(len(r.rest)) {
		r.odd = true
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}

func (r *reader) instant() instant {
	n := r.head(majorUint)
	if n > math.MaxInt64 {
		r.odd = true
	}
	return instant(n)
}

func (r *reader) true() bool {
	if r.odd || r.rest == "" || r.rest[0] != simpleTrue {
		r.odd = true
		return false
	}
	r.rest = r.rest[1:]
	return true
}
