package authz

import (
	"context"
	"slices"
	"strings"
)

// The prompt parameter (OpenID Connect Core §3.1.2.1), with create (Initiating User
// Registration via OpenID Connect 1.0).

// promptValues are those that this server knows, none first.
func (s *Server) promptValues() []string {
	values := []string{"none", "login", "consent", "select_account"}
	if s.config.SignUp {
		values = append(values, "create")
	}
	return values
}

// checkPrompt: none stands alone, and in OpenID Connect a value that this server does not
// announce is refused rather than passed over (Initiating User Registration §4.2). OAuth has
// no such parameter, and what a client means by another value there is its own business.
func (a *authorization) checkPrompt(context.Context) *Error {
	prompts := strings.Fields(once(a.params, "prompt"))
	if len(prompts) > 1 && slices.Contains(prompts, "none") {
		return failed(invalidRequest, "prompt_contradictory", "The prompt value none cannot be combined with others.")
	}
	for _, value := range prompts {
		if a.asksOpenID() && !slices.Contains(a.promptValues(), value) {
			return failed(invalidRequest, "prompt_unknown", "The prompt parameter has a value that is not supported.")
		}
	}
	return nil
}

func (a *authorization) prompts(value string) bool {
	return slices.Contains(strings.Fields(once(a.params, "prompt")), value)
}

// wantsAccount reports whether the user is to be asked which account it is to be, or to make
// a new one: as whom they are signed in is not enough, whenever that was.
func (a *authorization) wantsAccount() bool {
	return slices.Contains(a.wanted.Prompt, "select_account") || slices.Contains(a.wanted.Prompt, "create")
}

// notAsked refuses a user who was to sign in again, or to choose an account, and whom the host
// has not asked.
func (a *authorization) notAsked(u *User) *Error {
	switch {
	case !a.recent(u):
		return failed(loginRequired, "sign_in_too_old", "The user has to sign in again.").
			because(errIgnoresReauthenticate)
	case a.wantsAccount() && !a.remembers:
		return failed(accountSelectionRequired, "account_not_selected", "The user has to choose an account.").
			because(errIgnoresReauthenticate)
	}
	return nil
}
