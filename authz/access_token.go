package authz

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	// Claim names are case-sensitive (RFC 7519 §4); encoding/json folds them when it
	// reads, and this one does not.
	exact "github.com/go-jose/go-jose/v4/json"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// accessTokenType is the typ header of a JWT access token (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// maxAccessTokenBytes bounds what is looked at when a token is presented; no token we
// make is longer, because maxHostClaims bounds what a host adds.
const (
	maxAccessTokenBytes = maxParameter - 64 // it must fit into a form, to be revoked
	maxHostClaims       = 3 << 10
)

// accessClaims are the claims of an access token (RFC 9068 §2.2), in the form in
// which they stand in a JWT.
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	ClientID string   `json:"client_id"`
	ID       string   `json:"jti"`
	Scope    string   `json:"scope,omitempty"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
}

// reservedClaims are those that the Claims hook cannot set.
var reservedClaims = []string{
	"iss", "sub", "aud", "client_id", "jti", "scope", "iat", "exp", "nbf", "auth_time", "acr", "amr", "cnf", "act", "active", "token_type",
}

// audience is one string, or several, as in RFC 7519 §4.1.3.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// mintAccessToken makes an access token in the client's format. A signed token needs
// no record: the grant's ID at the head of its jti is what ties it to the grant.
func (s *Server) mintAccessToken(ctx context.Context, m engine.Mint) (string, *storage.Token, error) {
	at := s.now()
	claims := accessClaims{
		Issuer:   s.config.Issuer,
		Subject:  m.Client.ID, // RFC 9068 §2.2: the client, where there is no user
		Audience: m.Resources,
		ClientID: m.Client.ID,
		ID:       rand.Text(),
		Scope:    strings.Join(m.Scopes, " "),
		IssuedAt: at.Unix(),
		Expires:  m.ExpiresAt.Unix(),
	}
	ask := &ClaimsRequest{Client: cloneClient(m.Client), Scopes: slices.Clone(m.Scopes)}
	if g := m.Grant; g != nil {
		claims.Subject, claims.ID = g.Subject, g.ID+"."+claims.ID
		claims.ACR, claims.AMR, ask.Subject = g.ACR, g.AMR, g.Subject
		if !g.AuthTime.IsZero() {
			claims.AuthTime = g.AuthTime.Unix()
		}
	}
	extra, err := s.hostClaims(ctx, ask)
	if err != nil {
		return "", nil, err
	}
	format := m.Client.AccessTokenFormat
	if format == "" {
		format = s.config.AccessTokenFormat
	}
	if format == "opaque" {
		return s.mintOpaque(m, extra, at)
	}
	for name, value := range toMap(claims) {
		if extra == nil {
			extra = map[string]any{}
		}
		extra[name] = value
	}
	payload, err := json.Marshal(extra)
	if err != nil {
		return "", nil, broken("claims_unencodable", err)
	}
	algorithm := m.Client.AccessTokenSigningAlg
	if algorithm == "" {
		algorithm = s.config.SigningAlgorithms[0]
	}
	token, err := s.keys.Sign(ctx, algorithm, accessTokenType, payload)
	if len(token) > maxAccessTokenBytes {
		return "", nil, broken("access_token_too_long", fmt.Errorf("it has %d bytes of %d; grant fewer scopes or add fewer claims", len(token), maxAccessTokenBytes))
	}
	return token, nil, err
}

// toMap is v as JSON would have it, member by member.
func toMap(v any) map[string]json.RawMessage {
	b, _ := json.Marshal(v) // strings and numbers only
	var m map[string]json.RawMessage
	json.Unmarshal(b, &m)
	return m
}

func (s *Server) mintOpaque(m engine.Mint, extra map[string]any, at time.Time) (string, *storage.Token, error) {
	token, digest := newCredential(m.ExpiresAt, m.ExpiresAt)
	record := &storage.Token{
		Digest: digest, Kind: storage.AccessToken, ClientID: m.Client.ID,
		Scopes: m.Scopes, Resources: m.Resources, IssuedAt: at, ExpiresAt: m.ExpiresAt,
	}
	if m.Grant != nil {
		record.GrantID = m.Grant.ID
	}
	if len(extra) > 0 {
		var err error
		if record.Claims, err = json.Marshal(extra); err != nil {
			return "", nil, broken("claims_unencodable", err)
		}
	}
	return token, record, nil
}

// hostClaims asks the Claims hook.
func (s *Server) hostClaims(ctx context.Context, ask *ClaimsRequest) (map[string]any, error) {
	if s.config.Claims == nil {
		return nil, nil
	}
	given, err := s.config.Claims(ctx, ask)
	var refusal *Error
	if errors.As(err, &refusal) {
		return nil, refusal
	}
	if err != nil {
		return nil, broken("claims_hook_failed", err)
	}
	claims := make(map[string]any, len(given))
	for name, value := range given {
		claims[name] = value
	}
	for name := range claims {
		// Whatever folds to a reserved name would be taken for it by some reader.
		if slices.ContainsFunc(reservedClaims, func(reserved string) bool { return strings.EqualFold(name, reserved) }) {
			return nil, broken("claims_hook_failed", fmt.Errorf("the Claims hook returned %q, which the server sets itself; take it out", name))
		}
	}
	if encoded, err := json.Marshal(claims); err != nil || len(encoded) > maxHostClaims {
		return nil, broken("claims_hook_failed", errors.Join(err, fmt.Errorf("the Claims hook returned %d bytes of JSON; up to %d fit into a token", len(encoded), maxHostClaims)))
	}
	return claims, nil
}

// VerifyAccessToken tells whether an access token of this server is good right now:
// signature or record, lifetime, revocation of the token, of its grant, of its
// client. It makes Server a resource.Verifier that sees a revocation at once.
func (s *Server) VerifyAccessToken(ctx context.Context, token string) (*resource.Token, error) {
	verified, _, err := s.verify(ctx, token)
	return verified, err
}

// verify also returns what a revocation of the token has to name.
func (s *Server) verify(ctx context.Context, token string) (*resource.Token, storage.Digest, error) {
	var none storage.Digest
	if len(token) > maxAccessTokenBytes {
		return nil, none, invalidToken("too long")
	}
	// Only the alphabet of what we make: the JWS parser would overlook white space.
	if strings.ContainsFunc(token, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) {
		return nil, none, invalidToken("not in the alphabet of tokens")
	}
	var verified *resource.Token
	var digest storage.Digest
	var grantID string
	var err error
	if strings.Count(token, ".") == 2 {
		verified, digest, err = s.readJWT(ctx, token)
	} else {
		verified, digest, grantID, err = s.readOpaque(ctx, token)
	}
	if err != nil {
		return nil, none, err
	}
	if !s.now().Before(verified.ExpiresAt) {
		return nil, none, invalidToken("expired")
	}
	if id, _, ok := strings.Cut(verified.ID, "."); ok && grantID == "" {
		grantID = id
	}
	if grantID != "" {
		if err := s.checkGrant(ctx, grantID, verified); err != nil {
			return nil, none, err
		}
	}
	client, err := s.findClient(ctx, verified.ClientID)
	if err != nil {
		return nil, none, err
	}
	if client == nil {
		return nil, none, invalidToken("its client is gone")
	}
	return verified, digest, nil
}

func invalidToken(why string) error { return fmt.Errorf("%w: %s", resource.ErrInvalidToken, why) }

// readJWT checks signature, type and issuer (RFC 9068 §4) and whether this one token
// has been revoked.
func (s *Server) readJWT(ctx context.Context, token string) (*resource.Token, storage.Digest, error) {
	var none storage.Digest
	payload, err := s.keys.Verify(ctx, token, accessTokenType)
	if errors.Is(err, keyring.ErrInvalid) {
		return nil, none, invalidToken("not signed by this server")
	}
	if err != nil {
		return nil, none, err
	}
	var c accessClaims
	t := &resource.Token{}
	if err := errors.Join(exact.Unmarshal(payload, &c), exact.Unmarshal(payload, &t.Claims)); err != nil || c.Issuer != s.config.Issuer {
		return nil, none, invalidToken("not an access token of this server")
	}
	t.Issuer, t.Subject, t.ClientID, t.ID, t.Audience = c.Issuer, c.Subject, c.ClientID, c.ID, c.Audience
	t.Scopes, t.ACR, t.AMR = strings.Fields(c.Scope), c.ACR, c.AMR
	t.IssuedAt, t.ExpiresAt = time.Unix(c.IssuedAt, 0), time.Unix(c.Expires, 0)
	if c.AuthTime != 0 {
		t.AuthTime = time.Unix(c.AuthTime, 0)
	}
	digest := storage.NewDigest(t.ExpiresAt, "jti:"+t.ID)
	switch mark, err := s.config.Storage.Token(ctx, digest); {
	case errors.Is(err, storage.ErrNotFound):
		return t, digest, nil
	case err != nil:
		return nil, none, err
	case mark.RevokedAt.IsZero():
		return t, digest, nil
	}
	return nil, none, invalidToken("revoked")
}

// readOpaque finds the record of an opaque access token.
func (s *Server) readOpaque(ctx context.Context, token string) (*resource.Token, storage.Digest, string, error) {
	var none storage.Digest
	record, err := s.config.Storage.Token(ctx, digestOf(token))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, none, "", invalidToken("unknown")
	case err != nil:
		return nil, none, "", err
	case record.Kind != storage.AccessToken:
		return nil, none, "", invalidToken("not an access token")
	case !record.RevokedAt.IsZero():
		return nil, none, "", invalidToken("revoked")
	}
	t := &resource.Token{
		Issuer: s.config.Issuer, Subject: record.ClientID, ClientID: record.ClientID,
		Audience: record.Resources, Scopes: record.Scopes,
		IssuedAt: record.IssuedAt, ExpiresAt: record.ExpiresAt,
	}
	if len(record.Claims) > 0 {
		if err := json.Unmarshal(record.Claims, &t.Claims); err != nil {
			return nil, none, "", fmt.Errorf("authz: the stored claims of a token are damaged: %w", err)
		}
	}
	return t, record.Digest, record.GrantID, nil
}

// checkGrant makes sure that the grant behind a token still stands. What an opaque
// token does not carry itself is filled in from it.
func (s *Server) checkGrant(ctx context.Context, grantID string, t *resource.Token) error {
	grant, err := s.config.Storage.Grant(ctx, grantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return invalidToken("its grant is gone")
	case err != nil:
		return err
	case !grant.RevokedAt.IsZero():
		return invalidToken("its grant is revoked")
	case grant.ClientID != t.ClientID:
		return invalidToken("its grant is another client's")
	}
	if t.ID == "" {
		t.Subject, t.AuthTime, t.ACR, t.AMR = grant.Subject, grant.AuthTime, grant.ACR, grant.AMR
	}
	return nil
}
