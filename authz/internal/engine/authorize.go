package engine

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/storage"
)

// placeholderState stands in for the state parameter inside fosite, which insists
// on one of at least eight characters (RFC 6749 §4.1.1: optional). The server
// returns the client's own.
const placeholderState = "placeholder"

// AuthorizationRequest is a request that the server has already judged: client
// found, redirect URI matched, scopes resolved.
type AuthorizationRequest struct {
	Client      *storage.Client
	Public      bool
	GrantTypes  []string
	Parameters  url.Values // single-valued
	RedirectURI string
	Scopes      []string

	// Confirmation is the cnf claim of the key that the code is bound to; nil for none.
	Confirmation []byte

	// Nonce is for the ID token (OpenID Connect Core §3.1.2.1); empty for none.
	Nonce string

	At            time.Time
	CodeExpiresAt time.Time
	CodeKeptUntil time.Time // a used code is remembered until then
}

// ParseAuthorization has fosite parse and check the request (RFC 6749 §4.1.1,
// RFC 7636 §4.3).
func (e *Engine) ParseAuthorization(ctx context.Context, req *AuthorizationRequest) error {
	_, _, err := e.parseAuthorization(ctx, req)
	return err
}

func (e *Engine) parseAuthorization(ctx context.Context, req *AuthorizationRequest) (context.Context, fosite.AuthorizeRequester, error) {
	u := &unit{
		Context:       ctx,
		client:        client{Client: req.Client, public: req.Public, grantTypes: req.GrantTypes, redirectURI: req.RedirectURI},
		at:            req.At,
		known:         e.config.KnownScope,
		authorization: req,
	}
	u.write.At = req.At
	ar, err := e.fosite.NewAuthorizeRequest(u, formRequest(req.form()))
	if err != nil {
		return nil, nil, u.refusal(err)
	}
	return u, ar, nil
}

// IssueCode runs fosite's authorization handlers for a grant that the user has
// given, and returns the code with the Write that makes it good. The grant is part
// of that Write.
func (e *Engine) IssueCode(ctx context.Context, req *AuthorizationRequest, grant *storage.Grant) (string, *storage.Write, error) {
	ctx, ar, err := e.parseAuthorization(ctx, req)
	if err != nil {
		return "", nil, err
	}
	u := unitFrom(ctx)
	u.grant = grant
	ar.SetID(grant.ID)
	for _, scope := range grant.Scopes {
		ar.GrantScope(scope)
	}
	response, err := e.fosite.NewAuthorizeResponse(ctx, ar, session{u})
	if err != nil {
		return "", nil, u.refusal(err)
	}
	u.write.Grants = []storage.Grant{*grant}
	return response.GetCode(), &u.write, nil
}

// form is what fosite is given to parse: the parameters that mean something to it,
// with what the server resolved in place of what was sent. Request objects stay
// out: fosite merges their outer parameters and takes alg none.
func (req *AuthorizationRequest) form() url.Values {
	form := url.Values{
		"client_id":    {req.Client.ID},
		"redirect_uri": {req.RedirectURI},
		"state":        {placeholderState},
	}
	if len(req.Scopes) > 0 {
		form.Set("scope", join(req.Scopes))
	}
	for _, name := range []string{"response_type", "code_challenge", "code_challenge_method"} {
		if v := req.Parameters.Get(name); v != "" {
			form.Set(name, v)
		}
	}
	return form
}

// formRequest is a POST with this form, as fosite wants it. The parsed form is set,
// so that fosite's multipart parser never runs.
func formRequest(form url.Values) *http.Request {
	return &http.Request{
		Method:   http.MethodPost,
		URL:      root,
		Header:   noHeader,
		Form:     form,
		PostForm: form,
		Body:     http.NoBody,
	}
}

// Nobody writes to these.
var (
	root     = &url.URL{Path: "/"}
	noHeader = http.Header{}
)
