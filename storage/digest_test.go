package storage_test

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

func TestDigestBeginsWithItsTime(t *testing.T) {
	for _, c := range []struct{ in, want time.Time }{
		{time.UnixMilli(0), time.UnixMilli(0)},
		{time.UnixMilli(1_700_000_000_123), time.UnixMilli(1_700_000_000_123)},
		{time.Unix(1, 999_999), time.Unix(1, 0)},
		{time.Unix(-5, 0), time.Unix(0, 0)},
		{time.Time{}, time.Unix(0, 0)},
		{time.UnixMilli(1<<48 - 1), time.UnixMilli(1<<48 - 1)},
	} {
		if got := storage.NewDigest(c.in, "x").ExpiresAt(); !got.Equal(c.want) {
			t.Errorf("NewDigest(%v).ExpiresAt() = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestDigestsSortByExpiry(t *testing.T) {
	now := time.Now()
	var digests []storage.Digest
	for _, later := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, 1000 * time.Hour, 1e6 * time.Hour} {
		digests = append(digests, storage.NewDigest(now.Add(later), later.String()))
	}
	if !slices.IsSortedFunc(digests, func(a, b storage.Digest) int { return bytes.Compare(a[:], b[:]) }) {
		t.Errorf("not sorted: %v", digests)
	}
}

func TestDigestHoldsNoCredential(t *testing.T) {
	now := time.Now()
	d := storage.NewDigest(now, "credential")
	if sum := sha256.Sum256([]byte("credential")); !bytes.Equal(d[6:], sum[:]) {
		t.Errorf("got %x, want the SHA-256 of the whole credential", d[6:])
	}
	if d == storage.NewDigest(now, "credentiaL") || d == storage.NewDigest(now.Add(time.Second), "credential") {
		t.Error("two names are the same")
	}
	if want := regexp.MustCompile(`^[0-9a-f]{76}$`); !want.MatchString(d.String()) {
		t.Errorf("String() = %q, want 76 hexadecimal digits", d.String())
	}
}

func TestNewGrantID(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	seen := make(map[string]bool)
	for range 1000 {
		id := storage.NewGrantID(expires)
		if len(id) != 32 || seen[id] {
			t.Fatalf("NewGrantID() = %q, want 32 digits, never the same again", id)
		}
		seen[id] = true
		if id >= storage.NewGrantID(expires.Add(time.Millisecond)) {
			t.Fatalf("%q does not sort by expiry", id)
		}
	}
}
