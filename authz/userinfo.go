package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// UserInfo is an answer of the UserInfo endpoint (OpenID Connect Core §5.3.2).
type UserInfo struct {
	// Claims are the members to send as JSON, unless the client has registered for a JWT.
	Claims map[string]any

	// JWT is the same, signed, encrypted or both, to be sent as application/jwt; empty for
	// plain JSON.
	JWT string
}

// UserInfo handles a request to the UserInfo endpoint (OpenID Connect Core §5.3) with this
// access token, which a user has granted the scope openid. Whether the caller may use the
// token, if it is bound to a key, has been checked.
func (s *Server) UserInfo(ctx context.Context, accessToken string) (*UserInfo, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	info, clientID, err := s.userInfo(ctx, accessToken)
	if err != nil {
		return nil, s.report(ctx, err, clientID, "")
	}
	return info, nil
}

func (s *Server) userInfo(ctx context.Context, accessToken string) (*UserInfo, string, *Error) {
	found, err := s.verifyWithGrant(ctx, accessToken)
	token, grant := found.token, found.grant
	switch {
	case errors.Is(err, resource.ErrInvalidToken):
		return nil, "", failed(invalidBearer, "access_token_invalid", "The access token is invalid, expired or revoked.").because(err)
	case err != nil:
		return nil, "", unavailable(err)
	case !s.config.openID() || grant == nil || !slices.Contains(token.Scopes, openID):
		e := failed(insufficientScope, "openid_not_granted", "The access token was not granted the scope openid by a user.")
		e.Status = http.StatusForbidden // RFC 6750 §3.1
		return nil, token.ClientID, e
	}
	if yes, refused := s.active(ctx, grant); refused != nil {
		return nil, token.ClientID, refused
	} else if !yes {
		return nil, token.ClientID, failed(invalidBearer, reasonUserInactive, "The access token is invalid, expired or revoked.")
	}
	client, _, err := s.findClient(ctx, token.ClientID, netip.Addr{})
	if err != nil {
		return nil, token.ClientID, unavailable(err)
	}
	if client == nil {
		return nil, token.ClientID, failed(invalidBearer, "client_gone", "The access token is invalid, expired or revoked.")
	}
	ask := &UserClaimsRequest{Client: cloneClient(client), Subject: token.Subject}
	if grant.ClientID == client.ID { // what another client asked for stays between it and the user
		asked, err := parseClaims(string(grant.Claims))
		if err != nil {
			return nil, client.ID, broken("claims_unreadable", err)
		}
		if asked != nil {
			ask.Claims = wishes(asked.UserInfo)
		}
		ask.Locales = strings.Fields(grant.ClaimsLocales)
	}
	for _, scope := range token.Scopes {
		for _, name := range claimsOfScope[scope] {
			ask.Claims = append(ask.Claims, ClaimRequest{Name: name})
		}
	}
	claims, refused := s.userClaims(ctx, ask)
	if refused != nil {
		return nil, client.ID, refused
	}
	if claims == nil {
		claims = map[string]any{}
	}
	if claims["sub"], refused = s.subjectFor(client, token.Subject); refused != nil {
		return nil, client.ID, refused
	}
	info := &UserInfo{Claims: claims}
	if client.UserInfoSignedResponseAlg != "" || client.UserInfoEncryptedResponseAlg != "" {
		if info.JWT, refused = s.userInfoJWT(ctx, client, claims); refused != nil {
			return nil, client.ID, refused
		}
	}
	return info, client.ID, nil
}

// userInfoJWT: OpenID Connect Core §5.3.2, with iss and aud. It is signed only if the client has
// registered an algorithm for that; then it is signed before it is encrypted.
func (s *Server) userInfoJWT(ctx context.Context, client *Client, claims map[string]any) (string, *Error) {
	signed := map[string]any{"iss": s.config.Issuer, "aud": client.ID}
	for name, value := range claims {
		signed[name] = value
	}
	payload, err := json.Marshal(signed)
	if err != nil {
		return "", broken("claims_unencodable", err)
	}
	jwt, contentType := string(payload), ""
	if algorithm := client.UserInfoSignedResponseAlg; algorithm != "" {
		if !slices.Contains(s.config.SigningAlgorithms, algorithm) { // it was when the client was registered
			return "", broken("userinfo_alg_gone", fmt.Errorf("client %q has UserInfoSignedResponseAlg %q, which is not in Config.SigningAlgorithms; add it there, or change the client", client.ID, algorithm))
		}
		contentType = nestedJWT
		if jwt, err = s.keys.Sign(ctx, algorithm, userInfoType, payload); err != nil {
			return "", unavailable(err)
		}
	}
	return s.encrypted(ctx, client, client.UserInfoEncryptedResponseAlg, client.UserInfoEncryptedResponseEnc, contentType, jwt)
}

// userInfoType is the typ header of a signed answer. It is not that of an ID token, so that
// none is taken for one, as a hint or otherwise (RFC 8725 §3.11).
const userInfoType = "userinfo+jwt"

const insufficientScope = "insufficient_scope" // RFC 6750 §3.1
