package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// inside are header and claims of an access token; without a JWT the case is over.
func (t *tokens) inside() (head, body claims) {
	if h, _ := decoded(t.access); h == nil {
		t.c.p.notOffered("access tokens are no JWTs")
	}
	h, b := t.c.p.verified(t.access)
	return h, b
}

// moment is a claim that is a time.
func (c claims) moment(name string) time.Time {
	n, _ := c[name].(float64)
	return time.Unix(int64(n), 0)
}

var jwtTokens = []feature{codeFlow, has("jwks_uri")}

// forgeries are access tokens that the server has not signed as they are.
func (t *tokens) forgeries() map[string]string {
	p := t.c.p
	head, body := t.inside()
	parts := strings.Split(t.access, ".")
	wider := body.changed(claims{"scope": "admin everything", "exp": p.now().Add(time.Hour).Unix(), "sub": "root"})
	stranger := p.newKey("ES256")
	id, _ := head["kid"].(string)
	stranger.KeyID = id
	all := map[string]string{
		"another signature":        parts[0] + "." + parts[1] + "." + anotherSignature(parts[2]),
		"no signature":             parts[0] + "." + parts[1] + ".",
		"other claims":             parts[0] + "." + inBase64([]byte(p.text(wider))) + "." + parts[2],
		"alg none":                 p.unsigned(head.changed(claims{"alg": "none"}), body, nil),
		"alg None and a signature": p.unsigned(head.changed(claims{"alg": "None"}), body, []byte("x")),
		"a stranger's key":         p.sign(stranger, body, map[string]any{"typ": "at+jwt"}),
		"a key that it brings":     p.sign(stranger, body, map[string]any{"typ": "at+jwt", "jwk": stranger.Public()}),
		"an empty MAC":             p.raw([]byte{}, p.text(head.changed(claims{"alg": "HS256"})), p.text(body)),
	}
	for _, key := range p.serverKeys().Keys {
		if key.KeyID != id || !key.IsPublic() {
			continue
		}
		for form, secret := range ordered(p.publicForms(key)) {
			all["a MAC with the server's public key as "+form] = p.raw(secret, p.text(head.changed(claims{"alg": "HS256"})), p.text(body))
		}
	}
	return all
}

