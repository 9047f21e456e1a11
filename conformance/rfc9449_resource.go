package conformance

import (
	"net/http"
	"strings"
)

// resources are the URLs at which access tokens of the case can be presented: the target's
// resource, and UserInfo if the token is for that.
func (t *tokens) resources() []string {
	var all []string
	if r := t.c.p.run.target.Resource; r != "" {
		all = append(all, r)
	}
	if u := t.c.p.run.md.text("userinfo_endpoint"); u != "" && t.id != "" {
		all = append(all, u)
	}
	if len(all) == 0 {
		t.c.p.notTested("there is nothing at which to present an access token: see Target.Resource")
	}
	return all
}

// proofFor makes a proof for GET at a URL with a token, with the nonce of what was there last.
func (t *tokens) proofFor(key *proofKey, address string, last *exchange, changes claims) string {
	extra := claims{"ath": tokenHash(t.access)}
	if nonce := last.header.Get("DPoP-Nonce"); nonce != "" {
		extra["nonce"] = nonce
	}
	public := key.key.Public()
	public.KeyID, public.Algorithm, public.Use = "", "", ""
	head := claims{"typ": "dpop+jwt", "alg": rawAlgorithm(key.key.Key), "jwk": public}
	return key.p.raw(key.key.Key, key.p.text(head), key.p.text(key.claims(http.MethodGet, address).changed(extra).changed(changes)))
}

// boundTokens are tokens that are bound to a key, of a user.
func (p *probe) boundTokens() *tokens {
	c := p.prover(with("client_name", "Conformance, with a key"))
	var edits []edit
	if openID(p.run) == "" {
		edits = append(edits, set("scope", joined(p.scope(), "openid")))
		if p.scope() == "openid" {
			edits = nil
		}
	}
	return c.wantProven(c.authorize(edits...).redeem(), "a good proof")
}

// wantShut notes a problem unless a resource refuses a token.
func (x *exchange) wantShut(with string) {
	switch {
	case x.status >= 200 && x.status < 300:
		x.p.errorf("%s opens with %s", x.request.URL.Path, with)
	case x.status != http.StatusUnauthorized && x.status != http.StatusBadRequest:
		x.p.errorf("%s with %s: status %d, want 401", x.request.URL.Path, with, x.status)
	}
}

// wantClosed is the same where 401 is but advice (RFC 6750 §3.1): any refusal will do.
func (x *exchange) wantClosed(with string) {
	if x.status < 400 || x.status > 499 {
		x.p.errorf("%s with %s: status %d, want a refusal", x.request.URL.Path, with, x.status)
	}
}

