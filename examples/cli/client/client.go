// Package client signs the user of a command-line program in, keeps the tokens in a file,
// and calls an API with them. It is made to be copied: it imports golang.org/x/oauth2 and
// golang.org/x/sys, and nothing of the server.
//
// One file for each part: loopback.go signs in through the browser on this machine (RFC
// 8252), device.go through one elsewhere (RFC 8628), refresh.go keeps the token fresh,
// revoke.go ends it, store.go is the file, and lock_*.go what keeps two runs apart.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Client is one program's way to one server.
type Client struct {
	// ID is the client_id that the program is registered under, as a public client: a
	// secret in a program that people install is none (RFC 8252 §8.5).
	ID string

	// Scopes are what it asks for; with offline_access, to stay signed in.
	Scopes []string

	// Store is where the tokens are kept.
	Store *Store

	// Say is where the user is told what to do.
	Say io.Writer

	// OpenBrowser opens a page in the user's browser, such as [OpenBrowser]; nil to leave
	// that to the user.
	OpenBrowser func(url string) error
}

// requestTimeout bounds each request, so that a server that hangs does not hang the program.
const requestTimeout = 30 * time.Second

// httpClient is what the server is asked with. It follows no redirect: none of the answers
// is one, and a request that carries a code or a token must not be sent on to elsewhere.
var httpClient = &http.Client{
	Timeout:       requestTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// config is what x/oauth2 has to know of client and server.
func (c *Client) config(m *metadata, redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ID, Scopes: c.Scopes, RedirectURL: redirectURI,
		Endpoint: oauth2.Endpoint{
			AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, DeviceAuthURL: m.DeviceAuthorizationEndpoint,
			AuthStyle: oauth2.AuthStyleInParams, // a public client names itself by client_id (RFC 6749 §3.2.1)
		},
	}
}

// withHTTP has x/oauth2 use our HTTP client.
func withHTTP(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, httpClient)
}

// signedIn keeps the tokens of a login, in place of those that there were, which it revokes:
// nobody would ever do that later.
func (c *Client) signedIn(ctx context.Context, m *metadata, token *oauth2.Token) error {
	unlock, err := c.Store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	before, err := c.Store.Load()
	if err != nil && !errors.Is(err, ErrSignedOut) {
		return err
	}
	if err := c.Store.save(newSession(m.Issuer, c.ID, token)); err != nil {
		return err
	}
	if before != nil {
		if err := revoke(ctx, before); err != nil {
			fmt.Fprintf(c.Say, "The login before this one could not be revoked: %v\n", err)
		}
	}
	return nil
}

// explain says in the server's words why it refused, without its answer, which x/oauth2 puts
// into its error as a whole.
func explain(doing string, err error) error {
	var refused *oauth2.RetrieveError
	switch {
	case !errors.As(err, &refused):
		return fmt.Errorf("%s: %w", doing, err)
	case refused.ErrorCode == "":
		return fmt.Errorf("%s: the server answers %s", doing, refused.Response.Status)
	case refused.ErrorDescription == "":
		return fmt.Errorf("%s: the server says %s", doing, refused.ErrorCode)
	}
	return fmt.Errorf("%s: the server says %s: %.300q", doing, refused.ErrorCode, refused.ErrorDescription)
}
