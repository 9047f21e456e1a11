package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const (
	clientID = "pager-cli"
	readMe   = "me:read"
)

// newHost is Pager, with the authorization server in it. change, if it is not nil, has the
// last word on the configuration.
func newHost(issuer string, store storage.Store, change func(*authz.Config)) (http.Handler, error) {
	config := authz.Config{
		Issuer:  issuer,
		Storage: store,
		Scopes:  authz.Scopes{readMe: "See who you are and when you are on call", "offline_access": "Stay signed in"},
		Clients: []authz.Client{{
			ID: clientID, Name: "Pager CLI", ApplicationType: "native",
			RedirectURIs: []string{"http://127.0.0.1/callback"}, // any port
			GrantTypes:   []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
			Scopes:       []string{readMe, "offline_access"},
		}},
		Login:       signedIn,
		DeviceGrant: true, // for login -device; it is off by default
		// So short that one sees the program refresh: its session.json changes.
		Lifetimes: authz.Lifetimes{AccessToken: 5 * time.Minute},
	}
	if change != nil {
		change(&config)
	}
	as, err := authz.New(config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as, handlers.Options{Theme: handlers.Theme{Name: "Pager"}})
	mux.Handle("GET /api/me", handlers.Protect(as, readMe)(http.HandlerFunc(showMe)))
	mux.HandleFunc("/login", login(as.ReturnTo))
	return mux, nil
}

// me is what the API tells about a user.
type me struct {
	User   string    `json:"user"`
	OnCall time.Time `json:"on_call_from"`
}

func showMe(w http.ResponseWriter, r *http.Request) {
	monday := time.Now().UTC().Truncate(24 * time.Hour)
	for monday = monday.AddDate(0, 0, 1); monday.Weekday() != time.Monday; {
		monday = monday.AddDate(0, 0, 1)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(me{User: handlers.TokenFrom(r.Context()).Subject, OnCall: monday.Add(9 * time.Hour)})
}

// What follows stands for the application that is there already: its sessions and its
// sign-in page.

type session struct {
	user       string
	signedInAt time.Time
}

var sessions sync.Map // cookie → session

// signedIn is the Login hook: it looks the user up in the application's own session.
func signedIn(r *http.Request) (*authz.User, error) {
	if cookie, err := r.Cookie("session"); err == nil && !authz.MustSignInAgain(r) {
		if s, ok := sessions.Load(cookie.Value); ok {
			s := s.(session)
			return &authz.User{Subject: s.user, Name: s.user, AuthTime: s.signedInAt}, nil
		}
	}
	return nil, authz.RedirectToLogin("/login")
}

// login signs in whoever asks; a real application asks for a password here.
// returnTo is where to go afterwards.
func login(returnTo func(r *http.Request, fallback string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			id := rand.Text()
			sessions.Store(id, session{user: r.FormValue("user"), signedInAt: time.Now()})
			http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
			http.Redirect(w, r, returnTo(r, "/"), http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><meta name="viewport" content="width=device-width"><title>Sign in to Pager</title>`+
			`<form method="post"><label>Your name <input name="user" required autofocus></label> <button>Sign in</button></form>`)
	}
}
