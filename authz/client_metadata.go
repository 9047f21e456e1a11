package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// Client metadata (RFC 7591 §2) as it comes from strangers: the body of a registration,
// a software statement, a Client ID Metadata Document.

// The bounds of what is taken. Whoever sends more gets an error, except for what only
// decorates the consent page.
const (
	maxMetadata      = 64 << 10 // bytes of a registration
	maxMetadataText  = 200      // bytes of a name
	maxMetadataURL   = 2048
	maxMetadataItems = 20
	maxMetadataJWKS  = 16 << 10
)

// The codes of RFC 7591 §3.2.2.
const (
	invalidRedirectURI          = "invalid_redirect_uri"
	invalidClientMetadata       = "invalid_client_metadata"
	invalidSoftwareStatement    = "invalid_software_statement"
	unapprovedSoftwareStatement = "unapproved_software_statement"
)

// clientMetadata are the members of RFC 7591 §2 and its relatives by name. Into a map,
// which knows names by their exact spelling, as structs do not; what is null is not there
// (RFC 7592 §2.2).
type clientMetadata map[string]json.RawMessage

// parseClientMetadata reads a JSON object.
func parseClientMetadata(body []byte) (clientMetadata, *Error) {
	var m clientMetadata
	if len(body) > maxMetadata || !utf8.Valid(body) {
		return nil, failed(invalidClientMetadata, "metadata_malformed", "The client metadata is too long, or not UTF-8.")
	}
	if err := json.Unmarshal(body, &m); err != nil || m == nil {
		return nil, failed(invalidClientMetadata, "metadata_malformed", "The client metadata is not a JSON object.")
	}
	for name, value := range m {
		if string(value) == "null" {
			delete(m, name)
		}
	}
	return m, nil
}

// badMetadata names the member that is wrong; name is one of ours, and why constant text.
func badMetadata(name, why string) *Error {
	return failed(invalidClientMetadata, name+"_invalid", "The client metadata "+name+" "+why+".")
}

// text is a member that is a string of up to most bytes, without control characters.
func (m clientMetadata) text(name string, most int) (string, *Error) {
	raw, there := m[name]
	if !there {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil || !text(s) {
		return "", badMetadata(name, "must be a string of text")
	}
	if len(s) > most {
		return "", badMetadata(name, "is too long")
	}
	return s, nil
}

// texts is a member that is an array of strings.
func (m clientMetadata) texts(name string) (list []string, _ *Error) {
	raw, there := m[name]
	if !there {
		return nil, nil
	}
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, badMetadata(name, "must be an array of strings")
	}
	if len(list) > maxMetadataItems {
		return nil, badMetadata(name, "has too many items")
	}
	return list, nil
}

func (m clientMetadata) flag(name string) (set bool, _ *Error) {
	if raw, there := m[name]; there && json.Unmarshal(raw, &set) != nil {
		return false, badMetadata(name, "must be true or false")
	}
	return set, nil
}

// link is a web page of the client's, for people. One that is not an https URL is left
// out rather than refused: it changes nothing but what the consent page offers.
func (m clientMetadata) link(name string) (string, *Error) {
	s, err := m.text(name, maxMetadataURL)
	if u, bad := url.Parse(s); err != nil || bad != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", err
	}
	return s, nil
}

// keys fills in the client's key set or where it is (RFC 7591 §2: not both).
func (m clientMetadata) keys(c *Client) *Error {
	where, err := m.text("jwks_uri", maxMetadataURL)
	if err != nil {
		return err
	}
	raw, there := m["jwks"]
	switch {
	case there && where != "":
		return badMetadata("jwks", "and jwks_uri must not both be there")
	case where != "":
		if u, bad := url.Parse(where); bad != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Contains(where, "#") {
			return badMetadata("jwks_uri", "must be an https URL")
		}
		c.JWKSURI = where
	case there:
		if len(raw) > maxMetadataJWKS {
			return badMetadata("jwks", "is too long")
		}
		if !publicKeys(raw) {
			return badMetadata("jwks", "must be a JWK Set of public keys")
		}
		var compact bytes.Buffer
		if json.Compact(&compact, raw) != nil {
			return badMetadata("jwks", "must be a JWK Set of public keys")
		}
		c.JWKS = compact.String()
	}
	return nil
}

// publicKeys reports whether raw is a JWK Set that holds at least one key and nothing
// secret (RFC 7591 §2).
func publicKeys(raw []byte) bool {
	var set jose.JSONWebKeySet
	if json.Unmarshal(raw, &set) != nil || len(set.Keys) == 0 {
		return false
	}
	return !slices.ContainsFunc(set.Keys, func(k jose.JSONWebKey) bool { return !k.Valid() || !k.IsPublic() })
}

