package authz

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// The token types of RFC 8693 §3 that can be exchanged: an access token of this server, and
// the JWTs, ID tokens among them, of those whom it trusts. A refresh token is for its client
// and this server alone, and nothing here verifies SAML assertions.
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
)

// exchangedToken is a token that was presented to be exchanged, verified.
type exchangedToken struct {
	*resource.Token
	grant   *storage.Grant // behind a token of this server; nil for none
	foreign *trustedJWT    // nil for a token of this server
}

// exchanged reads and verifies the token in the parameter of that name; nil if there is none
// (RFC 8693 §2.1). Who acts has a token of this server.
func (p *tokenPolicy) exchanged(ctx context.Context, name string) (*exchangedToken, *Error) {
	presented, tokenType := p.params.Get(name), p.params.Get(name+"_type")
	var t *exchangedToken
	var refused *Error
	switch {
	case presented == "" && tokenType == "":
		return nil, nil
	case presented == "":
		return nil, missing(name)
	case tokenType == "":
		return nil, missing(name + "_type")
	case tokenType == typeAccessToken:
		t, refused = p.exchangedOwn(ctx, name, presented)
	case name == "subject_token" && (tokenType == typeJWT || tokenType == typeIDToken) && p.trustsOthers():
		t, refused = p.exchangedForeign(ctx, name, presented)
	default:
		return nil, failed(invalidRequest, name+"_type_not_supported", "Tokens of this type cannot be exchanged.")
	}
	switch {
	case refused != nil:
		return nil, refused
	case !p.confirms(t.Claims):
		return nil, badExchange(name + "_bound_to_another_key")
	}
	return t, nil
}

func (s *Server) trustsOthers() bool {
	return len(s.config.TrustedIssuers) > 0 || s.config.FindTrustedIssuer != nil
}

func (p *tokenPolicy) exchangedOwn(ctx context.Context, name, presented string) (*exchangedToken, *Error) {
	found, err := p.verifyWithGrant(ctx, presented)
	switch {
	case errors.Is(err, resource.ErrInvalidToken):
		return nil, badExchange(name + "_invalid").because(err)
	case err != nil:
		return nil, unavailable(err)
	}
	if yes, refused := p.active(ctx, found.grant); refused != nil {
		return nil, refused
	} else if !yes {
		return nil, badExchange(name + "_" + reasonUserInactive)
	}
	return &exchangedToken{Token: found.token, grant: found.grant}, nil
}

func (p *tokenPolicy) exchangedForeign(ctx context.Context, name, presented string) (*exchangedToken, *Error) {
	t, reason, refused := p.verifyTrusted(ctx, presented, true, p.at)
	switch {
	case refused != nil:
		return nil, refused
	case reason != "":
		return nil, badExchange(name + "_" + reason)
	}
	return &exchangedToken{foreign: t, Token: t.token()}, nil
}

// token is a JWT of another issuer as a hook is shown it.
func (t *trustedJWT) token() *resource.Token {
	out := &resource.Token{
		Issuer: t.claims.Issuer, Subject: t.claims.Subject, ID: t.claims.ID, Audience: t.claims.Audience.values,
		ExpiresAt: t.claims.ExpiresAt.Time, Claims: t.members,
	}
	out.ClientID, _ = t.members["client_id"].(string)
	out.ACR, _ = t.members["acr"].(string)
	out.AMR, _ = t.strings("amr")
	claim, _ := t.strings("scope")
	out.Scopes = fields(claim)
	if t.claims.IssuedAt != nil {
		out.IssuedAt = t.claims.IssuedAt.Time
	}
	if seconds, ok := t.members["auth_time"].(float64); ok && seconds > 0 && seconds < lastSecond {
		out.AuthTime = time.Unix(int64(seconds), 0)
	}
	return out
}

// grantOfForeign is the grant behind what the token of another issuer is exchanged for.
func (p *tokenPolicy) grantOfForeign(granted *Exchange, expiresAt time.Time) *storage.Grant {
	return &storage.Grant{
		ID: storage.NewGrantID(expiresAt), ClientID: p.client.ID, Subject: granted.User.Subject,
		Scopes: granted.Scopes, Resources: granted.Resources,
		AuthTime: granted.User.AuthTime, ACR: granted.User.ACR, AMR: granted.User.AMR,
		CreatedAt: p.at, ExpiresAt: expiresAt,
	}
}

// confirms reports whether the request proves possession of the key that a token with these
// claims is bound to (RFC 7800 §3.1), so that the new token is bound to it as well. Were it
// not, an exchange would make a bearer token of a bound one.
func (p *tokenPolicy) confirms(claims map[string]any) bool {
	cnf, bound := claims["cnf"]
	if !bound {
		return true
	}
	var proven any
	return p.confirmation != nil && json.Unmarshal(p.confirmation, &proven) == nil && reflect.DeepEqual(cnf, proven)
}
