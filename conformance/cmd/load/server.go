package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// What the server under load is told, in its environment.
const (
	envBackend = "GRANTOR_LOAD_BACKEND"
	envPlace   = "GRANTOR_LOAD_PLACE"
	envProfile = "GRANTOR_LOAD_PROFILE"
)

const (
	issuer       = "http://127.0.0.1:1"
	redirectURI  = "https://client.example.com/callback"
	clientSecret = "gcs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge    = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	opaqueClient = "opaque"
	jwtClient    = "jwt"
)

func openStore(ctx context.Context, backend, place string) (storage.Store, error) {
	switch backend {
	case "memory":
		return memory.New(), nil
	case "bolt":
		return bolt.Open(place)
	case "postgres":
		return postgres.Open(ctx, place, postgres.Options{MaxConns: 32})
	}
	return nil, fmt.Errorf("there is no backend %q; use bolt, memory or postgres", backend)
}

func newServer(store storage.Store) (*authz.Server, error) {
	secrets := []storage.Secret{authz.HashSecret(clientSecret)}
	client := func(id string) authz.Client {
		return authz.Client{
			ID: id, Secrets: secrets, RedirectURIs: []string{redirectURI}, Scopes: []string{"read"}, FirstParty: true, AccessTokenFormat: id,
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		}
	}
	return authz.New(authz.Config{
		Issuer: issuer, Storage: store, Scopes: authz.Scopes{"read": "Read"},
		Clients:   []authz.Client{client(opaqueClient), client(jwtClient)},
		Login:     func(*http.Request) (*authz.User, error) { return &authz.User{Subject: "ana"}, nil },
		Logger:    slog.New(slog.DiscardHandler),
		Lifetimes: authz.Lifetimes{AuthorizationCode: 10 * time.Minute},
	})
}

// serve is the server under load. It prints its address, and ends when its input does.
func serve() error {
	began := time.Now()
	store, err := openStore(context.Background(), os.Getenv(envBackend), os.Getenv(envPlace))
	if err != nil {
		return err
	}
	as, err := newServer(store)
	if err != nil {
		return err
	}
	startup := time.Since(began)
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	// Not a part of what is measured: codes and tokens to begin with, and what the process
	// knows of itself.
	mux.HandleFunc("POST /load/prepare", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		made, err := prepare(r.Context(), as, r.FormValue("what"), n)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(made)
	})
	bare, err := newSyncedFile()
	if err != nil {
		return err
	}
	defer bare.Close()
	mux.HandleFunc("POST "+syncPath, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if err := bare.write(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /load/self", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s := self{Heap: m.HeapAlloc, Startup: startup}
		if db, ok := store.(*bolt.DB); ok {
			s.Fsyncs = int(db.Stats().Commits + 2*db.Stats().Merges)
		}
		json.NewEncoder(w).Encode(s)
	})
	if path := os.Getenv(envProfile); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go http.Serve(l, mux)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, store.Close())
}

// syncPath is a request that takes one trip to the disk.
const syncPath = "/load/sync"

// self is what a server knows of itself.
type self struct {
	Heap    uint64        // bytes, after a collection
	Startup time.Duration // to open the store and make the server
	Fsyncs  int           // of its store, if that is bolt
}

// prepare makes n codes, refresh tokens or access tokens.
func prepare(ctx context.Context, as *authz.Server, what string, n int) ([]string, error) {
	made := make([]string, n)
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range next {
				made[i], errs[i] = prepareOne(ctx, as, what)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return made, errors.Join(errs...)
}

func prepareOne(ctx context.Context, as *authz.Server, what string) (string, error) {
	response, err := as.Authorize(ctx, &authz.AuthorizationRequest{
		HTTP: &http.Request{}, Browser: "load",
		Parameters: url.Values{
			"response_type": {"code"}, "client_id": {opaqueClient}, "redirect_uri": {redirectURI}, "scope": {"read"},
			"code_challenge": {challenge}, "code_challenge_method": {"S256"},
		},
	})
	if err != nil {
		return "", err
	}
	to, err := url.Parse(response.Redirect)
	if err != nil || to.Query().Get("code") == "" {
		return "", fmt.Errorf("no code: %q, %v", to.Query().Get("error"), err)
	}
	if what == "code" {
		return to.Query().Get("code"), nil
	}
	tokens, err := as.Token(ctx, &authz.Request{Parameters: url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {redirectURI},
		"code_verifier": {verifier}, "client_id": {opaqueClient}, "client_secret": {clientSecret},
	}})
	if err != nil {
		return "", err
	}
	if what == "refresh" {
		return tokens.RefreshToken, nil
	}
	return tokens.AccessToken, nil
}
