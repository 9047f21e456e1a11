package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// claims are those of a JWT that the suite makes. A nil value takes one out.
type claims map[string]any

func (c claims) changed(by claims) claims {
	all := maps.Clone(c)
	for name, value := range by {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// newKey makes a private key for an algorithm.
func (p *probe) newKey(algorithm string) jose.JSONWebKey {
	var key any
	var err error
	switch algorithm {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		p.failf("make a key: %v", err)
	}
	return jose.JSONWebKey{Key: key, KeyID: p.name("kid"), Algorithm: algorithm, Use: "sig"}
}

// sign makes a JWT. extra are further header parameters.
func (p *probe) sign(key jose.JSONWebKey, what claims, extra map[string]any) string {
	options := &jose.SignerOptions{}
	for name, value := range extra {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		p.failf("sign: %v", err)
	}
	text, err := json.Marshal(what)
	if err != nil {
		p.failf("sign: %v", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		p.failf("sign: %v", err)
	}
	jwt, err := signed.CompactSerialize()
	if err != nil {
		p.failf("sign: %v", err)
	}
	p.hide("jwt", jwt)
	return jwt
}

// unsigned makes a JWT by hand: any header, and a signature that is any text.
func (p *probe) unsigned(head map[string]any, what claims, signature []byte) string {
	h, _ := json.Marshal(head)
	c, _ := json.Marshal(what)
	b64 := base64.RawURLEncoding.EncodeToString
	jwt := b64(h) + "." + b64(c) + "." + b64(signature)
	p.hide("jwt", jwt)
	return jwt
}

// decoded reads a JWT without judging its signature; nils for what is none.
func decoded(jwt string) (head, body map[string]any) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, nil
	}
	for i, into := range []*map[string]any{&head, &body} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return nil, nil
		}
	}
	return head, body
}

// serverKeys are the keys that the server publishes.
func (p *probe) serverKeys() *jose.JSONWebKeySet {
	x := p.get(p.endpoint("jwks_uri")).wantJSON()
	set := &jose.JSONWebKeySet{}
	if err := json.Unmarshal(x.body, set); err != nil {
		p.failf("%s: no JWK Set: %v", x.what(), err)
	}
	return set
}

var serverAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// verified are the claims of a JWT that the server has signed, and its header.
func (p *probe) verified(jwt string) (head map[string]any, body claims) {
	signed, err := jose.ParseSignedCompact(jwt, serverAlgorithms)
	if err != nil {
		p.failf("no signed JWT: %v", err)
	}
	keys := p.serverKeys()
	id := signed.Signatures[0].Header.KeyID
	for _, key := range keys.Keys {
		if id != "" && key.KeyID != id {
			continue
		}
		text, err := signed.Verify(key)
		if err != nil {
			continue
		}
		if err := json.Unmarshal(text, &body); err != nil {
			p.failf("the payload of a JWT is no JSON object: %v", err)
		}
		head, _ = decoded(jwt)
		return head, body
	}
	p.failf("a JWT of kid %q verifies with no key at jwks_uri", id)
	return nil, nil
}

// signedAnswer reads a signed authorization response (JARM §2.4).
func (p *probe) signedAnswer(response, clientID string) url.Values {
	_, said := p.verified(response)
	if said["iss"] != p.run.target.Issuer || said["aud"] != clientID {
		p.errorf("a signed response has iss %v and aud %v", said["iss"], said["aud"])
	}
	params := url.Values{}
	for name, value := range said {
		if s, ok := value.(string); ok && name != "aud" {
			params.Set(name, s)
		}
	}
	return params
}

