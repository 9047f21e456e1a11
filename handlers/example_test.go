package handlers_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// signedIn stands for the application's own session.
func signedIn(r *http.Request) (*authz.User, error) {
	return &authz.User{Subject: "u1", Name: "Ana", AuthTime: time.Now()}, nil
}

// An application becomes an authorization server.
func Example() {
	mux := http.NewServeMux()
	app := httptest.NewServer(mux) // instead of http.ListenAndServe
	defer app.Close()

	as, err := authz.New(authz.Config{
		Issuer:  app.URL,
		Storage: memory.New(), // in earnest: storage/bolt
		Scopes:  authz.Scopes{"alerts:read": "Read your alerts"},
		Login:   signedIn,
	})
	if err != nil {
		log.Fatal(err)
	}
	handlers.Mount(mux, as)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the application itself") })

	fmt.Println("reachable as clients reach it:", handlers.Check(context.Background(), as, nil) == nil)
	// Output:
	// reachable as clients reach it: true
}

// The built-in pages in the host's own colours.
func ExampleTheme() {
	as, err := authz.New(authz.Config{
		Issuer: "https://app.example.com", Storage: memory.New(), Login: signedIn,
		Scopes: authz.Scopes{"alerts:read": "Read your alerts"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as, handlers.Options{Theme: handlers.Theme{
		Name:       "Acme",
		Logo:       "/static/logo.svg",
		Accent:     "#0a7d5a",
		SupportURL: "mailto:help@example.com",
	}})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/oauth2/authorize", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output:
	// 400 text/html; charset=utf-8
}

// A page of the host's own, with its own template.
func ExampleOptions_consentPage() {
	as, err := authz.New(authz.Config{
		Issuer: "https://app.example.com", Storage: memory.New(), Login: signedIn,
		Scopes: authz.Scopes{"alerts:read": "Read your alerts"},
		Clients: []authz.Client{{
			ID: "bot", Name: "Weather Bot", RedirectURIs: []string{"https://bot.example/cb"}, Scopes: []string{"alerts:read"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := handlers.New(as, handlers.Options{
		ConsentPage: func(w http.ResponseWriter, r *http.Request, page *handlers.ConsentPage) {
			// template.Execute(w, page), in earnest: it escapes
			fmt.Fprintf(w, "%s asks %s for:", page.ClientName, page.Account)
			for _, scope := range page.Scopes {
				fmt.Fprintf(w, " %s", scope.Description)
			}
		},
	})

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/oauth2/authorize?response_type=code&client_id=bot"+
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256", nil))
	fmt.Println(w.Body)
	// Output:
	// Weather Bot asks Ana for: Read your alerts
}
