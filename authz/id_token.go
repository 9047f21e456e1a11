package authz

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
)

// ID tokens: OpenID Connect Core §2.

const (
	idTokenType = "JWT"
	maxNonce    = 2 << 10
)

// commonAlg is the algorithm that every client understands (OpenID Connect Core §15.1).
const commonAlg = "RS256"

// idTokenAlg is the algorithm of a client's ID tokens: the common one where it names none and
// there is that, which is everywhere but under FAPI 2.0.
func (c *Config) idTokenAlg(client *Client) string {
	switch {
	case client.IDTokenSignedResponseAlg != "":
		return client.IDTokenSignedResponseAlg
	case slices.Contains(c.SigningAlgorithms, commonAlg):
		return commonAlg
	}
	return c.SigningAlgorithms[0]
}

// keysOutlive is how long the last thing that a key signed may be of use. ID tokens come back
// as hints long after they have expired.
func (c *Config) keysOutlive() time.Duration {
	if c.openID() {
		return max(maxAccessToken, c.KeyRotation)
	}
	return maxAccessToken
}

// asksOpenID reports whether a request is one of OpenID Connect.
func (a *authorization) asksOpenID() bool {
	return a.config.openID() && slices.Contains(a.scopes, openID)
}

// shown are the scopes that a page lists. openid is not among them: who connects an account
// tells who they are, and there is nothing to untick.
func (a *authorization) shown() []string {
	if !a.asksOpenID() {
		return a.scopes
	}
	return without(a.scopes, []string{openID})
}

// granted are the scopes that a user who approves has left ticked.
func (a *authorization) granted(ticked []string) []string {
	if a.asksOpenID() {
		ticked = append([]string{openID}, ticked...)
	}
	return within(a.scopes, ticked)
}

func (a *authorization) nonce() string {
	if !a.asksOpenID() {
		return ""
	}
	return once(a.params, "nonce")
}

// checkOpenID: OpenID Connect Core §3.1.2.1, nonce, claims and id_token_hint.
func (a *authorization) checkOpenID(ctx context.Context) *Error {
	if !a.asksOpenID() {
		return nil
	}
	if pairwise(a.client) { // while nothing is lost yet
		if _, refused := a.sectorFor(a.client); refused != nil {
			return refused
		}
	}
	if len(a.nonce()) > maxNonce {
		return failed(invalidRequest, "nonce_too_long", "The nonce parameter is too long.")
	}
	var err error
	if a.claims, err = parseClaims(once(a.params, "claims")); err != nil {
		return failed(invalidRequest, "claims_malformed", "The claims parameter is malformed.").because(err)
	}
	if a.claims != nil {
		if acr := a.claims.IDToken["acr"].texts(); len(acr) > 0 && len(a.wanted.ACRValues) == 0 {
			a.wanted.ACRValues = acr
		}
		if subs := a.claims.IDToken["sub"].texts(); len(subs) == 1 {
			a.expected = subs[0]
		}
	}
	if hint := once(a.params, "id_token_hint"); hint != "" {
		subject, refused := a.subjectOfHint(ctx, hint)
		if refused != nil {
			return refused
		}
		if a.expected != "" && a.expected != subject {
			return failed(invalidRequest, "subjects_contradictory", "The claims parameter and the id_token_hint name different users.")
		}
		a.expected = subject
	}
	return nil
}

// subjectOfHint is whom an ID token is about that this server has issued to this client,
// however long ago.
func (a *authorization) subjectOfHint(ctx context.Context, hint string) (string, *Error) {
	said, err := a.readIDToken(ctx, hint)
	switch {
	case err != nil:
		return "", unavailable(err)
	case said.Subject == "" || said.Audience.values[0] != a.client.ID:
		return "", failed(invalidRequest, "id_token_hint_invalid", "The id_token_hint is not an ID token that was issued to this client.")
	}
	return said.Subject, nil
}

// idTokenClaims are what is looked at of an ID token that comes back.
type idTokenClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience foreignAudience `json:"aud"`
	Session  string          `json:"sid"`
}

// readIDToken reads an ID token that this server has issued, however long ago; what is none
// says nothing. An error means that nobody could find out.
func (s *Server) readIDToken(ctx context.Context, token string) (said idTokenClaims, _ error) {
	token, err := s.openHint(ctx, token)
	if err != nil {
		return said, err
	}
	payload, err := s.keys.Verify(ctx, token, idTokenType)
	switch {
	case errors.Is(err, keyring.ErrInvalid):
		return said, nil
	case err != nil:
		return said, err
	}
	if json.Unmarshal(payload, &said) != nil || said.Issuer != s.config.Issuer || len(said.Audience.values) != 1 {
		return idTokenClaims{}, nil
	}
	return said, nil
}

