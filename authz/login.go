package authz

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// user asks the host who is at the browser. A response means that the browser has to
// go somewhere else first.
func (a *authorization) user(req *AuthorizationRequest) (*User, *AuthorizationResponse, error) {
	user, response, err := a.signedIn(req)
	if user != nil {
		if refused := a.checkUser(user); refused != nil {
			return nil, a.refuse(req.HTTP.Context(), refused, user.Subject), nil
		}
	}
	return user, response, err
}

func (a *authorization) signedIn(req *AuthorizationRequest) (*User, *AuthorizationResponse, error) {
	if req.HTTP == nil {
		err := errors.New("HTTP is nil; give the request that the Login hook is to look at")
		return nil, nil, a.report(context.Background(), broken("request_missing", err), a.clientID(), "")
	}
	user, response, err := a.askHost(req.HTTP, a.wanted)
	if user == nil || a.fits(user) {
		return user, response, err
	}
	again := a.wanted
	again.Reauthenticate = true
	user, response, err = a.askHost(req.HTTP, again)
	if user != nil {
		if refused := a.notAsked(user); refused != nil {
			return nil, a.refuse(req.HTTP.Context(), refused, user.Subject), nil
		}
	}
	return user, response, err
}

var errIgnoresReauthenticate = errors.New("the client wants the user to sign in again, and the Login hook returned one who has not; let it look at authz.MustSignInAgain")

// askHost calls the Login hook.
func (a *authorization) askHost(r *http.Request, want AuthenticationRequest) (*User, *AuthorizationResponse, error) {
	ctx := r.Context()
	user, login, err := a.whoIs(r.WithContext(context.WithValue(ctx, authenticationKey{}, want)))
	switch {
	case err != nil:
		return nil, nil, a.report(ctx, broken("login_hook_failed", err), a.clientID(), "")
	case login == nil:
		return user, nil, nil
	case a.prompts("none"):
		return nil, a.refuse(ctx, failed(loginRequired, "login_required", "The user is not signed in."), ""), nil
	}
	return nil, &AuthorizationResponse{Redirect: login.withReturnTo(a.restartURL())}, nil
}

// whoIs calls the Login hook, and judges what it says: a user, or the way to the sign-in page.
func (s *Server) whoIs(r *http.Request) (*User, *loginRedirect, error) {
	user, err := s.config.Login(r)
	var login *loginRedirect
	switch {
	case errors.As(err, &login) && login.to == "":
		return nil, nil, errors.New("the Login hook returned RedirectToLogin with an empty path; name the host's sign-in page")
	case login != nil:
		return nil, login, nil
	case err != nil:
		return nil, nil, err
	case user == nil:
		return nil, nil, errors.New("the Login hook returned neither a user nor an error; return RedirectToLogin when nobody is signed in")
	case !subject(user.Subject):
		return nil, nil, errors.New("the Login hook returned a User whose Subject is empty or not text; put the account's lasting ID there")
	}
	if err := s.config.checkSessionID(user.SessionID); err != nil {
		return nil, nil, err
	}
	return user, nil, nil
}

// subject reports whether s can be what the host calls a user.
func subject(s string) bool { return s != "" && text(s) }

// restartURL is the way back to this request, as a path on this host: it is built
// from the configuration, never from what the browser calls the host.
func (a *authorization) restartURL() string {
	params := a.remember()
	if len(params) == 0 {
		return a.path
	}
	return a.path + "?" + params.Encode()
}

func (l *loginRedirect) withReturnTo(path string) string {
	to, fragment, found := strings.Cut(l.to, "#")
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	to += separator + url.Values{"return_to": {path}}.Encode()
	if found {
		to += "#" + fragment
	}
	return to
}
