package sqlite

import (
	"database/sql/driver"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/grantor-oauth/grantor/storage"
)

// blob is a whole record in a column. It is CBOR because the records carry tags for it;
// JSON would drop a client's secrets, which are marked as not for JSON.
type blob struct{ record any }

// The default would cut times to seconds and refuse strings that are not UTF-8. These
// options are constant and valid, so there is no error to look at.
var (
	encoding, _ = cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC}.EncMode()
	decoding, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

// Value encodes the record.
func (b blob) Value() (driver.Value, error) { return encoding.Marshal(b.record) }

// Scan decodes the column into the record.
func (b blob) Scan(column any) error {
	data, _ := column.([]byte) // none is not CBOR either
	return decoding.Unmarshal(data, b.record)
}

// stamp is a time in a column: microseconds, and NULL if it is zero.
type stamp struct{ *time.Time }

// Value is what to store.
func (s stamp) Value() (driver.Value, error) {
	if s.IsZero() {
		return nil, nil
	}
	return s.UnixMicro(), nil
}

// Scan sets the time, unless the column is NULL.
func (s stamp) Scan(column any) error {
	if micro, ok := column.(int64); ok {
		*s.Time = time.UnixMicro(micro).UTC()
	}
	return nil
}

// What a row's columns are scanned into: the record as it was added, and over it what
// has changed since.
func clientColumns(c *storage.Client) []any   { return []any{blob{c}} }
func codeColumns(c *storage.Code) []any       { return []any{blob{c}, stamp{&c.ConsumedAt}} }
func consentColumns(c *storage.Consent) []any { return []any{blob{c}} }
func grantColumns(g *storage.Grant) []any {
	return []any{blob{g}, stamp{&g.RevokedAt}, &g.RevokedReason}
}
func noticeColumns(n *storage.Notice) []any { return []any{blob{n}} }
func ringColumns(r *storage.KeyRing) []any  { return []any{blob{r}} }
func tokenColumns(t *storage.Token) []any {
	return []any{blob{t}, stamp{&t.ConsumedAt}, &t.Answer, stamp{&t.RevokedAt}}
}
