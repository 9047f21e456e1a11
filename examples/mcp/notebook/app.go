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
	// Clients are strangers here. Those of today name themselves by a document of theirs; those
	// of yesterday register; some are pages, such as MCP Inspector. The user is told that
	// nobody has checked them.
	config := authz.ProfileMCP(authz.Scopes{
		Read:             "Read your notes",
		Write:            "Add notes",
		"offline_access": "Stay connected",
	})
	config.Issuer, config.Storage, config.Login = issuer, store, signedIn
	config.Resource = issuer + "/mcp"
	config.Resources = []authz.Resource{{
		Identifier: issuer + "/mcp", Name: "Notebook", Scopes: []string{Read, Write},
	}}
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
