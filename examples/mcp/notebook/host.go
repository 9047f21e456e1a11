package notebook

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

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
		fmt.Fprint(w, `<!doctype html><meta name="viewport" content="width=device-width"><title>Sign in</title>`+
			`<form method="post"><label>Your name <input name="user" required autofocus></label> <button>Sign in</button></form>`)
	}
}
