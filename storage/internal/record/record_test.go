package record

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// What is written by hand is, byte for byte, what the library writes, and is read by hand.
func TestByHandAsByTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3_000 {
		for _, v := range randomRecords(random) {
			encoded, err := Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			want, err := byLibrary(v)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encoded, want) {
				t.Fatalf("%+v\nwritten as  %x\nby library  %x", v, encoded, want)
			}
			if !readable(encoded, v) {
				t.Fatalf("%x is not read by hand", encoded)
			}
			agree(t, encoded, v)
		}
	}
}

// Whatever else may stand in a store is read as the library reads it, or refused by it.
func FuzzDecode(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		for i, v := range randomRecords(random) {
			encoded, err := Encode(v)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(encoded, byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, kind byte) {
		agree(t, data, []any{new(storage.Code), new(storage.Token), new(storage.Grant)}[kind%3])
	})
}

// The same for records of which a few bytes are wrong, without a fuzzer.
func TestDamagedAsByTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 3_000 {
		for _, v := range randomRecords(random) {
			encoded, err := Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + random.IntN(3) {
				switch at := random.IntN(len(encoded)); random.IntN(4) {
				case 0:
					encoded[at] ^= 1 << random.IntN(8)
				case 1:
					encoded[at] = byte(random.Uint32())
				case 2:
					encoded = append(encoded[:at:at], encoded[min(at+1, len(encoded)-1):]...)
				case 3:
					encoded = append(encoded[:at:at], append([]byte{byte(random.Uint32())}, encoded[at:]...)...)
				}
			}
			agree(t, encoded, v)
		}
	}
}

// agree makes sure that data is the same to both readers, as a record like v.
func agree(t *testing.T, data []byte, v any) {
	t.Helper()
	got, want := reflect.New(reflect.TypeOf(v).Elem()), reflect.New(reflect.TypeOf(v).Elem())
	errGot, errWant := Decode(data, got.Interface()), decode(data, want.Interface())
	if (errGot == nil) != (errWant == nil) || errWant != nil && errGot.Error() != errWant.Error() {
		t.Fatalf("%x: %v, by the library %v", data, errGot, errWant)
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		t.Fatalf("%x\nread as     %+v\nby library  %+v", data, got, want)
	}
}

func readable(data []byte, v any) bool {
	switch v.(type) {
	case *storage.Code:
		return new(code).read(data)
	case *storage.Token:
		return new(token).read(data)
	}
	return new(grant).read(data)
}

// byLibrary is v as the library writes it.
func byLibrary(v any) ([]byte, error) {
	var buf bytes.Buffer
	var w any
	switch r := v.(type) {
	case *storage.Code:
		w = codeOf(r)
	case *storage.Token:
		w = tokenOf(r)
	case *storage.Grant:
		w = grantOf(r)
	}
	err := encMode.MarshalToBuffer(w, &buf)
	return buf.Bytes(), err
}

func randomRecords(r *rand.Rand) []any {
	text := func() string {
		n := []int{0, 1, 23, 24, 255, 256, 300}[r.IntN(7)]
		return strings.Repeat(string([]byte{byte(r.Uint32())}), n) // not always UTF-8
	}
	list := func() []string {
		n := []int{0, 1, 2, 24}[r.IntN(4)]
		if n == 0 {
			return nil
		}
		l := make([]string, n)
		for i := range l {
			l[i] = text()
		}
		return l
	}
	blob := func() []byte {
		if s := text(); s != "" {
			return []byte(s)
		}
		return nil
	}
	when := func() time.Time {
		switch r.IntN(5) {
		case 0:
			return time.Time{}
		case 1:
			return time.Time{}.Add(time.Duration(r.Int64N(300_000)))
		}
		return time.UnixMicro(r.Int64N(1 << 52))
	}
	return []any{
		&storage.Code{
			Kind: storage.CodeKind(text()), ClientID: text(), GrantID: text(), RedirectURI: text(), CodeChallenge: text(),
			IssuedAt: when(), ExpiresAt: when(), ConsumedAt: when(), Answer: blob(), RedirectURIOmitted: r.IntN(2) == 0,
			Request: blob(), Confirmation: blob(),
		},
		&storage.Token{
			Kind: storage.TokenKind(text()), ClientID: text(), GrantID: text(), Scopes: list(), Resources: list(), Claims: blob(),
			IssuedAt: when(), ExpiresAt: when(), ConsumedAt: when(), Answer: blob(), RevokedAt: when(),
			Confirmation: blob(), AuthorizationDetails: blob(), Actor: blob(), Subject: text(),
		},
		&storage.Grant{
			ID: text(), ClientID: text(), Subject: text(), Scopes: list(), Resources: list(), AuthTime: when(), ACR: text(), AMR: list(),
			CreatedAt: when(), ExpiresAt: when(), RevokedAt: when(), RevokedReason: text(),
			AuthorizationDetails: blob(), SessionID: text(),
		},
	}
}
