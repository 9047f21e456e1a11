package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// prover is a client whose tokens are bound to a key.
func (p *probe) prover(wanted ...wanting) *client {
	if ownTokens(p.run) == "" && len(wanted) == 0 {
		wanted = []wanting{servicing()}
	}
	c := p.client(wanted...)
	c.dpop = p.proofKey()
	return c
}

// form is a token request of the client that is good but for its proof: for tokens of its own, or
// with a code.
func (c *client) form() url.Values {
	if ownTokens(c.p.run) == "" && slices.Contains(texts(c.Metadata["grant_types"]), "client_credentials") {
		form := url.Values{"grant_type": {"client_credentials"}}
		if scope := c.p.scope(); scope != "" && scope != "openid" {
			form.Set("scope", scope)
		}
		return form
	}
	return c.authorize().redemption()
}

// proved sends a token request with this proof, of which head and claims are given.
func (c *client) proved(proof string) *exchange {
	form := c.form()
	return c.post("token_endpoint", form, header("DPoP", proof))
}

// by makes a proof for the token endpoint with the nonce that is due, changed in header and claims.
func (k *proofKey) by(c *client, head, changes claims) string {
	public := k.key.Public()
	public.KeyID, public.Algorithm, public.Use = "", "", ""
	all := claims{"typ": "dpop+jwt", "alg": rawAlgorithm(k.key.Key), "jwk": public}.changed(head)
	return k.p.raw(k.key.Key, k.p.text(all), k.p.text(k.due(c).changed(changes)))
}

// due are the claims of a good proof for the token endpoint.
func (k *proofKey) due(c *client) claims {
	return k.claims(http.MethodPost, c.at("token_endpoint")).changed(k.withNonce())
}

// wantProven fails the case unless the token request succeeded, with a bound token.
func (c *client) wantProven(x *exchange, with string) *tokens {
	if x.status != http.StatusOK {
		c.p.failBasic("dpop-bound", "with %s there are no tokens: status %d, error %q: %s", with, x.status, x.text("error"), x.text("error_description"))
	}
	t := c.got(x)
	if !strings.EqualFold(t.kind, "DPoP") {
		c.p.failf("with %s token_type is %q, want DPoP", with, t.kind)
	}
	return t
}

// wantUnproven notes a problem unless a proof was refused (RFC 9449 §5).
func (x *exchange) wantUnproven(with string) {
	switch said := x.text("error"); {
	case x.status == http.StatusOK:
		x.p.errorf("with %s there are tokens", with)
	case x.status < 400 || x.status > 499:
		x.p.errorf("with %s the status is %d, want a refusal", with, x.status)
	case said != "invalid_dpop_proof" && said != "invalid_request":
		x.p.errorf("with %s the error is %q, want invalid_dpop_proof", with, said)
	}
}

