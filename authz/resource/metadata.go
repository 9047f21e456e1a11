package resource

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// metadata is what is needed of a server's description of itself (RFC 8414 §2).
type metadata struct {
	Issuer                string `json:"issuer"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
}

// discover fetches the metadata of an issuer.
func discover(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	// RFC 8414 §3.1: between the host and the issuer's path, not after it.
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	where := u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.EscapedPath(), "/")
	body, _, err := get(ctx, client, where)
	if err != nil {
		return nil, fmt.Errorf("fetching the issuer's metadata: %w", err)
	}
	m := &metadata{}
	if err := decode(body, m); err != nil {
		return nil, fmt.Errorf("the issuer's metadata at %s is not a JSON object of the expected shape: %w", where, err)
	}
	// RFC 8414 §3.3: identical, or the document is not to be used.
	if m.Issuer != issuer {
		return nil, fmt.Errorf("the metadata at %s is that of issuer %q, not of %q; configure Issuer exactly as the server does", where, m.Issuer, issuer)
	}
	return m, nil
}

// endpoint checks a URL that the metadata of issuer names: it may be on another host,
// but not less protected than the issuer is.
func (m *metadata) endpoint(name, raw string) (string, error) {
	if err := checkURL("the issuer's "+name, raw); err != nil {
		return "", err
	}
	if strings.HasPrefix(m.Issuer, "https:") && !strings.HasPrefix(strings.ToLower(raw), "https:") {
		return "", fmt.Errorf("resource: the issuer's %s is not an https URL", name)
	}
	return raw, nil
}