// assertionClaims are those with which the client authenticates (RFC 7523 §3).
func (c *client) assertionClaims() claims {
	now, audience := c.p.now(), c.p.run.target.AssertionAudience
	if audience == "" {
		audience = c.p.run.target.Issuer
	}
	return claims{"iss": c.ID, "sub": c.ID, "aud": audience, "jti": random(16), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
}

// assertion is what the client authenticates with by private_key_jwt, changed by some claims.
func (c *client) assertion(changes claims) string {
	if c.keys == nil || len(c.keys.Keys) == 0 {
		c.p.notTested("the private key of %s is not among what the suite was given", c.ID)
	}
	return c.p.sign(c.keys.Keys[0], c.assertionClaims().changed(changes), nil)
}

// secretAssertion is the same by client_secret_jwt.
func (c *client) secretAssertion(changes claims) string {
	return c.p.sign(jose.JSONWebKey{Key: []byte(c.Secret), Algorithm: "HS256"}, c.assertionClaims().changed(changes), nil)
}

// requestObject is a signed request object of these parameters (RFC 9101 §4), changed by some
// claims.
func (c *client) requestObject(params url.Values, changes claims) string {
	now := c.p.now()
	what := claims{"iss": c.ID, "client_id": c.ID, "aud": c.p.run.target.Issuer, "jti": random(16), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for name, values := range params {
		if what[name] = params.Get(name); len(values) > 1 {
			what[name] = values
		}
	}
	if c.keys == nil || len(c.keys.Keys) == 0 {
		c.p.notTested("the private key of %s is not among what the suite was given", c.ID)
	}
	return c.p.sign(c.keys.Keys[0], what.changed(changes), map[string]any{"typ": "oauth-authz-req+jwt"})
}

// proofKey is a client's key for DPoP proofs (RFC 9449).
type proofKey struct {
	p   *probe
	key jose.JSONWebKey

	mu    sync.Mutex
	nonce string // that the authorization server gave out last
}

func (p *probe) proofKey() *proofKey { return &proofKey{p: p, key: p.newKey("ES256")} }

// noted keeps the nonce for the next proof (RFC 9449 §8.2).
func (k *proofKey) noted(x *exchange) {
	if nonce := x.header.Get("DPoP-Nonce"); nonce != "" {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.nonce = nonce
	}
}

// withNonce are further claims of a proof for the authorization server.
func (k *proofKey) withNonce() claims {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.nonce == "" {
		return nil
	}
	return claims{"nonce": k.nonce}
}

// thumbprint is the key's (RFC 7638), as in dpop_jkt.
func (k *proofKey) thumbprint() string {
	public := k.key.Public()
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		k.p.failf("thumbprint: %v", err)
	}
	jkt := base64.RawURLEncoding.EncodeToString(sum)
	k.p.hide("thumbprint", jkt)
	return jkt
}

// claims are those of a proof for one request (RFC 9449 §4.2).
func (k *proofKey) claims(method, address string) claims {
	htu, _, _ := strings.Cut(address, "?")
	return claims{"jti": random(16), "htm": method, "htu": htu, "iat": k.p.now().Unix()}
}

// proof is the DPoP header for one request, changed by some claims.
func (k *proofKey) proof(method, address string, changes claims) string {
	key := k.key
	key.KeyID = ""
	return k.p.sign(key, k.claims(method, address).changed(changes), map[string]any{"typ": "dpop+jwt", "jwk": key.Public()})
}

// tokenHash is the claim ath (RFC 9449 §4.2).
func tokenHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// proving sends a form to an endpoint as the client, with a proof: once more with a nonce if the
// server wants one (RFC 9449 §8).
func (c *client) proving(endpoint string, form url.Values, key *proofKey, changes ...sending) *exchange {
	address := c.at(endpoint)
	// A proof is for the URL that the client knows the endpoint by.
	try := func() *exchange {
		x := c.post(endpoint, form, append([]sending{header("DPoP", key.proof(http.MethodPost, address, key.withNonce()))}, changes...)...)
		key.noted(x)
		return x
	}
	x := try()
	if x.header.Get("DPoP-Nonce") != "" && x.text("error") == "use_dpop_nonce" {
		x = try()
	}
	return x
}

// proven presents a bound access token at a URL, once more with a nonce if that is wanted (RFC
// 9449 §9).
func (p *probe) proven(client *http.Client, method, address string, body url.Values, key *proofKey, access string, changes ...sending) *exchange {
	var x *exchange
	extra := claims{"ath": tokenHash(access)}
	for range 2 {
		all := append(slices.Clone(changes), header("DPoP", key.proof(method, address, extra)))
		if body != nil {
			x = p.postWith(client, address, body, all...)
		} else {
			x = p.sendWith(client, method, address, nil, all...).answered()
		}
		nonce := x.header.Get("DPoP-Nonce")
		if nonce == "" || !strings.Contains(x.header.Get("WWW-Authenticate"), "use_dpop_nonce") {
			break
		}
		extra["nonce"] = nonce
	}
	return x
}

// certificate is a self-signed one for a client (RFC 8705 §2.2).
func (p *probe) certificate() tls.Certificate {
	key := p.newKey("ES256").Key.(*ecdsa.PrivateKey)
	template := x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "conformance client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(20 * 365 * 24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		p.failf("make a certificate: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		p.failf("make a certificate: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// certificateKey is the JWK of a certificate, with the certificate in it (RFC 8705 §2.2.2).
func certificateKey(certificate tls.Certificate) jose.JSONWebKey {
	return jose.JSONWebKey{Key: certificate.PrivateKey, Certificates: []*x509.Certificate{certificate.Leaf}, Algorithm: "ES256", Use: "sig"}
}

// certificateThumbprint is that of a bound token (RFC 8705 §3.1).
func certificateThumbprint(certificate tls.Certificate) string {
	sum := sha256.Sum256(certificate.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
