package conformance

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

var (
	encryptions = []jose.ContentEncryption{jose.A128GCM, jose.A256GCM, jose.A128CBC_HS256}
	agreements  = []jose.KeyAlgorithm{jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A256KW, jose.RSA_OAEP, jose.RSA_OAEP_256}
)

// contentEncryption is one that the server lists, or else the default of OpenID Connect
// Registration §2.
func (p *probe) contentEncryption(member string) jose.ContentEncryption {
	for _, one := range encryptions {
		if p.run.md.lists(member, string(one)) {
			return one
		}
	}
	return jose.A128CBC_HS256
}

// encryptTo encrypts a text to a public key, as a nested JWT (RFC 7519 §5.2).
func (p *probe) encryptTo(key any, algorithm jose.KeyAlgorithm, id string, enc jose.ContentEncryption, text string) string {
	options := (&jose.EncrypterOptions{}).WithContentType("JWT").WithType("oauth-authz-req+jwt")
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: algorithm, Key: key, KeyID: id}, options)
	if err != nil {
		p.failf("encrypt: %v", err)
	}
	object, err := encrypter.Encrypt([]byte(text))
	if err != nil {
		p.failf("encrypt: %v", err)
	}
	compact, err := object.CompactSerialize()
	if err != nil {
		p.failf("encrypt: %v", err)
	}
	p.hide("jwt", compact)
	return compact
}

// toServer encrypts a text to the server.
func (p *probe) toServer(text string) string {
	enc := p.contentEncryption("request_object_encryption_enc_values_supported")
	for _, key := range p.serverKeys().Keys {
		if key.Use != "enc" {
			continue
		}
		for _, algorithm := range agreements {
			_, curve := key.Key.(*ecdsa.PublicKey)
			_, modulus := key.Key.(*rsa.PublicKey)
			fits := curve && strings.HasPrefix(string(algorithm), "ECDH") || modulus && strings.HasPrefix(string(algorithm), "RSA")
			if fits && p.run.md.lists("request_object_encryption_alg_values_supported", string(algorithm)) && (key.Algorithm == "" || key.Algorithm == string(algorithm)) {
				return p.encryptTo(key.Key, algorithm, key.KeyID, enc, text)
			}
		}
	}
	p.notTested("jwks_uri has no key to which the suite can encrypt")
	return ""
}

// opened is what an answer holds that is encrypted to the client's second key, and whether it is.
func (c *client) opened(compact string) string {
	object, err := jose.ParseEncryptedCompact(compact, agreements, encryptions)
	if err != nil {
		c.p.failf("the answer is not encrypted as the client has registered: %v", err)
	}
	text, err := object.Decrypt(c.keys.Keys[1].Key)
	if err != nil {
		c.p.failf("the answer cannot be decrypted with the client's key: %v", err)
	}
	return string(text)
}

// forEncryption are keys of a client that signs and is encrypted to.
func (p *probe) forEncryption() *jose.JSONWebKeySet {
	enc := p.newKey("ES256")
	enc.Use, enc.Algorithm = "enc", "ECDH-ES"
	return &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256"), enc}}
}

// Encrypted requests and answers.
var encryptedCases = []Case{
	{
		ID: "request-object-encrypted", Spec: "RFC 9101", Section: "6.1", Level: Must,
		Request: "a signed request object that is encrypted to the server; one that is changed on its way, one that is for another key, and one with an unsigned object inside",
		Want:    "a code for the first, invalid_request_object for the others",
		Attacks: []string{"E13"},
		needs:   append([]feature{has("request_object_encryption_alg_values_supported")}, objectClaimed...),
		run: func(p *probe) {
			c := p.signer()
			c.request().inObject(func(params url.Values) string { return p.toServer(c.requestObject(params, nil)) }).wantCode().tokens()
			p.within("a changed ciphertext", c.request().inObject(func(params url.Values) string {
				parts := strings.Split(p.toServer(c.requestObject(params, nil)), ".")
				parts[3] = anotherSignature(parts[3])
				return strings.Join(parts, ".")
			}))
			stranger := p.newKey("ES256")
			p.within("another key", c.request().inObject(func(params url.Values) string {
				return p.encryptTo(stranger.Public().Key, jose.ECDH_ES, stranger.KeyID, jose.A128GCM, c.requestObject(params, nil))
			}))
			p.within("an unsigned object inside", c.request().inObject(func(params url.Values) string {
				return p.toServer(p.unsigned(map[string]any{"alg": "none"}, c.objectClaims(params), nil))
			}))
		},
	},
	{
		ID: "signed-response-encrypted", Spec: "JARM", Section: "2.2", Level: Must,
		Request: "a client with authorization_encrypted_response_alg ECDH-ES asks for a signed response",
		Want:    "a JWT of the server that is encrypted to the client's key",
		needs:   []feature{codeFlow, jarmOffered, lists("authorization_encryption_alg_values_supported", "ECDH-ES")},
		run: func(p *probe) {
			enc := p.contentEncryption("authorization_encryption_enc_values_supported")
			c := p.client(with("jwks", p.forEncryption()), with("authorization_signed_response_alg", p.run.md.list("authorization_signing_alg_values_supported")[0]),
				with("authorization_encrypted_response_alg", "ECDH-ES"), with("authorization_encrypted_response_enc", string(enc)))
			o := c.try(set("response_mode", "jwt"))
			response := o.params.Get("response")
			if response == "" || o.params.Has("code") {
				p.failf("the client gets %s", words(slices.Sorted(keys(o.params))))
			}
			_, said := p.verified(c.opened(response))
			if said["aud"] != c.ID || said["iss"] != p.run.target.Issuer || said["code"] == nil || said["state"] != o.a.params.Get("state") {
				p.failf("it holds %s", words(slices.Sorted(keys(said))))
			}
		},
	},
	{
		ID: "signed-introspection-encrypted", Spec: "RFC 9701", Section: "6", Level: Must,
		Request: "a client with introspection_encrypted_response_alg ECDH-ES asks for a signed answer",
		Want:    "a JWT of the server that is encrypted to the client's key",
		needs:   []feature{introspecting, ownTokens, lists("introspection_encryption_alg_values_supported", "ECDH-ES"), has("introspection_signing_alg_values_supported")},
		run: func(p *probe) {
			enc := p.contentEncryption("introspection_encryption_enc_values_supported")
			c := p.client(servicing(), with("jwks", p.forEncryption()), with("introspection_signed_response_alg", p.run.md.list("introspection_signing_alg_values_supported")[0]),
				with("introspection_encrypted_response_alg", "ECDH-ES"), with("introspection_encrypted_response_enc", string(enc)))
			t := c.own()
			x := c.post("introspection_endpoint", formOf("token", t.access), introspectionMedia).wantStatus(http.StatusOK)
			_, said := p.verified(c.opened(strings.TrimSpace(string(x.body))))
			inner, _ := said["token_introspection"].(map[string]any)
			if inner["active"] != true || !slices.Contains(audiences(said["aud"]), c.ID) {
				p.failf("it holds %s", words(slices.Sorted(keys(said))))
			}
		},
	},
}
