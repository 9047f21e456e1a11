package conformance

import (
	"crypto/ecdsa"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rawHead is the header of an assertion of raw.
func (c *client) rawHead() map[string]any {
	key := c.key()
	return map[string]any{"alg": rawAlgorithm(key.Key), "kid": key.KeyID}
}

// RFC 8725: what is wrong with JWTs in their form, or about their keys, tried where clients
// authenticate by them.
var jwtFormCases = []Case{
	{
		ID: "jwt-algorithm-none", Spec: "RFC 8725", Section: "3.1", Level: Must,
		Request: "assertions with alg none, in all spellings, with and without a signature",
		Want:    "invalid_client",
		Attacks: []string{"E1"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			for _, none := range []any{"none", "None", "NONE", "nOnE", "none ", "", nil} {
				for _, signature := range [][]byte{nil, []byte("x"), make([]byte, 64)} {
					head := claims{"kid": c.key().KeyID}.changed(claims{"alg": none})
					c.trying(func() string { return p.unsigned(head, c.assertionClaims(), signature) }).wantUnknown("alg none")
				}
			}
		},
	},
	{
		ID: "jwt-key-confusion", Spec: "RFC 8725", Section: "3.1", Level: Must,
		Request: "assertions with alg HS256 whose secret is the client's public key, in each form that a server may have it in",
		Want:    "invalid_client",
		Attacks: []string{"E1"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			keys := []jose.JSONWebKey{}
			for _, algorithm := range []string{"ES256", "RS256"} {
				if p.run.md["token_endpoint_auth_signing_alg_values_supported"] == nil || p.run.md.lists("token_endpoint_auth_signing_alg_values_supported", algorithm) {
					keys = append(keys, p.newKey(algorithm))
				}
			}
			for _, key := range keys {
				c := p.keyed(with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}))
				c.identified().wantKnown("a good assertion")
				for form, secret := range ordered(p.publicForms(key)) {
					head := p.text(map[string]any{"alg": "HS256", "kid": key.KeyID})
					c.trying(func() string { return p.raw(secret, head, p.text(c.assertionClaims())) }).wantUnknown("a MAC with the public key as " + form)
				}
			}
		},
	},
	{
		ID: "jwt-algorithm-of-another-key", Spec: "RFC 8725", Section: "3.1", Level: Must,
		Request: "assertions whose header says another algorithm than that of their signature",
		Want:    "invalid_client",
		Attacks: []string{"E1"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			for _, other := range []string{"ES384", "ES512", "RS256", "PS256", "EdDSA", "HS256", "ES256K", "RS1", "dir"} {
				head := c.rawHead()
				if head["alg"] == other {
					continue
				}
				head["alg"] = other
				c.trying(func() string { return p.raw(c.key().Key, p.text(head), p.text(c.assertionClaims())) }).wantUnknown("alg " + other)
			}
		},
	},
	{
		ID: "jwt-signature-of-nothing", Spec: "RFC 8725", Section: "3.3", Level: Must,
		Request: "assertions with ES256 signatures of zeros, of the order of the curve, and in ASN.1",
		Want:    "invalid_client",
		Attacks: []string{"E1"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed(with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256")}}))
			c.identified().wantKnown("a good assertion")
			key, ok := c.key().Key.(*ecdsa.PrivateKey)
			if !ok {
				p.notTested("it takes a client with an ES256 key")
			}
			order := make([]byte, 64)
			key.Params().N.FillBytes(order[:32])
			key.Params().N.FillBytes(order[32:])
			for what, signature := range ordered(map[string][]byte{
				"zeros": make([]byte, 64), "the order of the curve": order, "no bytes": {},
				"ASN.1": {0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00}, "one byte": {0}, "a thousand bytes": make([]byte, 1000),
			}) {
				c.trying(func() string { return p.unsigned(c.rawHead(), c.assertionClaims(), signature) }).wantUnknown("a signature of " + what)
			}
		},
	},
	{
		ID: "jwt-malformed", Spec: "RFC 7515", Section: "5.2", Level: Must,
		Request: "assertions with extensions in crit, in the JSON serialization, cut, lengthened, or with claims that are no JSON object, most of them signed by the right key",
		Want:    "invalid_client, and never an error of the server",
		Attacks: []string{"E10", "E12"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			good := p.raw(c.key().Key, p.text(c.rawHead()), p.text(c.assertionClaims()))
			c.trying(func() string { return good }).wantKnown("a good assertion, made by hand")
			for what, bad := range ordered(p.badly(c.key().Key, c.rawHead(), c.assertionClaims())) {
				c.trying(func() string { return bad }).wantUnknown(what)
			}
		},
	},
	{
		ID: "jwt-unencoded-payload", Spec: "RFC 7797", Section: "7", Level: Must,
		Request: "assertions with b64 false in their header, and b64 in crit",
		Want:    "invalid_client: the option is not for JWTs",
		Attacks: []string{"E12"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			head := claims(c.rawHead()).changed(claims{"b64": false, "crit": []string{"b64"}})
			c.trying(func() string { return p.raw(c.key().Key, p.text(head), p.text(c.assertionClaims())) }).wantUnknown("b64 false")
		},
	},
	{
		ID: "jwt-repeated-claims", Spec: "RFC 7519", Section: "4", Level: Must,
		Request: "assertions with two iss, two aud or two exp, the first of which is right and the last wrong",
		Want:    "invalid_client: either repeated claims are refused, or the last one counts",
		Attacks: []string{"E12"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			for _, last := range []string{`"iss":"somebody"`, `"sub":"somebody"`, `"aud":"https://as.other.example"`, `"exp":1`} {
				c.trying(func() string {
					good := p.text(c.assertionClaims())
					return p.raw(c.key().Key, p.text(c.rawHead()), strings.TrimSuffix(good, "}")+","+last+"}")
				}).wantUnknown("a second " + last)
			}
		},
	},
	{
		ID: "jwt-keys-in-header", Spec: "RFC 8725", Section: "3.8", Level: Must,
		Request: "assertions signed by a key that they bring along: in jwk, in x5c, and at URLs in jku and x5u",
		Want:    "invalid_client, and nobody asks at the URLs (§3.10)",
		Attacks: []string{"E9"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			stranger := p.newKey("ES256")
			certificate := p.certificate()
			for what, head := range ordered(map[string]claims{
				"jwk": {"jwk": stranger.Public()},
				"x5c": {"x5c": [][]byte{certificate.Certificate[0]}},
			}) {
				signer := stranger.Key
				if what == "x5c" {
					signer = certificate.PrivateKey
				}
				for _, id := range []any{nil, c.key().KeyID, stranger.KeyID} {
					all := claims{"alg": "ES256"}.changed(head).changed(claims{"kid": id})
					c.trying(func() string { return p.raw(signer, p.text(all), p.text(c.assertionClaims())) }).wantUnknown("a key in " + what)
				}
			}
			urls := []string{"https://keys.other.example/jwks"}
			var watched *publication
			if p.run.target.Documents != nil {
				watched = p.publish(document("application/json", p.text(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{stranger.Public()}})))
				urls = append(urls, watched.url)
			}
			for _, name := range []string{"jku", "x5u"} {
				for _, address := range urls {
					all := claims{"alg": "ES256", "kid": stranger.KeyID, name: address}
					c.trying(func() string { return p.raw(stranger.Key, p.text(all), p.text(c.assertionClaims())) }).wantUnknown("a key at " + name)
				}
			}
			if watched != nil && watched.times() > 0 {
				p.failf("the server has fetched what the header of a JWT names, %d times", watched.times())
			}
			if fetched := p.controls().Fetched; fetched != nil && strings.Contains(strings.Join(fetched(), " "), "keys.other.example") {
				p.failf("the server has tried to fetch what the header of a JWT names")
			}
		},
	},
	{
		ID: "jwt-of-another-type", Spec: "RFC 8725", Section: "3.11", Level: Should,
		Request: "assertions that are typed as something else: an access token, a request object, a DPoP proof, a logout token",
		Want:    "invalid_client for all of them, or for none: what typ says counts, or it does not, as in older kinds of JWTs",
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			for _, typ := range []string{"JWT", "jwt", "application/jwt"} {
				c.trying(func() string { return p.sign(c.key(), c.assertionClaims(), map[string]any{"typ": typ}) }).wantKnown("typ " + typ)
			}
			var taken []string
			all := []string{"at+jwt", "application/at+jwt", "oauth-authz-req+jwt", "dpop+jwt", "logout+jwt", "token-introspection+jwt"}
			for _, typ := range all {
				x := c.trying(func() string { return p.sign(c.key(), c.assertionClaims(), map[string]any{"typ": typ}) })
				if x.known() {
					taken = append(taken, typ)
					continue
				}
				x.wantUnknown("typ " + typ)
			}
			switch {
			case len(taken) == len(all):
				p.notOffered("the server does not look at the typ of assertions")
			case len(taken) > 0:
				p.errorf("assertions with typ %s are taken, and others are not", strings.Join(taken, ", "))
			}
		},
	},
	{
		ID: "jwt-costly", Spec: "RFC 8725", Section: "3.6", Level: Should,
		Request: "assertions that cost much to read: with a header of 64 KiB, with claims of 64 KiB or ten thousand levels, encrypted and compressed, with a password to be hashed ten million times",
		Want:    "a refusal within two seconds",
		Attacks: []string{"E12"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			c := p.keyed()
			c.identified().wantKnown("a good assertion")
			b64 := func(text string) string { return inBase64([]byte(text)) }
			long := strings.Repeat("x", 64<<10)
			for what, bad := range ordered(map[string]string{
				"a long header":  p.raw(c.key().Key, p.text(claims(c.rawHead()).changed(claims{"x": long})), p.text(c.assertionClaims())),
				"deep claims":    p.raw(c.key().Key, p.text(c.rawHead()), strings.TrimSuffix(p.text(c.assertionClaims()), "}")+`,"x":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+"}"),
				"long claims":    p.raw(c.key().Key, p.text(c.rawHead()), p.text(c.assertionClaims().changed(claims{"jti": long}))),
				"a zip bomb":     b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + ".." + b64("012345678901") + "." + long + "." + b64("0123456789012345"),
				"a costly PBES2": b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"c2FsdHNhbHQ","p2c":10000000}`) + "." + b64("012345678901234567890123") + "." + b64("012345678901") + "." + b64("x") + "." + b64("0123456789012345"),
			}) {
				x := c.trying(func() string { return bad })
				if what == "a long header" || what == "long claims" || what == "deep claims" { // which may even be taken
					if x.status >= 500 {
						p.errorf("%s: status %d", what, x.status)
					}
				} else {
					x.wantUnknown(what)
				}
				if x.took > 2*time.Second {
					p.errorf("%s: the answer took %v", what, x.took)
				}
			}
			c.identified().wantKnown("a good assertion afterwards")
		},
	},
}

