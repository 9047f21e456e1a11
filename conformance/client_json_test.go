package conformance_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
)

func TestClient_JSON(t *testing.T) {
	want := conformance.Client{ID: "a", Secret: "s", JWKS: `{"keys":[]}`, CertificatePEM: "c", KeyPEM: "k", Metadata: map[string]any{"token_endpoint_auth_method": "private_key_jwt"}}
	for _, text := range []string{
		`{"client_id":"a","client_secret":"s","jwks":{"keys":[]},"certificate":"c","key":"k","metadata":{"token_endpoint_auth_method":"private_key_jwt"}}`,
		`{"client_id":"a","client_secret":"s","jwks":"{\"keys\":[]}","certificate":"c","key":"k","metadata":{"token_endpoint_auth_method":"private_key_jwt"}}`,
	} {
		var got conformance.Client
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
	written, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var again conformance.Client
	if err := json.Unmarshal(written, &again); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%s is read as %+v, %v", written, again, err)
	}
	for _, text := range []string{`{"client_secret":"s"}`, `{"client_id":"a","secret":"s"}`, `{"client_id":7}`, `[]`} {
		if err := json.Unmarshal([]byte(text), &again); err == nil {
			t.Errorf("%s is a client", text)
		}
	}
}
