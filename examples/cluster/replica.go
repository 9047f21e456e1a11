package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// What the replicas are told, in their environment. The session secret is the only thing
// they share besides the database, and it is the application's, not the authorization
// server's: that keeps its keys in the database.
const (
	replicaAddress  = "GRANTOR_CLUSTER_ADDRESS"
	replicaName     = "GRANTOR_CLUSTER_NAME"
	replicaIssuer   = "GRANTOR_CLUSTER_ISSUER"
	replicaDatabase = "GRANTOR_CLUSTER_DATABASE"
	replicaSecret   = "GRANTOR_CLUSTER_SECRET"
)

const clientID = "demo"

// serveReplica is one replica: an application with users of its own that embeds the
// authorization server. It knows nothing of the other replicas.
func serveReplica() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := postgres.Open(ctx, os.Getenv(replicaDatabase))
	if err != nil {
		return err
	}
	defer db.Close()
	app := &app{secret: []byte(os.Getenv(replicaSecret))}
	issuer := os.Getenv(replicaIssuer)
	as, err := authz.New(authz.Config{
		Issuer:  issuer,
		Storage: db,
		Scopes:  authz.Scopes{"alerts:read": "Read your alerts", "offline_access": "Stay connected"},
		Clients: []authz.Client{{ID: clientID, Name: "Demo",
			RedirectURIs: []string{issuer + "/demo/callback"}, Scopes: []string{"alerts:read", "offline_access"}}},
		Login:  app.user,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	mux.Handle("/api/alerts", handlers.Protect(as, "alerts:read")(http.HandlerFunc(alerts)))
	mux.HandleFunc("GET /login", app.showLogin)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { app.login(w, r, as.ReturnTo(r, "/")) })
	mux.HandleFunc("GET /up", func(http.ResponseWriter, *http.Request) {})
	name := os.Getenv(replicaName)
	server := &http.Server{
		Addr: os.Getenv(replicaAddress), ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Replica", name)
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { // do not outlive whoever started us, and holds the other end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return server.ListenAndServe()
}

// app stands for the application that is there already. Its sessions are signed cookies,
// so that every replica knows them.
type app struct{ secret []byte }

func newSecret() string { return rand.Text() }

func (a *app) sign(value string) string {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write([]byte(value))
	return value + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// user is the Login hook.
func (a *app) user(r *http.Request) (*authz.User, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return nil, authz.RedirectToLogin("/login")
	}
	parts := strings.Split(cookie.Value, ".") // name, time, signature
	if len(parts) != 3 || !hmac.Equal([]byte(a.sign(parts[0]+"."+parts[1])), []byte(cookie.Value)) {
		return nil, authz.RedirectToLogin("/login")
	}
	name, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	seconds, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err := cmp.Or(err1, err2); err != nil {
		return nil, err
	}
	return &authz.User{Subject: string(name), Name: string(name), AuthTime: time.Unix(seconds, 0)}, nil
}

func (a *app) showLogin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, page("Sign in", `<form method="post"><label>Your name <input name="user" value="ana" required autofocus></label> <button>Sign in</button></form>`))
}

// login signs in whoever asks; a real application asks for a password here.
func (a *app) login(w http.ResponseWriter, r *http.Request, returnTo string) {
	name := base64.RawURLEncoding.EncodeToString([]byte(r.PostFormValue("user")))
	value := a.sign(name + "." + strconv.FormatInt(time.Now().Unix(), 10))
	http.SetCookie(w, &http.Cookie{Name: "session", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, returnTo, http.StatusSeeOther)
}

func alerts(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, `[{"id": 1, "title": "Disk almost full"}]`)
}
