package authz

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuthenticationRequest is how a client wants the user to be signed in (OpenID Connect
// Core §3.1.2.1, RFC 9470 §4). The Login hook finds it with [AuthenticationRequestOf], and
// may put what it needs of it into the URL of the host's sign-in page.
type AuthenticationRequest struct {
	// Reauthenticate tells that the session at hand is not enough: the user has to sign in
	// again, though they are signed in. See [MustSignInAgain].
	Reauthenticate bool

	// Since is the time from which on the user must have signed in; zero for any.
	Since time.Time

	// ACRValues are the authentication context classes that would do, the best one first;
	// empty for any. They are a wish: the grant says which one it became.
	ACRValues []string

	// Prompt and LoginHint are the parameters of these names, the first one split. Where it
	// has select_account, or create (see Config.SignUp), Reauthenticate is set as well: show
	// the accounts to choose from, or the page on which one is made.
	Prompt    []string
	LoginHint string

	// UILocales are the languages that the user would like, the best one first, and Display
	// is the kind of page that the client would: page, popup, touch or wap (OpenID Connect
	// Core §3.1.2.1). Both come from the client as they are.
	UILocales []string
	Display   string
}

type authenticationKey struct{}

// AuthenticationRequestOf is what the client wants of the sign-in, for the Login hook; the
// zero value for a request that has not come from it.
func AuthenticationRequestOf(r *http.Request) AuthenticationRequest {
	want, _ := r.Context().Value(authenticationKey{}).(AuthenticationRequest)
	return want
}

// MustSignInAgain reports to the Login hook that the user has to sign in although they are
// signed in: it was too long ago, in a way that the client does not settle for, or perhaps
// with another account than the one that is meant now. Treat
// such a user as if there were none:
//
//	if u == nil || authz.MustSignInAgain(r) {
//		return nil, authz.RedirectToLogin("/login")
//	}
//
// A hook that does not ask returns the user it has. Where the client insisted, it is then
// told login_required.
func MustSignInAgain(r *http.Request) bool { return AuthenticationRequestOf(r).Reauthenticate }

// sinceParam is how the way back from the sign-in page, and the consent page, remember
// from when on the sign-in counts: the clock goes on meanwhile, and prompt=login would
// never be content. A client that sends it loosens nothing but its own request.
const sinceParam = "signed_in_since"

// maxSince is for how long that is believed.
const maxSince = time.Hour

// checkAuthentication: OpenID Connect Core §3.1.2.1, RFC 9470 §4.
func (a *authorization) checkAuthentication(context.Context) *Error {
	a.wanted = AuthenticationRequest{
		Prompt:    strings.Fields(once(a.params, "prompt")),
		ACRValues: strings.Fields(once(a.params, "acr_values")),
		LoginHint: once(a.params, "login_hint"),
		UILocales: strings.Fields(once(a.params, "ui_locales")),
		Display:   once(a.params, "display"),
	}
	if slices.Contains(a.wanted.Prompt, "login") {
		a.wanted.Since = a.asked
	}
	param := once(a.params, "max_age")
	if param == "" && a.asksOpenID() && a.client.DefaultMaxAge > 0 {
		param = strconv.FormatInt(int64(a.client.DefaultMaxAge/time.Second), 10)
	}
	if param != "" {
		seconds, err := strconv.ParseUint(param, 10, 31)
		if err != nil {
			return failed(invalidRequest, "max_age_malformed", "The max_age parameter must be a number of seconds.")
		}
		if since := a.asked.Add(-time.Duration(seconds) * time.Second); since.After(a.wanted.Since) {
			a.wanted.Since = since
		}
	}
	if seconds, err := strconv.ParseInt(once(a.params, sinceParam), 10, 63); err == nil {
		since := time.Unix(seconds, 0)
		a.remembers = !since.After(a.at) && !since.Before(a.earliest().Add(-maxSince))
		// Of a request that was pushed or signed is known when it came, and nobody at the
		// browser loosens it.
		if a.remembers && a.reference == nil && since.Before(a.wanted.Since) {
			a.wanted.Since = since
		}
	}
	return nil
}

// earliest is the earliest sign-in that would do without what is remembered.
func (a *authorization) earliest() time.Time {
	if a.wanted.Since.IsZero() {
		return a.at
	}
	return a.wanted.Since
}

// remember is the request with the time from which on the sign-in counts.
func (a *authorization) remember() url.Values {
	params := url.Values{}
	for name, values := range a.params {
		if len(values) > 0 && values[0] != "" {
			params[name] = values
		}
	}
	if a.reference != nil {
		params = maps.Clone(a.reference)
	}
	if !a.wanted.Since.IsZero() || len(a.wanted.ACRValues) > 0 || a.expected != "" || a.wantsAccount() {
		params.Set(sinceParam, strconv.FormatInt(a.earliest().Unix(), 10))
	}
	return params
}

// recent reports whether the user has signed in lately enough. Hosts know it to the second.
func (a *authorization) recent(u *User) bool {
	return a.wanted.Since.IsZero() || u.AuthTime.Unix() >= a.wanted.Since.Unix()
}

// fits reports whether the user is signed in as the client wants it. How, and as whom, is a
// wish that is passed on once.
func (a *authorization) fits(u *User) bool {
	return a.recent(u) && (a.remembers || !a.wantsAccount() &&
		(len(a.wanted.ACRValues) == 0 || slices.Contains(a.wanted.ACRValues, u.ACR)) && a.expects(u))
}
