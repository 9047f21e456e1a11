package protect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Metadata is what a protected resource says of itself (RFC 9728 §2), so that a client that
// knows nothing but its address finds out where to get a token for it.
type Metadata struct {
	// Resource is the resource's identifier: the audience of tokens for it.
	Resource string `json:"resource"`

	// AuthorizationServers are the issuers whose tokens it takes.
	AuthorizationServers []string `json:"authorization_servers,omitempty"`

	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	BearerMethodsSupported []string `json:"bearer_methods_supported,omitempty"`

	// Name and the links are for people.
	Name          string `json:"resource_name,omitempty"`
	Documentation string `json:"resource_documentation,omitempty"`
	PolicyURI     string `json:"resource_policy_uri,omitempty"`
	TOSURI        string `json:"resource_tos_uri,omitempty"`

	DPoPSigningAlgValuesSupported         []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPBoundAccessTokensRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	TLSClientCertificateBoundAccessTokens bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	AuthorizationDetailsTypesSupported    []string `json:"authorization_details_types_supported,omitempty"`
}

// wellKnown goes between host and path of the resource's identifier (RFC 9728 §3).
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataURL is where clients look for the metadata of the resource with this identifier
// (RFC 9728 §3.1). The error says why there is none: the identifier is no http or https
// URL.
func MetadataURL(resource string) (string, error) {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.Contains(resource, "#") {
		return "", fmt.Errorf("protect: %q has no place for metadata; identify the resource by an https URL without a fragment (RFC 9728 §1.2)", resource)
	}
	origin := u.Scheme + "://" + u.Host
	// RFC 9728 §3.1: a slash that ends the host goes. Cut, not parsed, so that the rest
	// stays as it is written.
	rest := resource[strings.Index(resource, "://")+len("://"):]
	rest = rest[len(u.Host):]
	if rest == "/" {
		rest = ""
	}
	return origin + wellKnown + rest, nil
}

// Handler serves the metadata (RFC 9728 §3.2). Mount it at the path of [MetadataURL]. It
// panics if the identifier has no such place, or no authorization server is named, as these
// are faults of the program.
func (m Metadata) Handler() http.Handler {
	_, err := MetadataURL(m.Resource)
	if len(m.AuthorizationServers) == 0 {
		err = errors.Join(err, errors.New("protect: Metadata.AuthorizationServers is empty; name the issuer whose tokens the resource takes"))
	}
	if err != nil {
		panic(err)
	}
	if m.BearerMethodsSupported == nil {
		m.BearerMethodsSupported = []string{"header"} // see bearer
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*") // clients in browsers read it too
		h.Set("X-Content-Type-Options", "nosniff")
		switch r.Method {
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD")
			h.Set("Access-Control-Allow-Headers", "*")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case http.MethodGet, http.MethodHead:
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(body)
		default:
			h.Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}
