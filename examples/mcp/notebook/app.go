// Package notebook is the application of this example: a notebook for language models, with
// the authorization server that guards it inside. It is apart from the program that runs it,
// so that tests can run it too.
package notebook

import (
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// The scopes of the notebook.
const (
	Read  = "notes:read"
	Write = "notes:write"
)

// New is the whole application: sign-in, authorization server, MCP server. change, if
// it is not nil, has the last word on the configuration.
func New(issuer string, store storage.Store, change func(*authz.Config)) (http.Handler, error) {
	config := authz.Config{
		Issuer:   issuer,
		Storage:  store,
		Resource: issuer + "/mcp",
		Resources: []authz.Resource{{
			Identifier: issuer + "/mcp", Name: "Notebook", Scopes: []string{Read, Write},
		}},
		Scopes: authz.Scopes{
			Read:             "Read your notes",
			Write:            "Add notes",
			"offline_access": "Stay connected",
		},
		Login: signedIn,

		// Clients are strangers here. Those of today name themselves by a document of theirs;
		// those of yesterday register. The user is told that nobody has checked them.
		ClientIDMetadata: &authz.ClientIDMetadata{Scopes: []string{Read, Write, "offline_access"}},
		Registration:     &authz.Registration{Open: true, Scopes: []string{Read, Write, "offline_access"}},

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
	mux.Handle("/mcp", guard(as, tools()))
	mux.HandleFunc("/login", login(as.ReturnTo))
	return mux, nil
}
