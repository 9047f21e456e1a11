package engine

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// TokenRequest is a token request of an authenticated client.
type TokenRequest struct {
	Client     *storage.Client
	Public     bool
	GrantTypes []string
	Parameters url.Values // single-valued
	At         time.Time

	// Scopes is the narrower set that a refresh asks for, nil if it asks for none.
	Scopes []string

	// Confirmation is the cnf claim of the access token; RefreshConfirmation, what the
	// refresh token is bound to. nil if there is none.
	Confirmation, RefreshConfirmation []byte

	// Refresh is the presented refresh token, found good by the server.
	Refresh *storage.Token

	Policy Policy

	store  storage.Store
	digest storage.Digest // of the presented code
}

// Policy is what the server decides about one token request while it is under way.
type Policy interface {
	// RedirectURIRegistered reports whether the client still has the redirect URI.
	RedirectURIRegistered(redirectURI string) bool

	// Confirms reports whether the request proves to hold what a code is bound to.
	Confirms(confirmation []byte) bool

	IssueRefreshToken(scopes []string) bool

	// Resources picks those that the access token is for, of those granted; an error is
	// the answer. Scopes are those of the granted ones that count there.
	Resources(granted []string) ([]string, error)
	Scopes(resources, granted []string) []string

	// AuthorizationDetails picks those of the access token, of those granted (RFC 9396 §6);
	// an error is the answer.
	AuthorizationDetails(ctx context.Context, granted []byte) ([]byte, error)

	AccessTokenExpiresAt(grant *storage.Grant, resources []string) time.Time
	RefreshTokenExpiresAt(grant *storage.Grant) time.Time
}

// Issued is what a token request yields once Write is committed.
type Issued struct {
	AccessToken  string
	ExpiresAt    time.Time
	RefreshToken string
	Scopes       []string
	Grant        *storage.Grant
	Write        *storage.Write

	AuthorizationDetails []byte // of the access token; nil if there is none

	Nonce   string // of the code; empty if there was none
	IDToken string // made by the server; empty if there is none
}

// Token has fosite judge the request and make the tokens (RFC 6749 §4.1.3 and
// §6). Nothing is stored yet. When a replayed code was presented, the Error comes
// with a Write that ends its grant.
func (e *Engine) Token(ctx context.Context, req *TokenRequest) (*Issued, *storage.Write, error) {
	req.store, req.digest = e.config.Store, e.config.DigestOf(req.Parameters.Get("code"))
	u := &unit{
		Context: ctx,
		client:  client{Client: req.Client, public: req.Public, grantTypes: req.GrantTypes},
		at:      req.At,
		known:   e.config.KnownScope,
		token:   req,
	}
	u.write.At = req.At

	if err := u.find(ctx); err != nil {
		return nil, u.lastWill(), u.refusal(fosite.ErrInvalidGrant.WithWrap(err))
	}
	ar, err := e.fosite.NewAccessRequest(u, formRequest(req.form()), session{u})
	if err != nil {
		return nil, u.lastWill(), u.refusal(err)
	}
	if _, err := e.fosite.NewAccessResponse(u, ar); err != nil {
		return nil, u.lastWill(), u.refusal(err)
	}
	var nonce string
	if u.code != nil {
		nonce = u.code.Nonce
	}
	return &Issued{
		Nonce:        nonce,
		AccessToken:  u.accessToken,
		ExpiresAt:    u.expiresAt,
		RefreshToken: u.refreshToken,
		Scopes:       u.scopes,
		Grant:        u.grant,
		Write:        &u.write,

		AuthorizationDetails: u.details,
	}, nil, nil
}

// find reads what was presented, and what stands behind it. fosite would have it read by
// handlers that take kilobytes of stack, and a store that is asked below them needs a larger
// one, which is made by copying.
func (u *unit) find(ctx context.Context) error {
	granted := []string(nil)
	switch u.token.Parameters.Get("grant_type") {
	case "authorization_code":
		if err := u.findCode(ctx); err != nil {
			return err
		}
		granted = u.grant.Resources
	case "refresh_token":
		if err := u.findRefresh(ctx); err != nil {
			return err
		}
		granted = u.refresh.Resources
	}
	resources, err := u.token.Policy.Resources(granted)
	if err != nil {
		return u.fail(err)
	}
	u.resources = resources
	if u.grant == nil {
		return nil
	}
	if u.details, err = u.token.Policy.AuthorizationDetails(ctx, u.grant.AuthorizationDetails); err != nil {
		return u.fail(err)
	}
	return nil
}

// lastWill is what has to be written although the request is refused.
func (u *unit) lastWill() *storage.Write {
	if len(u.write.Revoke) == 0 {
		return nil
	}
	return &storage.Write{At: u.at, Revoke: u.write.Revoke}
}

func (req *TokenRequest) form() url.Values {
	form := make(url.Values, 8)
	for _, name := range [...]string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token"} {
		if v := req.Parameters[name]; len(v) == 1 && v[0] != "" {
			form[name] = v
		}
	}
	if len(req.Scopes) > 0 {
		form.Set("scope", join(req.Scopes))
	}
	return form
}

func join(scopes []string) string { return strings.Join(scopes, " ") }

// refusal turns what fosite said into our error. fosite's descriptions and hints
// repeat the request, so only its code is taken.
func (u *unit) refusal(err error) error {
	if u.fault != nil {
		return u.fault
	}
	rfc := fosite.ErrorToRFC6749Error(err)
	e := &Error{Code: rfc.ErrorField, Reason: u.reason, Err: err}
	if e.Reason == "" {
		e.Reason = reasonFor(rfc)
	}
	return e
}

// ReasonCodeReplayed is the reason of the one refusal that has consequences.
const ReasonCodeReplayed = "code_replayed"

// reasonFor names the check of fosite's that failed, as far as its error tells.
func reasonFor(rfc *fosite.RFC6749Error) string {
	hint := strings.ToLower(rfc.HintField)
	for _, known := range []struct{ contains, reason string }{
		{"code verifier", "code_verifier_mismatch"},
		{"code challenge", "code_verifier_mismatch"},
		{"code_challenge_method", "code_challenge_method_not_s256"},
		{"code_challenge", "code_challenge_missing"},
		{"redirect_uri", "redirect_uri_mismatch"},
		{"grant", "grant_type_not_allowed"},
		{"response_type", "response_type_not_allowed"},
		{"scope", "scope_not_allowed"},
	} {
		if strings.Contains(hint, known.contains) {
			return known.reason
		}
	}
	return rfc.ErrorField
}
