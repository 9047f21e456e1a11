package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

var sessions sync.Map // cookie → *authz.User

// signedIn is the Login hook: it looks the user up in the application's own session.
func signedIn(r *http.Request) (*authz.User, error) {
	if cookie, err := r.Cookie("session"); err == nil && !authz.MustSignInAgain(r) {
		if user, ok := sessions.Load(cookie.Value); ok {
			return user.(*authz.User), nil
		}
	}
	return nil, authz.RedirectToLogin("/login")
}

// login signs in whoever asks; a real application asks for a password here.
func login(as *authz.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, `<!doctype html><title>Sign in</title><form method="post"><label>Your name <input name="user" required></label> <button>Sign in</button></form>`)
			return
		}
		id := rand.Text()
		sessions.Store(id, &authz.User{Subject: r.FormValue("user"), AuthTime: time.Now()})
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, as.ReturnTo(r, "/"), http.StatusSeeOther)
	}
}
