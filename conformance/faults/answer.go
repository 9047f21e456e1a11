package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Answer is a response that has been read, or what came instead of one.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Err    error
}

// The outcomes that are not named after an error code.
const (
	OK       = "ok"
	Coded    = "code"     // the client gets a code
	Asked    = "asked"    // the consent page
	Cut      = "cut"      // the connection broke
	Active   = "active"   // introspection
	Inactive = "inactive" // introspection
)

// Down is the outcome where the store could not tell.
const Down = "503 temporarily_unavailable"

// parameters are those that a redirect carries; nil if it is none.
func (a *Answer) parameters() url.Values {
	u, err := url.Parse(a.Header.Get("Location"))
	if a.Status != http.StatusSeeOther || err != nil {
		return nil
	}
	return u.Query()
}

// Member is a string of the JSON answer, "" if it is not there.
func (a *Answer) Member(name string) string {
	var members map[string]any
	if json.Unmarshal([]byte(a.Body), &members) != nil {
		return ""
	}
	s, _ := members[name].(string)
	return s
}

// Code is the authorization code that the client gets, "" if none.
func (a *Answer) Code() string { return a.parameters().Get("code") }

// Access and Refresh are the tokens of a token response.
func (a *Answer) Access() string { return a.Member("access_token") }

// Refresh is the refresh token of a token response.
func (a *Answer) Refresh() string { return a.Member("refresh_token") }

var challengeError = regexp.MustCompile(`error="([a-z_]+)"`)

// Outcome says in a few words what the answer is: one of the constants, "STATUS CODE" for
// an error, "back: CODE" for one that the client gets by redirect.
func (a *Answer) Outcome() string {
	switch {
	case a.Err != nil:
		return Cut
	case a.Status == http.StatusSeeOther:
		switch q := a.parameters(); {
		case q.Get("code") != "" && q.Get("error") == "":
			return Coded
		case q.Get("error") != "" && q.Get("code") == "":
			return "back: " + q.Get("error")
		}
		return "to " + a.Header.Get("Location")
	case a.Status == http.StatusOK && strings.Contains(a.Body, `name="interaction"`):
		return Asked
	case a.Status == http.StatusOK && strings.HasPrefix(a.Body, `{"active":false}`):
		return Inactive
	case a.Status == http.StatusOK && strings.Contains(a.Body, `"active":true`):
		return Active
	case a.Status == http.StatusOK:
		return OK
	}
	code := a.Member("error")
	if m := challengeError.FindStringSubmatch(a.Header.Get("WWW-Authenticate")); code == "" && m != nil {
		code = m[1]
	}
	if code == "" && a.Status == http.StatusServiceUnavailable {
		code = "temporarily_unavailable" // of a page or an API, which say it in words
	}
	return strings.TrimSpace(fmt.Sprint(a.Status, " ", code))
}

// Unavailable reports whether the answer says, in one of the ways that fit the endpoint,
// that the server could not find out: 503, or an error that the client gets. A 503 has to
// tell when to come again (RFC 9110 §10.2.3); the error is what is missing.
func (a *Answer) Unavailable() error {
	switch a.Outcome() {
	case "back: temporarily_unavailable": // RFC 6749 §4.1.2.1
		return nil
	case Down:
		if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 {
			return fmt.Errorf("503 with Retry-After %q", a.Header.Get("Retry-After"))
		}
		return nil
	}
	return fmt.Errorf("got %s, want 503 with Retry-After or temporarily_unavailable at the client", a)
}

// Broken reports whether the answer is the one to a panic: a 5xx.
func (a *Answer) Broken() error {
	if a.Err == nil && a.Status >= 500 {
		return nil
	}
	return fmt.Errorf("got %s, want 5xx", a)
}

// String is for messages of tests.
func (a *Answer) String() string {
	if a.Err != nil {
		return "no answer: " + a.Err.Error()
	}
	return a.Outcome()
}
