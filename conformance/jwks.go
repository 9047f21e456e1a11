package conformance

import (
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// publishedKeys are the keys at jwks_uri, as they stand there.
func (p *probe) publishedKeys() []map[string]any {
	x := p.get(p.endpoint("jwks_uri")).wantJSON()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(x.body, &set); err != nil {
		p.failf("%s: no JWK Set: %v", x.what(), err)
	}
	if len(set.Keys) == 0 {
		p.failf("%s: there are no keys", x.what())
	}
	return set.Keys
}

// RFC 7517: the keys that the server publishes.
var keyCases = []Case{
	{
		ID: "jwks-no-private-members", Spec: "OpenID Connect Discovery", Section: "3", Level: Must,
		Request: "the keys at jwks_uri",
		Want:    "public keys alone, of kinds that can be public",
		Attacks: []string{"L9"},
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			for _, key := range p.publishedKeys() {
				for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
					if key[private] != nil {
						p.errorf("the key of kid %v has the member %s", key["kid"], private)
					}
				}
				if key["kty"] == "oct" {
					p.errorf("the key of kid %v is symmetric", key["kid"])
				}
			}
		},
	},
	{
		ID: "jwks-kids", Spec: "RFC 7517", Section: "4.5", Level: Should,
		Request: "the keys at jwks_uri",
		Want:    "a kid for each if there are several, and none twice",
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			seen := map[string]bool{}
			all := p.publishedKeys()
			for _, key := range all {
				id, _ := key["kid"].(string)
				if id == "" && len(all) > 1 || seen[id] {
					p.errorf("kid %q is empty, or there twice", id)
				}
				seen[id] = true
			}
		},
	},
	{
		ID: "jwks-use", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "the keys at jwks_uri",
		Want:    "use for each, if there are keys to sign and keys to encrypt",
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			uses := map[string]int{}
			all := p.publishedKeys()
			for _, key := range all {
				use, _ := key["use"].(string)
				uses[use]++
			}
			if uses["enc"] > 0 && uses["sig"]+uses["enc"] != len(all) {
				p.failf("of %d keys %d are for signatures and %d for encryption", len(all), uses["sig"], uses["enc"])
			}
		},
	},
	{
		ID: "jwks-strong", Spec: "RFC 7518", Section: "3.3", Level: Must,
		Request: "the RSA keys at jwks_uri",
		Want:    "2048 bits or more",
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			p.publishedKeys()
			for _, key := range p.serverKeys().Keys {
				if !key.Valid() {
					p.errorf("the key of kid %q is not valid", key.KeyID)
				}
				if bits := rsaBits(key); bits > 0 && bits < 2048 {
					p.errorf("the key of kid %q has %d bits", key.KeyID, bits)
				}
			}
		},
	},
	{
		ID: "jwks-content-type", Spec: "RFC 7517", Section: "8.5.1", Level: Should,
		Request: "the keys at jwks_uri",
		Want:    "application/jwk-set+json, or application/json",
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			kind, _, _ := strings.Cut(p.get(p.endpoint("jwks_uri")).wantJSON().header.Get("Content-Type"), ";")
			if !slices.Contains([]string{"application/jwk-set+json", "application/json"}, strings.ToLower(strings.TrimSpace(kind))) {
				p.failf("Content-Type is %q", kind)
			}
		},
	},
	{
		ID: "jwks-cacheable", Spec: "OpenID Connect Core", Section: "10.2.1", Level: Should,
		Request: "the keys at jwks_uri",
		Want:    "an answer that caches may keep: every client and resource server asks for it",
		Attacks: []string{"L9"},
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			if control := strings.ToLower(p.get(p.endpoint("jwks_uri")).header.Get("Cache-Control")); strings.Contains(control, "no-store") || strings.Contains(control, "private") {
				p.failf("Cache-Control is %q", control)
			}
		},
	},
	{
		ID: "jwks-sign-tokens", Spec: "OpenID Connect Core", Section: "10.1", Level: Must,
		Request: "an ID token, or an access token that is a JWT, and the keys at jwks_uri",
		Want:    "its signature verifies with the key of its kid",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow, has("jwks_uri")},
		run: func(p *probe) {
			scope := p.scope()
			if openID(p.run) == "" {
				scope = "openid"
			}
			t := p.client().tokens(set("scope", scope), set("nonce", p.secret("nonce")))
			checked := 0
			for _, jwt := range []string{t.id, t.access} {
				if head, _ := decoded(jwt); head != nil {
					p.verified(jwt)
					checked++
				}
			}
			if checked == 0 {
				p.notOffered("no token is a JWT")
			}
		},
	},
}

// rsaBits is the size of an RSA key, 0 for another one.
func rsaBits(key jose.JSONWebKey) int {
	if public, ok := key.Key.(*rsa.PublicKey); ok {
		return public.N.BitLen()
	}
	return 0
}
