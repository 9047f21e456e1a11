package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/custom-storage/sqlite"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// server is an authorization server that keeps everything in one SQLite file.
type server struct {
	address string
	store   storage.Store
	web     *http.Server
}

// start opens the file and serves on the address; with port 0, on a free one. Its
// tokens are opaque, so that every look at one is a look into the store.
func start(file, address string) (*server, error) {
	store, err := sqlite.Open(file)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s := &server{address: listener.Addr().String(), store: store}
	as, err := authz.New(authz.Config{
		Issuer:            "http://" + s.address,
		Storage:           store,
		Scopes:            authz.Scopes{"alerts:read": "Read your alerts"},
		AccessTokenFormat: "opaque",
		Login:             signedIn,
	})
	if err == nil {
		err = as.RegisterClient(context.Background(), authz.Client{ID: "robot", Name: "Robot", Scopes: []string{"alerts:read"},
			GrantTypes: []string{"client_credentials"}, Secrets: []storage.Secret{authz.HashSecret(robotSecret)}})
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), store.Close())
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	mux.HandleFunc("/login", login(as))
	s.web = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.web.Serve(listener)
	return s, nil
}

// stop lets requests finish, and then closes the file.
func (s *server) stop() error {
	return errors.Join(s.web.Shutdown(context.Background()), s.store.Close())
}
