package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OpenID Connect Core §2: the ID token.
var idTokenCases = []Case{
	{
		ID: "idtoken-claims", Spec: openIDCore, Section: "2", Level: Must,
		Request: "a code of a request with the scope openid is redeemed",
		Want:    "an ID token with iss, sub, aud, exp and iat, for this client and for now",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			id := c.tokens(identifying()).identity()
			sub, audience, now := id.text("sub"), id.said.audience(), p.now().Unix()
			if id.text("iss") != p.run.target.Issuer {
				p.errorf("iss %q, want %q", id.text("iss"), p.run.target.Issuer)
			}
			if sub == "" || len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r > 127 }) {
				p.errorf("sub %q, want up to 255 ASCII characters", sub)
			}
			if !slices.Contains(audience, c.ID) {
				p.errorf("aud %q does not name the client", audience)
			}
			if iat := id.seconds("iat"); iat > now+60 || iat < now-300 {
				p.errorf("iat is %d seconds away from now", iat-now)
			}
			if exp := id.seconds("exp"); exp <= now {
				p.errorf("exp is %d seconds ago", now-exp)
			}
		},
	},
	{
		ID: "idtoken-one-audience", Spec: openIDCore, Section: "3.1.3.7", Level: Should,
		Request: "a code is redeemed, and the refresh token twice if there is one",
		Want:    "aud names the client alone, or others only together with azp; it does not grow",
		Attacks: []string{"E20"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			t := c.tokens(identifying(), offline(p))
			check := func(jwt string) {
				id := p.identity(jwt)
				azp, there := id.said["azp"]
				if audience := id.said.audience(); len(audience) != 1 && !there || !slices.Contains(audience, c.ID) {
					p.failf("aud %q without azp, want %q", audience, c.ID)
				}
				if there && azp != c.ID {
					p.failf("azp %v, want %q", azp, c.ID)
				}
			}
			check(t.identity().jwt)
			for range 2 {
				if t.refresh == "" {
					return
				}
				next := c.got(c.refreshed(t.refresh))
				if next.id != "" {
					check(next.id)
				}
				if next.refresh != "" {
					t.refresh = next.refresh
				}
			}
		},
	},
	{
		ID: "idtoken-default-algorithm", Spec: "OpenID Connect Registration", Section: "2", Level: Must,
		Request: "a client that has registered no id_token_signed_response_alg signs a user in",
		Want:    "an ID token of RS256, signed with a key at jwks_uri",
		Attacks: []string{"O5"},
		needs:   []feature{codeFlow, openID, lists("id_token_signing_alg_values_supported", "RS256")},
		run: func(p *probe) {
			c := p.client()
			if asked, ok := c.Metadata["id_token_signed_response_alg"].(string); ok && asked != "RS256" {
				p.notTested("the client that there is has id_token_signed_response_alg %s", asked)
			}
			if alg := c.tokens(identifying()).identity().head["alg"]; alg != "RS256" {
				p.failf("alg %v, want RS256", alg)
			}
		},
	},
	{
		ID: "idtoken-registered-algorithm", Spec: "OpenID Connect Registration", Section: "2", Level: Must,
		Request: "clients sign users in that have registered each of id_token_signing_alg_values_supported",
		Want:    "the ID token has the algorithm that the client has registered",
		Attacks: []string{"O5", "O1"},
		needs:   []feature{codeFlow, openID, has("id_token_signing_alg_values_supported")},
		run: func(p *probe) {
			for _, alg := range p.run.md.list("id_token_signing_alg_values_supported") {
				if alg == "none" || strings.HasPrefix(alg, "HS") {
					continue
				}
				id := p.client(with("id_token_signed_response_alg", alg)).tokens(identifying()).identity()
				if id.head["alg"] != alg {
					p.errorf("alg %v, want %s", id.head["alg"], alg)
				}
			}
		},
	},
	{
		ID: "idtoken-signed", Spec: openIDCore, Section: "2", Level: Must,
		Request: "any request that brings an ID token",
		Want:    "the ID token is signed: three parts, an alg that is not none, or five parts of an encrypted one",
		Attacks: []string{"O5"},
		needs:   []feature{openID},
		watch: func(x *exchange) (about bool, problem string) {
			jwt := x.text("id_token")
			if to := x.location(); to != nil && jwt == "" {
				jwt = answerIn(to).Get("id_token")
			}
			if jwt == "" || strings.Count(jwt, ".") == 4 {
				return jwt != "", ""
			}
			head, body := decoded(jwt)
			switch alg, _ := head["alg"].(string); {
			case body == nil:
				problem = "the ID token is no JWT"
			case alg == "" || strings.EqualFold(alg, "none") || strings.HasSuffix(jwt, "."):
				problem = "the ID token is not signed"
			}
			return true, problem
		},
	},
	{
		ID: "idtoken-key-fits", Spec: "RFC 8725", Section: "3.1", Level: Must,
		Request: "an ID token is compared with the key at jwks_uri that has its kid",
		Want:    "one key alone has that kid, and its alg, if it names one, is that of the ID token",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			id := p.client().tokens(identifying()).identity()
			found := 0
			for _, key := range p.serverKeys().Keys {
				if key.KeyID != id.head["kid"] {
					continue
				}
				if found++; key.Algorithm != "" && key.Algorithm != id.head["alg"] || key.Use != "" && key.Use != "sig" {
					p.errorf("the key has alg %q and use %q, the ID token alg %v", key.Algorithm, key.Use, id.head["alg"])
				}
			}
			if found > 1 {
				p.errorf("%d keys have the kid %v", found, id.head["kid"])
			}
		},
	},
	{
		ID: "idtoken-at-hash", Spec: openIDCore, Section: "3.1.3.6", Level: Must,
		Request: "a code is redeemed",
		Want:    "at_hash, if the ID token has it, is the left half of the hash of this access token",
		Attacks: []string{"E20"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			id := t.identity()
			if _, there := id.said["at_hash"]; !there {
				p.notOffered("the ID token has no at_hash, which is optional in the code flow")
			}
			if want := id.halfHash(t.access); id.text("at_hash") != want {
				p.failf("at_hash %q, want %q", id.text("at_hash"), want)
			}
		},
	},
	{
		ID: "idtoken-nonce-exact", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "requests have a nonce of 64 characters, and ones with capitals, spaces, quotes, signs of URLs and letters beyond ASCII",
		Want:    "the same nonce in the ID token, to the byte",
		Attacks: []string{"C17"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			for _, sign := range []string{random(48)[:42], "Aa", ` b+c%2B"'<>\&=#`, "é漢😀"} {
				nonce := random(16) + sign // long enough not to be guessed, which a server may ask for (§15.5.2)
				o := c.again(b, identifying(), set("nonce", nonce)).wantCode()
				if got := o.tokens().identity().said["nonce"]; got != nonce {
					p.errorf("nonce %q comes back as %v", nonce, got)
				}
			}
		},
	},
	{
		ID: "idtoken-no-nonce", Spec: openIDCore, Section: "2", Level: Must,
		Request: "a request of the code flow has no nonce, after one in the same browser that had one",
		Want:    "an ID token without nonce",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			o := c.again(b, identifying(), del("nonce"))
			if got, there := o.wantCode().tokens().identity().said["nonce"]; there {
				p.failf("nonce %v, and the request had none", got)
			}
		},
	},
	{
		ID: "idtoken-auth-time", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "a request has max_age",
		Want:    "auth_time in the ID token: a time between the sign-in and now",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			id := p.client().tokens(identifying(), set("max_age", "3600")).identity()
			if at, now := id.seconds("auth_time"), p.now().Unix(); at > now+5 || at < now-120 {
				p.failf("auth_time is %d seconds away from now, and the user has just signed in", at-now)
			}
		},
	},
	{
		ID: "idtoken-refreshed", Spec: openIDCore, Section: "12.2", Level: Must,
		Request: "a refresh token of a user's sign-in is used, some seconds later",
		Want:    "an ID token, if there is one, of the same iss, sub, aud and auth_time, with an iat of its own",
		Attacks: []string{"E20"},
		needs:   []feature{codeFlow, openID, refreshing},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens(identifying(), set("max_age", "3600"))
			was := t.identity()
			p.advance(2 * time.Second)
			next := c.got(c.refreshed(t.refresh))
			if next.id == "" {
				p.notOffered("a refresh brings no ID token, which is optional")
			}
			is := next.identity()
			for _, name := range []string{"iss", "sub", "auth_time", "azp"} {
				if is.said[name] != was.said[name] {
					p.errorf("%s is %v, and was %v", name, is.said[name], was.said[name])
				}
			}
			if !same(is.said.audience(), was.said.audience()) {
				p.errorf("aud is %q, and was %q", is.said.audience(), was.said.audience())
			}
			if is.seconds("iat") <= was.seconds("iat") {
				p.errorf("iat is no later than before")
			}
			if n, there := is.said["nonce"]; there && n != was.said["nonce"] {
				p.errorf("nonce is %v, and was %v", n, was.said["nonce"])
			}
			if h := is.text("at_hash"); h != "" && h != is.halfHash(next.access) {
				p.errorf("at_hash is not that of the new access token")
			}
		},
	},
	{
		ID: "idtoken-needs-openid", Spec: openIDCore, Section: "3.1.2.2", Level: Should,
		Request: "a request without the scope openid, but with a nonce and max_age",
		Want:    "no ID token, or a refusal",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			if len(p.plainScopes()) == 0 {
				p.notTested("it takes a scope beside openid: see Target.Scopes")
			}
			c := p.client()
			c.tokens(identifying()).identity()
			for _, more := range [][]edit{{set("nonce", p.secret("nonce"))}, {set("nonce", p.secret("nonce")), set("max_age", "3600")}} {
				o := c.try(more...)
				if o.code() == "" {
					o.wantRefused()
					continue
				}
				if t := o.tokens(); t.id != "" {
					p.failf("there is an ID token with scope %q", t.scope)
				}
			}
		},
	},
	{
		ID: "idtoken-subject-stable", Spec: openIDCore, Section: "2", Level: Must,
		Request: "a user signs in twice, and another user once",
		Want:    "the same sub for the one, and a different one for the other",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			_, first := c.enters(identifying())
			_, second := c.enters(identifying())
			_, other := c.entersAs(1, identifying())
			one, two, three := first.identity().text("sub"), second.identity().text("sub"), other.identity().text("sub")
			if one != two || one == three {
				p.failf("sub is %q, then %q, and for another user %q", one, two, three)
			}
		},
	},
	{
		ID: "idtoken-no-access-token", Spec: "RFC 8725", Section: "3.12", Level: Must,
		Request: "an ID token is presented as an access token, at the UserInfo endpoint or a resource",
		Want:    "a refusal",
		Attacks: []string{"E19"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			t := p.client().tokens(func(v url.Values) { identifying()(v); v.Set("scope", joined(p.scope(), "openid")) })
			stolen := *t
			stolen.access = t.identity().jwt
			tried := false
			for _, at := range []string{p.run.md.text("userinfo_endpoint"), p.run.target.Resource} {
				if at == "" {
					continue
				}
				tried = true
				t.present(http.MethodGet, at).wantStatus(http.StatusOK)
				stolen.present(http.MethodGet, at).wantClosed("an ID token")
			}
			if !tried {
				p.notTested("nothing takes access tokens: see Target.Resource")
			}
		},
	},
}

// offline asks for a refresh token, where that takes a scope.
func offline(p *probe) edit {
	return func(v url.Values) {
		if p.run.md.lists("scopes_supported", "offline_access") {
			v.Set("scope", joined(v.Get("scope"), "offline_access"))
			v.Set("prompt", "consent")
		}
	}
}
