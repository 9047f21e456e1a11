package authz_test

import (
	"slices"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// RFC 9396 §10: a client that registers itself may ask for the types that it has registered, of
// those that the host lets such clients have; what it is not given, the answer does not say.
func TestRFC9396_Section10_registration(t *testing.T) {
	s := newServer(t, payments, open(func(r *authz.Registration) { r.AuthorizationDetailsTypes = []string{"payment"} }))
	for registered, want := range map[string]string{
		"":                            "back: invalid_authorization_details authorization_details_type_not_allowed",
		`[]`:                          "back: invalid_authorization_details authorization_details_type_not_allowed",
		`["other","unknown"]`:         "back: invalid_authorization_details authorization_details_type_not_allowed",
		`["other","payment","other"]`: "ask",
	} {
		client, err := s.introduce("authorization_details_types", registered)
		if err != nil {
			t.Fatal(registered, err)
		}
		if got := slices.Equal(client.AuthorizationDetailsTypes, []string{"payment"}); got != (want == "ask") {
			t.Errorf("%s: registered %q", registered, client.AuthorizationDetailsTypes)
		}
		response, err := s.authorize(client.ClientID, atApp(), details(pay12))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%s: %s, want %s", registered, got, want)
		}
	}
	for _, bad := range []string{`"payment"`, `[1]`, `{}`} {
		_, err := s.introduce("authorization_details_types", bad)
		registrationRefused(t, err, "400 invalid_client_metadata authorization_details_types_invalid")
	}

	// Without the host's word there are none.
	closed := newServer(t, payments, open())
	client, err := closed.introduce("authorization_details_types", `["payment"]`)
	if err != nil || client.AuthorizationDetailsTypes != nil {
		t.Errorf("%q, %v", client.AuthorizationDetailsTypes, err)
	}
}

// The same for a client that is named by its document.
func TestRFC9396_Section10_document(t *testing.T) {
	for allowed, want := range map[string]string{
		"payment": "ask", "other": "back: invalid_authorization_details authorization_details_type_not_allowed",
	} {
		w := newWeb()
		s := newServer(t, payments, documents(w, func(d *authz.ClientIDMetadata) { d.AuthorizationDetailsTypes = []string{allowed} }))
		w.put(document, 200, describes(document, "authorization_details_types", `["payment"]`))
		response, err := s.authorize(document, atApp(), details(pay12))
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%s: %s, want %s", allowed, got, want)
		}
	}
}