// checkUser refuses a user who is not who, or not signed in how, the client insists on
// (OpenID Connect Core §3.1.2.2, §5.5.1.1).
func (a *authorization) checkUser(u *User) *Error {
	switch {
	case !a.expects(u):
		return failed(loginRequired, "signed_in_as_another", "Another user is signed in than the one that the client means.")
	case a.claims != nil && a.claims.IDToken["acr"] != nil && a.claims.IDToken["acr"].Essential && !slices.Contains(a.claims.IDToken["acr"].texts(), u.ACR):
		return failed(unmetAuthentication, "acr_not_met", "The user has not signed in in the way that the client insists on.")
	}
	return nil
}

// expects reports whether the user is the one whom the client means, if it means one. It names
// them as it knows them: the host's own name is no match for a client with pairwise subjects,
// which could otherwise find it out by guessing.
func (a *authorization) expects(u *User) bool {
	if a.expected == "" {
		return true
	}
	known, refused := a.subjectFor(a.client, u.Subject)
	return refused == nil && known == a.expected
}

// unmetAuthentication is the code of OpenID Connect Core Error Code
// unmet_authentication_requirements 1.0 §3.
const unmetAuthentication = "unmet_authentication_requirements"

// addIDToken makes the ID token that goes with what was issued to a user's client (OpenID
// Connect Core §3.1.3.3, §12.2). It is made before anything is stored, so that a failure uses
// nothing up.
func (p *tokenPolicy) addIDToken(ctx context.Context, issued *engine.Issued) *Error {
	if issued.Grant == nil || !p.config.openID() || !slices.Contains(issued.Scopes, openID) {
		return nil
	}
	claims, refused := p.claimsForIDToken(ctx, issued.Grant, issued.AccessToken == "" && p.code == "")
	if refused != nil {
		return refused
	}
	algorithm := p.config.idTokenAlg(p.client)
	subject, refused := p.subjectFor(p.client, issued.Grant.Subject)
	if refused != nil {
		return refused
	}
	at := p.clock.issuedAt(p.at)
	claims["iss"], claims["sub"], claims["aud"] = p.config.Issuer, subject, p.client.ID
	claims["iat"], claims["exp"] = at.Unix(), at.Add(p.config.Lifetimes.IDToken).Unix()
	if issued.AccessToken != "" {
		claims["at_hash"] = halfHash(algorithm, issued.AccessToken)
	}
	if p.code != "" { // §3.3.2.11
		claims["c_hash"] = halfHash(algorithm, p.code)
	}
	if issued.Nonce != "" {
		claims["nonce"] = issued.Nonce
	}
	if g := issued.Grant; !g.AuthTime.IsZero() {
		claims["auth_time"] = g.AuthTime.Unix()
	}
	if issued.Grant.ACR != "" {
		claims["acr"] = issued.Grant.ACR
	}
	if len(issued.Grant.AMR) > 0 {
		claims["amr"] = issued.Grant.AMR
	}
	sid, refused := p.sidFor(p.client, issued.Grant.Subject, issued.Grant.SessionID)
	if refused != nil {
		return refused
	}
	if sid != "" { // Back-Channel Logout §2.1
		claims["sid"] = sid
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return broken("claims_unencodable", err)
	}
	if !slices.Contains(p.config.SigningAlgorithms, algorithm) { // it was when the client was registered
		return idTokenAlgGone(p.client)
	}
	signed, err := p.keys.Sign(ctx, algorithm, idTokenType, payload)
	if err != nil {
		return unavailable(err)
	}
	issued.IDToken, refused = p.encrypted(ctx, p.client, p.client.IDTokenEncryptedResponseAlg, p.client.IDTokenEncryptedResponseEnc, nestedJWT, signed)
	return refused
}

// claimsForIDToken are those that the client asked for by name; those of scopes are for the
// UserInfo endpoint, because there is an access token to ask with (OpenID Connect Core §5.4), if
// the ID token is not alone.
func (p *tokenPolicy) claimsForIDToken(ctx context.Context, grant *storage.Grant, alone bool) (map[string]any, *Error) {
	asked, err := parseClaims(string(grant.Claims))
	if err != nil {
		return nil, broken("claims_unreadable", err)
	}
	claims := map[string]any{}
	var wanted []ClaimRequest
	if asked != nil {
		wanted = wishes(asked.IDToken)
	}
	if alone {
		for _, scope := range grant.Scopes {
			for _, name := range claimsOfScope[scope] {
				wanted = append(wanted, ClaimRequest{Name: name})
			}
		}
	}
	if len(wanted) == 0 {
		return claims, nil
	}
	given, refused := p.userClaims(ctx, &UserClaimsRequest{
		Client: cloneClient(p.client), Subject: grant.Subject, Claims: wanted,
		Locales: strings.Fields(grant.ClaimsLocales), IDToken: true,
	})
	if refused != nil {
		return nil, refused
	}
	for name, value := range given {
		claims[name] = value
	}
	return claims, nil
}

// halfHash is the left half of a hash, by the algorithm of the signature (OpenID Connect Core
// §3.1.3.6): SHA-512 for Ed25519, SHA-256 for the others.
func halfHash(algorithm, token string) string {
	if algorithm == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
