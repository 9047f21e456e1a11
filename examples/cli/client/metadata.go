package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// metadata is what the server says of itself (RFC 8414 §2), as far as we use it.
type metadata struct {
	Issuer                      string `json:"issuer"`
	AuthorizationEndpoint       string `json:"authorization_endpoint"`
	TokenEndpoint               string `json:"token_endpoint"`
	RevocationEndpoint          string `json:"revocation_endpoint"`
	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint"`
	ISSInResponses              bool   `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
}

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 1 << 20

// discover fetches the metadata of the server with this issuer identifier.
func discover(ctx context.Context, issuer string) (*metadata, error) {
	u, err := url.Parse(issuer)
	if err != nil || !secure(u) || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no server to trust with a login: give its https URL (http is for this machine alone)", issuer)
	}
	// RFC 8414 §3.1: the well-known path goes between the host and the issuer's own path.
	address := u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := httpClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: is this the address of an authorization server?", address, answer.Status)
	}
	m := new(metadata)
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(m); err != nil {
		return nil, fmt.Errorf("%s does not answer with metadata: %w", address, err)
	}
	if m.Issuer != issuer { // RFC 8414 §3.3: or one server could speak for another
		return nil, fmt.Errorf("the server at %s calls itself %q: use that address, if you trust it", issuer, m.Issuer)
	}
	return m, errors.Join(
		usable("authorization_endpoint", m.AuthorizationEndpoint), usable("token_endpoint", m.TokenEndpoint),
		usable("revocation_endpoint", m.RevocationEndpoint), usable("device_authorization_endpoint", m.DeviceAuthorizationEndpoint),
	)
}

// usable says what is wrong with an endpoint, if there is one.
func usable(name, endpoint string) error {
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || !secure(u)) {
		return fmt.Errorf("the server's %s is not an https URL", name)
	}
	return nil
}

// secure reports whether secrets may be sent there: https, or http that stays on this
// machine.
func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && local)
}