// RFC 7517 and OpenID Connect: keys that clients publish at their jwks_uri.
var clientKeyCases = []Case{
	{
		ID: "client-keys-published", Spec: "OpenID Connect Core", Section: "10.1.1", Level: Should,
		Request: "a client with a jwks_uri authenticates, changes its key there for another of another kid, and authenticates with that",
		Want:    "both keys work when they are published: a key that is missing is looked for again, and one that is gone does not work for good",
		needs:   []feature{byKey},
		alone:   true,
		run: func(p *probe) {
			set := func(key jose.JSONWebKey) http.Handler {
				return document("application/json", p.text(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}))
			}
			first, second := p.newKey("ES256"), p.newKey("ES256")
			at := p.publish(set(first))
			c := p.keyed(with("jwks_uri", at.url), with("jwks", nil))
			c.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{first}}
			c.identified().wantKnown("the key at the jwks_uri")
			at.change(set(second))
			c.keys.Keys[0] = second
			if !c.identified().known() {
				p.advance(2 * time.Minute) // servers do not ask each time: see client-keys-not-asked-for-each-time
			}
			c.identified().wantKnown("a key that has just been published")
			c.keys.Keys[0] = first
			p.advanceIfPossible(25 * time.Hour)
			if p.controls().Advance != nil {
				c.identified().wantUnknown("a key that was taken back a day ago")
			}
		},
	},
	{
		ID: "client-keys-not-asked-for-each-time", Spec: "RFC 8725", Section: "3.10", Level: Should,
		Request: "a thousand forged assertions, each with another kid, of a client with a jwks_uri",
		Want:    "the keys are not fetched anew for each: whoever asks has proven nothing",
		Attacks: []string{"E8"},
		needs:   []feature{byKey},
		varies:  true,
		run: func(p *probe) {
			key := p.newKey("ES256")
			at := p.publish(document("application/json", p.text(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})))
			c := p.keyed(with("jwks_uri", at.url), with("jwks", nil))
			c.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}
			c.identified().wantKnown("the key at the jwks_uri")
			c.says = func() string {
				return p.unsigned(map[string]any{"alg": "ES256", "kid": random(9)}, c.assertionClaims(), []byte(random(48)))
			}
			const floods, most = 1000, 50
			for _, all := range together(p, 8, func(int) []*exchange {
				var got []*exchange
				for range floods / 8 {
					got = append(got, c.identified())
				}
				return got
			}) {
				for _, x := range all {
					if x.known() {
						p.failf("a forged assertion authenticates the client")
					}
				}
			}
			if n := at.times(); n > most {
				p.failf("for %d forged assertions the keys were fetched %d times", floods, n)
			}
			c.says = nil
			c.identified().wantKnown("a good assertion after the flood")
		},
	},
	{
		ID: "client-keys-bounded", Spec: "RFC 8725", Section: "3.10", Level: Should,
		Request: "a jwks_uri that redirects to the keys, one that sends without end, and one that does not answer",
		Want:    "an answer within fifteen seconds each time, without the client being authenticated, and not more than a megabyte taken",
		Attacks: []string{"E8", "S3", "S10"},
		needs:   []feature{byKey},
		run: func(p *probe) {
			key := p.newKey("ES256")
			good := p.publish(document("application/json", p.text(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})))
			using := func(address string) *client {
				c := p.keyed(with("jwks_uri", address), with("jwks", nil))
				c.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}
				return c
			}
			using(good.url).identified().wantKnown("the key at the jwks_uri")
			p.boundedFetches(good, func(address string) *exchange { return using(address).identified() })
		},
	},
}
