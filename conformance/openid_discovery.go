package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

const openIDDiscovery = "OpenID Connect Discovery"

// openIDDocument is there if the server publishes its metadata where OpenID Connect has it.
var openIDDocument feature = func(r *running) string {
	if missing := openID(r); missing != "" {
		return missing
	}
	return published(r)
}

// OpenID Connect Discovery 1.0: what a server says of itself.
var discoveryCases = []Case{
	{
		ID: "discovery-document", Spec: openIDDiscovery, Section: "4.2", Level: Must,
		Request: "/.well-known/openid-configuration after the issuer",
		Want:    "200 and a JSON object as application/json, whose issuer is the issuer to the letter",
		Attacks: []string{"O3"},
		needs:   []feature{openIDDocument},
		run: func(p *probe) {
			x := p.get(wellKnown(p.run.target.Issuer, "openid-configuration", false)).wantJSON()
			if !strings.HasPrefix(x.header.Get("Content-Type"), "application/json") {
				p.errorf("Content-Type is %q", x.header.Get("Content-Type"))
			}
			if got := x.text("issuer"); got != p.run.target.Issuer {
				p.errorf("issuer %q, want %q", got, p.run.target.Issuer)
			}
		},
	},
	{
		ID: "discovery-required", Spec: openIDDiscovery, Section: "3", Level: Must,
		Request: "/.well-known/openid-configuration after the issuer",
		Want:    "all members that are required, of the right types; no empty arrays, no fragments in URLs of endpoints",
		needs:   []feature{openIDDocument},
		run: func(p *probe) {
			md := metadata(p.get(wellKnown(p.run.target.Issuer, "openid-configuration", false)).wantJSON().member)
			for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} {
				if md.text(name) == "" && (name != "token_endpoint" || md.lists("response_types_supported", "code")) {
					p.errorf("%s is missing", name)
				}
			}
			for _, name := range []string{"response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"} {
				if len(md.list(name)) == 0 {
					p.errorf("%s is missing or empty", name)
				}
			}
			for name, value := range md {
				list, isList := value.([]any)
				if isList && len(list) == 0 {
					p.errorf("%s is empty, and should not be there (RFC 8414 §3.2)", name)
				}
				if u, err := url.Parse(md.text(name)); strings.HasSuffix(name, "_endpoint") && (err != nil || !u.IsAbs() || u.Fragment != "") {
					p.errorf("%s is %q, which is no URL of an endpoint", name, md.text(name))
				}
			}
		},
	},
	{
		ID: "discovery-rs256", Spec: openIDDiscovery, Section: "3", Level: Must,
		Request: "id_token_signing_alg_values_supported in the metadata",
		Want:    "RS256 is listed",
		needs:   []feature{openIDDocument, lacks(fapi, "FAPI 2.0 allows no RS256")},
		run: func(p *probe) {
			if !p.run.md.lists("id_token_signing_alg_values_supported", "RS256") {
				p.errorf("RS256 is not listed")
			}
		},
	},
	{
		ID: "discovery-https", Spec: openIDDiscovery, Section: "3", Level: Must,
		Request: "the endpoints in the metadata",
		Want:    "https URLs, and the issuer too, without query or fragment",
		needs:   []feature{openIDDocument},
		run: func(p *probe) {
			u, err := url.Parse(p.run.target.Issuer)
			if err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1") {
				p.notTested("the issuer is on this machine, without TLS")
			}
			if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
				p.errorf("issuer %q", p.run.target.Issuer)
			}
			for name := range p.run.md {
				if text := p.run.md.text(name); (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(text, "https://") {
					p.errorf("%s is %q", name, text)
				}
			}
		},
	},
	{
		ID: "discovery-documents-agree", Spec: "RFC 8414", Section: "5", Level: Must,
		Request: "the metadata where RFC 8414 has it and where OpenID Connect has it",
		Want:    "where both are there and both have a member, it is the same (RFC 9068 §4)",
		needs:   []feature{openIDDocument},
		run: func(p *probe) {
			one := p.get(wellKnown(p.run.target.Issuer, "openid-configuration", false))
			two := p.get(wellKnown(p.run.target.Issuer, "oauth-authorization-server", true))
			if one.status != http.StatusOK || two.status != http.StatusOK {
				p.notOffered("there is only one of the documents")
			}
			for name, value := range one.member {
				other, there := two.member[name]
				if there && !reflect.DeepEqual(value, other) {
					p.errorf("%s is %v in one, and %v in the other", name, value, other)
				}
			}
		},
	},
	{
		ID: "discovery-keys", Spec: openIDDiscovery, Section: "3", Level: Must,
		Request: "the key set at jwks_uri",
		Want:    "public keys alone, each with a kid if there are several, and a key for every algorithm that is listed",
		Attacks: []string{"L9", "O1"},
		needs:   []feature{openID, has("jwks_uri")},
		run: func(p *probe) {
			x := p.get(p.endpoint("jwks_uri")).wantJSON()
			var set struct {
				Keys []map[string]any `json:"keys"`
			}
			if err := json.Unmarshal(x.body, &set); err != nil || len(set.Keys) == 0 {
				p.failf("there are no keys: %v", err)
			}
			kinds := map[string]bool{}
			for _, key := range set.Keys {
				for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
					if _, there := key[secret]; there {
						p.errorf("a key has the private member %s", secret)
					}
				}
				if key["kid"] == nil && len(set.Keys) > 1 { // Core §10.1
					p.errorf("one of %d keys has no kid", len(set.Keys))
				}
				if key["use"] == nil || key["use"] == "sig" {
					kinds[fmt.Sprint(key["kty"])] = true
				}
			}
			for _, alg := range p.run.md.list("id_token_signing_alg_values_supported") {
				kind := map[byte]string{'R': "RSA", 'P': "RSA", 'E': "EC"}[alg[0]]
				if alg == "EdDSA" {
					kind = "OKP"
				}
				if kind != "" && !kinds[kind] {
					p.errorf("%s is listed, and no key is of the type %s", alg, kind)
				}
			}
		},
	},
	{
		ID: "discovery-unlisted-algorithm", Spec: openIDDiscovery, Section: "3", Level: Must,
		Request: "a client registers id_token_signed_response_alg with an algorithm that is not listed, and with none",
		Want:    "invalid_client_metadata, or a registration with another algorithm",
		Attacks: []string{"O1", "O5"},
		needs:   []feature{openID, registering},
		run: func(p *probe) {
			for _, alg := range []string{"none", "HS256", "RS384", "ES512", "XX999"} {
				if p.run.md.lists("id_token_signing_alg_values_supported", alg) {
					continue
				}
				var changes []sending
				if token := p.run.target.InitialAccessToken; token != "" {
					changes = append(changes, bearer(token))
				}
				asked := map[string]any{"redirect_uris": []string{"https://client.example/callback"}, "id_token_signed_response_alg": alg}
				x := p.postJSON(http.MethodPost, p.endpoint("registration_endpoint"), asked, changes...)
				if x.status == http.StatusCreated && x.text("id_token_signed_response_alg") == alg {
					p.errorf("%s is registered, and not listed", alg)
				} else if x.status != http.StatusCreated {
					x.wantError(0, "invalid_client_metadata", "access_denied", "invalid_token")
				}
			}
		},
	},
	{
		ID: "discovery-claims", Spec: openIDDiscovery, Section: "3", Level: Should,
		Request: "claims_supported, and an ID token of a request with max_age",
		Want:    "what is in the ID token is listed, but for what every JWT may have",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow, openIDDocument, has("claims_supported")},
		run: func(p *probe) {
			always := []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "at_hash", "c_hash", "s_hash", "nonce", "auth_time", "typ", "session_state"}
			for name := range p.client().tokens(identifying(), set("max_age", "3600")).identity().said {
				if !slices.Contains(always, name) && !p.run.md.lists("claims_supported", name) {
					p.errorf("claims_supported does not list %s", name)
				}
			}
		},
	},
}
