package client_test

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/cli/client"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// newHost is a server at which ana is signed in.
func newHost(t *testing.T, issuer string) (*authz.Server, http.Handler) {
	t.Helper()
	as, err := authz.New(authz.Config{
		Issuer: issuer, Storage: memory.New(), DeviceGrant: true, Logger: slog.New(slog.DiscardHandler),
		Scopes: authz.Scopes{"read": "Read", "offline_access": "Stay signed in"},
		Clients: []authz.Client{{
			ID: "cli", ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"read", "offline_access"},
			GrantTypes: []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		}},
		Login: func(*http.Request) (*authz.User, error) { return &authz.User{Subject: "ana"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	return as, mux
}

// serve serves a host at its issuer.
func serve(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	_, host := newHost(t, server.URL)
	mux.Handle("/", host)
	return server.URL
}

// newClient is a client with an empty store, and what it says.
func newClient(t *testing.T) (*client.Client, *bufio.Reader) {
	t.Helper()
	store, err := client.OpenStore(filepath.Join(t.TempDir(), "login"))
	if err != nil {
		t.Fatal(err)
	}
	said, say := io.Pipe()
	t.Cleanup(func() { said.Close() })
	return &client.Client{ID: "cli", Scopes: []string{"read", "offline_access"}, Store: store, Say: say}, bufio.NewReader(said)
}

// indented is the next line that stands out.
func indented(t *testing.T, said *bufio.Reader) string {
	t.Helper()
	for {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Error(err)
			return ""
		}
		if strings.HasPrefix(line, "  ") {
			return strings.TrimSpace(line)
		}
	}
}