// describe fills in what is taken as it comes: names, links, keys, and how the client is
// to be bound. What it does not know is ignored (RFC 7591 §2). logo_uri is kept, but no
// page of ours links to it.
func (m clientMetadata) describe(c *Client) (err *Error) {
	take := func(field *string, name string, read func() (string, *Error)) {
		if err == nil {
			*field, err = read()
		}
	}
	for name, field := range map[string]*string{
		"client_name": &c.Name, "software_id": &c.SoftwareID, "software_version": &c.SoftwareVersion,
		"token_endpoint_auth_signing_alg": &c.TokenEndpointAuthSigningAlg,
		"tls_client_auth_subject_dn":      &c.TLSClientAuthSubjectDN, "tls_client_auth_san_dns": &c.TLSClientAuthSANDNS,
		"tls_client_auth_san_uri": &c.TLSClientAuthSANURI, "tls_client_auth_san_ip": &c.TLSClientAuthSANIP,
		"tls_client_auth_san_email": &c.TLSClientAuthSANEmail,

		"introspection_signed_response_alg": &c.IntrospectionSignedResponseAlg,
		"authorization_signed_response_alg": &c.AuthorizationSignedResponseAlg,
		"request_object_signing_alg":        &c.RequestObjectSigningAlg,
	} {
		take(field, name, func() (string, *Error) { return m.text(name, maxMetadataText) })
	}
	for name, field := range map[string]*string{
		"logo_uri": &c.LogoURI, "client_uri": &c.URI, "policy_uri": &c.PolicyURI, "tos_uri": &c.TOSURI,
	} {
		take(field, name, func() (string, *Error) { return m.link(name) })
	}
	for name, field := range map[string]*bool{
		"tls_client_certificate_bound_access_tokens": &c.TLSClientCertificateBoundAccessTokens,
		"dpop_bound_access_tokens":                   &c.DPoPBoundAccessTokens,
		"require_pushed_authorization_requests":      &c.RequirePushedAuthorizationRequests,
		"require_signed_request_object":              &c.RequireSignedRequestObject,
	} {
		if err == nil {
			*field, err = m.flag(name)
		}
	}
	if err != nil {
		return err
	}
	return m.keys(c)
}

// RejectedRedirectURI is a redirect URI that was not registered, and why.
type RejectedRedirectURI struct {
	RedirectURI string `json:"redirect_uri"`
	Reason      string `json:"reason"`
}

// redirects fills in the redirect URIs that can be used, and the application type. A
// client that does not say what it is (RFC 7591 has no application_type, and most native
// MCP clients send none) is native if one of its redirects leads to the user's device.
func (m clientMetadata) redirects(c *Client) ([]RejectedRedirectURI, *Error) {
	uris, err := m.texts("redirect_uris")
	if err != nil {
		return nil, err
	}
	if c.ApplicationType, err = m.text("application_type", maxMetadataText); err != nil {
		return nil, err
	}
	switch c.ApplicationType {
	case "":
		c.ApplicationType = "web"
		if slices.ContainsFunc(uris, func(uri string) bool { return checkRedirectURI(uri, true) == nil && onDevice(uri) }) {
			c.ApplicationType = "native"
		}
	case "web", "native":
	default:
		return nil, badMetadata("application_type", "must be web or native")
	}
	var rejected []RejectedRedirectURI
	for _, uri := range uris {
		fault := checkRedirectURI(uri, c.ApplicationType == "native")
		if len(uri) > maxMetadataURL {
			uri, fault = uri[:100]+"...", errors.New("it is too long")
		}
		switch {
		case fault != nil:
			rejected = append(rejected, RejectedRedirectURI{strings.ToValidUTF8(uri, "?"), fault.Error()})
		case !slices.Contains(c.RedirectURIs, uri):
			c.RedirectURIs = append(c.RedirectURIs, uri)
		}
	}
	return rejected, nil
}

// grants fills in those of the grant types asked for that are allowed; authorization_code
// if the client says nothing.
func (m clientMetadata) grants(c *Client, allowed []string) *Error {
	asked, err := m.texts("grant_types")
	if err != nil {
		return err
	}
	if len(asked) == 0 {
		asked = []string{grantAuthorizationCode}
	}
	if c.GrantTypes = within(allowed, asked); len(c.GrantTypes) == 0 {
		return badMetadata("grant_types", "holds none that may be registered here")
	}
	if len(c.GrantTypes) == 1 && c.GrantTypes[0] == grantRefreshToken {
		return badMetadata("grant_types", "holds refresh_token, and no grant that leads to one")
	}
	return nil
}

// details fills in those of the types of authorization details asked for that are allowed (RFC
// 9396 §10).
func (m clientMetadata) details(c *Client, allowed []string) *Error {
	asked, err := m.texts("authorization_details_types")
	if err != nil {
		return err
	}
	if c.AuthorizationDetailsTypes = within(allowed, asked); len(c.AuthorizationDetailsTypes) == 0 {
		c.AuthorizationDetailsTypes = nil
	}
	return nil
}

// scope fills in the scopes: the client may ask for all that are allowed, and gets by
// default those of them that it named. It may need more later than it knew of when it
// registered, such as for a step-up (RFC 9470); the user is asked either way.
func (m clientMetadata) scope(c *Client, allowed []string) *Error {
	said, err := m.text("scope", maxParameter)
	if err != nil {
		return err
	}
	asked := strings.Fields(said)
	c.Scopes = slices.Clone(allowed)
	if c.DefaultScopes = within(allowed, asked); len(asked) > 0 && len(c.DefaultScopes) == 0 {
		return badMetadata("scope", "holds none that may be registered here")
	}
	return nil
}
