package authztest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/authztest"
)

// An application's test gets a token for its own API, and moves the clock to see it
// expire.
func Example() {
	t := &testing.T{} // the test's own

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
