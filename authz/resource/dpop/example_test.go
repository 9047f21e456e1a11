package dpop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

// An API in whatever framework checks the proof that came with a token, once.
func ExampleCheck() {
	const address = "https://api.example.com/notes"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	memory := dpop.NewMemory(func() time.Time { return now })
	key := authztest.NewDPoPKey()
	proof := key.Proof(http.MethodGet, address, now, map[string]any{"ath": authztest.TokenHash("the access token")})
	for range 2 {
		p, err := dpop.Check(context.Background(), []string{proof}, dpop.Expected{
			Method: http.MethodGet, URLs: []string{address}, AccessToken: "the access token", Now: now,
		})
		if err == nil {
			err = memory.UseProof(context.Background(), p)
		}
		var wrong *dpop.Error
		switch {
		case errors.As(err, &wrong):
			fmt.Println(wrong.Code)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(p.JKT == key.JKT())
		}
	}
	// Output:
	// true
	// invalid_dpop_proof
}
