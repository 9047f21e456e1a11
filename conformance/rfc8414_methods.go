package conformance

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// methodCases: each way to authenticate that the server lists, it has.
var methodCases = []Case{
	methodCase("client_secret_basic"),
	methodCase("client_secret_post"),
	methodCase("private_key_jwt"),
	methodCase("client_secret_jwt"),
	methodCase("self_signed_tls_client_auth"),
	methodCase("none"),
	{
		ID: "metadata-other-methods-refused", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "clients that are registered for a way to authenticate that the metadata does not list, or send their credentials in such a way",
		Want:    "no registration, or no tokens",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			others := 0
			for _, name := range []string{"client_secret_basic", "client_secret_post"} {
				if p.run.md.lists("token_endpoint_auth_methods_supported", name) {
					continue
				}
				others++
				c := p.client()
				code := c.authorize()
				form := code.redemption()
				changes := []sending{c.basic(c.ID, "secret")}
				if name == "client_secret_post" {
					form.Set("client_id", c.ID)
					form.Set("client_secret", "secret")
					changes = nil
				}
				c.plainlyAs(form, changes...).wantError(0, "invalid_client")
				code.tokens()
			}
			if publicClients(p.run) != "" {
				others++
				c := p.client()
				code := c.authorize()
				c.plainlyAs(code.redemption(set("client_id", c.ID))).wantError(0, "invalid_client")
				code.tokens()
			}
			if others == 0 {
				p.notOffered("the metadata lists all that the suite knows to misuse")
			}
		},
	},
	{
		ID: "metadata-request-object-algorithms", Spec: "RFC 9101", Section: "4", Level: Must,
		Request: "request objects signed by each algorithm that the metadata lists",
		Want:    "a code",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow, is("request_parameter_supported"), has("request_object_signing_alg_values_supported")},
		run: func(p *probe) {
			tried := false
			for _, algorithm := range knownAlgorithms {
				if p.run.md.lists("request_object_signing_alg_values_supported", algorithm) {
					tried = true
					p.client(with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keyOf(algorithm)}}), with("request_object_signing_alg", algorithm)).withRequestObject().wantCode()
				}
			}
			if !tried {
				p.notTested("the suite knows none of the algorithms that are listed")
			}
		},
	},
	{
		ID: "metadata-other-request-object-algorithms", Spec: "RFC 8725", Section: "3.1", Level: Should,
		Request: "request objects signed by algorithms that the metadata does not list",
		Want:    "an error",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow, is("request_parameter_supported"), has("request_object_signing_alg_values_supported")},
		run: func(p *probe) {
			if p.authentication() == "private_key_jwt" {
				p.notOffered("a client could not even authenticate with such a key")
			}
			// Clients that say nothing of it, for a server may take any listed algorithm from them.
			signs := func(algorithm string) *outcome {
				return p.client(with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keyOf(algorithm)}})).withRequestObject()
			}
			var listed, others []string
			for _, algorithm := range knownAlgorithms {
				if p.run.md.lists("request_object_signing_alg_values_supported", algorithm) {
					listed = append(listed, algorithm)
				} else {
					others = append(others, algorithm)
				}
			}
			switch {
			case len(listed) == 0:
				p.notTested("the suite knows none of the algorithms that are listed")
			case len(others) == 0:
				p.notOffered("all algorithms that the suite knows are listed")
			}
			signs(listed[0]).wantCode()
			for _, algorithm := range others {
				signs(algorithm).wantRefused()
			}
		},
	},
}

// methodCase is that a client can authenticate in one way at all endpoints for which the metadata
// lists it.
func methodCase(name string) Case {
	return Case{
		ID: "metadata-method-" + strings.ReplaceAll(name, "_", "-"), Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "a client with " + name + " at the token, revocation and introspection endpoints, where the metadata lists it",
		Want:    "tokens; their revocation; what there is to know of them",
		Attacks: []string{"G5", "O1"},
		needs:   []feature{codeFlow, lists("token_endpoint_auth_methods_supported", name)},
		run: func(p *probe) {
			c := p.client(method(name))
			t := c.tokens()
			if listed(p, "introspection", name) && name != "none" {
				c.introspect(t.access).wantActive(true)
			}
			if listed(p, "revocation", name) {
				c.revoke(t.access).wantStatus(http.StatusOK)
			}
		},
	}
}

// listed tells whether there is an endpoint and the metadata lists a way to authenticate for it.
func listed(p *probe, endpoint, name string) bool {
	md := p.run.md
	if md.text(endpoint+"_endpoint") == "" {
		return false
	}
	if member := endpoint + "_endpoint_auth_methods_supported"; md[member] != nil {
		return md.lists(member, name)
	}
	return endpoint == "introspection" && md.lists("token_endpoint_auth_methods_supported", name) || name == "client_secret_basic"
}

var knownAlgorithms = []string{"ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// keyOf makes a key for an algorithm. RSA keys take long, so the case has one.
func (p *probe) keyOf(algorithm string) jose.JSONWebKey {
	if !strings.HasPrefix(algorithm, "RS") && !strings.HasPrefix(algorithm, "PS") {
		return p.newKey(algorithm)
	}
	if p.rsa == nil {
		key := p.newKey("RS256")
		p.rsa = &key
	}
	key := *p.rsa
	key.Algorithm = algorithm
	return key
}

// withRequestObject is a request of the client whose parameters stand in a signed object.
func (c *client) withRequestObject() *outcome {
	a := c.request()
	if c.p.run.md.is("require_signed_request_object") {
		return a.in(c.p.browser(), Allow)
	}
	return a.inObject(func(params url.Values) string { return c.requestObject(params, nil) })
}
