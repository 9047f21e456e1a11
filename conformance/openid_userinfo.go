package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OpenID Connect Core §5.3: the UserInfo endpoint.
var userInfoCases = []Case{
	{
		ID: "userinfo-subject", Spec: openIDCore, Section: "5.3.2", Level: Must,
		Request: "the UserInfo endpoint is asked with the access token that came with an ID token",
		Want:    "JSON with the same sub",
		Attacks: []string{"G12"},
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			if got, want := t.userInfo().wantJSON().text("sub"), t.identity().text("sub"); got != want {
				p.failf("sub %q, want that of the ID token, %q", got, want)
			}
		},
	},
	{
		ID: "userinfo-no-store", Spec: "RFC 6819", Section: "4.6.6", Level: Should,
		Request: "the UserInfo endpoint is asked",
		Want:    "an answer that no cache keeps for others: Cache-Control with no-store or private",
		Attacks: []string{"G12"},
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			x := p.client().tokens(identifying()).userInfo().wantJSON()
			if said := strings.ToLower(x.header.Get("Cache-Control")); !strings.Contains(said, "no-store") && !strings.Contains(said, "private") {
				p.failf("Cache-Control is %q", said)
			}
		},
	},
	{
		ID: "userinfo-post", Spec: openIDCore, Section: "5.3", Level: Must,
		Request: "the UserInfo endpoint is asked by POST, with the access token in the header",
		Want:    "the same as by GET",
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			x := t.present(http.MethodPost, t.c.at("userinfo_endpoint")).wantJSON()
			if got, want := x.text("sub"), t.identity().text("sub"); got != want {
				p.failf("sub %q, want that of the ID token, %q", got, want)
			}
		},
	},
	{
		ID: "userinfo-token-in-query", Spec: "RFC 9700", Section: "4.3.2", Level: Should,
		Request: "the UserInfo endpoint is asked with the access token in the query",
		Want:    "a refusal",
		Attacks: []string{"G12"},
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			t.userInfo().wantStatus(http.StatusOK)
			p.sendWith(t.c.http, http.MethodGet, t.c.at("userinfo_endpoint")+"?access_token="+url.QueryEscape(t.access), nil).answered().wantRefused()
		},
	},
	{
		ID: "userinfo-two-tokens", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "the access token is in the header and in the form as well",
		Want:    "a refusal, invalid_request",
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			t.userInfo().wantStatus(http.StatusOK)
			p.postWith(t.c.http, t.c.at("userinfo_endpoint"), url.Values{"access_token": {t.access}}, bearer(t.access)).wantRefused()
		},
	},
	{
		ID: "userinfo-no-token", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "the UserInfo endpoint is asked without any access token",
		Want:    "401 with a WWW-Authenticate challenge, which has no error code",
		Attacks: []string{"G12"},
		needs:   []feature{openID, userInfoing},
		run: func(p *probe) {
			x := p.get(p.endpoint("userinfo_endpoint")).wantStatus(http.StatusUnauthorized)
			said, proof := x.challenge("Bearer"), x.challenge("DPoP")
			if said == nil && proof == nil {
				p.failf("WWW-Authenticate is %q, want Bearer or DPoP", x.header.Values("WWW-Authenticate"))
			}
			if said["error"] != "" {
				p.errorf("the challenge has the error %q, and there was nothing wrong with a token", said["error"])
			}
		},
	},
	{
		ID: "userinfo-bad-token", Spec: openIDCore, Section: "5.3.3", Level: Should,
		Request: "the UserInfo endpoint is asked with a made-up access token, one that is cut off, and a refresh token",
		Want:    "401 with a WWW-Authenticate challenge that says invalid_token, and nothing about the user",
		Attacks: []string{"G12", "E19"},
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying(), offline(p))
			t.userInfo().wantStatus(http.StatusOK)
			for _, token := range []string{"made-up", t.access[:len(t.access)-6], t.refresh} {
				if token == "" {
					continue
				}
				bad := *t
				bad.access = token
				x := bad.userInfo().wantStatus(http.StatusUnauthorized)
				said := x.challenge("Bearer")
				if t.kind != "Bearer" && x.challenge("DPoP") != nil {
					said = x.challenge("DPoP")
				}
				if said["error"] != "invalid_token" {
					p.errorf("WWW-Authenticate is %q, want the error invalid_token", x.header.Values("WWW-Authenticate"))
				}
				if x.text("sub") != "" {
					p.errorf("the refusal has a sub")
				}
			}
		},
	},
	{
		ID: "userinfo-revoked-token", Spec: openIDCore, Section: "5.3.3", Level: Must,
		Request: "the UserInfo endpoint is asked with an access token that has been revoked",
		Want:    "a refusal",
		needs:   []feature{codeFlow, openID, userInfoing, revoking},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			t.userInfo().wantStatus(http.StatusOK)
			t.c.revokeAccess(t)
			t.userInfo().wantClosed("a revoked token")
		},
	},
	{
		ID: "userinfo-without-openid", Spec: openIDCore, Section: "5.3.1", Level: Must,
		Request: "the UserInfo endpoint is asked with an access token that a user gave without the scope openid",
		Want:    "a refusal with a challenge, and no claims",
		Attacks: []string{"G13"},
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			if len(p.plainScopes()) == 0 {
				p.notTested("it takes a scope beside openid: see Target.Scopes")
			}
			c := p.client()
			c.tokens(identifying()).userInfo().wantStatus(http.StatusOK)
			c.tokens().userInfo().wantInsufficient()
		},
	},
	{
		ID: "userinfo-of-a-client", Spec: openIDCore, Section: "5.3.1", Level: Must,
		Request: "the UserInfo endpoint is asked with a token of client_credentials",
		Want:    "a refusal with a challenge, and no claims",
		Attacks: []string{"G13"},
		needs:   []feature{openID, userInfoing, ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			c.own().userInfo().wantInsufficient()
			form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}
			if x := c.token(form); x.status == http.StatusOK {
				c.got(x).userInfo().wantInsufficient()
			}
		},
	},
	{
		ID: "userinfo-by-scope", Spec: openIDCore, Section: "5.4", Level: Should,
		Request: "tokens with the scope openid alone, and with profile or email besides",
		Want:    "the claims of the scope with it, and not without",
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			scope, claim := p.claimed()
			c := p.client()
			if _, there := c.tokens(identifying(scope)).userInfo().wantJSON().member[claim]; !there {
				p.errorf("with the scope %s there is no %s", scope, claim)
			}
			if _, there := c.tokens(identifying()).userInfo().wantJSON().member[claim]; there {
				p.errorf("without the scope %s there is %s", scope, claim)
			}
		},
	},
	{
		ID: "userinfo-narrowed", Spec: openIDCore, Section: "5.4", Level: Must,
		Request: "a refresh narrows the scope to openid, and the UserInfo endpoint is asked with the new access token",
		Want:    "no claims of the scopes that are gone",
		needs:   []feature{codeFlow, openID, userInfoing, refreshing},
		run: func(p *probe) {
			scope, claim := p.claimed()
			c := p.client()
			t := c.lastingTokens(identifying(scope))
			if _, there := t.userInfo().wantJSON().member[claim]; !there {
				p.notOffered("the scope %s brings no %s", scope, claim)
			}
			if _, there := c.got(c.refreshed(t.refresh, set("scope", "openid"))).userInfo().wantJSON().member[claim]; there {
				p.failf("there is %s still", claim)
			}
		},
	},
	{
		ID: "userinfo-other-methods", Spec: openIDCore, Section: "5.3.1", Level: Should,
		Request: "the UserInfo endpoint is asked by PUT and DELETE with a good access token",
		Want:    "a refusal, such as 405",
		needs:   []feature{codeFlow, openID, userInfoing},
		run: func(p *probe) {
			t := p.client().tokens(identifying())
			t.userInfo().wantStatus(http.StatusOK)
			for _, method := range []string{http.MethodPut, http.MethodDelete} {
				t.present(method, t.c.at("userinfo_endpoint")).wantRefused()
			}
		},
	},
	{
		ID: "userinfo-signed", Spec: openIDCore, Section: "5.3.2", Level: Must,
		Request: "a client that has registered a userinfo_signed_response_alg asks the UserInfo endpoint",
		Want:    "application/jwt: a JWT of that algorithm, with sub, and the issuer and the client in iss and aud",
		needs:   []feature{codeFlow, openID, userInfoing, has("userinfo_signing_alg_values_supported")},
		run: func(p *probe) {
			for _, alg := range p.run.md.list("userinfo_signing_alg_values_supported") {
				if alg == "none" || strings.HasPrefix(alg, "HS") {
					continue
				}
				c := p.client(with("userinfo_signed_response_alg", alg))
				t := c.tokens(identifying())
				x := t.userInfo().wantStatus(http.StatusOK)
				if kind := x.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/jwt") {
					p.failf("Content-Type is %q, want application/jwt", kind)
				}
				p.hide("jwt", string(x.body))
				info := p.identity(strings.TrimSpace(string(x.body)))
				if info.head["alg"] != alg || info.said["sub"] != t.identity().said["sub"] {
					p.errorf("alg %v and sub %v, want %s and that of the ID token", info.head["alg"], info.said["sub"], alg)
				}
				if audience := info.said.audience(); info.said["iss"] != p.run.target.Issuer || !slices.Contains(audience, c.ID) {
					p.errorf("iss %v and aud %q", info.said["iss"], audience)
				}
			}
		},
	},
}

// wantInsufficient fails the case unless an access token was refused that is not for this, with a
// challenge (RFC 6750 §3). Which status and error that takes is but advice (§3.1).
func (x *exchange) wantInsufficient() *exchange {
	x.wantRefused()
	if x.challenge("Bearer") == nil && x.challenge("DPoP") == nil {
		x.p.errorf("%s: WWW-Authenticate is %q, want Bearer or DPoP", x.what(), x.header.Values("WWW-Authenticate"))
	}
	if x.text("sub") != "" {
		x.p.errorf("%s: the refusal has a sub", x.what())
	}
	return x
}
