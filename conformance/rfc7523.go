package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// RFC 7521 and RFC 7523: clients that authenticate by JWTs. What is wrong in their form is in
// rfc8725.go.
var assertionCases = []Case{
	{
		ID: "assertion-private-key", Spec: "RFC 7523", Section: "2.2", Level: Must,
		Request: "a token request with an assertion that the client's key has signed, with client_id beside it and without",
		Want:    "the client is authenticated",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("an assertion")
			c.identified(func(r *http.Request) { addToForm(r, "client_id", c.ID) }).wantKnown("an assertion and client_id")
		},
	},
	{
		ID: "assertion-secret", Spec: "RFC 7523", Section: "2.2", Level: Must,
		Request: "assertions by client_secret_jwt: with the client's secret, and with another one",
		Want:    "the first authenticates the client, the other does not",
		needs:   []feature{lists("token_endpoint_auth_methods_supported", "client_secret_jwt")},
		run: func(p *probe) {
			c := p.keyed(method("client_secret_jwt"))
			c.identified().wantKnown("a good assertion")
			c.trying(func() string {
				return p.sign(jose.JSONWebKey{Key: []byte(random(48)), Algorithm: "HS256"}, c.assertionClaims(), nil)
			}).wantUnknown("another secret")
			c.trying(func() string { return p.unsigned(map[string]any{"alg": "none"}, c.assertionClaims(), nil) }).wantUnknown("no signature")
		},
	},
	{
		ID: "assertion-algorithms", Spec: "RFC 8414", Section: "2", Level: Must,
		Request: "assertions signed with each algorithm of token_endpoint_auth_signing_alg_values_supported",
		Want:    "the client is authenticated with each",
		Attacks: []string{"O1"},
		needs:   []feature{byKey, has("token_endpoint_auth_signing_alg_values_supported")},
		run: func(p *probe) {
			for _, algorithm := range p.run.md.list("token_endpoint_auth_signing_alg_values_supported") {
				if !slices.Contains([]string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}, algorithm) {
					continue
				}
				c := p.keyed(with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey(algorithm)}}))
				c.identified().wantKnown(algorithm)
			}
		},
	},
	{
		ID: "assertion-audience", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "assertions for another server, for a URL that begins like this one's, for the client itself, and for nobody",
		Want:    "invalid_client",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.refuses(map[string]claims{
				"aud of another server":         {"aud": "https://as.other.example"},
				"aud that goes on":              {"aud": p.run.target.Issuer + ".other.example"},
				"aud that is the client":        {"aud": c.ID},
				"no aud":                        {"aud": nil},
				"an empty list as aud":          {"aud": []string{}},
				"aud that is an object":         {"aud": map[string]any{"iss": p.run.target.Issuer}},
				"aud with another one's server": {"aud": []string{"https://as.other.example"}},
			})
		},
	},
	{
		ID: "assertion-issuer-and-subject", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "assertions whose iss or sub is missing, is somebody else, or is that of another client of this server",
		Want:    "invalid_client",
		Attacks: []string{"E7"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c, other := p.keyed(), p.keyed()
			c.refuses(map[string]claims{
				"no iss":                         {"iss": nil},
				"no sub":                         {"sub": nil},
				"another iss":                    {"iss": "https://issuer.example"},
				"another sub":                    {"sub": "ana"},
				"sub of another client":          {"sub": other.ID},
				"iss of another client":          {"iss": other.ID},
				"iss and sub of another client":  {"iss": other.ID, "sub": other.ID},
				"iss that is a list":             {"iss": []string{c.ID}},
				"iss and sub of nobody":          {"iss": "nobody-here", "sub": "nobody-here"},
				"iss and sub with a space after": {"iss": c.ID + " ", "sub": c.ID + " "},
			})
		},
	},
	{
		ID: "assertion-client-id-of-another", Spec: "RFC 7521", Section: "4.2", Level: Must,
		Request: "a good assertion beside the client_id of another client",
		Want:    "a refusal: client_id has to name the client of the assertion",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c, other := p.keyed(), p.keyed()
			c.identified().wantKnown("a good assertion")
			c.identified(func(r *http.Request) { addToForm(r, "client_id", other.ID) }).wantUnknown("the client_id of another client")
		},
	},
	{
		ID: "assertion-life", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "assertions without exp, with one that has passed, with one that is no number, and with an nbf that is still to come",
		Want:    "invalid_client",
		Attacks: []string{"E5"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			now := p.now()
			p.keyed().refuses(map[string]claims{
				"no exp":                 {"exp": nil},
				"an exp that has passed": {"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-30 * time.Minute).Unix()},
				"an exp of zero":         {"exp": 0},
				"an exp in words":        {"exp": "tomorrow"},
				"an exp below zero":      {"exp": -1},
				"an nbf in an hour":      {"nbf": now.Add(time.Hour).Unix(), "exp": now.Add(61 * time.Minute).Unix()},
			})
		},
	},
	{
		ID: "assertion-far-expiry", Spec: "RFC 7523", Section: "3", Level: Should,
		Request: "assertions that expire in ten years, and beyond all dates",
		Want:    "invalid_client; or the server remembers that one was used, also a day later",
		Attacks: []string{"E5"},
		needs:   []feature{byKey},
		alone:   true,
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			if x := c.trying(func() string { return c.assertion(claims{"exp": 1e300}) }); !x.known() {
				x.wantRefused()
			}
			once := c.assertion(claims{"exp": p.now().AddDate(10, 0, 0).Unix()})
			again := func() *exchange { return c.trying(func() string { return once }) }
			if x := again(); !x.known() {
				x.wantUnknown("an exp in ten years")
				return
			}
			for _, later := range []time.Duration{0, 25 * time.Hour} {
				p.advance(later)
				if x := again(); x.known() {
					p.errorf("an assertion with an exp in ten years is taken again after %v", later)
				} else {
					x.wantRefused() // by whichever error
				}
			}
		},
	},
	{
		ID: "assertion-replayed", Spec: "RFC 7523", Section: "3", Level: Should,
		Request: "an assertion that was used comes again, and then another one of the same jti",
		Want:    "invalid_client, by that name (RFC 7521 §4.2.1)",
		Attacks: []string{"E2"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			once := c.assertion(nil)
			_, body := decoded(once)
			c.trying(func() string { return once }).wantKnown("an assertion used for the first time")
			c.trying(func() string { return once }).wantError(0, "invalid_client")
			c.trying(func() string {
				return c.assertion(claims{"jti": body["jti"], "exp": p.now().Add(2 * time.Minute).Unix()})
			}).wantUnknown("the jti of one before")
		},
	},
	{
		ID: "assertion-replayed-at-once", Spec: "RFC 7523", Section: "3", Level: Should,
		Request: "one assertion in 32 requests at the same time",
		Want:    "the client is authenticated once",
		Attacks: []string{"E2"},
		needs:   []feature{byKey},
		varies:  true,
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			once := c.assertion(nil)
			c.says = func() string { return once }
			good := 0
			for _, x := range together(p, 32, func(int) *exchange { return c.identified() }) {
				if x.known() {
					good++
				} else {
					x.wantUnknown("an assertion that is used at the same time")
				}
			}
			if good != 1 {
				p.failf("%d of 32 requests with one assertion are authenticated", good)
			}
		},
	},
	{
		ID: "assertion-not-used-up-by-others", Spec: "RFC 7523", Section: "3", Level: Should,
		Request: "a forged assertion with the jti of one that the client is about to use, and another client's own with the same jti",
		Want:    "the client's still authenticates it: nobody else can use it up",
		Attacks: []string{"E2"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c, other := p.keyed(), p.keyed()
			other.identified().wantKnown("a good assertion")
			what := claims{"jti": random(16)}
			stranger := p.newKey("ES256")
			stranger.KeyID = c.key().KeyID
			c.trying(func() string { return p.sign(stranger, c.assertionClaims().changed(what), nil) }).wantUnknown("a signature by another key")
			other.trying(func() string { return other.assertion(what) }).wantKnown("the same jti of another client")
			c.trying(func() string { return c.assertion(what) }).wantKnown("a jti that others have used")
		},
	},
	{
		ID: "assertion-key-of-another", Spec: "RFC 7523", Section: "3", Level: Must,
		Request: "assertions signed by a key that nobody has registered, by that of another client, and by the right key with a wrong kid",
		Want:    "invalid_client for the first two; no failure of the server for the last",
		Attacks: []string{"E8"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c, other := p.keyed(), p.keyed()
			c.identified().wantKnown("a good assertion")
			for what, key := range ordered(map[string]jose.JSONWebKey{"a key that nobody has": p.newKey("ES256"), "the key of another client": other.key()}) {
				for _, id := range []string{key.KeyID, c.key().KeyID, ""} {
					key.KeyID = id
					c.trying(func() string { return p.sign(key, c.assertionClaims(), nil) }).wantUnknown(what)
				}
			}
			for _, id := range []string{"../../../../etc/passwd", "' OR 1=1 --", "/dev/null", "\x00", "http://127.0.0.1/", string(make([]byte, 3000))} {
				stranger := p.newKey("ES256")
				stranger.KeyID = id
				c.trying(func() string { return p.sign(stranger, c.assertionClaims(), nil) }).wantUnknown("a kid that means something elsewhere")
				mac := p.raw([]byte(""), p.text(claims{"alg": "HS256", "kid": id}), p.text(c.assertionClaims()))
				c.trying(func() string { return mac }).wantUnknown("a MAC with an empty key, and a kid that names an empty file")
			}
		},
	},
	{
		ID: "assertion-type", Spec: "RFC 7521", Section: "4.2", Level: Must,
		Request: "a good assertion with a client_assertion_type that is missing, is that of SAML, or is unknown; a type without an assertion",
		Want:    "a refusal",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			for _, kind := range []string{"", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "urn:example:unknown", assertionType + " "} {
				c.identified(func(r *http.Request) { setInForm(r, "client_assertion_type", kind) }).wantUnknown("client_assertion_type " + kind)
			}
			c.identified(func(r *http.Request) { setInForm(r, "client_assertion", "") }).wantUnknown("no assertion")
		},
	},
	{
		ID: "assertion-and-secret", Spec: "RFC 6749", Section: "2.3", Level: Must,
		Request: "a good assertion together with a client_secret, and with HTTP Basic",
		Want:    "a refusal: one way to authenticate in one request",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			secret := p.secret("client_secret")
			c.identified(func(r *http.Request) { addToForm(r, "client_secret", secret) }).wantUnknown("a client_secret beside")
			c.identified(c.basic(c.ID, secret)).wantUnknown("HTTP Basic beside")
		},
	},
	{
		ID: "assertion-method-registered", Spec: "OpenID Connect Core", Section: "3.1.3.1", Level: Must,
		Request: "a client registered for private_key_jwt names itself alone, and a client with a secret signs an assertion with it",
		Want:    "invalid_client: the registered method is the only one",
		Attacks: []string{"D12"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			c.identified(func(r *http.Request) {
				setInForm(r, "client_assertion", "")
				setInForm(r, "client_assertion_type", "")
				setInForm(r, "client_id", c.ID)
			}).wantUnknown("client_id alone")
			c.identified(func(r *http.Request) {
				setInForm(r, "client_assertion", "")
				setInForm(r, "client_assertion_type", "")
			}, c.basic(c.ID, "")).wantUnknown("an empty secret")
			if p.run.md.lists("token_endpoint_auth_methods_supported", "client_secret_basic") {
				s := p.keyed(method("client_secret_basic"))
				s.identified().wantKnown("HTTP Basic")
				s.identified(header("Authorization", ""), func(r *http.Request) {
					setInForm(r, "client_assertion_type", assertionType)
					setInForm(r, "client_assertion", s.secretAssertion(nil))
				}).wantUnknown("an assertion of a client that is registered for HTTP Basic")
			}
		},
	},
	{
		ID: "assertion-algorithm-registered", Spec: "OpenID Connect Registration", Section: "2", Level: Must,
		Request: "a client with token_endpoint_auth_signing_alg ES256 signs with its RSA key",
		Want:    "invalid_client",
		needs:   []feature{byKey, lists("token_endpoint_auth_signing_alg_values_supported", "ES256"), lists("token_endpoint_auth_signing_alg_values_supported", "PS256")},
		run: func(p *probe) {
			both := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256"), p.newKey("PS256")}}
			c := p.keyed(with("jwks", both), with("token_endpoint_auth_signing_alg", "ES256"))
			c.identified().wantKnown("ES256")
			c.trying(func() string { return p.sign(both.Keys[1], c.assertionClaims(), nil) }).wantUnknown("PS256")
		},
	},
	{
		ID: "assertion-elsewhere", Spec: "RFC 7521", Section: "4.2", Level: Must,
		Request: "good and forged assertions at the introspection, revocation and pushed authorization request endpoints, where they are listed",
		Want:    "they are judged as at the token endpoint",
		Attacks: []string{"G5"},
		needs:   []feature{byKey, anyOf(introspecting, revoking, pushing)},
		run: func(p *probe) {
			c := p.client(method("private_key_jwt"))
			stranger := p.newKey("ES256")
			stranger.KeyID = c.key().KeyID
			for endpoint, status := range ordered(map[string]int{"introspection_endpoint": 200, "revocation_endpoint": 200, "pushed_authorization_request_endpoint": 201}) {
				methods := endpoint + "_auth_methods_supported"
				if p.run.md.text(endpoint) == "" || p.run.md[methods] != nil && !p.run.md.lists(methods, "private_key_jwt") {
					continue
				}
				form := url.Values{"token": {p.secret("token")}}
				if status == 201 {
					form = c.request().params
					if c.p.run.md.is("require_signed_request_object") {
						form = url.Values{"client_id": {c.ID}, "request": {c.requestObject(form, nil)}}
					}
				}
				send := func() *exchange {
					if status == 201 {
						return c.push(form)
					}
					return c.post(endpoint, form)
				}
				send().wantStatus(status)
				c.says = func() string { return p.sign(stranger, c.assertionClaims(), nil) }
				send().wantError(0, "invalid_client")
				c.says = nil
				send().wantStatus(status)
			}
		},
	},
}
