package authz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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
	verified, digest, _, err := s.verifyWithGrant(ctx, token)
	return verified, digest, err
}

// verifyWithGrant also returns the grant behind the token, nil if there is none.
func (s *Server) verifyWithGrant(ctx context.Context, token string) (*resource.Token, storage.Digest, *storage.Grant, error) {
	var none storage.Digest
	if len(token) > maxAccessTokenBytes {
		return nil, none, nil, invalidToken("too long")
	}
	var verified *resource.Token
	var digest storage.Digest
	var from origin
	var err error
	if strings.Count(token, ".") == 2 {
		verified, digest, err = s.readJWT(ctx, token)
	} else {
		verified, digest, from, err = s.readOpaque(ctx, token)
	}
	if err != nil {
		return nil, none, nil, err
	}
	if !s.now().Before(verified.ExpiresAt) {
		return nil, none, nil, invalidToken("expired")
	}
	if from.grantID == "" {
		from = originOf(verified.ID)
	}
	var grant *storage.Grant
	if from.grantID != "" {
		if grant, err = s.checkGrant(ctx, from, verified); err != nil {
			return nil, none, nil, err
		}
	}
	lives, err := s.clientLives(ctx, verified.ClientID)
	if err != nil {
		return nil, none, nil, err
	}
	if !lives {
		return nil, none, nil, invalidToken("its client is gone")
	}
	return verified, digest, grant, nil
}

// origin is what ties a token to its grant. An exchanged token may be another client's than
// the grant (RFC 8693 §4.3).
type origin struct {
	grantID   string // empty if there is no grant
	exchanged bool
}

// The jti of a signed token with a grant begins with the grant's ID and one of these.
const (
	grantsOwn     = "."
	grantsThrough = ":" // for another client, by token exchange
)

func originOf(jti string) origin {
	at := strings.IndexAny(jti, grantsOwn+grantsThrough)
	if at < 0 {
		return origin{}
	}
	return origin{grantID: jti[:at], exchanged: jti[at:at+1] == grantsThrough}
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
	payload, keyID, err := s.keys.VerifyBy(ctx, token, accessTokenType)
	if errors.Is(err, keyring.ErrInvalid) {
		return nil, invalidToken("not signed by this server")
	}
	if err != nil {
		return nil, err
	}
	var t resource.Token
	// Into a map, which knows names by their exact spelling (RFC 7519 §4), as structs do
	// not.
	if err := json.Unmarshal(payload, &t.Claims); err != nil || t.Claims["iss"] != s.config.Issuer {
		return nil, invalidToken("not an access token of this server")
	}
	t.Issuer, t.Subject, t.ClientID, t.ID = s.config.Issuer, claimText(t.Claims, "sub"), claimText(t.Claims, "client_id"), claimText(t.Claims, "jti")
	t.Audience, t.Scopes = claimTexts(t.Claims, "aud"), strings.Fields(claimText(t.Claims, "scope"))
	t.ACR, t.AMR = claimText(t.Claims, "acr"), claimTexts(t.Claims, "amr")
	t.IssuedAt, t.ExpiresAt, t.AuthTime = claimTime(t.Claims, "iat"), claimTime(t.Claims, "exp"), claimTime(t.Claims, "auth_time")
	said := &signed{token: t, keyID: keyID, digest: storage.NewDigest(t.ExpiresAt.Add(clockSlack), "jti:"+t.ID)}
	s.verified.add(sum, said)
	return said, nil
}

// What we have signed has the types that we gave it.

func claimText(claims map[string]any, name string) string {
	s, _ := claims[name].(string)
	return s
}

// claimTexts is one string, or several, as in RFC 7519 §4.1.3.
func claimTexts(claims map[string]any, name string) []string {
	switch v := claims[name].(type) {
	case string:
		return []string{v}
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i], _ = v[i].(string)
		}
		return list
	}
	return nil
}

// claimTime is a NumericDate (RFC 7519 §2); zero if there is none.
func claimTime(claims map[string]any, name string) time.Time {
	seconds, ok := claims[name].(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// readOpaque finds the record of an opaque access token.
func (s *Server) readOpaque(ctx context.Context, token string) (*resource.Token, storage.Digest, origin, error) {
	var none storage.Digest
	var unknown origin
	record, err := s.config.Storage.Token(ctx, digestOf(token))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, none, unknown, invalidToken("unknown")
	case err != nil:
		return nil, none, unknown, err
	case record.Kind != storage.AccessToken:
		return nil, none, unknown, invalidToken("not an access token")
	case !record.RevokedAt.IsZero():
		return nil, none, unknown, invalidToken("revoked")
	}
	t := &resource.Token{
		Issuer: s.config.Issuer, Subject: record.ClientID, ClientID: record.ClientID,
		Audience: record.Resources, Scopes: record.Scopes,
		IssuedAt: record.IssuedAt, ExpiresAt: record.ExpiresAt,
	}
	if record.Subject != "" {
		t.Subject = record.Subject
	}
	if len(record.Claims) > 0 {
		if err := json.Unmarshal(record.Claims, &t.Claims); err != nil {
			return nil, none, unknown, fmt.Errorf("authz: the stored claims of a token are damaged: %w", err)
		}
	}
	for _, stored := range [...]struct {
		claim string
		json  []byte
	}{{"cnf", record.Confirmation}, {"act", record.Actor}, {"authorization_details", record.AuthorizationDetails}} {
		if len(stored.json) == 0 {
			continue
		}
		var value any
		if err := json.Unmarshal(stored.json, &value); err != nil {
			return nil, none, unknown, fmt.Errorf("authz: the stored %s of a token is damaged: %w", stored.claim, err)
		}
		if t.Claims == nil {
			t.Claims = map[string]any{}
		}
		t.Claims[stored.claim] = value
	}
	// Only an exchanged token names its subject beside a grant: see mintOpaque.
	return t, record.Digest, origin{record.GrantID, record.Subject != ""}, nil
}

// checkGrant makes sure that the grant behind a token still stands. What an opaque
// token does not carry itself is filled in from it.
func (s *Server) checkGrant(ctx context.Context, from origin, t *resource.Token) (*storage.Grant, error) {
	grant, err := s.config.Storage.Grant(ctx, from.grantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, invalidToken("its grant is gone")
	case err != nil:
		return nil, err
	case !grant.RevokedAt.IsZero():
		return nil, invalidToken("its grant is revoked")
	case grant.ClientID != t.ClientID:
		if !from.exchanged {
			return nil, invalidToken("its grant is another client's")
		}
		// What a client was granted ends with the client, wherever it was passed on to.
		switch lives, err := s.clientLives(ctx, grant.ClientID); {
		case err != nil:
			return nil, err
		case !lives:
			return nil, invalidToken("the client of its grant is gone")
		}
	}
	if t.ID == "" {
		t.Subject, t.AuthTime, t.ACR, t.AMR = grant.Subject, grant.AuthTime, grant.ACR, grant.AMR
	}
	return grant, nil
}
