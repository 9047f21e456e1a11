package authz

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	// Claim names are case-sensitive (RFC 7519 §4); encoding/json folds them when it
	// reads, and this one does not.
	exact "github.com/go-jose/go-jose/v4/json"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// VerifyAccessToken tells whether an access token of this server is good right now:
// signature or record, lifetime, revocation of the token, of its grant, of its
// client. It makes Server a resource.Verifier that sees a revocation at once.
func (s *Server) VerifyAccessToken(ctx context.Context, token string) (*resource.Token, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	verified, _, err := s.verify(ctx, token)
	return verified, err
}

// verify also returns what a revocation of the token has to name.
func (s *Server) verify(ctx context.Context, token string) (*resource.Token, storage.Digest, error) {
	var none storage.Digest
	if len(token) > maxAccessTokenBytes {
		return nil, none, invalidToken("too long")
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
	said, err := s.readSigned(ctx, token)
	if err != nil {
		return nil, none, err
	}
	t := said.token
	switch mark, err := s.config.Storage.Token(ctx, said.digest); {
	case errors.Is(err, storage.ErrNotFound):
		return &t, said.digest, nil
	case err != nil:
		return nil, none, err
	case mark.RevokedAt.IsZero():
		return &t, said.digest, nil
	}
	return nil, none, invalidToken("revoked")
}

// readSigned is what a signed access token says, if the key that signed it still counts.
func (s *Server) readSigned(ctx context.Context, token string) (*signed, error) {
	sum := sha256.Sum256([]byte(token))
	if said := s.verified.find(sum); said != nil {
		published, err := s.keys.Published(ctx, said.keyID)
		if err != nil {
			return nil, err
		}
		if !published {
			return nil, invalidToken("not signed by this server")
		}
		return said, nil
	}
	// Only the alphabet of what we make: the JWS parser would overlook white space.
	if strings.ContainsFunc(token, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) {
		return nil, invalidToken("not in the alphabet of tokens")
	}
	payload, keyID, err := s.keys.VerifyBy(ctx, token, accessTokenType)
	if errors.Is(err, keyring.ErrInvalid) {
		return nil, invalidToken("not signed by this server")
	}
	if err != nil {
		return nil, err
	}
	var c accessClaims
	t := resource.Token{}
	if err := errors.Join(exact.Unmarshal(payload, &c), exact.Unmarshal(payload, &t.Claims)); err != nil || c.Issuer != s.config.Issuer {
		return nil, invalidToken("not an access token of this server")
	}
	t.Issuer, t.Subject, t.ClientID, t.ID, t.Audience = c.Issuer, c.Subject, c.ClientID, c.ID, c.Audience
	t.Scopes, t.ACR, t.AMR = strings.Fields(c.Scope), c.ACR, c.AMR
	t.IssuedAt, t.ExpiresAt = time.Unix(c.IssuedAt, 0), time.Unix(c.Expires, 0)
	if c.AuthTime != 0 {
		t.AuthTime = time.Unix(c.AuthTime, 0)
	}
	said := &signed{token: t, keyID: keyID, digest: storage.NewDigest(t.ExpiresAt.Add(clockSlack), "jti:"+t.ID)}
	s.verified.add(sum, said)
	return said, nil
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
		if err := exact.Unmarshal(record.Claims, &t.Claims); err != nil {
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
