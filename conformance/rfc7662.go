package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RFC 7662: token introspection.
var introspectionCases = []Case{
	{
		ID: "introspect-active", Spec: "RFC 7662", Section: "2.2", Level: Must,
		Request: "a resource server asks about an access token",
		Want:    "active, and members of the right type that are true of the token",
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			scope := p.scope()
			t := p.client().tokens(set("scope", scope))
			x := p.resourceServer().introspect(t.access).wantJSON()
			if x.member["active"] != true {
				p.failf("active is %v", x.member["active"])
			}
			if id := x.text("client_id"); id != "" && id != t.c.ID {
				p.errorf("client_id is %q, of another client", id)
			}
			if got, there := x.member["scope"]; there && !slices.Contains(strings.Fields(x.text("scope")), scope) {
				p.errorf("scope is %v, the token's %s", got, scope)
			}
			if iss := x.text("iss"); iss != "" && iss != p.run.target.Issuer {
				p.errorf("iss is %q, not the issuer", iss)
			}
			if kind := x.text("token_type"); kind != "" && !strings.EqualFold(kind, t.kind) {
				p.errorf("token_type is %q, at the token endpoint it was %q", kind, t.kind)
			}
			now := float64(p.now().Unix())
			for name, fine := range map[string]func(at float64) bool{
				"exp": func(at float64) bool { return at > now }, "iat": func(at float64) bool { return at < now+60 && at > now-3600 }, "nbf": func(at float64) bool { return at < now+60 },
			} {
				if value, there := x.member[name]; there {
					if at, ok := value.(float64); !ok || !fine(at) {
						p.errorf("%s is %v, now is %v", name, value, now)
					}
				}
			}
		},
	},
	{
		ID: "introspect-unauthenticated", Spec: "RFC 7662", Section: "2.1", Level: Must,
		Request: "introspection without credentials, with a wrong secret, with an access token that there is not, and with a client_id alone",
		Want:    "a refusal, which is 401 for the wrong secret, and nothing about the token",
		Attacks: []string{"G1"},
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			t := p.client().tokens()
			if t.c.way() == "none" {
				p.notOffered("clients do not authenticate")
			}
			t.c.introspect(t.access).wantJSON()
			address, form := p.endpoint("introspection_endpoint"), url.Values{"token": {t.access}}
			named := url.Values{"token": {t.access}, "client_id": {t.c.ID}}
			wrong := p.post(address, form, t.c.basic(t.c.ID, p.secret("client_secret")))
			for _, x := range []*exchange{p.post(address, named), p.post(address, form), wrong, p.post(address, form, bearer(p.secret("access_token")))} {
				x.wantRefused()
				// §2.3 has 401 for wrong credentials of OAuth 2.0, and says nothing of none.
				if x == wrong && t.c.way() == "client_secret_basic" {
					x.wantStatus(http.StatusUnauthorized)
				}
				if x.status == http.StatusUnauthorized && x.header.Get("WWW-Authenticate") == "" {
					p.errorf("401 without WWW-Authenticate")
				}
				if x.member["active"] != nil || x.member["scope"] != nil {
					p.errorf("the answer tells about the token")
				}
			}
		},
	},
	{
		ID: "introspect-public-client-refused", Spec: "RFC 7662", Section: "2.1", Level: Must,
		Request: "a client that does not authenticate asks about its own token",
		Want:    "a refusal: whoever finds a token could ask",
		Attacks: []string{"G1"},
		needs:   []feature{codeFlow, introspecting, publicClients},
		run: func(p *probe) {
			t := p.client(public()).tokens()
			t.c.introspect(t.access).wantRefused()
		},
	},
	{
		ID: "introspect-unknown-inactive", Spec: "RFC 7662", Section: "2.2", Level: Must,
		Request: "introspection of tokens that there are not, of one that was revoked, and of altered ones",
		Want:    "200, active is false",
		Attacks: []string{"G6", "G14"},
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			c.introspect(t.access).wantActive(true)
			wrong := append(altered(t.access), "x", strings.Repeat("A", 4000), "a.b.c", "é")
			if revoking(p.run) == "" {
				c.revoke(t.access)
				wrong = append(wrong, t.access)
			}
			for _, token := range wrong {
				c.introspect(token).wantActive(false)
			}
		},
	},
	{
		ID: "introspect-inactive-says-nothing", Spec: "RFC 7662", Section: "2.2", Level: Should,
		Request: "introspection of a token that there is not, and of one that was revoked",
		Want:    "active alone, without a reason",
		Attacks: []string{"G6"},
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			tokens := []string{p.secret("token")}
			if revoking(p.run) == "" {
				c.revoke(t.access)
				tokens = append(tokens, t.access)
			}
			for _, token := range tokens {
				if x := c.introspect(token).wantActive(false); len(x.member) != 1 {
					p.errorf("the answer has %v", slices.Sorted(keys(x.member)))
				}
			}
		},
	},
	{
		ID: "introspect-expired-inactive", Spec: "RFC 7662", Section: "2.2", Level: Must,
		Request: "introspection of an access token after its expires_in",
		Want:    "active is false",
		Attacks: []string{"G6"},
		needs:   []feature{codeFlow, introspecting},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			life, told := t.member["expires_in"].(float64)
			if !told {
				p.notTested("the token response does not say when the token expires")
			}
			c.introspect(t.access).wantActive(true)
			p.advance(time.Duration(life)*time.Second + time.Minute)
			c.introspect(t.access).wantActive(false)
		},
	},
	{
		ID: "introspect-wrong-hint", Spec: "RFC 7662", Section: "2.1", Level: Must,
		Request: "introspection of an access token with a token_type_hint that is wrong, or that nobody knows",
		Want:    "active",
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			c := p.client()
			t := c.tokens()
			for _, hint := range []string{"access_token", "refresh_token", "urn:example:no-such-type"} {
				c.introspect(t.access, set("token_type_hint", hint)).wantActive(true)
			}
		},
	},
	{
		ID: "introspect-missing-token", Spec: "RFC 7662", Section: "2.1", Level: Must,
		Request: "introspection without token",
		Want:    "an error",
		Attacks: []string{"G11"},
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			p.client().introspect("", del("token")).wantRefused()
		},
	},
	{
		ID: "introspect-refresh-token-by-resource-server", Spec: "RFC 7662", Section: "4", Level: Should,
		Request: "a resource server asks about a refresh token",
		Want:    "active is false: it has no business with it",
		Attacks: []string{"G4"},
		needs:   []feature{codeFlow, refreshing, introspecting},
		run: func(p *probe) {
			rs := p.resourceServer()
			t := p.client().lastingTokens()
			rs.introspect(t.access).wantActive(true)
			rs.introspect(t.refresh).wantActive(false)
		},
	},
	{
		ID: "introspect-refresh-token-expiry", Spec: "RFC 7662", Section: "2.2", Level: Must,
		Request: "a client asks about its refresh token",
		Want:    "inactive, or active with an exp that is not the access token's",
		Attacks: []string{"G4"},
		needs:   []feature{codeFlow, refreshing, introspecting},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			access, refresh := c.introspect(t.access).wantActive(true), c.introspect(t.refresh).wantJSON()
			if refresh.member["active"] == true && refresh.member["exp"] != nil && refresh.member["exp"] == access.member["exp"] {
				p.failf("exp of both is %v", refresh.member["exp"])
			}
		},
	},
	{
		ID: "introspect-used-refresh-token", Spec: "RFC 7662", Section: "2.2", Level: Should,
		Request: "a client asks about a refresh token that it has used and that was rotated",
		Want:    "active is false",
		needs:   []feature{codeFlow, refreshing, introspecting},
		run: func(p *probe) {
			c := p.client()
			t := c.lastingTokens()
			next := c.rotated(t)
			c.introspect(t.refresh).wantActive(false)
			c.introspect(next.access).wantActive(true)
		},
	},
	{
		ID: "introspect-other-clients-token", Spec: "RFC 7662", Section: "4", Level: Should,
		Request: "a client that is no resource server asks about another one's token, which is for one resource alone",
		Want:    "active is false, or an error: it cannot be used where it was asked about",
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			// Who may ask about tokens that are for no resource in particular is the host's to decide.
			only := set("resource", p.resourceID())
			owner, stranger := p.client(), p.client()
			different(p, owner, stranger)
			t := owner.tokens(only)
			x := owner.introspect(t.access)
			if _, body := decoded(t.access); x.member["active"] != true || body["aud"] == nil && x.member["aud"] == nil {
				p.notTested("nothing shows that the token is for the resource alone, and that there is anything to know about it")
			}
			stranger.introspect(t.access).wantNotActive("another one's token")
		},
	},
	{
		ID: "introspect-not-cached", Spec: "RFC 7662", Section: "5", Level: Should,
		Request: "introspection of an access token",
		Want:    "Cache-Control: no-store",
		needs:   []feature{codeFlow, introspecting},
		run: func(p *probe) {
			c := p.client()
			c.introspect(c.tokens().access).wantActive(true).wantNoStore()
		},
	},
	{
		ID: "introspect-store-down", Spec: "RFC 7662", Section: "2.3", Level: Should,
		Request: "introspection while the server's store fails",
		Want:    "a server error, and not that the token is inactive",
		Attacks: []string{"D20"},
		needs:   []feature{codeFlow, introspecting},
		alone:   true,
		run: func(p *probe) {
			down := p.controls().StoreDown
			if down == nil {
				p.notTested("the server's store cannot be stopped: see Controls.StoreDown")
			}
			c := p.client()
			t := c.tokens()
			p.after(func() { down(false) })
			down(true)
			x := c.introspect(t.access)
			down(false)
			x.wantServerTrouble()
			c.introspect(t.access).wantActive(true)
		},
	},
}

// resourceServer is a client that may ask about the tokens of others.
func (p *probe) resourceServer() *client { return p.client(with("resource_server", true)) }

// wantActive fails the case unless introspection says so.
func (x *exchange) wantActive(active bool) *exchange {
	x.wantJSON()
	if x.member["active"] != active {
		x.p.failf("%s: active is %v, want %t", x.what(), x.member["active"], active)
	}
	return x
}

// wantNotActive notes a problem unless the answer is that a token is not active, or an error.
func (x *exchange) wantNotActive(what string) {
	if x.status >= 400 && x.status <= 499 {
		return
	}
	if x.wantJSON().member["active"] != false {
		x.p.errorf("%s is introspected as active", what)
	}
}
