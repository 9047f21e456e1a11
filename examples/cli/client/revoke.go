package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Logout revokes the tokens (RFC 7009) and removes the file. If the server cannot be told,
// the file stays, so that logging out can be tried again: a token that is forgotten and not
// revoked is good for whoever has a copy.
func (c *Client) Logout(ctx context.Context) error {
	unlock, err := c.Store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := c.Store.Load()
	if err != nil {
		return err
	}
	if err := revoke(ctx, s); err != nil {
		return fmt.Errorf("you are still signed in: %w", err)
	}
	return c.Store.remove()
}

// revoke ends a session at its server. Revoking the refresh token takes the access tokens
// along (RFC 7009 §2.1); where there is none, the access token is all there is.
func revoke(ctx context.Context, s *Session) error {
	m, err := discover(ctx, s.Issuer)
	if err != nil {
		return err
	}
	if m.RevocationEndpoint == "" {
		return errors.New("the server has no revocation endpoint")
	}
	form := url.Values{"client_id": {s.ClientID}, "token": {s.RefreshToken}, "token_type_hint": {"refresh_token"}}
	if s.RefreshToken == "" {
		form = url.Values{"client_id": {s.ClientID}, "token": {s.AccessToken}, "token_type_hint": {"access_token"}}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := httpClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode != http.StatusOK { // a token that is not good any more is 200 too (RFC 7009 §2.2)
		return fmt.Errorf("the server did not revoke the token: %s", answer.Status)
	}
	return nil
}
