package main

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const (
	readNotes  = "notes:read"
	writeNotes = "notes:write"
)

// newApp is the whole application: sign-in, authorization server, MCP server. change, if
// it is not nil, has the last word on the configuration.
func newApp(issuer string, store storage.Store, change func(*authz.Config)) (http.Handler, error) {
	config := authz.Config{
		Issuer:   issuer,
		Storage:  store,
		Resource: issuer + "/mcp",
		Resources: []authz.Resource{{
			Identifier: issuer + "/mcp", Name: "Notebook", Scopes: []string{readNotes, writeNotes},
		}},
		Scopes: authz.Scopes{
			readNotes:        "Read your notes",
			writeNotes:       "Add notes",
			"offline_access": "Stay connected",
		},
		Login: signedIn,

		// Clients are strangers here. Those of today name themselves by a document of theirs;
		// those of yesterday register. The user is told that nobody has checked them.
		ClientIDMetadata: &authz.ClientIDMetadata{Scopes: []string{readNotes, writeNotes, "offline_access"}},
		Registration:     &authz.Registration{Open: true, Scopes: []string{readNotes, writeNotes, "offline_access"}},

		// Some of them are pages, such as MCP Inspector.
		AllowedOrigins: []string{"*"},
	}
	if change != nil {
		change(&config)
	}
	as, err := authz.New(config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	mux.Handle("/mcp", guard(as, notebook()))
	mux.HandleFunc("/login", login(as.ReturnTo))
	return mux, nil
}
