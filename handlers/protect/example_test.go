package protect_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// An API that its authorization server does not share a process with.
func Example() {
	const audience = "https://api.example.com"
	verifier, err := resource.JWKS(resource.JWKSConfig{Issuer: "https://auth.example.com", Audience: audience})
	if err != nil {
		log.Fatal(err)
	}
	alerts := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the alerts of %s", protect.TokenFrom(r.Context()).Subject)
	})
	options := protect.Options{Audience: audience, Realm: "alerts"}
	mux := http.NewServeMux()
	mux.Handle("GET /alerts", protect.Require(verifier, options, "alerts:read")(alerts))
	mux.Handle("POST /alerts", protect.Require(verifier, options, "alerts:write")(alerts))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/alerts", nil))
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="alerts", scope="alerts:read"
}

// always stands for a verifier that finds every token good.
type always struct{}

func (always) VerifyAccessToken(context.Context, string) (*resource.Token, error) {
	return &resource.Token{
		Subject: "user-1", ClientID: "cli",
		Audience: []string{"https://api.example.com"}, Scopes: []string{"alerts:read"},
	}, nil
}

// The handler reads the verified token from the request's context.
func ExampleTokenFrom() {
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := protect.TokenFrom(r.Context())
		fmt.Println(token.Subject, token.ClientID, token.HasScope("alerts:write"))
	})
	options := protect.Options{Audience: "https://api.example.com"}
	guarded := protect.Require(always{}, options, "alerts:read")(api)

	request := httptest.NewRequest("GET", "/alerts", nil)
	request.Header.Set("Authorization", "Bearer some-token")
	guarded.ServeHTTP(httptest.NewRecorder(), request)
	// Output: user-1 cli false
}