// RFC 9449 §7: bound tokens at resources.
var proofAtResourceCases = []Case{
	{
		ID: "dpop-resource", Spec: "RFC 9449", Section: "7.1", Level: Must,
		Request: "a bound token at a resource: with a proof by its key, by another one, and without any",
		Want:    "it opens with the first alone",
		Attacks: []string{"P13"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			t := p.boundTokens()
			other := p.proofKey()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				scheme := header("Authorization", "DPoP "+t.access)
				p.get(address, scheme, header("DPoP", t.proofFor(other, address, good, nil))).wantShut("a proof by another key")
				p.get(address, scheme).wantShut("no proof")
				p.get(address, scheme, header("DPoP", "x")).wantShut("what is no proof")
				t.present(http.MethodGet, address).wantStatus(http.StatusOK)
			}
		},
	},
	{
		ID: "dpop-downgraded", Spec: "RFC 9449", Section: "7.2", Level: Must,
		Request: "a bound token at a resource as a bearer token, alone and with a good proof; and at UserInfo in the body",
		Want:    "401 each time",
		Attacks: []string{"P13"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			t := p.boundTokens()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				p.get(address, bearer(t.access)).wantShut("the scheme Bearer")
				p.get(address, bearer(t.access), header("DPoP", t.proofFor(t.c.dpop, address, good, nil))).wantShut("the scheme Bearer and a proof")
				if address == p.run.md.text("userinfo_endpoint") {
					p.post(address, formOf("access_token", t.access)).wantShut("the token in the body")
				}
			}
		},
	},
	{
		ID: "dpop-resource-proof", Spec: "RFC 9449", Section: "4.3", Level: Must,
		Request: "a bound token at a resource with proofs for another token, for none, for another method or URL, without jti, and of another type",
		Want:    "401",
		Attacks: []string{"P10"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			t := p.boundTokens()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				scheme := header("Authorization", "DPoP "+t.access)
				for what, change := range ordered(map[string]claims{
					"a proof without ath":      {"ath": nil},
					"a proof of another token": {"ath": tokenHash("another")},
					"a proof for POST":         {"htm": http.MethodPost},
					"a proof for another URL":  {"htu": strings.TrimSuffix(address, "/") + "/elsewhere"},
					"a proof for another host": {"htu": "https://api.other.example/"},
					"a proof without jti":      {"jti": nil},
					"a proof without iat":      {"iat": nil},
				}) {
					p.get(address, scheme, header("DPoP", t.proofFor(t.c.dpop, address, good, change))).wantShut(what)
				}
				unsigned := claims{"typ": "dpop+jwt", "alg": "none", "jwk": t.c.dpop.key.Public()}
				p.get(address, scheme, header("DPoP", p.unsigned(unsigned, t.c.dpop.claims(http.MethodGet, address).changed(claims{"ath": tokenHash(t.access)}), nil))).wantShut("an unsigned proof")
				p.get(address, scheme, func(r *http.Request) {
					r.Header["Dpop"] = []string{t.proofFor(t.c.dpop, address, good, nil), t.proofFor(t.c.dpop, address, good, nil)}
				}).wantShut("two proofs")
			}
		},
	},
	{
		ID: "dpop-resource-replayed", Spec: "RFC 9449", Section: "11.1", Level: Should,
		Request: "the proof of one request to a resource comes with another",
		Want:    "401",
		Attacks: []string{"P10"},
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			t := p.boundTokens()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				once := header("DPoP", t.proofFor(t.c.dpop, address, good, nil))
				p.get(address, header("Authorization", "DPoP "+t.access), once).wantStatus(http.StatusOK)
				p.get(address, header("Authorization", "DPoP "+t.access), once).wantShut("a proof that was used")
			}
		},
	},
	{
		ID: "dpop-challenge", Spec: "RFC 9449", Section: "7.1", Level: Should,
		Request: "a resource that takes bound tokens is asked with a wrong proof",
		Want:    "a challenge of the scheme DPoP, with an error and with algs",
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			t := p.boundTokens()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				x := p.get(address, header("Authorization", "DPoP "+t.access), header("DPoP", t.proofFor(t.c.dpop, address, good, claims{"htm": "PUT"}))).wantStatus(http.StatusUnauthorized)
				challenge := x.challenge("DPoP")
				switch {
				case challenge == nil:
					p.errorf("%s: there is no challenge of the scheme DPoP: %q", x.what(), x.header.Values("WWW-Authenticate"))
				case challenge["error"] != "invalid_dpop_proof" && challenge["error"] != "invalid_token":
					p.errorf("%s: error is %q", x.what(), challenge["error"])
				case challenge["algs"] == "":
					p.errorf("%s: there are no algs", x.what())
				}
			}
		},
	},
	{
		ID: "dpop-unbound-token", Spec: "RFC 9449", Section: "7.1", Level: Must,
		Request: "a bearer token at a resource with the scheme DPoP and a proof by any key",
		Want:    "401: the token is not bound to that key",
		needs:   []feature{codeFlow, proving},
		run: func(p *probe) {
			if p.bound() || p.run.md.is("require_bound_access_tokens") {
				p.notOffered("all access tokens are bound")
			}
			t := p.client().tokens()
			key := p.proofKey()
			for _, address := range t.resources() {
				good := t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				p.get(address, header("Authorization", "DPoP "+t.access), header("DPoP", t.proofFor(key, address, good, nil))).wantShut("the scheme DPoP and any key")
			}
		},
	},
	{
		ID: "dpop-introspection", Spec: "RFC 9449", Section: "6.2", Level: Must,
		Request: "introspection of a bound token",
		Want:    "cnf with the thumbprint of the key, and token_type DPoP",
		Attacks: []string{"P13"},
		needs:   []feature{proving, introspecting},
		run: func(p *probe) {
			c := p.prover()
			t := c.wantProven(c.token(c.form()), "a good proof")
			x := c.introspect(t.access).wantJSON()
			cnf, _ := x.member["cnf"].(map[string]any)
			if x.member["active"] != true || cnf["jkt"] != c.dpop.thumbprint() {
				p.failf("active is %v, cnf is %v", x.member["active"], x.member["cnf"])
			}
			if kind := x.text("token_type"); kind != "" && !strings.EqualFold(kind, "DPoP") {
				p.errorf("token_type is %q", kind)
			}
		},
	},
}
