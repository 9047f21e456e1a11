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

	"github.com/grantor-oauth/grantor/authz/internal/engine"
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

	Confirmation         json.RawMessage `json:"cnf,omitempty"`                   // RFC 7800 §3.1
	Actor                json.RawMessage `json:"act,omitempty"`                   // RFC 8693 §4.1
	AuthorizationDetails json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 §9.1
}

// reservedClaims are those that the Claims hook cannot set.
var reservedClaims = []string{
	"iss", "sub", "aud", "client_id", "jti", "scope", "iat", "exp", "nbf", "auth_time", "acr", "amr", "cnf", "act",
	"authorization_details", "active", "token_type",
}

// audience is one string, or several, as in RFC 7519 §4.1.3.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// mintAccessToken makes an access token in the client's format. A signed token needs
// no record: the grant's ID at the head of its jti is what ties it to the grant.
func (s *Server) mintAccessToken(ctx context.Context, m engine.Mint, w *storage.Write) (string, error) {
	at := s.now()
	extra, err := s.hostClaims(ctx, m)
	if err != nil {
		return "", err
	}
	if s.formatAt(m.Resources, m.Client) == "opaque" {
		return s.mintOpaque(m, extra, at, w)
	}
	return s.mintSigned(ctx, m, extra, at)
}

func (s *Server) mintSigned(ctx context.Context, m engine.Mint, extra map[string]any, at time.Time) (string, error) {
	claims := accessClaims{
		Issuer:   s.config.Issuer,
		Subject:  m.Client.ID, // RFC 9068 §2.2: the client, where there is no user
		Audience: m.Resources,
		ClientID: m.Client.ID,
		ID:       rand.Text(),
		Scope:    strings.Join(m.Scopes, " "),
		IssuedAt: s.clock.issuedAt(at).Unix(),
		Expires:  m.ExpiresAt.Unix(),

		Confirmation: m.Confirmation, Actor: m.Actor, AuthorizationDetails: m.AuthorizationDetails,
	}
	if m.Subject != "" {
		claims.Subject = m.Subject
	}
	if g := m.Grant; g != nil {
		tie := grantsOwn
		if g.ClientID != m.Client.ID {
			tie = grantsThrough
		}
		claims.Subject, claims.ID = g.Subject, g.ID+tie+claims.ID
		claims.ACR, claims.AMR = g.ACR, g.AMR
		if !g.AuthTime.IsZero() {
			claims.AuthTime = g.AuthTime.Unix()
		}
	}
	payload, err := join(claims, extra)
	if err != nil {
		return "", broken("claims_unencodable", err)
	}
	algorithm := m.Client.AccessTokenSigningAlg
	if algorithm == "" {
		algorithm = s.config.SigningAlgorithms[0]
	}
	if !slices.Contains(s.config.SigningAlgorithms, algorithm) { // it was when the client was registered
		return "", broken("access_token_alg_gone", fmt.Errorf("client %q has AccessTokenSigningAlg %q, which is not in Config.SigningAlgorithms; add it there, or change the client", m.Client.ID, algorithm))
	}
	token, err := s.keys.Sign(ctx, algorithm, accessTokenType, payload)
	if len(token) > maxAccessTokenBytes {
		return "", broken("access_token_too_long", fmt.Errorf("it has %d bytes of %d; grant fewer scopes or add fewer claims", len(token), maxAccessTokenBytes))
	}
	return token, err
}

// join is one JSON object of the server's claims and the host's, which have no name in
// common (reservedClaims).
func join(claims accessClaims, extra map[string]any) ([]byte, error) {
	ours, err := json.Marshal(claims)
	if err != nil || len(extra) == 0 {
		return ours, err
	}
	theirs, err := json.Marshal(extra)
	if err != nil {
		return nil, err
	}
	return append(append(ours[:len(ours)-1], ','), theirs[1:]...), nil
}

func (s *Server) mintOpaque(m engine.Mint, extra map[string]any, at time.Time, w *storage.Write) (string, error) {
	var grantID string
	if m.Grant != nil {
		grantID = m.Grant.ID
	}
	var claims []byte
	if len(extra) > 0 {
		var err error
		if claims, err = json.Marshal(extra); err != nil {
			return "", broken("claims_unencodable", err)
		}
	}
	// Tokens expire on whole seconds. Filed by that alone, all those of one second would
	// lie in random order, and every one of them on another page.
	keepUntil := m.ExpiresAt.Add(time.Duration(at.Nanosecond()))
	token, digest := newCredential(m.ExpiresAt, keepUntil)
	w.Tokens = append(w.Tokens, storage.Token{
		Digest: digest, Kind: storage.AccessToken, ClientID: m.Client.ID, GrantID: grantID,
		Scopes: m.Scopes, Resources: m.Resources, Claims: claims, IssuedAt: at, ExpiresAt: m.ExpiresAt,
		Confirmation: m.Confirmation, Actor: m.Actor, AuthorizationDetails: m.AuthorizationDetails, Subject: m.Subject,
	})
	return token, nil
}

// hostClaims asks the Claims hook.
func (s *Server) hostClaims(ctx context.Context, m engine.Mint) (map[string]any, error) {
	if s.config.Claims == nil {
		return nil, nil
	}
	ask := &ClaimsRequest{Client: cloneClient(m.Client), Subject: m.Subject, Scopes: slices.Clone(m.Scopes), Resources: slices.Clone(m.Resources)}
	if m.Grant != nil {
		ask.Subject = m.Grant.Subject
	}
	given, err := s.config.Claims(ctx, ask)
	var refusal *Error
	if errors.As(err, &refusal) {
		return nil, refusal.fromHost()
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
