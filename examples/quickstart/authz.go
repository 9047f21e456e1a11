package main

import (
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const year = 365 * 24 * time.Hour

// newAuthorizationServer makes Pager an authorization server. Authorization code with
// PKCE for everyone, JWT access tokens of one hour, and refresh tokens for clients that
// authenticate with a secret or were granted offline_access are what it does by itself;
// that a refresh token lives for a year is what Pager wants.
func newAuthorizationServer(issuer string, db storage.Store, clients []authz.Client,
	signedIn func(*http.Request) (*authz.User, error), now func() time.Time) (*authz.Server, error) {
	return authz.New(authz.Config{
		Issuer:    issuer,
		Storage:   db,
		Scopes:    scopes(),
		Clients:   clients,
		Login:     signedIn,
		Lifetimes: authz.Lifetimes{RefreshToken: year, RefreshTokenIdle: year},
		Clock:     now, // for the button "let the token expire"; leave it out
	})
}

func scopes() authz.Scopes {
	return authz.Scopes{
		"source:r":       "See your alert sources",
		"source:w":       "Add and change alert sources",
		"offline_access": "Stay connected while you are away",
	}
}

// mount puts it on the web, next to what Pager serves, and guards the API with it.
func mount(mux *http.ServeMux, as *authz.Server, api *sources) {
	handlers.Mount(mux, as, handlers.Options{
		Theme: handlers.Theme{Name: "Pager", Logo: "/assets/pager.svg", Accent: "#5b3df5"},
	})
	mux.Handle("GET /api/sources", handlers.Protect(as, "source:r")(http.HandlerFunc(api.list)))
	mux.Handle("POST /api/sources", handlers.Protect(as, "source:w")(http.HandlerFunc(api.add)))
}

// The two kinds of client: one that keeps a secret, and one that cannot.
const (
	confidentialClient = "status-board"
	publicClient       = "status-board-mobile"
)

func clients(boardURL string, secret storage.Secret) []authz.Client {
	return []authz.Client{{
		ID: confidentialClient, Name: "Status board", URI: boardURL,
		RedirectURIs: []string{boardURL + "/callback/" + confidentialClient},
		Scopes:       []string{"source:r", "source:w"},
		Secrets:      []storage.Secret{secret},
	}, {
		ID: publicClient, Name: "Status board mobile", ApplicationType: "native",
		RedirectURIs: []string{"http://127.0.0.1/callback/" + publicClient}, // any port
		Scopes:       []string{"source:r", "source:w", "offline_access"},
	}}
}
