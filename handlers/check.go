package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// Check asks the running server for its own endpoints, by the URLs that clients use,
// and tells everything that stands between: a proxy that does not pass the well-known
// path on or answers in its own name, an issuer that is not the URL that requests arrive
// at, a middleware that wants a CSRF token or a session of programs. Each error names
// cause and cure. Call it once the host is serving, from where clients are:
//
//	go func() {
//		if err := handlers.Check(ctx, as, nil); err != nil {
//			log.Print(err)
//		}
//	}()
//
// It sends no credentials and leaves nothing behind. client may be nil for one with a
// timeout of ten seconds.
func Check(ctx context.Context, as *authz.Server, client *http.Client) error {
	c := check{ctx: ctx, want: as.Metadata(), client: http.Client{Timeout: 10 * time.Second}}
	if client != nil {
		c.client = *client
	}
	// A redirect is a finding of its own: clients do not follow it with a POST.
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	issuer, err := url.Parse(c.want.Issuer)
	if err != nil {
		return fmt.Errorf("handlers: check: %w", err)
	}
	if err := c.metadata(issuer.Scheme + "://" + issuer.Host + wellKnown + issuer.Path); err != nil {
		return err // the rest would only repeat it
	}
	return errors.Join(c.keys(), c.tokenEndpoint(), c.authorizationEndpoint())
}

// check is one run of Check.
type check struct {
	ctx    context.Context
	client http.Client
	want   *authz.Metadata
}

// ask sends a request and reads the answer.
func (c *check) ask(method, address string, form io.Reader) (*http.Response, []byte, error) {
	fault := func(format string, args ...any) error {
		return fmt.Errorf("handlers: check: %s %s: %w", method, address, fmt.Errorf(format, args...))
	}
	request, err := http.NewRequestWithContext(c.ctx, method, address, form)
	if err != nil {
		return nil, nil, fault("%w", err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, nil, fault("nobody answers (%w); authz.Config.Issuer must be the URL under which clients reach this server, through whatever proxy there is", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, nil, fault("the answer breaks off: %w", err)
	}
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return nil, nil, fault("redirects to %q; clients do not follow. If that is https or another host, set authz.Config.Issuer to it; if it is a sign-in page, exempt this path from the middleware that sends there", response.Header.Get("Location"))
	case response.StatusCode == http.StatusNotFound:
		return nil, nil, fault("answers 404; mount this path (handlers.Mount, at the root of the host), and have the proxy pass it on unchanged")
	}
	return response, body, nil
}

// metadata: RFC 8414 §3.3.
func (c *check) metadata(address string) error {
	response, body, err := c.ask(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	var got authz.Metadata
	fault := func(format string, args ...any) error {
		return fmt.Errorf("handlers: check: %s: %s", address, fmt.Sprintf(format, args...))
	}
	switch {
	case response.StatusCode != http.StatusOK:
		return fault("answers %s; see what stands between client and handler", response.Status)
	case !isJSON(response) || json.Unmarshal(body, &got) != nil:
		return fault("answers with %q, not with the metadata; something else serves this path, such as the catch-all route of a single-page application. Put /.well-known/oauth-authorization-server before it", response.Header.Get("Content-Type"))
	case got.Issuer != c.want.Issuer:
		return fault("says that the issuer is %q, but it is %q: another server answers there, or another configuration of this one", got.Issuer, c.want.Issuer)
	case got.TokenEndpoint != c.want.TokenEndpoint || got.AuthorizationEndpoint != c.want.AuthorizationEndpoint || got.JWKSURI != c.want.JWKSURI:
		return fault("names other endpoints than this server has: a proxy rewrites the answer, or an instance with another Prefix is running")
	}
	return nil
}

// keys: RFC 7517 §5.
func (c *check) keys() error {
	response, body, err := c.ask(http.MethodGet, c.want.JWKSURI, nil)
	if err != nil {
		return err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &set) != nil || len(set.Keys) == 0 {
		return fmt.Errorf("handlers: check: %s answers %s without keys; nobody can verify access tokens. See the server's log, and what else serves this path", c.want.JWKSURI, response.Status)
	}
	return nil
}

// tokenEndpoint sends an empty request, which has to be refused in the endpoint's own
// words (RFC 6749 §5.2).
func (c *check) tokenEndpoint() error {
	response, body, err := c.ask(http.MethodPost, c.want.TokenEndpoint, strings.NewReader(""))
	if err != nil {
		return err
	}
	var refusal struct {
		Error string `json:"error"`
	}
	if response.StatusCode == http.StatusBadRequest && isJSON(response) && json.Unmarshal(body, &refusal) == nil && refusal.Error == invalidRequest {
		return nil
	}
	return fmt.Errorf("handlers: check: POST %s answers %s and not as the token endpoint does; exempt it from middleware that wants a session or a CSRF token, and have the proxy pass POST on", c.want.TokenEndpoint, response.Status)
}

// authorizationEndpoint looks at the error page, which has to arrive with its headers
// (RFC 9700 §4.16).
func (c *check) authorizationEndpoint() error {
	response, _, err := c.ask(http.MethodGet, c.want.AuthorizationEndpoint, nil)
	if err != nil {
		return err
	}
	policy := strings.Join(response.Header.Values("Content-Security-Policy"), ", ")
	switch {
	case response.StatusCode != http.StatusBadRequest:
		return fmt.Errorf("handlers: check: GET %s answers %s and not as the authorization endpoint does; exempt it from other middleware: it asks the Login hook itself who is signed in", c.want.AuthorizationEndpoint, response.Status)
	case !strings.Contains(policy, "frame-ancestors 'none'"):
		return fmt.Errorf("handlers: check: GET %s: the Content-Security-Policy arrives as %q; leave that header of these pages alone, or they can be framed", c.want.AuthorizationEndpoint, policy)
	}
	// A form-action from a middleware or proxy stops Chromium at the redirect back to
	// the client (see newPages).
	if strings.Contains(policy, "form-action") {
		return fmt.Errorf("handlers: check: GET %s: the Content-Security-Policy arrives with form-action; take it out for these pages: Chromium would not let the browser return to the client after consent", c.want.AuthorizationEndpoint)
	}
	return nil
}

func isJSON(r *http.Response) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}
