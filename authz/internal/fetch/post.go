package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"code.dny.dev/ssrf"
)

// Post sends a JSON document with a bearer token (RFC 6750 §2.1), within five seconds, and
// returns the status of the answer. What else is in the answer is not looked at. An error that
// wraps ErrRefused will come again.
func (f *Fetcher) Post(ctx context.Context, address, bearer string, body []byte) (status int, err error) {
	if err := Check(address); err != nil {
		return 0, err
	}
	return f.post(ctx, address, "application/json", "Bearer "+bearer, body)
}

// PostForm sends a form in the same way, also to an http URL of this machine's, for hosts whose
// client can connect there.
func (f *Fetcher) PostForm(ctx context.Context, address string, form url.Values) (status int, err error) {
	if err := Check(address); err != nil && !loopback(address) {
		return 0, err
	}
	return f.post(ctx, address, "application/x-www-form-urlencoded", "", []byte(form.Encode()))
}

func (f *Fetcher) post(ctx context.Context, address, contentType, authorization string, body []byte) (status int, err error) {
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
	req.Header.Set("Content-Type", contentType)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	answer, err := f.client.Do(req)
	var failed *url.Error // whose text repeats the URL
	if errors.As(err, &failed) {
		err = failed.Err
	}
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP):
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	case err != nil:
		return 0, fmt.Errorf("fetch: %s: %w", host(address), err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxHeader)) // so that the connection can be used again
	return answer.StatusCode, nil
}

// loopback reports whether a URL is an http one that Check would take were it https, and leads
// to this machine.
func loopback(raw string) bool {
	rest, plain := strings.CutPrefix(raw, "http://")
	if !plain || Check("https://"+rest) != nil {
		return false
	}
	u, err := url.Parse(raw)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost")
}
