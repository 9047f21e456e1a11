package authz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/claims"
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
	found, err := s.verify(ctx, token)
	return found.token, err
}

// finding is an access token that is good.
type finding struct {
	token  *resource.Token
	digest storage.Digest // what a revocation of the token has to name
	grant  *storage.Grant // behind the token; nil if there is none, or if it was not looked up
	until  time.Time      // it stays good until then, if nothing is taken back
}

// verify looks up as little as it can.
func (s *Server) verify(ctx context.Context, token string) (finding, error) {
	return s.find(ctx, token, false)
}

// verifyWithGrant also finds the grant.
func (s *Server) verifyWithGrant(ctx context.Context, token string) (finding, error) {
	return s.find(ctx, token, true)
}

func (s *Server) find(ctx context.Context, token string, withGrant bool) (finding, error) {
	if len(token) > maxAccessTokenBytes {
		return finding{}, invalidToken("too long")
	}
	if strings.Count(token, ".") != 2 {
		return s.findOpaque(ctx, s.epoch(), token)
	}
	said, err := s.readSigned(ctx, token)
	if err != nil {
		return finding{}, err
	}
	in := s.epoch() // before anything is looked up: see storage.Epochs
	if !withGrant && said.goodAt(s.now(), in) {
		t := said.token
		return finding{token: &t, digest: said.digest}, nil
	}
	found, err := s.findSigned(ctx, in, said)
	if err == nil && in.known {
		said.good.Store(&verdict{in.number, found.until})
	}
	return found, err
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

// findSigned finds out whether this one token has been revoked, and all the rest.
func (s *Server) findSigned(ctx context.Context, in epoch, said *signed) (finding, error) {
	switch mark, err := s.config.Storage.Token(ctx, said.digest); {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return finding{}, err
	case !mark.RevokedAt.IsZero():
		return finding{}, invalidToken("revoked")
	}
	t := said.token
	return s.judge(ctx, in, &t, said.digest, originOf(t.ID))
}

// judge finds out whether the life of a token, its grant and its client go on.
func (s *Server) judge(ctx context.Context, in epoch, t *resource.Token, digest storage.Digest, from origin) (finding, error) {
	found := finding{token: t, digest: digest, until: t.ExpiresAt}
	if !s.now().Before(t.ExpiresAt) {
		return finding{}, invalidToken("expired")
	}
	if from.grantID != "" {
		if err := s.checkGrant(ctx, in, from, &found); err != nil {
			return finding{}, err
		}
	}
	switch until, lives, err := s.clientLives(ctx, in, t.ClientID); {
	case err != nil:
		return finding{}, err
	case !lives:
		return finding{}, invalidToken("its client is gone")
	default:
		found.endsBy(until)
	}
	return found, nil
}

// endsBy takes note that something ends which the token hangs on; the zero time is never.
func (f *finding) endsBy(at time.Time) {
	if !at.IsZero() && at.Before(f.until) {
		f.until = at
	}
}

// readSigned is what a signed access token says, if the key that signed it still counts, its
// type is right and its issuer is this server (RFC 9068 §4).
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
	if t.Claims, err = claims.Read(payload); err != nil || t.Claims["iss"] != s.config.Issuer {
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

// findOpaque finds the record of an opaque access token, and all the rest.
func (s *Server) findOpaque(ctx context.Context, in epoch, token string) (finding, error) {
	record, err := s.config.Storage.Token(ctx, digestOf(token))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return finding{}, invalidToken("unknown")
	case err != nil:
		return finding{}, err
	case record.Kind != storage.AccessToken:
		return finding{}, invalidToken("not an access token")
	case !record.RevokedAt.IsZero():
		return finding{}, invalidToken("revoked")
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
			return finding{}, fmt.Errorf("authz: the stored claims of a token are damaged: %w", err)
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
			return finding{}, fmt.Errorf("authz: the stored %s of a token is damaged: %w", stored.claim, err)
		}
		if t.Claims == nil {
			t.Claims = map[string]any{}
		}
		t.Claims[stored.claim] = value
	}
	// Only an exchanged token names its subject beside a grant: see mintOpaque.
	return s.judge(ctx, in, t, record.Digest, origin{record.GrantID, record.Subject != ""})
}

// checkGrant makes sure that the grant behind a token still stands. What an opaque
// token does not carry itself is filled in from it.
func (s *Server) checkGrant(ctx context.Context, in epoch, from origin, found *finding) error {
	t := found.token
	grant, err := s.config.Storage.Grant(ctx, from.grantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return invalidToken("its grant is gone")
	case err != nil:
		return err
	case !grant.RevokedAt.IsZero():
		return invalidToken("its grant is revoked")
	case grant.ClientID != t.ClientID:
		if !from.exchanged {
			return invalidToken("its grant is another client's")
		}
		// What a client was granted ends with the client, wherever it was passed on to.
		switch until, lives, err := s.clientLives(ctx, in, grant.ClientID); {
		case err != nil:
			return err
		case !lives:
			return invalidToken("the client of its grant is gone")
		default:
			found.endsBy(until)
		}
	}
	if t.ID == "" {
		t.Subject, t.AuthTime, t.ACR, t.AMR = grant.Subject, grant.AuthTime, grant.ACR, grant.AMR
	}
	found.grant = grant
	found.endsBy(grant.ExpiresAt) // from then on it may have been swept
	return nil
}
