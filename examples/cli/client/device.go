package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// LoginOnDevice signs the user in through a browser on another machine (RFC 8628): for a
// terminal without one, on a server say.
func (c *Client) LoginOnDevice(ctx context.Context, issuer string) error {
	m, err := discover(ctx, issuer)
	if err != nil {
		return err
	}
	if m.DeviceAuthorizationEndpoint == "" {
		return fmt.Errorf("%s has no login for devices; try login without -device", issuer)
	}
	config := c.config(m, "")
	device, err := config.DeviceAuth(withHTTP(ctx))
	if err != nil {
		return explain("the server gave no code", err)
	}
	// The code is shown apart from the address, so that the user compares it with what the
	// page shows (RFC 8628 §3.3.1).
	fmt.Fprintf(c.Say, "Open this page in any browser:\n\n  %s\n\nand type this code:\n\n  %s\n\n", device.VerificationURI, device.UserCode)
	token, err := poll(withHTTP(ctx), config, device)
	if err != nil {
		return err
	}
	return c.signedIn(ctx, m, token)
}

// poll asks for the tokens until the user has decided. x/oauth2 keeps the interval and
// slows down when told to (RFC 8628 §3.5); that it gives up when one request fails is mended
// here, because minutes pass and networks come and go.
func poll(ctx context.Context, config *oauth2.Config, device *oauth2.DeviceAuthResponse) (*oauth2.Token, error) {
	for {
		token, err := config.DeviceAccessToken(ctx, device)
		var refused *oauth2.RetrieveError
		switch {
		case err == nil:
			return token, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("the login was not finished: %w", ctx.Err())
		case !device.Expiry.IsZero() && !time.Now().Before(device.Expiry):
			return nil, errors.New("nobody typed the code in time: start the login again")
		case errors.As(err, &refused) && refused.ErrorCode == "access_denied":
			return nil, errors.New("the login was refused in the browser")
		case errors.As(err, &refused) && refused.Response.StatusCode < 500 && refused.Response.StatusCode != http.StatusTooManyRequests:
			return nil, explain("the login could not be finished", err)
		}
		// Less often after a timeout (RFC 8628 §3.5), but the user may be done any moment.
		device.Interval = max(device.Interval, min(2*max(device.Interval, 5), 60))
	}
}
