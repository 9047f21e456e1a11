package main

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const readArticles = "articles:read"

// newHost is the application with the API, and the authorization server in it. The page
// may call both from its own origin (CORS).
func newHost(hostURL, pageURL string, store storage.Store) (http.Handler, error) {
	as, err := authz.New(authz.Config{
		Issuer:  hostURL,
		Storage: store,
		Scopes:  authz.Scopes{readArticles: "Read the articles", "offline_access": "Stay connected"},
		Clients: []authz.Client{{
			ID: "reader", Name: "Reader", RedirectURIs: []string{pageURL + "/"}, AllowedOrigins: []string{pageURL},
			Scopes: []string{readArticles, "offline_access"}, DPoPBoundAccessTokens: true,
		}},
		Login: signedIn,
		DPoP:  true,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as)
	mux.HandleFunc("/login", login(as.ReturnTo))
	mux.Handle("/api/articles", fromPage(pageURL, handlers.Protect(as, readArticles)(http.HandlerFunc(articles))))
	return mux, nil
}

func articles(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode([]string{"How tokens get stolen", "Keys that cannot be read", "A page without a server"})
}

// fromPage lets scripts of the page call an API (CORS), with what DPoP needs.
func fromPage(pageURL string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if r.Header.Get("Origin") == pageURL {
			w.Header().Set("Access-Control-Allow-Origin", pageURL)
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Headers", "Authorization, DPoP")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

//go:embed page
var files embed.FS

// newPage serves the page, and tells it where the host is. Nothing of it is secret.
func newPage(hostURL string) http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": hostURL, "api": hostURL + "/api/articles"})
	})
	static := http.FileServerFS(page)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// A script from elsewhere could use the key, so none is let in.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' "+hostURL+"; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		static.ServeHTTP(w, r)
	})
	return mux
}
