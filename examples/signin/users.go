package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// What follows stands for the application that is there already: its accounts, its sessions,
// its pages. Nothing in it knows OAuth but signedIn.

// account is a user of Pager. A real application keeps a hash of the password.
type account struct{ login, password, name, email string }

// accounts are found by the lasting ID that clients know a user by. It says nothing, and
// outlives a change of name.
var accounts = map[string]account{
	"u-7301": {"ana", "tulip", "Ana Example", "ana@example.com"},
	"u-7302": {"ben", "crocus", "Ben Example", "ben@example.com"},
}

type session struct {
	name       string // not the cookie: clients and the store get to see it, or what is made of it
	user       string
	signedInAt time.Time
}

// The ports of one host share their cookies, so each part of the example has names of its own.
const pagerCookie = "pager"

var sessions sync.Map // cookie → session

func sessionOf(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(pagerCookie)
	if err != nil {
		return session{}, false
	}
	s, there := sessions.Load(cookie.Value)
	if !there {
		return session{}, false
	}
	return s.(session), true
}

// signedIn is the Login hook: it looks the user up in the application's own session.
func signedIn(r *http.Request) (*authz.User, error) {
	s, there := sessionOf(r)
	if !there || authz.MustSignInAgain(r) {
		return nil, authz.RedirectToLogin("/login")
	}
	return &authz.User{Subject: s.user, Name: accounts[s.user].name, SessionID: s.name, AuthTime: s.signedInAt, AMR: []string{"pwd"}}, nil
}

// login is the sign-in page. returnTo is where to go afterwards.
func login(returnTo func(r *http.Request, fallback string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			show(w, http.StatusOK, loginPage, "")
			return
		}
		for id, a := range accounts {
			right := subtle.ConstantTimeCompare([]byte(a.password), []byte(r.PostFormValue("password"))) == 1
			if a.login == r.PostFormValue("user") && right {
				cookie := rand.Text()
				sessions.Store(cookie, session{name: rand.Text(), user: id, signedInAt: time.Now()})
				http.SetCookie(w, &http.Cookie{Name: pagerCookie, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
				http.Redirect(w, r, returnTo(r, "/"), http.StatusSeeOther)
				return
			}
		}
		show(w, http.StatusForbidden, loginPage, "That is not a user of Pager, or not the password.")
	}
}

// leave is Pager's own button to sign out. tell has the sites know, which have sessions of their
// own.
func leave(tell func(ctx context.Context, subject, sessionID string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s, there := sessionOf(r); there {
			if err := tell(r.Context(), s.user, s.name); err != nil {
				show(w, http.StatusServiceUnavailable, homePage, accounts[s.user].name) // try again
				return
			}
		}
		_ = signOut(w, r)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// signOut is the Logout hook: it ends the session at Pager.
func signOut(w http.ResponseWriter, r *http.Request) error {
	if cookie, err := r.Cookie(pagerCookie); err == nil {
		sessions.Delete(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: pagerCookie, Path: "/", MaxAge: -1})
	return nil
}

func home(w http.ResponseWriter, r *http.Request) {
	s, _ := sessionOf(r)
	show(w, http.StatusOK, homePage, accounts[s.user].name)
}