// RFC 9068: access tokens that are JWTs.
var accessTokenCases = []Case{
	{
		ID: "access-token-claims", Spec: "RFC 9068", Section: "2.2", Level: Must,
		Request: "an access token of a user",
		Want:    "typ at+jwt, a signature by a key at jwks_uri, and iss, exp, aud, sub, client_id, iat and jti, in agreement with the token response",
		needs:   jwtTokens,
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			head, body := t.inside()
			if typ, _ := head["typ"].(string); !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "at+jwt") {
				p.errorf("typ is %v", head["typ"])
			}
			if alg, _ := head["alg"].(string); strings.EqualFold(alg, "none") {
				p.errorf("alg is %v", alg)
			}
			for _, name := range []string{"iss", "sub", "client_id", "jti"} {
				if s, _ := body[name].(string); s == "" {
					p.errorf("%s is %v", name, body[name])
				}
			}
			if body["iss"] != p.run.target.Issuer {
				p.errorf("iss is %v, want the issuer", body["iss"])
			}
			if body["client_id"] != c.ID {
				p.errorf("client_id is not the client")
			}
			if body["aud"] == nil {
				p.errorf("there is no aud")
			}
			now := p.now()
			if iat := body.moment("iat"); iat.After(now.Add(time.Minute)) || iat.Before(now.Add(-time.Minute)) {
				p.errorf("iat is %v, want about now", iat)
			}
			if n, ok := t.member["expires_in"].(float64); ok {
				if d := body.moment("exp").Sub(now.Add(time.Duration(n) * time.Second)).Abs(); d > 10*time.Second {
					p.errorf("exp and expires_in differ by %v", d)
				}
			}
			if !body.moment("exp").After(now) {
				p.errorf("exp is %v", body["exp"])
			}
		},
	},
	{
		ID: "access-token-audience", Spec: "RFC 9068", Section: "3", Level: Should,
		Request: "access tokens for the target's resource, and for another one",
		Want:    "aud is the resource that was asked for; the token for the other one does not open this one (§4)",
		needs:   jwtTokens,
		run: func(p *probe) {
			one, other := p.run.target.ResourceIdentifier, p.run.target.OtherResource
			if one == "" {
				one = p.run.target.Resource
			}
			if one == "" || other == "" {
				p.notTested("it takes two resources: see Target.Resource and Target.OtherResource")
			}
			c := p.client()
			for _, resource := range []string{one, other} {
				t := c.tokens(set("resource", resource))
				_, body := t.inside()
				if got := audiences(body["aud"]); !slices.Equal(got, []string{resource}) {
					p.errorf("aud is %v, want %s", body["aud"], resource)
				}
				if p.run.target.Resource == "" {
					continue // aud alone can be looked at
				}
				x := t.present(http.MethodGet, p.run.target.Resource)
				if resource == one {
					x.wantStatus(http.StatusOK)
				} else {
					x.wantShut("a token for another resource")
				}
			}
		},
	},
	{
		ID: "access-token-scope", Spec: "RFC 9068", Section: "2.2.3", Level: Should,
		Request: "an access token for a scope that was asked for",
		Want:    "scope is in it, and says what was granted",
		needs:   jwtTokens,
		run: func(p *probe) {
			scope := p.scope()
			if scope == "" {
				p.notOffered("there are no scopes")
			}
			_, body := p.client().tokens(set("scope", scope)).inside()
			if body["scope"] != scope {
				p.failf("scope is %v, want %s", body["scope"], scope)
			}
		},
	},
	{
		ID: "access-token-unique", Spec: "RFC 9068", Section: "2.2", Level: Must,
		Request: "a token and the one after a refresh, half a minute later where the clock can be moved",
		Want:    "another jti, a new iat and exp; the same sub, client_id and, where there is one, auth_time, acr and amr (§2.2.1)",
		needs:   append([]feature{refreshing}, jwtTokens...),
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			_, first := t.inside()
			wait := 2 * time.Second
			if p.controls().Advance != nil {
				wait = 30 * time.Second
			}
			p.advance(wait)
			_, second := c.got(c.refreshed(t.refresh)).inside()
			if first["jti"] == second["jti"] {
				p.errorf("jti is the same")
			}
			for _, name := range []string{"iat", "exp"} {
				if !second.moment(name).After(first.moment(name)) {
					p.errorf("%s is not later than that of the first", name)
				}
			}
			for _, name := range []string{"iss", "sub", "aud", "client_id", "auth_time", "acr", "amr"} {
				if a, b := fmt.Sprint(first[name]), fmt.Sprint(second[name]); a != b {
					p.errorf("%s is %s after the refresh, and was %s", name, b, a)
				}
			}
		},
	},
	{
		ID: "access-token-of-client", Spec: "RFC 9068", Section: "2.2", Level: Should,
		Request: "two access tokens of a client's own",
		Want:    "sub is something that stands for the client, the same in both, and no user's; the jtis differ",
		needs:   append([]feature{ownTokens}, jwtTokens...),
		run: func(p *probe) {
			c := p.client(servicing())
			_, first := c.own().inside()
			_, second := c.own().inside()
			switch {
			case first["jti"] == second["jti"]:
				p.errorf("both have the same jti")
			case first["sub"] != second["sub"] || first["sub"] == nil:
				p.errorf("sub is %v and %v", first["sub"], second["sub"])
			case first["client_id"] != c.ID:
				p.errorf("client_id is not the client")
			}
			for _, user := range p.run.target.Users {
				if first["sub"] == user.Name {
					p.errorf("sub is a user")
				}
			}
		},
	},
	{
		ID: "access-token-authentication", Spec: "RFC 9068", Section: "2.2.1", Level: Should,
		Request: "an access token of a user who has just signed in",
		Want:    "auth_time is now, and not after iat, where there is one",
		needs:   jwtTokens,
		run: func(p *probe) {
			_, body := p.client().tokens().inside()
			if body["auth_time"] == nil {
				p.notOffered("access tokens have no auth_time")
			}
			at := body.moment("auth_time")
			if at.After(body.moment("iat")) || at.Before(p.now().Add(-2*time.Minute)) {
				p.failf("auth_time is %v, iat %v", at, body.moment("iat"))
			}
		},
	},
	{
		ID: "access-token-forged", Spec: "RFC 9068", Section: "4", Level: Must,
		Request: "access tokens with changed claims, without a signature, by a stranger's key, and by a MAC with the server's public key, at resources",
		Want:    "401",
		Attacks: []string{"E19"},
		needs:   jwtTokens,
		run: func(p *probe) {
			edits := []edit{}
			if openID(p.run) == "" && p.scope() != "openid" {
				edits = append(edits, set("scope", joined(p.scope(), "openid")))
			}
			t := p.client().tokens(edits...)
			for _, address := range t.resources() {
				t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				for what, bad := range ordered(t.forgeries()) {
					forged := *t
					forged.access = bad
					forged.present(http.MethodGet, address).wantShut(what)
				}
			}
		},
	},
	{
		ID: "access-token-forged-introspection", Spec: "RFC 7662", Section: "2.2", Level: Should,
		Request: "forged access tokens, at introspection",
		Want:    "active false, and nothing else",
		Attacks: []string{"E19", "G6"},
		needs:   append([]feature{introspecting}, jwtTokens...),
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			if c.introspect(t.access).wantJSON().member["active"] != true {
				p.failf("the token itself is not active")
			}
			for what, bad := range ordered(t.forgeries()) {
				x := c.introspect(bad).wantJSON()
				if x.member["active"] != false || len(x.member) != 1 {
					p.errorf("%s: the answer is %s", what, x.body)
				}
			}
		},
	},
	{
		ID: "access-token-of-another-type", Spec: "RFC 9068", Section: "4", Level: Must,
		Request: "an ID token as an access token: at resources, at UserInfo and at introspection",
		Want:    "it is none: a refusal, and active false or an error",
		Attacks: []string{"E19"},
		needs:   append([]feature{openID}, jwtTokens...),
		run: func(p *probe) {
			c := p.client()
			scope := joined(p.scope(), "openid")
			if p.scope() == "openid" {
				scope = "openid"
			}
			t := c.tokens(set("scope", scope))
			if t.id == "" {
				p.failf("there is no ID token")
			}
			for _, address := range t.resources() {
				t.present(http.MethodGet, address).wantStatus(http.StatusOK)
				other := *t
				other.access = t.id
				other.present(http.MethodGet, address).wantClosed("an ID token")
			}
			if introspecting(p.run) == "" && c.way() != "none" {
				if c.introspect(t.access).wantJSON().member["active"] != true {
					p.errorf("the access token is not active")
				}
				c.introspect(t.id).wantNotActive("an ID token")
			}
		},
	},
	{
		ID: "server-keys-public", Spec: "RFC 7517", Section: "9.2", Level: Must,
		Request: "the keys at jwks_uri",
		Want:    "public keys alone, each of 2048 bits if it is RSA, and none symmetric",
		Attacks: []string{"L9"},
		needs:   []feature{has("jwks_uri")},
		run: func(p *probe) {
			x := p.get(p.endpoint("jwks_uri")).wantJSON()
			list, _ := x.member["keys"].([]any)
			if len(list) == 0 {
				p.failf("there are no keys")
			}
			for _, one := range list {
				key, _ := one.(map[string]any)
				for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
					if _, there := key[private]; there {
						p.errorf("a key has the member %s", private)
					}
				}
				if n, _ := key["n"].(string); key["kty"] == "RSA" && len(n) < 341 { // 256 bytes in base64url
					p.errorf("an RSA key is shorter than 2048 bits")
				}
			}
		},
	},
}

// audiences are the values of an aud claim.
func audiences(aud any) []string {
	if s, ok := aud.(string); ok {
		return []string{s}
	}
	return texts(aud)
}
