package claims_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz/internal/claims"
)

const token = `{"iss":"https://auth.example","sub":"ana","aud":["https://api.example","https://mail.example"],"client_id":"web","jti":"0019b7d3f8c8a1b2c3d4e5f60718293a.ABCDEFGHIJKLMNOPQRSTUVWXYZ","scope":"read write","iat":1767323045,"exp":1767326645,"auth_time":1767323000,"amr":["pwd","otp"],"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`

var texts = []string{
	token, `{}`, `{"a":{}}`, `{"a":[]}`, `{"a":[[],{},[1]]}`, `{"a":true,"b":false,"c":null}`, `{"":""}`,
	`{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"é":"日本"}`, "{\"a\":\"\xff\"}", "{\"\xff\":1}", `{"a":"\u003c\n"}`, `{"\u0061":1,"a":2}`,
	"{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}", `{"a":0}`, `{"a":00}`, `{"a":01}`, `{"a":-0}`, `{"a":-1}`, `{"a":1.5}`, `{"a":1e3}`, `{"a":1.}`,
	`{"a":999999999999999}`, `{"a":9999999999999999}`, `{"a":99999999999999999999}`, `{"a":1e999}`,
	` {}`, `{} `, `{ }`, `{"a" :1}`, `{"a": 1}`, `{"a":1 }`, `{"a":[1, 2]}`,
	``, `null`, `[]`, `1`, `"a"`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":[1,]}`, `{"a":[}`, `{"a":1]`, `{"a":tru}`, `{"a":truest}`,
	`{"a":"}`, `{"a":1}{}`, `{a:1}`, `{"a":'b'}`, `{"a":nulls}`, `{"a":1a}`,
	`{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	strings.Repeat(`{"a":`, 17) + `1` + strings.Repeat(`}`, 17),
}

// same compares Read with encoding/json, whose answer is the right one.
func same(t *testing.T, payload []byte) {
	t.Helper()
	var want map[string]any
	wantErr := json.Unmarshal(payload, &want)
	got, err := claims.Read(payload)
	if (err != nil) != (wantErr != nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %#v, %v, want %#v, %v", payload, got, err, want, wantErr)
	}
}

func TestRead(t *testing.T) {
	for _, text := range texts {
		same(t, []byte(text))
		for i := range text { // and all that is cut off
			same(t, []byte(text[:i]))
		}
	}
}

// What is read is a copy: whoever changes the payload does not change the claims.
func TestRead_copies(t *testing.T) {
	payload := []byte(token)
	got, err := claims.Read(payload)
	if err != nil {
		t.Fatal(err)
	}
	clear(payload)
	if got["sub"] != "ana" {
		t.Errorf("sub is %q", got["sub"])
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(same)
}

func BenchmarkRead(b *testing.B) {
	payload := []byte(token)
	b.Run("claims", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := claims.Read(payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var into map[string]any
			if err := json.Unmarshal(payload, &into); err != nil {
				b.Fatal(err)
			}
		}
	})
}
