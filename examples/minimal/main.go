// Minimal is the shortest host: an application with its own sign-in (host.go), and
// the lines that make it an authorization server (this file).
//
//	go run ./examples/minimal
package main

import (
	"log"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	db, err := bolt.Open("minimal.db")
	if err != nil {
		log.Fatal(err)
	}
	as, err := authz.New(authz.Config{
		Issuer:  "http://127.0.0.1:8080",
		Storage: db,
		Scopes:  authz.Scopes{"alerts:read": "Read your alerts", "offline_access": "Stay connected"},
		Clients: []authz.Client{{ID: "cli", Name: "Alerts CLI", ApplicationType: "native",
			RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"alerts:read", "offline_access"}}},
		Login: signedIn,
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	mux.Handle("/api/alerts", handlers.Protect(as, "alerts:read")(http.HandlerFunc(alerts)))
	mux.HandleFunc("/login", login(as.ReturnTo))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", mux))
}
