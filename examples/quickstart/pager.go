package main

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
)

// What Pager is without OAuth: users, sessions, a sign-in page, alert sources. Of all
// this the authorization server sees one function, signedIn.

const (
	demoUser     = "ana@example.com"
	demoPassword = "open sesame"
)

//go:embed pages/*.html assets
var files embed.FS

type pager struct {
	users    map[string]pagerUser // by e-mail address
	nobody   pagerUser            // whose password takes as long to refuse as anybody's
	sessions *signedSessions
	appNames map[string]string // by client ID
	api      sources
	pages    *template.Template
}

type pagerUser struct {
	name     string
	password []byte // bcrypt
}

// newPager makes the app. The key is what its users' sessions are signed with.
func newPager(apps []authz.Client, sessionKey []byte) *pager {
	p := &pager{users: map[string]pagerUser{}, appNames: map[string]string{}, pages: template.Must(template.ParseFS(files, "pages/*.html"))}
	p.sessions = newSignedSessions("pager_session", sessionKey)
	p.nobody = newPagerUser("", rand.Text())
	p.users[demoUser] = newPagerUser("Ana Costa", demoPassword)
	p.users["ben@example.com"] = newPagerUser("Ben Okafor", demoPassword)
	for _, app := range apps {
		p.appNames[app.ID] = app.Name
	}
	p.api.names = []string{"Checkout latency", "Disk space on db-1", "Certificate expiry"}
	return p
}

func newPagerUser(name, password string) pagerUser {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // only for passwords over 72 bytes
	}
	return pagerUser{name, hash}
}

// handler is the whole app, with the authorization server mounted beside it.
func (p *pager) handler(as *authz.Server) http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", p.home)
	own.HandleFunc("GET /login", p.loginPage)
	own.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { p.login(w, r, as) })
	own.HandleFunc("POST /logout", p.logout)
	own.HandleFunc("GET /apps", func(w http.ResponseWriter, r *http.Request) { p.apps(w, r, as) })
	own.HandleFunc("POST /apps/disconnect", func(w http.ResponseWriter, r *http.Request) { p.disconnect(w, r, as) })

	mux := http.NewServeMux()
	mount(mux, as, &p.api)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(own)) // against forged forms
	mux.Handle("GET /assets/", http.FileServerFS(files))
	return mux
}

// signedIn is the Login hook.
func (p *pager) signedIn(r *http.Request) (*authz.User, error) {
	s, ok := p.sessions.find(r)
	if !ok || authz.MustSignInAgain(r) {
		return nil, authz.RedirectToLogin("/login")
	}
	return &authz.User{Subject: s.User, Name: p.users[s.User].name, AuthTime: s.SignedInAt}, nil
}

func (p *pager) loginPage(w http.ResponseWriter, r *http.Request) {
	p.show(w, "login.html", map[string]any{"ReturnTo": r.FormValue("return_to")})
}

func (p *pager) login(w http.ResponseWriter, r *http.Request, as *authz.Server) {
	email := strings.ToLower(strings.TrimSpace(r.PostFormValue("email")))
	user, known := p.users[email]
	if !known {
		user = p.nobody
	}
	if bcrypt.CompareHashAndPassword(user.password, []byte(r.PostFormValue("password"))) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		p.show(w, "login.html", map[string]any{"ReturnTo": r.FormValue("return_to"), "Email": email, "Failed": true})
		return
	}
	p.sessions.end(w, r) // a session from before the sign-in must not become this one
	p.sessions.begin(w, email)
	http.Redirect(w, r, as.ReturnTo(r, "/"), http.StatusSeeOther)
}

func (p *pager) logout(w http.ResponseWriter, r *http.Request) {
	p.sessions.end(w, r)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (p *pager) home(w http.ResponseWriter, r *http.Request) {
	s, ok := p.sessions.find(r)
	if !ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	p.show(w, "home.html", map[string]any{"User": p.users[s.User].name, "At": "/", "Sources": p.api.all()})
}

// apps lists what the user has agreed to.
func (p *pager) apps(w http.ResponseWriter, r *http.Request, as *authz.Server) {
	s, ok := p.sessions.find(r)
	if !ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	consents, err := as.Consents(r.Context(), s.User, "", 100)
	if err != nil {
		http.Error(w, "The list cannot be read right now.", http.StatusServiceUnavailable)
		return
	}
	p.show(w, "apps.html", map[string]any{
		"User": p.users[s.User].name, "At": "/apps", "Consents": consents, "Names": p.appNames, "Scopes": scopes(),
	})
}

func (p *pager) disconnect(w http.ResponseWriter, r *http.Request, as *authz.Server) {
	s, ok := p.sessions.find(r)
	if !ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	if err := as.Disconnect(r.Context(), s.User, r.PostFormValue("client_id")); err != nil {
		http.Error(w, "The app could not be disconnected. Try again.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/apps", http.StatusSeeOther)
}

func (p *pager) show(w http.ResponseWriter, page string, data any) { show(w, p.pages, page, data) }

// show writes a page.
func show(w http.ResponseWriter, pages *template.Template, page string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	if err := pages.ExecuteTemplate(w, page, data); err != nil {
		panic(err) // a broken template is a bug of this program
	}
}

// sources are the alert sources, and the API on them. Who may call is settled before:
// see mount.
type sources struct {
	mu    sync.Mutex
	names []string
}

func (s *sources) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.names...)
}

func (s *sources) list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"sources": s.all(),
		"for":     handlers.TokenFrom(r.Context()).Subject, // who stands behind the token
	})
}

func (s *sources) add(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var source struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&source); err != nil || source.Name == "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, `{"error":"send {\"name\": \"…\"}"}`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.names, source.Name) && len(s.names) < 100 {
		s.names = append(s.names, source.Name)
	}
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(source)
}
