package main

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// users are who can sign in where the sign-in page is ours.
var users = []conformance.User{{Name: "ana", Password: "tulip meadow"}, {Name: "ben", Password: "crocus hill"}}

// door is what fosite and go-oauth2 leave to whoever embeds them: a page to sign in, one that
// asks for consent, and a cookie that remembers who has signed in.
type door struct {
	mu       sync.Mutex
	browsers map[string]*visitor // by the cookie
}

type visitor struct {
	user  string
	at    time.Time
	token string // against forged submissions of the consent form
	asked map[string]*question
	given map[string][]string // what the user has allowed each client
}

// question is an authorization request that waits for a user.
type question struct {
	client string // its ID
	name   string // by which the user knows it
	to     string // where the answer goes
	scopes []string
	fresh  bool           // the user has to sign in, whoever has before
	oldest *time.Duration // how long ago the sign-in may have been at most
	answer func(w http.ResponseWriter, r *http.Request, user string, at time.Time, allowed bool)
}

const doorCookie = "__Host-browser"

func newDoor() *door { return &door{browsers: map[string]*visitor{}} }

// visitor is whoever sits at the browser; nil for one without a cookie.
func (d *door) visitor(r *http.Request) *visitor {
	cookie, err := r.Cookie(doorCookie)
	if err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.browsers[cookie.Value]
}

// signedIn tells who has signed in at the browser, empty for nobody.
func (d *door) signedIn(r *http.Request) (user string, at time.Time) {
	v := d.visitor(r)
	if v == nil {
		return "", time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return v.user, v.at
}

// remembers tells whether the user at the browser has allowed a client all of this before.
func (d *door) remembers(r *http.Request, client string, scopes []string) bool {
	v := d.visitor(r)
	if v == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	given, before := v.given[client]
	return before && !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(given, s) })
}

// ask sends the browser to the page that asks.
func (d *door) ask(w http.ResponseWriter, r *http.Request, q *question) {
	v := d.visitor(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if v == nil {
		v = &visitor{token: rand.Text(), asked: map[string]*question{}, given: map[string][]string{}}
		d.cookie(w, v)
	}
	if q.oldest != nil && time.Since(v.at) > *q.oldest {
		q.fresh = true
	}
	id := rand.Text()
	v.asked[id] = q
	http.Redirect(w, r, "/door?"+url.Values{"question": {id}}.Encode(), http.StatusFound)
}

func (d *door) cookie(w http.ResponseWriter, v *visitor) {
	name := rand.Text()
	d.browsers[name] = v
	http.SetCookie(w, &http.Cookie{Name: doorCookie, Value: name, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
}

var pages = template.Must(template.New("").Parse(`<!doctype html><title>{{.Title}}</title><h1>{{.Title}}</h1>
<form method="post"><input type="hidden" name="question" value="{{.Question}}"><input type="hidden" name="csrf" value="{{.Token}}">
{{if .Consent}}<p><bdi>{{.Client}}</bdi>, at {{.Host}}, asks for: {{.Scopes}}</p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button>
{{else}}<label>Name <input name="user"></label> <label>Password <input type="password" name="password"></label> <button>Sign in</button>{{end}}</form>`))

// ServeHTTP shows the pages, and takes what is typed into them.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	v := d.visitor(r)
	d.mu.Lock()
	var q *question
	if v != nil {
		q = v.asked[r.FormValue("question")]
	}
	if q == nil {
		d.mu.Unlock()
		http.Error(w, "There is nothing to decide here.", http.StatusBadRequest)
		return
	}
	asksUser := v.user == "" || q.fresh
	if r.Method == http.MethodPost {
		switch {
		case subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(v.token)) == 0:
			d.mu.Unlock()
			http.Error(w, "This form is not of this page.", http.StatusForbidden)
			return
		case asksUser:
			d.signIn(w, r, v, q)
			d.mu.Unlock()
			return
		}
		delete(v.asked, r.PostFormValue("question"))
		user, at, allowed := v.user, v.at, r.PostFormValue("decision") == "allow"
		if allowed {
			v.given[q.client] = append(v.given[q.client], q.scopes...)
		}
		d.mu.Unlock()
		for _, name := range []string{"Content-Type", "Content-Security-Policy", "X-Frame-Options", "Cache-Control", "Referrer-Policy", "X-Content-Type-Options"} {
			w.Header().Del(name)
		}
		q.answer(w, r, user, at, allowed)
		return
	}
	page := map[string]any{"Title": "Sign in", "Question": r.FormValue("question"), "Token": v.token}
	if !asksUser {
		page["Title"], page["Consent"], page["Client"], page["Scopes"] = "Allow access?", true, q.name, strings.Join(q.scopes, ", ")
		if u, err := url.Parse(q.to); err == nil {
			page["Host"] = u.Host
		}
	}
	d.mu.Unlock()
	_ = pages.Execute(w, page) // to a browser that may hang up
}

// signIn checks the password; with the lock held.
func (d *door) signIn(w http.ResponseWriter, r *http.Request, v *visitor, q *question) {
	for _, u := range users {
		if u.Name == r.PostFormValue("user") && u.Password == r.PostFormValue("password") {
			q.fresh = false
			next := &visitor{user: u.Name, at: time.Now(), token: rand.Text(), asked: v.asked, given: map[string][]string{}}
			if v.user == u.Name {
				next.given = v.given
			}
			d.cookie(w, next) // another one, which nobody knows who has planted the one before
			http.Redirect(w, r, "/door?"+url.Values{"question": {r.PostFormValue("question")}}.Encode(), http.StatusSeeOther)
			return
		}
	}
	http.Error(w, fmt.Sprintf("%q is nobody who can sign in here, or that is not the password.", r.PostFormValue("user")), http.StatusForbidden)
}
