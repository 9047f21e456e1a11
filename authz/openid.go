package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OpenID Connect Core is OAuth with an ID token, which says who signed in, and the UserInfo
// endpoint, which tells more about them. The scope openid turns it on, for the server and
// then for each request.
const openID = "openid"

// claimsOfScope are the claims that a scope asks for (OpenID Connect Core §5.4).
var claimsOfScope = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// openID reports whether OpenID Connect is on.
func (c *Config) openID() bool {
	_, on := c.Scopes[openID]
	return on
}

// identityScope reports whether a scope is one of OpenID Connect.
func (c *Config) identityScope(scope string) bool {
	return c.openID() && (scope == openID || claimsOfScope[scope] != nil)
}

// UserClaimsRequest is what Config.UserClaims is asked.
type UserClaimsRequest struct {
	Client  *Client
	Subject string

	// Claims are all that the client may know and wants to, in no particular order: those of
	// the scopes that the user granted, and those that it asked for by name (OpenID Connect
	// Core §5.4, §5.5).
	Claims []ClaimRequest

	// Locales are the languages that the client would like them in, the best first (§5.2).
	// A value in another language has its tag in the name: "name#ja-Kana-JP".
	Locales []string

	// IDToken tells that they are for an ID token, which a client may keep for long and show
	// around; otherwise they are for the UserInfo endpoint.
	IDToken bool
}

// ClaimRequest is one claim that a client wants (OpenID Connect Core §5.5.1).
type ClaimRequest struct {
	Name      string
	Essential bool

	// Value or Values are what the client would like it to be; nil for anything.
	Value  any
	Values []any
}

// Wants reports whether a claim is wanted, by its name without a language tag.
func (r *UserClaimsRequest) Wants(name string) bool {
	return slices.ContainsFunc(r.Claims, func(c ClaimRequest) bool { return c.Name == name })
}

// identityClaims are those that the server sets itself, or that make a JWT something else.
var identityClaims = append(slices.Clone(reservedClaims), "nonce", "azp", "at_hash", "c_hash", "s_hash", "sid", "events")

// userClaims asks the host what it knows of what is wanted.
func (s *Server) userClaims(ctx context.Context, ask *UserClaimsRequest) (map[string]any, *Error) {
	wanted := make(map[string]bool, len(ask.Claims))
	ask.Claims = slices.DeleteFunc(ask.Claims, func(c ClaimRequest) bool {
		again := wanted[c.Name] || slices.Contains(identityClaims, c.Name)
		wanted[c.Name] = true
		return again
	})
	if len(ask.Claims) == 0 || s.config.UserClaims == nil {
		return nil, nil
	}
	given, err := s.config.UserClaims(ctx, ask)
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return nil, refusal.fromHost()
	case err != nil:
		return nil, broken("user_claims_hook_failed", err)
	}
	claims := maps.Clone(given)
	maps.DeleteFunc(claims, func(name string, value any) bool {
		plain, _, _ := strings.Cut(name, "#")
		return !ask.Wants(plain) || value == nil || value == ""
	})
	if encoded, err := json.Marshal(claims); err != nil || len(encoded) > maxUserClaims {
		return nil, broken("user_claims_hook_failed", errors.Join(err, fmt.Errorf("the UserClaims hook returned %d bytes of JSON; up to %d are passed on", len(encoded), maxUserClaims)))
	}
	return claims, nil
}

// maxUserClaims bounds what a client is told of a user.
const maxUserClaims = 32 << 10

// describeOpenID adds what OpenID Connect Discovery §3 asks for.
func (s *Server) describeOpenID(m *Metadata, base string) {
	m.UserInfoEndpoint = base + "/userinfo"
	m.SubjectTypesSupported = s.config.subjectTypes()
	m.IDTokenSigningAlgValuesSupported = slices.Clone(s.config.SigningAlgorithms)
	m.UserInfoSigningAlgValueSupported = slices.Clone(s.config.SigningAlgorithms)
	m.ClaimTypesSupported = []string{"normal"}
	m.ClaimsSupported = append([]string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"}, s.config.ClaimsSupported...)
	m.ClaimsParameterSupported = true
	m.BackchannelLogoutSupported, m.BackchannelLogoutSessionSupported = true, s.config.Sessions
	m.FrontchannelLogoutSupported, m.FrontchannelLogoutSessionSupported = s.frontChannel(), s.frontChannel()
	if s.config.Sessions {
		m.ClaimsSupported = append(m.ClaimsSupported, "sid")
	}
	m.PromptValuesSupported = s.promptValues()
	if s.config.Logout != nil {
		m.EndSessionEndpoint = base + "/logout"
	}
	if m.MTLSEndpointAliases != nil {
		m.MTLSEndpointAliases["userinfo_endpoint"] = s.config.MutualTLSOrigin + s.paths.prefix + "/userinfo"
	}
}
