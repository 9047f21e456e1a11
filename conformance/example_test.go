package conformance_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// A server at which clients register themselves, and a user is signed in already: its issuer is
// all that the suite has to know.
func ExampleCheck() {
	mux := http.NewServeMux()
	host := httptest.NewServer(mux)
	defer host.Close()
	as, err := authz.New(authz.Config{
		Issuer:       host.URL,
		Storage:      memory.New(),
		Scopes:       authz.Scopes{"read": "Read your notes"},
		Registration: &authz.Registration{Open: true, Scopes: []string{"read"}},
		Logger:       slog.New(slog.DiscardHandler),
		Login:        func(*http.Request) (*authz.User, error) { return &authz.User{Subject: "ana"}, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handlers.Mount(mux, as)
	report, err := conformance.Check(context.Background(), conformance.Target{Issuer: host.URL},
		conformance.Options{Only: []string{"pkce-wrong-verifier", "device-slow-down"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range report.Results {
		fmt.Printf("%s §%s: %s: %s\n", result.Spec, result.Section, result.Request, result.Status)
	}
	// Output:
	// RFC 7636 §4.6: a code is redeemed with the verifier of another request, and with none: passed
	// RFC 8628 §3.5: a device polls again and again without a pause: not offered
}
