package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	maxAnswer    = 256 << 10       // bytes of one answer
	fetchTimeout = 5 * time.Second // for the answer about a token, and for the keys
	maxRedirects = 3
)

// outbound is a copy of the given client, or of the default one, whose redirects do
// not leave the origin that was asked: a token's fate must not be decided elsewhere.
func outbound(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch first := via[0]; {
		case first.Method != http.MethodGet:
			return errors.New("a redirect of a request that carries credentials; configure the final URL")
		case req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host:
			return errors.New("a redirect to another host; configure the final URL")
		case len(via) > maxRedirects:
			return errors.New("too many redirects; configure the final URL")
		}
		return nil
	}
	return &client
}

// fetch is the bounded body of a 200 answer, in JSON unless the request wants another type,
// and its header.
func fetch(client *http.Client, req *http.Request) ([]byte, http.Header, error) {
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, nil, &statusError{where: req.Method + " " + req.URL.Redacted(), status: answer.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Redacted(), err)
	}
	if len(body) > maxAnswer {
		return nil, nil, fmt.Errorf("%s %s answered with more than %d bytes", req.Method, req.URL.Redacted(), maxAnswer)
	}
	return body, answer.Header, nil
}

// statusError is an answer other than 200.
type statusError struct {
	where  string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered %d %s", e.where, e.status, http.StatusText(e.status))
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	return fetch(client, req)
}

// checkURL makes sure that a URL is one to trust keys or credentials to: https, or
// http to this very machine.
func checkURL(field, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return fmt.Errorf("resource: %s is missing", field)
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("resource: %s is not an absolute URL", field)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("resource: %s has user information or a fragment; leave them out", field)
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("resource: %s is not an https URL; http is for loopback addresses only", field)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkIssuer is checkURL for an issuer identifier (RFC 8414 §2).
func checkIssuer(raw string) error {
	if err := checkURL("Issuer", raw); err != nil {
		return err
	}
	if u, _ := url.Parse(raw); u.RawQuery != "" || u.ForceQuery {
		return errors.New("resource: Issuer has a query; leave it out (RFC 8414 §2)")
	}
	return nil
}
