package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const jwtBearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// partner is the trusted issuer of the target.
type partner struct {
	p   *probe
	c   *client
	key jose.JSONWebKey
}

// partner needs the trusted issuer, and makes a client that may use its JWTs.
func (p *probe) partner() *partner {
	var set jose.JSONWebKeySet
	if p.run.target.TrustedIssuer == "" {
		p.notTested("it takes an issuer that the server trusts: see Target.TrustedIssuer")
	}
	if err := json.Unmarshal([]byte(p.run.target.TrustedIssuerJWKS), &set); err != nil || len(set.Keys) == 0 {
		p.failf("Target.TrustedIssuerJWKS is no JWK Set with a key: %v", err)
	}
	if len(p.run.target.Users) == 0 {
		p.notTested("it takes a user: see Target.Users")
	}
	return &partner{p: p, c: p.client(grants(jwtBearerGrant)), key: set.Keys[0]}
}

func (i *partner) claims() claims {
	now := i.p.now()
	return claims{"iss": i.p.run.target.TrustedIssuer, "sub": i.p.run.target.Users[0].Name, "aud": i.p.run.target.Issuer,
		"jti": random(16), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
}

func (i *partner) jwt(changes claims) string {
	return i.p.sign(i.key, i.claims().changed(changes), nil)
}

// redeem sends a JWT as an authorization grant.
func (i *partner) redeem(jwt string, edits ...edit) *exchange {
	form := url.Values{"grant_type": {jwtBearerGrant}, "assertion": {jwt}}
	if scope := i.p.scope(); scope != "" && scope != "openid" {
		form.Set("scope", scope)
	}
	for _, e := range edits {
		e(form)
	}
	return i.c.token(form)
}

// refuses checks that JWTs with these changes are refused, and a good one is not.
func (i *partner) refuses(bad map[string]func() string) {
	i.c.got(i.redeem(i.jwt(nil)))
	for what, jwt := range ordered(bad) {
		x := i.redeem(jwt())
		switch said := x.text("error"); {
		case x.status == http.StatusOK:
			i.p.errorf("%s is taken for a grant", what)
		case x.status < 400 || x.status > 499 || said != "invalid_grant" && said != "invalid_request":
			i.p.errorf("%s: status %d, error %q, want invalid_grant", what, x.status, said)
		}
	}
	i.c.got(i.redeem(i.jwt(nil)))
}

func (i *partner) refusesClaims(bad map[string]claims) {
	all := map[string]func() string{}
	for what, change := range ordered(bad) {
		all[what] = func() string { return i.jwt(change) }
	}
	i.refuses(all)
}

// RFC 7523 §2.1: JWTs of other issuers as authorization grants.
var jwtBearerCases = []Case{
	{
		ID: "jwt-bearer-good", Spec: "RFC 7523", Section: "2.1", Level: Must,
		Request: "a JWT of an issuer that the server trusts, about one of the server's users",
		Want:    "an access token that works",
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		run: func(p *probe) {
			i := p.partner()
			t := i.c.got(i.redeem(i.jwt(nil)))
			t.wantNoStore()
			t.wantAlive("it was issued")
		},
	},
	{
		ID: "jwt-bearer-without-refresh-token", Spec: "RFC 7521", Section: "4.1", Level: Should,
		Request: "a JWT of an issuer that the server trusts",
		Want:    "no refresh token: it would outlive what the issuer says of the user",
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		run: func(p *probe) {
			i := p.partner()
			if i.c.got(i.redeem(i.jwt(nil))).refresh != "" {
				p.failf("there is a refresh token")
			}
		},
	},
	{
		ID: "jwt-bearer-claims", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "JWTs of the trusted issuer for another server or none, about nobody, without exp or expired, not good yet, and of an issuer that nobody trusts",
		Want:    "invalid_grant",
		Attacks: []string{"E5", "E7"},
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		run: func(p *probe) {
			now := p.now()
			p.partner().refusesClaims(map[string]claims{
				"one for another server": {"aud": "https://as.other.example"},
				"one for nobody":         {"aud": nil},
				"one about nobody":       {"sub": nil},
				"one without iss":        {"iss": nil},
				"one of a stranger":      {"iss": "https://stranger.example"},
				"one of the server":      {"iss": p.run.target.Issuer},
				"one without exp":        {"exp": nil},
				"one that has expired":   {"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-30 * time.Minute).Unix()},
				"one for later":          {"nbf": now.Add(time.Hour).Unix(), "exp": now.Add(61 * time.Minute).Unix()},
			})
		},
	},
	{
		ID: "jwt-bearer-signature", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "JWTs that say they are of the trusted issuer, signed by another key, by the client, by a MAC with the public key, or not at all, and malformed ones",
		Want:    "invalid_grant",
		Attacks: []string{"E1", "E9", "E10", "E12"},
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		run: func(p *probe) {
			i := p.partner()
			stranger := p.newKey("ES256")
			stranger.KeyID = i.key.KeyID
			bad := map[string]func() string{
				"one by another key":    func() string { return p.sign(stranger, i.claims(), nil) },
				"one that is unsigned":  func() string { return p.unsigned(map[string]any{"alg": "none"}, i.claims(), nil) },
				"one with its own key":  func() string { return p.sign(stranger, i.claims(), map[string]any{"jwk": stranger.Public()}) },
				"one with an empty MAC": func() string { return p.raw([]byte{}, `{"alg":"HS256"}`, p.text(i.claims())) },
			}
			for form, secret := range ordered(p.publicForms(i.key)) {
				bad["a MAC with the public key as "+form] = func() string {
					return p.raw(secret, p.text(map[string]any{"alg": "HS256", "kid": i.key.KeyID}), p.text(i.claims()))
				}
			}
			head := map[string]any{"alg": rawAlgorithm(i.key.Key), "kid": i.key.KeyID}
			for what, jwt := range ordered(p.badly(i.key.Key, head, i.claims())) {
				bad[what] = func() string { return jwt }
			}
			i.refuses(bad)
		},
	},
	{
		ID: "jwt-bearer-replayed", Spec: "RFC 7523", Section: "3", Level: Should,
		Request: "one JWT of the trusted issuer comes twice, and 16 times at once",
		Want:    "tokens once",
		Attacks: []string{"E2"},
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		varies:  true,
		run: func(p *probe) {
			i := p.partner()
			once := i.jwt(nil)
			i.c.got(i.redeem(once))
			i.redeem(once).wantError(0, "invalid_grant")
			twice, good := i.jwt(nil), 0
			for _, x := range together(p, 16, func(int) *exchange { return i.redeem(twice) }) {
				if x.status == http.StatusOK {
					good++
				}
			}
			if good != 1 {
				p.failf("one JWT yields tokens %d times", good)
			}
		},
	},
	{
		ID: "jwt-bearer-request", Spec: "RFC 7521", Section: "4.1", Level: Must,
		Request: "the grant without an assertion, and by a client that may not use it",
		Want:    "invalid_request, unauthorized_client",
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant)},
		run: func(p *probe) {
			i := p.partner()
			i.c.got(i.redeem(i.jwt(nil)))
			i.redeem("", del("assertion")).wantError(400, "invalid_request")
			other := &partner{p: p, c: p.client(), key: i.key}
			other.redeem(i.jwt(nil)).wantError(400, "unauthorized_client")
		},
	},
	{
		ID: "jwt-bearer-for-another-client", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "an assertion with which a client authenticates comes as an authorization grant, and one that is a grant as client authentication",
		Want:    "a refusal: a JWT for one purpose is not one for another",
		needs:   []feature{lists("grant_types_supported", jwtBearerGrant), byKey},
		run: func(p *probe) {
			i, c := p.partner(), p.keyed()
			i.c.got(i.redeem(i.jwt(nil)))
			i.redeem(c.assertion(nil)).wantError(0, "invalid_grant", "invalid_request")
			c.identified().wantKnown("a good assertion")
			c.trying(func() string { return i.jwt(nil) }).wantUnknown("a grant of another issuer")
			c.trying(func() string { return p.sign(i.key, c.assertionClaims(), nil) }).wantUnknown("an assertion by another issuer's key")
		},
	},
}
