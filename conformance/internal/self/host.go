package self

import (
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
)

// sessionCookie is the host's session at a browser.
const sessionCookie = "session"

// session is somebody signed in.
type session struct {
	user conformance.User
	id   string // as clients hear of it
	at   time.Time
}

// sessions are those of the host, by the cookie's value.
type sessions struct {
	mu  sync.Mutex
	all map[string]session
}

func (s *sessions) of(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, there := s.all[cookie.Value]
	return found, there
}

func (s *sessions) end(r *http.Request) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, cookie.Value)
}

func (s *sessions) begin(one session) (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]session{}
	}
	cookie = rand.Text()
	s.all[cookie] = one
	return cookie
}

// login is the Login hook.
func (s *Site) login(r *http.Request) (*authz.User, error) {
	if s.fails.Load() {
		panic("the host's database driver has a bug")
	}
	here, signedIn := s.sessions.of(r)
	if !signedIn || authz.MustSignInAgain(r) {
		return nil, authz.RedirectToLogin("/login")
	}
	return &authz.User{Subject: here.user.Name, Name: here.user.Name, SessionID: here.id, AuthTime: here.at, ACR: acrStrong, AMR: []string{"pwd", "otp"}}, nil
}

var loginForm = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title>
<h1>Sign in</h1>
<form method="post">
<input type="hidden" name="csrf" value="{{.}}">
<label>Name <input type="text" name="user" autofocus></label>
<label>Password <input type="password" name="password"></label>
<button type="submit">Sign in</button>
</form></html>
`))

// csrfCookie ties the sign-in form to the browser that was shown it.
const csrfCookie = "csrf"

func pageHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

func (s *Site) loginPage(w http.ResponseWriter, r *http.Request) {
	token := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: csrfCookie, Value: token, Path: "/login", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
	pageHeader(w)
	_ = loginForm.Execute(w, token) // to a browser that may hang up
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	token, err := r.Cookie(csrfCookie)
	if err != nil || r.FormValue("csrf") != token.Value || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		pageHeader(w)
		http.Error(w, "This form is not of this page.", http.StatusForbidden)
		return
	}
	i := slices.IndexFunc(Users, func(u conformance.User) bool { return u.Name == r.FormValue("user") })
	if i < 0 || subtle.ConstantTimeCompare([]byte(Users[i].Password), []byte(r.FormValue("password"))) == 0 {
		pageHeader(w)
		http.Error(w, "That is nobody who can sign in here, or not the password.", http.StatusForbidden)
		return
	}
	s.sessions.end(r)
	cookie := s.sessions.begin(session{user: Users[i], id: rand.Text(), at: s.now()})
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: cookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, s.Server.ReturnTo(r, "/"), http.StatusSeeOther)
}

// signOut is the Logout hook.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	s.sessions.end(r)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true})
	return nil
}
