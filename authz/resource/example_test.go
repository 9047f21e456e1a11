package resource_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// An API in another process verifies signed tokens with the issuer's published keys.
func ExampleJWKS() {
	verifier, err := resource.JWKS(resource.JWKSConfig{
		Issuer:   "https://auth.example.com",
		Audience: "https://api.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.VerifyAccessToken(context.Background(), "not-a-jwt")
	fmt.Println(errors.Is(err, resource.ErrInvalidToken))
	// Output: true
}

// An API that has to see revocations at once, or whose tokens are opaque, asks the
// issuer.
func ExampleIntrospection() {
	verifier, err := resource.Introspection(resource.IntrospectionConfig{
		Issuer:       "https://auth.example.com",
		Audience:     "https://api.example.com",
		ClientID:     "alerts-api",
		ClientSecret: "from the API's own configuration",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.VerifyAccessToken(context.Background(), "")
	fmt.Println(err)
	// Output: resource: invalid access token: empty, or longer than 16384 bytes
}

// A configuration that cannot work is refused, with every fault at once.
func ExampleJWKS_fault() {
	_, err := resource.JWKS(resource.JWKSConfig{Issuer: "http://auth.example.com"})
	fmt.Println(err)
	// Output:
	// resource: Issuer is not an https URL; http is for loopback addresses only
	// resource: Audience is missing; set it to this API's identifier, so that a token for another API does not open it
}

// down stands for a verifier whose issuer is out of reach.
type down struct{}

func (down) VerifyAccessToken(context.Context, string) (*resource.Token, error) {
	return nil, errors.New("the issuer is out of reach")
}

// A Verifier keeps apart what is wrong with the token and what is wrong elsewhere.
// Package handlers/protect answers in this way.
func ExampleVerifier() {
	status := func(v resource.Verifier, token string) int {
		switch _, err := v.VerifyAccessToken(context.Background(), token); {
		case errors.Is(err, resource.ErrInvalidToken):
			return http.StatusUnauthorized // get another token
		case err != nil:
			return http.StatusServiceUnavailable // try again with this one
		}
		return http.StatusOK
	}
	fmt.Println(status(down{}, "some token"))
	// Output: 503
}
