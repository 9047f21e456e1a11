// Package fetch gets documents from URLs that strangers name, key sets (RFC 7517 §5) and
// client metadata documents, and sends forms there. It goes to public addresses only, follows no redirects, and
// takes neither much nor for long (RFC 9101 §10.4.1, RFC 9700 §4.11).
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"code.dny.dev/ssrf"
)

// ErrRefused means that a URL is not one to be fetched, whatever is behind it.
var ErrRefused = errors.New("fetch: not a URL to be fetched")

const (
	timeout   = 5 * time.Second
	maxHeader = 16 << 10

	// atOnce bounds how many fetches are under way: whoever wants more has to wait, as
	// long as a fetch may take.
	atOnce = 32
)

// Fetcher gets documents.
type Fetcher struct {
	client *http.Client
	slots  chan struct{}
}

// New makes a Fetcher. A client of the host's replaces the guarded one, and with it the
// check of addresses; redirects are not followed with it either.
func New(client *http.Client) *Fetcher {
	if client == nil {
		client = guarded()
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Fetcher{client: &own, slots: make(chan struct{}, atOnce)}
}

// guarded is a client that connects to public addresses only, whatever name they were
// found under: the check comes after the name has been resolved, on the address that is
// connected to.
func guarded() *http.Client {
	guard := ssrf.New(ssrf.WithAnyPort())
	dialer := &net.Dialer{Timeout: timeout, Control: guard.Safe}
	return &http.Client{Transport: &http.Transport{
		// No proxy: it would be the proxy's address that is checked.
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           16,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // a short answer is not to become a long one here
		ForceAttemptHTTP2:      true,
	}}
}

// Document is what was fetched.
type Document struct {
	Body []byte

	// FreshFor is how long it may be kept, by its Cache-Control and Expires headers (RFC
	// 9111 §4.2.1); negative if they say nothing.
	FreshFor time.Duration
}

// Check says whether a URL may be fetched at all; its errors wrap ErrRefused. What address
// is behind it shows when it is fetched.
func Check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
		return fmt.Errorf("%w: it is malformed", ErrRefused)
	case u.Scheme != "https":
		return fmt.Errorf("%w: it must begin with https://", ErrRefused)
	case u.Hostname() == "":
		return fmt.Errorf("%w: it names no host", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: it holds a user name", ErrRefused)
	case strings.Contains(raw, "#"):
		return fmt.Errorf("%w: it has a fragment", ErrRefused)
	}
	return nil
}

// Kind is what a document is.
type Kind int

const (
	JSON          Kind = iota
	RequestObject      // RFC 9101 §5.2
)

// accept is the header of that name; has reports whether a document of this media type is one.
func (k Kind) accept() string {
	if k == RequestObject {
		return "application/oauth-authz-req+jwt, application/jwt"
	}
	return "application/json"
}

func (k Kind) has(contentType string) bool {
	if k == JSON {
		return isJSON(contentType)
	}
	// The types of RFC 9101 §9.4 and RFC 7519 §10.3.1, and what a web server calls a .txt as in
	// OpenID Connect Core §6.2.
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/oauth-authz-req+jwt" || mediaType == "application/jwt" || mediaType == "text/plain")
}

// JSON fetches a JSON document of up to most bytes, within five seconds.
func (f *Fetcher) JSON(ctx context.Context, address string, most int64) (*Document, error) {
	return f.Get(ctx, JSON, address, most)
}

// Get fetches a document of this kind, of up to most bytes, within five seconds.
func (f *Fetcher) Get(ctx context.Context, kind Kind, address string, most int64) (*Document, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("fetch: too many documents are being fetched: %w", ctx.Err())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrRefused)
	}
	req.Header.Set("Accept", kind.accept())
	answer, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetch: %s: the answer is %d, not 200", host(address), answer.StatusCode)
	case !kind.has(answer.Header.Get("Content-Type")):
		return nil, fmt.Errorf("fetch: %s: the Content-Type is not one of %s", host(address), kind.accept())
	case answer.ContentLength > most:
		return nil, fmt.Errorf("fetch: %s: the document is longer than %d bytes", host(address), most)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("fetch: %s: %w", host(address), err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("fetch: %s: the document is longer than %d bytes", host(address), most)
	}
	return &Document{Body: body, FreshFor: freshFor(answer.Header)}, nil
}

// host is what of a URL belongs into an error.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// isJSON takes application/json and application/anything+json.
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json"))
}

// freshFor reads how long an answer may be kept (RFC 9111 §4.2.1, §5.2.2).
func freshFor(h http.Header) time.Duration {
	age := time.Duration(-1)
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age = time.Duration(seconds) * time.Second
			}
		}
	}
	if age >= 0 {
		return age
	}
	if h.Get("Expires") == "" {
		return -1
	}
	expires, err1 := http.ParseTime(h.Get("Expires"))
	date, err2 := http.ParseTime(h.Get("Date"))
	if err1 != nil || err2 != nil {
		return 0 // RFC 9111 §5.3: what cannot be read is in the past
	}
	return max(expires.Sub(date), 0)
}
