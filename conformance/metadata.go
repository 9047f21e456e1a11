package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// metadata is what a server says of itself (RFC 8414 §2, OpenID Connect Discovery §3).
type metadata map[string]any

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// text is a member that is a string, empty if there is none.
func (m metadata) text(name string) string {
	s, _ := m[name].(string)
	return s
}

// is tells whether a member is true.
func (m metadata) is(name string) bool {
	b, _ := m[name].(bool)
	return b
}

// list is a member that is an array of strings.
func (m metadata) list(name string) []string { return texts(m[name]) }

// texts are the strings in a JSON array.
func texts(value any) []string {
	switch value := value.(type) {
	case []string:
		return value
	case []any:
		var all []string
		for _, one := range value {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// lists tells whether an array has a value; where the metadata has no such array, whether the
// default of its specification has.
func (m metadata) lists(name, value string) bool {
	all, there := m[name]
	if !there {
		return slices.Contains(defaults[name], value)
	}
	return slices.Contains(texts(all), value)
}

// defaults are what a missing member means (RFC 8414 §2, OpenID Connect Discovery §3).
var defaults = map[string][]string{
	"grant_types_supported":                      {"authorization_code", "implicit"},
	"response_modes_supported":                   {"query", "fragment"},
	"token_endpoint_auth_methods_supported":      {"client_secret_basic"},
	"revocation_endpoint_auth_methods_supported": {"client_secret_basic"},
}

// wellKnown is the URL of a well-known document of an issuer, by inserting it before the path
// (RFC 8414 §3.1) or by appending it (OpenID Connect Discovery §4.1).
func wellKnown(issuer, name string, insert bool) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	path := strings.TrimSuffix(u.Path, "/")
	if u.Path = path + "/.well-known/" + name; insert {
		u.Path = "/.well-known/" + name + path
	}
	return u.String()
}

// discover reads the metadata from where it may be.
func (r *running) discover(ctx context.Context) (metadata, error) {
	found := metadata{}
	for name, value := range r.target.Metadata {
		text, err := json.Marshal(value) // so that all is as if it had been read
		if err != nil {
			return nil, fmt.Errorf("conformance: Target.Metadata: %s: %w", name, err)
		}
		var read any
		_ = json.Unmarshal(text, &read) // just made
		found[name] = read
	}
	var problems []error
	published := false
	for _, address := range []string{
		wellKnown(r.target.Issuer, "openid-configuration", false),
		wellKnown(r.target.Issuer, "oauth-authorization-server", true),
	} {
		document, err := r.document(ctx, address)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		published = true
		maps.Copy(found, document)
	}
	if !published && len(r.target.Metadata) == 0 {
		return nil, fmt.Errorf("conformance: %s publishes no metadata; Target.Metadata can say what there is: %w", r.target.Issuer, errors.Join(problems...))
	}
	found["."] = published
	return found, nil
}

func (r *running) document(ctx context.Context, address string) (metadata, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostRead))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	var document metadata
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", address, answer.StatusCode)
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return document, nil
}

// endpoint is the URL of an endpoint by its name in the metadata; without it the case is over.
func (p *probe) endpoint(name string) string {
	u := p.run.md.text(name)
	if u == "" {
		p.notOffered("there is no %s", name)
	}
	return u
}
