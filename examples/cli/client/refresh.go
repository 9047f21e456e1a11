package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// early is how long before its end a token counts as expired: it has to reach the API.
const early = 10 * time.Second

// Get asks the API of the server that the user is signed in to, at this path. A token that
// has expired is refreshed before; one that the API does not take (RFC 6750 §3.1), once and
// for all. The caller closes the body.
func (c *Client) Get(ctx context.Context, path string) (*http.Response, error) {
	s, err := c.Store.Load()
	if err != nil {
		return nil, err
	}
	if s.expired(time.Now()) {
		if s, err = c.refresh(ctx, s); err != nil {
			return nil, err
		}
	}
	answer, err := get(ctx, s, path)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || s.RefreshToken == "" {
		return answer, err
	}
	// It ended early, or our clock is wrong.
	answer.Body.Close()
	if s, err = c.refresh(ctx, s); err != nil {
		return nil, err
	}
	return get(ctx, s, path)
}

// get sends the token to the server that it is from, and nowhere else.
func get(ctx context.Context, s *Session, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Issuer+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.AccessToken)
	return httpClient.Do(r)
}

// refresh replaces the tokens of a session (RFC 6749 §6). A refresh token is good once, and
// a second use ends the login (RFC 9700 §4.14.2): so of several runs that find the same token
// expired one asks, and the others wait and take what it has got.
func (c *Client) refresh(ctx context.Context, found *Session) (*Session, error) {
	unlock, err := c.Store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := c.Store.Load()
	if err != nil {
		return nil, err
	}
	if s.AccessToken != found.AccessToken {
		return s, nil // somebody was faster
	}
	if s.RefreshToken == "" {
		return nil, fmt.Errorf("the login has ended, and cannot be renewed without offline_access: %w", ErrSignedOut)
	}
	m, err := discover(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	// From here to the file nothing may be interrupted: once the server has answered, the
	// old token is worth nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	token, err := c.config(m, "").TokenSource(withHTTP(ctx), &oauth2.Token{RefreshToken: s.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		// It expired, or was revoked: what is left is worth nothing.
		return nil, errors.Join(fmt.Errorf("the login has ended: %w", ErrSignedOut), c.Store.remove())
	}
	if err != nil {
		return nil, explain("the login could not be renewed", err)
	}
	next := newSession(s.Issuer, s.ClientID, token)
	return next, c.Store.save(next)
}
