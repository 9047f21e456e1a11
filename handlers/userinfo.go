package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// UserInfo is the UserInfo endpoint (OpenID Connect Core §5.3). It takes access tokens for
// any resource of the server, if a user has granted the scope openid, from pages of any
// origin: whoever holds the token may ask.
func UserInfo(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	address := as.Metadata().UserInfoEndpoint
	guard := protect.Options{
		Audience: address, Realm: as.Issuer(), Clock: as.Now, Logger: e.log,
		Certificate: e.certificate,
	}
	guard.DPoP = proofsFor(as, guard)
	guarded := protect.Require(anyAudience{as, address}, guard, "openid")(
		e.forPrograms([]string{http.MethodGet, http.MethodPost}, e.userInfo))
	methods := []string{http.MethodGet, http.MethodPost, http.MethodHead}
	h := e.forPrograms(methods, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Expose-Headers", exposedHeaders)
		if err := e.tokenFromForm(w, r); err != nil {
			return err
		}
		guarded.ServeHTTP(w, r)
		return nil
	})
	return forAnyOriginWith(h, "GET, POST", "Authorization, Content-Type, DPoP")
}

// tokenFromForm takes an access token that came in the body for one in the header (RFC 6750
// §2.2). One in the query is not looked at (§2.3, RFC 9700 §2.2).
func (e *endpoint) tokenFromForm(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost || !formEncoded(r.Header) {
		return nil
	}
	form, refused := e.bodyParameters(w, r)
	if refused != nil {
		return refused
	}
	switch token := form["access_token"]; {
	case len(token) == 0:
		return nil
	case len(token) > 1 || len(r.Header.Values("Authorization")) > 0:
		return e.refuse(r, http.StatusBadRequest, "two_tokens", "The request carries more than one access token.")
	default:
		r.Header.Set("Authorization", "Bearer "+token[0])
		return nil
	}
}

func (e *endpoint) userInfo(w http.ResponseWriter, r *http.Request) error {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ") // the guard has read it
	info, err := e.as.UserInfo(r.Context(), strings.TrimLeft(token, " "))
	if err != nil {
		return err
	}
	if info.JWT == "" {
		e.writeJSON(w, r, http.StatusOK, info.Claims)
		return nil
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(info.JWT)) // whoever has gone does not hear of it
	return nil
}

// anyAudience verifies tokens for any resource of the server as if they were for one.
type anyAudience struct {
	*authz.Server
	address string
}

func (v anyAudience) VerifyAccessToken(ctx context.Context, token string) (*resource.Token, error) {
	verified, err := v.Server.VerifyAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	here := *verified
	here.Audience = []string{v.address}
	return &here, nil
}
