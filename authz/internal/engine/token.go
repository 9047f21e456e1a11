package engine

import (
	"context"
	"net/url"
	"slices"
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

	// Scopes are those of the scope parameter, or the defaults where it is absent,
	// for client_credentials. For a refresh: the narrower set asked for, nil if none
	// is.
	Scopes    []string
	Resources []string

	// Refresh is the presented refresh token, found good by the server.
	Refresh *storage.Token

	// The server's policy.
	RedirectURIRegistered func(redirectURI string) bool
	IssueRefreshToken     func(scopes []string) bool
	AccessTokenExpiresAt  func(grant *storage.Grant) time.Time
	RefreshTokenExpiresAt func(grant *storage.Grant) time.Time

	store  storage.Store
	digest storage.Digest // of the presented code
}

// Issued is what a token request yields once Write is committed.
type Issued struct {
	AccessToken  string
	ExpiresAt    time.Time
	RefreshToken string
	Scopes       []string
	Grant        *storage.Grant // nil for client_credentials
	Write        storage.Write
}

// Token has fosite judge the request and make the tokens (RFC 6749 §4.1.3, §4.4,
// §6). Nothing is stored yet. When a replayed code was presented, the Error comes
// with a Write that ends its grant.
func (e *Engine) Token(ctx context.Context, req *TokenRequest) (*Issued, *storage.Write, error) {
	req.store, req.digest = e.config.Store, e.config.DigestOf(req.Parameters.Get("code"))
	u := &unit{
		client: &client{Client: req.Client, public: req.Public, grantTypes: req.GrantTypes},
		at:     req.At,
		known:  e.config.KnownScope,
		token:  req,
	}
	u.write.At = req.At
	ctx = withUnit(ctx, u)

	ar, err := e.fosite.NewAccessRequest(ctx, formRequest(ctx, req.form()), newSession(nil))
	if err != nil {
		return nil, u.lastWill(), u.refusal(err)
	}
	response, err := e.fosite.NewAccessResponse(ctx, ar)
	if err != nil {
		return nil, u.lastWill(), u.refusal(err)
	}
	issued := &Issued{
		AccessToken: response.GetAccessToken(),
		ExpiresAt:   u.expiresAt,
		Scopes:      slices.Clone([]string(ar.GetGrantedScopes())),
		Grant:       u.grant,
		Write:       u.write,
	}
	issued.RefreshToken, _ = response.GetExtra("refresh_token").(string)
	return issued, nil, nil
}

// lastWill is what has to be written although the request is refused.
func (u *unit) lastWill() *storage.Write {
	if len(u.write.Revoke) == 0 {
		return nil
	}
	return &storage.Write{At: u.at, Revoke: u.write.Revoke}
}

func (req *TokenRequest) form() url.Values {
	form := url.Values{}
	for _, name := range []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token"} {
		if v := req.Parameters.Get(name); v != "" {
			form.Set(name, v)
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
