package authztest_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/authztest"
)

// example stands for the *testing.T of a test.
type example struct{ testing.TB }

func (example) Helper()                  {}
func (example) Context() context.Context { return context.Background() }
func (example) Fatal(args ...any)        { log.Fatal(args...) }

// An application's test gets a token for its own API, and moves the clock to see it
// expire.
func Example() {
	t := example{} // in a test: its t

	as := authztest.New(t)
	as.SignIn("ana")
	token := as.AccessToken(t, "read")

	verified, err := as.VerifyAccessToken(t.Context(), token)
	fmt.Println(verified.Subject, verified.Scopes, err)

	as.Clock.Advance(2 * time.Hour)
	_, err = as.VerifyAccessToken(t.Context(), token)
	fmt.Println(err)
	// Output:
	// ana [read] <nil>
	// resource: invalid access token: expired
}
