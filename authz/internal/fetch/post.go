package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"code.dny.dev/ssrf"
)

// Post sends a JSON document with a bearer token (RFC 6750 §2.1), within five seconds, and
// returns the status of the answer. What else is in the answer is not looked at. An error that
// wraps ErrRefused will come again.
func (f *Fetcher) Post(ctx context.Context, address, bearer string, body []byte) (status int, err error) {
	if err := Check(address); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return 0, fmt.Errorf("fetch: too many documents are being sent: %w", ctx.Err())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%w: it is malformed", ErrRefused)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	answer, err := f.client.Do(req)
	if errors.Is(err, ssrf.ErrProhibitedIP) {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err != nil {
		return 0, fmt.Errorf("fetch: %w", err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxHeader)) // so that the connection can be used again
	return answer.StatusCode, nil
}
