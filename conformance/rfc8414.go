package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// documentAddresses are where the metadata is published.
func (p *probe) documentAddresses() []string {
	var all []string
	for _, address := range []string{wellKnown(p.run.target.Issuer, "openid-configuration", false), wellKnown(p.run.target.Issuer, "oauth-authorization-server", true)} {
		if p.get(address).status == http.StatusOK {
			all = append(all, address)
		}
	}
	return all
}

// endpoints are all URLs in the metadata, by the names of their members.
func (p *probe) endpoints() map[string]string {
	all := map[string]string{}
	for name := range p.run.md {
		if u := p.run.md.text(name); u != "" && (strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")) {
			all[name] = u
		}
	}
	return all
}

// RFC 8414, OpenID Connect Discovery: what the server says of itself.
var metadataCases = []Case{
	{
		ID: "metadata-issuer-exact", Spec: "RFC 8414", Section: "3.3", Level: Must,
		Request: "the metadata documents",
		Want:    "issuer is the issuer identifier to the letter",
		Attacks: []string{"O3"},
		needs:   []feature{published},
		run: func(p *probe) {
			for _, address := range p.documentAddresses() {
				if got := p.get(address).wantJSON().text("issuer"); got != p.run.target.Issuer {
					p.errorf("%s: issuer is %q, want %q", address, got, p.run.target.Issuer)
				}
			}
		},
	},
	{
		ID: "metadata-content-type", Spec: "RFC 8414", Section: "3.2", Level: Must,
		Request: "the metadata documents",
		Want:    "200, a JSON object in application/json",
		needs:   []feature{published},
		run: func(p *probe) {
			for _, address := range p.documentAddresses() {
				x := p.get(address).wantJSON()
				if kind, _, _ := strings.Cut(x.header.Get("Content-Type"), ";"); strings.TrimSpace(strings.ToLower(kind)) != "application/json" {
					p.errorf("%s: Content-Type is %q", address, kind)
				}
			}
		},
	},
	{
		ID: "metadata-oauth-location", Spec: "RFC 8414", Section: "3.1", Level: Should,
		Request: "/.well-known/oauth-authorization-server, put between the issuer's host and path",
		Want:    "the metadata, which a client that knows no OpenID Connect looks for there",
		needs:   []feature{published},
		run: func(p *probe) {
			inserted, appended := wellKnown(p.run.target.Issuer, "oauth-authorization-server", true), wellKnown(p.run.target.Issuer, "oauth-authorization-server", false)
			x := p.get(inserted)
			if x.status == http.StatusNotFound && (inserted == appended || p.get(appended).status != http.StatusOK) {
				p.notOffered("the server publishes its metadata by OpenID Connect Discovery alone")
			}
			x.wantJSON()
		},
	},
	{
		ID: "metadata-required-members", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "the metadata",
		Want:    "issuer, response_types_supported, and the endpoints that the grants need",
		needs:   []feature{published},
		run: func(p *probe) {
			md := p.run.md
			need := []string{"issuer", "response_types_supported"}
			if md.lists("grant_types_supported", "authorization_code") {
				need = append(need, "authorization_endpoint", "token_endpoint")
			}
			for _, name := range need {
				if md[name] == nil {
					p.errorf("there is no %s", name)
				}
			}
		},
	},
	{
		ID: "metadata-no-empty-arrays", Spec: "RFC 8414", Section: "3.2", Level: Must,
		Request: "the metadata",
		Want:    "no array without elements",
		needs:   []feature{published},
		run: func(p *probe) {
			for _, name := range slices.Sorted(keys(p.run.md)) {
				all, isArray := p.run.md[name].([]any)
				if isArray && len(all) == 0 {
					p.errorf("%s is empty", name)
				}
			}
		},
	},
	{
		ID: "metadata-no-unsigned-authentication", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "the metadata",
		Want:    "none is no algorithm by which clients authenticate",
		Attacks: []string{"E1"},
		needs:   []feature{published},
		run: func(p *probe) {
			for _, name := range []string{"token", "revocation", "introspection"} {
				if member := name + "_endpoint_auth_signing_alg_values_supported"; slices.Contains(p.run.md.list(member), "none") {
					p.errorf("%s lists none", member)
				}
			}
		},
	},
	{
		ID: "metadata-https", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "the URLs in the metadata",
		Want:    "https, without a fragment; the issuer without a query",
		needs:   []feature{published},
		run: func(p *probe) {
			issuer, err := url.Parse(p.run.target.Issuer)
			if err != nil || issuer.RawQuery != "" || strings.ContainsAny(p.run.target.Issuer, "?#") {
				p.failf("the issuer is %q", p.run.target.Issuer)
			}
			if issuer.Scheme != "https" {
				p.notTested("the server under test is itself not at https")
			}
			for name, address := range p.endpoints() {
				if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || strings.Contains(address, "#") {
					p.errorf("%s is %q", name, address)
				}
			}
		},
	},
	{
		ID: "metadata-endpoints-exist", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "a POST without anything, or a GET, to each endpoint in the metadata",
		Want:    "an answer that is not 404",
		Attacks: []string{"O1"},
		needs:   []feature{published},
		run: func(p *probe) {
			issuer, err := url.Parse(p.run.target.Issuer)
			if err != nil {
				p.failf("the issuer is %q", p.run.target.Issuer)
			}
			for name, address := range p.endpoints() {
				if u, err := url.Parse(address); err != nil || u.Host != issuer.Host {
					continue // documents for people, somewhere else
				}
				if p.get(address).status == http.StatusNotFound && p.post(address, nil).status == http.StatusNotFound {
					p.errorf("there is nothing at %s: %s", name, address)
				}
			}
		},
	},
	{
		ID: "metadata-scopes-granted", Spec: "RFC 8414", Section: "2", Level: Should,
		Request: "an authorization request for all scopes that the metadata lists",
		Want:    "a code",
		Attacks: []string{"O1"},
		needs:   []feature{published, codeFlow, has("scopes_supported")},
		run: func(p *probe) {
			all := p.run.md.list("scopes_supported")
			c := p.client(with("scope", strings.Join(all, " ")))
			c.authorize(set("scope", strings.Join(all, " ")), set("prompt", "consent"))
		},
	},
	{
		ID: "metadata-grants-known", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "token requests with each grant type that the metadata lists, and nothing else",
		Want:    "never unsupported_grant_type",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, grant := range knownGrants(p) {
				if !p.run.md.lists("grant_types_supported", grant) || grant == "implicit" {
					continue
				}
				if x := c.token(url.Values{"grant_type": {grant}}); x.text("error") == "unsupported_grant_type" {
					p.errorf("%s is listed, and unsupported_grant_type", grant)
				}
			}
		},
	},
	{
		ID: "metadata-other-grants-refused", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "token requests with the usual grant types that the metadata does not list",
		Want:    "unsupported_grant_type, or unauthorized_client",
		Attacks: []string{"D2", "O1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			others := 0
			for _, grant := range knownGrants(p) {
				if !p.run.md.lists("grant_types_supported", grant) {
					others++
					c.token(url.Values{"grant_type": {grant}, "code": {"x"}, "refresh_token": {"x"}, "device_code": {"x"}, "auth_req_id": {"x"}, "assertion": {"x"}, "username": {"x"}, "password": {"x"}}).
						wantError(400, "unsupported_grant_type", "unauthorized_client")
				}
			}
			if others == 0 {
				p.notOffered("the metadata lists all of them")
			}
		},
	},
	{
		ID: "metadata-other-response-types-refused", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "authorization requests with the usual response types that the metadata does not list",
		Want:    "unsupported_response_type, unauthorized_client or invalid_request, and never a token",
		Attacks: []string{"B2", "O1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, kind := range []string{"token", "id_token", "id_token token", "code token", "code id_token token", "code id_token"} {
				if !p.run.md.lists("response_types_supported", kind) {
					c.try(set("response_type", kind), set("nonce", p.secret("nonce")), set("response_mode")).wantRefused("unsupported_response_type", "unauthorized_client", "invalid_request")
				}
			}
			c.authorize()
		},
	},
}

// knownGrants are the grant types that the world knows, and those that the server lists.
func knownGrants(p *probe) []string {
	all := []string{"authorization_code", "refresh_token", "client_credentials", "password",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:pre-authorized_code"}
	for _, grant := range p.run.md.list("grant_types_supported") {
		if !slices.Contains(all, grant) {
			all = append(all, grant)
		}
	}
	return all
}