// RFC 9449 §4 and §5: proofs at the token endpoint.
var proofCases = []Case{
	{
		ID: "dpop-bound", Spec: "RFC 9449", Section: "5", Level: Must,
		Request: "a token request with a good proof",
		Want:    "token_type DPoP, and a token whose confirmation is the key's thumbprint",
		Attacks: []string{"P13"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			t := c.wantProven(c.token(c.form()), "a good proof")
			if got := t.confirmation()["jkt"]; got != c.dpop.thumbprint() {
				p.failf("cnf.jkt is %v, want the thumbprint of the key", got)
			}
		},
	},
	{
		ID: "dpop-algorithms", Spec: "RFC 9449", Section: "5.1", Level: Must,
		Request: "proofs with each algorithm of dpop_signing_alg_values_supported",
		Want:    "tokens that are bound to the key; and no algorithm listed that is symmetric, or none",
		Attacks: []string{"O1"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			for _, algorithm := range p.run.md.list("dpop_signing_alg_values_supported") {
				switch {
				case algorithm == "none" || strings.HasPrefix(algorithm, "HS"):
					p.errorf("%s is listed", algorithm)
					continue
				case !slices.Contains([]string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}, algorithm):
					continue
				}
				c.dpop = &proofKey{p: p, key: p.newKey(algorithm)}
				t := c.wantProven(c.token(c.form()), algorithm)
				if got := t.confirmation()["jkt"]; got != c.dpop.thumbprint() {
					p.errorf("%s: cnf.jkt is %v, want the thumbprint of the key", algorithm, got)
				}
			}
		},
	},
	{
		ID: "dpop-proof-form", Spec: "RFC 9449", Section: "4.3", Level: Must,
		Request: "proofs that are unsigned, signed by a MAC or by another key than their own, of another type, without a key, with a private one, cut, lengthened, or no JWT at all",
		Want:    "invalid_dpop_proof",
		Attacks: []string{"P10"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			k := c.dpop
			c.wantProven(c.proved(k.by(c, nil, nil)), "a good proof, made by hand")
			public := k.key.Public()
			public.KeyID = ""
			other := p.newKey("ES256")
			symmetric := map[string]any{"kty": "oct", "k": inBase64([]byte("0123456789abcdef0123456789abcdef"))}
			bad := map[string]string{
				"alg none":                     p.unsigned(map[string]any{"typ": "dpop+jwt", "alg": "none", "jwk": public}, k.due(c), nil),
				"alg none and a signature":     p.unsigned(map[string]any{"typ": "dpop+jwt", "alg": "none", "jwk": public}, k.due(c), []byte("x")),
				"a symmetric key":              p.raw([]byte("0123456789abcdef0123456789abcdef"), p.text(claims{"typ": "dpop+jwt", "alg": "HS256", "jwk": symmetric}), p.text(k.due(c))),
				"the signature of another key": p.raw(other.Key, p.text(claims{"typ": "dpop+jwt", "alg": "ES256", "jwk": public}), p.text(k.due(c))),
				"a private key in it":          k.by(c, claims{"jwk": jose.JSONWebKey{Key: k.key.Key}}, nil),
				"no key":                       k.by(c, claims{"jwk": nil}, nil),
				"a key that is a text":         k.by(c, claims{"jwk": "x"}, nil),
				"a key by reference":           k.by(c, claims{"jwk": nil, "jku": "https://client.example/jwks", "kid": "x"}, nil),
				"typ JWT":                      k.by(c, claims{"typ": "JWT"}, nil),
				"typ at+jwt":                   k.by(c, claims{"typ": "at+jwt"}, nil),
				"no typ":                       k.by(c, claims{"typ": nil}, nil),
				"alg ES384 over a P-256 key":   k.by(c, claims{"alg": "ES384"}, nil),
				"alg RS256 over a P-256 key":   k.by(c, claims{"alg": "RS256"}, nil),
				"no JWT":                       "x",
				"two proofs with a comma":      k.by(c, nil, nil) + ", " + k.by(c, nil, nil),
			}
			maps.Copy(bad, p.badly(k.key.Key, map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, k.due(c)))
			for what, proof := range ordered(bad) {
				if len(proof) < 8<<10 { // longer ones are about the length of headers
					c.proved(proof).wantUnproven(what)
				}
			}
		},
	},
	{
		ID: "dpop-proof-claims", Spec: "RFC 9449", Section: "4.3", Level: Must,
		Request: "proofs for another method or URL, and proofs that lack jti, htm, htu or iat",
		Want:    "invalid_dpop_proof",
		Attacks: []string{"P10"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			at := c.at("token_endpoint")
			for what, change := range ordered(map[string]claims{
				"htm GET":               {"htm": http.MethodGet},
				"htm post":              {"htm": "post"},
				"no htm":                {"htm": nil},
				"htu of another server": {"htu": "https://as.other.example/token"},
				"htu of the issuer":     {"htu": p.run.target.Issuer},
				"htu that goes on":      {"htu": at + "/x"},
				"htu with another host": {"htu": strings.Replace(at, "://", "://evil.example:1@", 1)},
				"htu without a scheme":  {"htu": strings.TrimPrefix(strings.TrimPrefix(at, "https:"), "http:")},
				"no htu":                {"htu": nil},
				"no jti":                {"jti": nil},
				"jti that is a number":  {"jti": 1},
				"no iat":                {"iat": nil},
				"iat that is a text":    {"iat": "now"},
			}) {
				c.proved(c.dpop.by(c, nil, change)).wantUnproven(what)
			}
			c.wantProven(c.token(c.form()), "a good proof afterwards")
		},
	},
	{
		ID: "dpop-proof-age", Spec: "RFC 9449", Section: "11.1", Level: Must,
		Request: "proofs made an hour ago, and to be made in an hour, where no nonce tells the time",
		Want:    "invalid_dpop_proof",
		Attacks: []string{"P10"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			if c.dpop.withNonce() != nil {
				p.notOffered("the server gives out nonces, which tell when a proof was made (§4.3, item 11)")
			}
			for what, d := range ordered(map[string]time.Duration{"an hour ago": -time.Hour, "ten minutes ago": -10 * time.Minute, "in ten minutes": 10 * time.Minute, "in an hour": time.Hour}) {
				c.proved(c.dpop.by(c, nil, claims{"iat": p.now().Add(d).Unix()})).wantUnproven("a proof made " + what)
			}
			c.proved(c.dpop.by(c, nil, claims{"iat": 0})).wantUnproven("a proof made in 1970")
		},
	},
	{
		ID: "dpop-two-proofs", Spec: "RFC 9449", Section: "4.3", Level: Must,
		Request: "a request with two DPoP headers, both good",
		Want:    "invalid_dpop_proof",
		Attacks: []string{"P10"},
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			another := p.proofKey()
			another.nonce = c.dpop.nonce
			for _, second := range []*proofKey{c.dpop, another} {
				c.post("token_endpoint", c.form(), func(r *http.Request) {
					r.Header["Dpop"] = []string{c.dpop.by(c, nil, nil), second.by(c, nil, nil)}
				}).wantUnproven("two proofs")
			}
		},
	},
	{
		ID: "dpop-htu-compared", Spec: "RFC 9449", Section: "4.3", Level: Should,
		Request: "proofs whose htu has a query and a fragment, or the scheme and the host in capitals",
		Want:    "they are good: these do not count",
		needs:   []feature{proving},
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			at := c.at("token_endpoint")
			u, err := url.Parse(at)
			if err != nil {
				p.failf("%v", err)
			}
			capital := strings.ToUpper(u.Scheme) + "://" + strings.ToUpper(u.Host) + u.EscapedPath()
			for what, htu := range ordered(map[string]string{"a query": at + "?x=y", "a fragment": at + "#x", "capitals": capital}) {
				c.wantProven(c.proved(c.dpop.by(c, nil, claims{"htu": htu})), "htu with "+what)
			}
		},
	},
	{
		ID: "dpop-replayed", Spec: "RFC 9449", Section: "11.1", Level: Should,
		Request: "a proof that was used comes again, and 16 times at once",
		Want:    "a refusal of all but the first",
		Attacks: []string{"P10"},
		needs:   []feature{proving},
		varies:  true,
		run: func(p *probe) {
			c := p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			once := c.dpop.by(c, nil, nil)
			c.wantProven(c.proved(once), "a proof used for the first time")
			// No text has an error of its own for it.
			if x := c.proved(once); x.status < 400 || x.status > 499 {
				p.errorf("with a proof that was used the status is %d", x.status)
			}
			twice, good := c.dpop.by(c, nil, nil), 0
			forms := make([]url.Values, 16)
			for i := range forms {
				forms[i] = c.form()
			}
			for _, x := range together(p, len(forms), func(i int) *exchange { return c.post("token_endpoint", forms[i], header("DPoP", twice)) }) {
				switch {
				case x.status == http.StatusOK:
					good++
				case x.status < 400 || x.status > 499:
					p.errorf("with a proof that is used at the same time the status is %d", x.status)
				}
			}
			if good != 1 {
				p.failf("one proof is used %d times", good)
			}
		},
	},
	{
		ID: "dpop-not-used-up-by-others", Spec: "RFC 9449", Section: "11.1", Level: Should,
		Request: "two keys make proofs of the same jti",
		Want:    "both are good: nobody can use up the proofs of others",
		needs:   []feature{proving},
		run: func(p *probe) {
			c, other := p.prover(), p.prover()
			c.wantProven(c.token(c.form()), "a good proof")
			other.wantProven(other.token(other.form()), "a good proof")
			same := claims{"jti": random(16)}
			other.wantProven(other.proved(other.dpop.by(other, nil, same)), "a jti")
			c.wantProven(c.proved(c.dpop.by(c, nil, same)), "the jti of another one's proof")
		},
	},
	{
		ID: "dpop-required", Spec: "RFC 9449", Section: "5.2", Level: Must,
		Request: "a client with dpop_bound_access_tokens sends no proof",
		Want:    "a refusal",
		needs:   []feature{proving},
		run: func(p *probe) {
			wanted := []wanting{with("dpop_bound_access_tokens", true)}
			if ownTokens(p.run) == "" {
				wanted = append(wanted, servicing())
			}
			c := p.prover(wanted...)
			c.wantProven(c.token(c.form()), "a good proof")
			form := c.form()
			if x := c.post("token_endpoint", form); x.status == http.StatusOK {
				p.failf("there are tokens of type %q", x.text("token_type"))
			} else {
				x.wantRefused() // no text names the error
			}
		},
	},
}

// confirmation is what an access token is bound to: what is in it, if it is a JWT, or what
// introspection says.
func (t *tokens) confirmation() map[string]any {
	p := t.c.p
	if _, body := decoded(t.access); body["cnf"] != nil {
		cnf, _ := body["cnf"].(map[string]any)
		return cnf
	}
	if p.run.md.text("introspection_endpoint") == "" || t.c.way() == "none" {
		p.notTested("nothing shows what an access token is bound to: it is no JWT, and there is no introspection")
	}
	cnf, _ := t.c.introspect(t.access).wantJSON().member["cnf"].(map[string]any)
	return cnf
}
