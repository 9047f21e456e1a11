package conformance

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// byBasic and byPost are clients with tokens of their own that authenticate with a secret.
func (p *probe) byBasic() *client { return p.client(servicing(), method("client_secret_basic")) }
func (p *probe) byPost() *client  { return p.client(servicing(), method("client_secret_post")) }

// asking is the plainest token request.
func asking() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

// plainly sends a token request with no other credentials than those given here.
func (c *client) plainly(form url.Values, changes ...sending) *exchange {
	return c.p.postWith(c.http, c.at("token_endpoint"), form, changes...)
}

// otherCase is a secret with its small letters made capitals, and the other way round.
func otherCase(secret string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, secret)
}

// RFC 6749: how clients authenticate with a secret.
var clientAuthCases = []Case{
	{
		ID: "clientauth-wrong-secret", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "HTTP Basic with a wrong secret, an empty one, another client's, and for a client that there is not",
		Want:    "401 invalid_client, with a challenge for Basic; invalid_request will do for the empty one",
		Attacks: []string{"D6"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c, other := p.byBasic(), p.byBasic()
			c.own()
			for _, one := range [][2]string{{c.ID, c.Secret + "x"}, {c.ID, otherCase(c.Secret)}, {c.ID, p.secret("client_secret")}, {c.ID, ""}, {c.ID, other.Secret}, {p.name("nobody"), c.Secret}} {
				if one == [2]string{c.ID, c.Secret} {
					continue // the secret has no letters
				}
				x := c.plainly(asking(), c.basic(one[0], one[1]))
				if one[1] == "" && x.text("error") == "invalid_request" {
					x.wantRefused() // as if there were no secret in it, which makes the header malformed
					continue
				}
				if x.wantError(401, "invalid_client").challenge("Basic") == nil {
					p.errorf("there is no Basic in WWW-Authenticate: %q", x.header.Get("WWW-Authenticate"))
				}
			}
		},
	},
	{
		ID: "clientauth-wrong-secret-post", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "client_secret in the form is right; then wrong, empty, or missing",
		Want:    "tokens; then invalid_client, or invalid_request for the empty one and the missing one",
		Attacks: []string{"D6", "D11"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byPost()
			c.own()
			for _, secret := range []edit{set("client_secret", c.Secret+"x"), set("client_secret", p.secret("client_secret")), set("client_secret", ""), del("client_secret")} {
				form := asking()
				form.Set("client_id", c.ID)
				secret(form)
				codes := []string{"invalid_client"}
				if form.Get("client_secret") == "" {
					codes = append(codes, "invalid_request")
				}
				c.plainly(form).wantError(0, codes...)
			}
		},
	},
	{
		ID: "clientauth-missing", Spec: "RFC 6749", Section: "3.2.1", Level: Must,
		Request: "a client that has to authenticate only names itself, or not even that",
		Want:    "invalid_client; where nothing names it, invalid_request will do",
		Attacks: []string{"D11"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			c.own()
			form := asking()
			c.plainly(form).wantError(0, "invalid_client", "invalid_request")
			form.Set("client_id", c.ID)
			c.plainlyAs(form).wantError(0, "invalid_client")
		},
	},
	{
		ID: "clientauth-query-refused", Spec: "RFC 6749", Section: "2.3.1", Level: Must,
		Request: "client_id and client_secret in the URL of the token, revocation and introspection endpoints",
		Want:    "a refusal",
		Attacks: []string{"D9"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byPost()
			t := c.own()
			query := url.Values{"client_id": {c.ID}, "client_secret": {c.Secret}}
			p.post(withQuery(c.at("token_endpoint"), query), asking()).wantRefused()
			for _, name := range []string{"introspection_endpoint", "revocation_endpoint"} {
				if p.run.md.text(name) != "" {
					p.post(withQuery(c.at(name), query), url.Values{"token": {t.access}}).wantRefused()
				}
			}
			if logged := p.controls().Logged; logged != nil && strings.Contains(logged(), c.Secret) {
				p.errorf("the secret is in the server's log")
			}
		},
	},
	{
		ID: "clientauth-basic-form-encoded", Spec: "RFC 6749", Section: "2.3.1", Level: Must,
		Request: "HTTP Basic with every character of the client's ID and secret percent-encoded",
		Want:    "tokens: both are form-encoded before they are joined",
		Attacks: []string{"D10"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byBasic()
			escape := func(s string) string {
				var b strings.Builder
				for i := range len(s) {
					fmt.Fprintf(&b, "%%%02X", s[i])
				}
				return b.String()
			}
			c.plainly(asking(), func(r *http.Request) { r.SetBasicAuth(escape(c.ID), escape(c.Secret)) }).wantJSON()
		},
	},
	{
		ID: "clientauth-basic-any-case", Spec: "RFC 7617", Section: "2", Level: Must,
		Request: "the name of the scheme Basic in small letters, and in capitals",
		Want:    "tokens",
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byBasic()
			credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)))
			for _, scheme := range []string{"Basic", "basic", "BASIC"} {
				c.plainly(asking(), header("Authorization", scheme+" "+credentials)).wantJSON()
			}
		},
	},
	{
		ID: "clientauth-basic-malformed", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "Authorization with no credentials, no base64, no colon, broken escapes, control characters, and another scheme",
		Want:    "invalid_client or invalid_request",
		Attacks: []string{"D6", "D10"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byBasic()
			c.own()
			encode := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
			for _, value := range []string{"Basic", "Basic ", "Basic !!!", encode(c.ID), encode(":"), encode(c.ID + ":%zz"), encode(c.ID + ":%"), encode(c.ID + "\x00:x"), encode(c.ID + ":%00"),
				encode("\xff\xfe:x"), "Bearer " + c.Secret, "Digest username=\"" + c.ID + "\"", strings.Repeat("A", 4096)} {
				c.plainly(asking(), header("Authorization", value)).wantError(0, "invalid_client", "invalid_request")
			}
		},
	},
	{
		ID: "clientauth-two-methods", Spec: "RFC 6749", Section: "2.3", Level: Must,
		Request: "a client's right credentials by HTTP Basic and in the form at once",
		Want:    "invalid_request or invalid_client",
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.byBasic()
			c.own()
			form := asking()
			form.Set("client_id", c.ID)
			form.Set("client_secret", c.Secret)
			c.plainly(form, c.basic(c.ID, c.Secret)).wantError(0, "invalid_request", "invalid_client")
		},
	},
	{
		ID: "clientauth-two-clients", Spec: "RFC 6749", Section: "4.1.3", Level: Must,
		Request: "a client authenticates by HTTP Basic, names another client in the form, and redeems that one's code",
		Want:    "a refusal: whoever authenticates is the client, and not whoever is named",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c, other := p.client(method("client_secret_basic")), p.client(method("client_secret_basic"))
			different(p, c, other)
			other.tokens()
			form := other.authorize().redemption(set("client_id", other.ID))
			c.dpop = other.dpop
			c.token(form).wantError(0, "invalid_request", "invalid_client", "invalid_grant")
		},
	},
	{
		ID: "clientauth-registered-method", Spec: "OpenID Connect Core", Section: "3.1.3.1", Level: Should,
		Request: "a client that is registered for client_secret_basic puts its secret into the form, and the other way round",
		Want:    "invalid_client",
		Attacks: []string{"D12"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			basic, post := p.byBasic(), p.byPost()
			basic.own()
			post.own()
			form := asking()
			post.plainly(form, post.basic(post.ID, post.Secret)).wantError(0, "invalid_client", "unauthorized_client")
			form.Set("client_id", basic.ID)
			form.Set("client_secret", basic.Secret)
			basic.plainly(form).wantError(0, "invalid_client", "unauthorized_client")
		},
	},
	{
		ID: "clientauth-store-down", Spec: "RFC 6749", Section: "5.2", Level: Should,
		Request: "a client authenticates and redeems a code while the server's store fails, and again when it works",
		Want:    "a server error, and not invalid_client or invalid_grant, which would have clients give up; then tokens",
		Attacks: []string{"D20"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			down := p.controls().StoreDown
			if down == nil {
				p.notTested("the server's store cannot be stopped: see Controls.StoreDown")
			}
			code := p.client().authorize()
			p.after(func() { down(false) })
			down(true)
			x := code.redeem()
			down(false)
			x.wantServerTrouble()
			code.tokens().wantAlive("the store came back")
		},
	},
	{
		ID: "clientauth-disabled-client", Spec: "RFC 6749", Section: "3.2.1", Level: Should,
		Request: "a client that has been taken out of service asks for tokens of its own, redeems a code, and refreshes",
		Want:    "invalid_client, unauthorized_client or invalid_grant each time, and its access token is dead",
		Attacks: []string{"D21", "F11"},
		needs:   []feature{codeFlow, refreshing},
		run: func(p *probe) {
			disable := p.controls().DisableClient
			if disable == nil {
				p.notTested("a client cannot be taken out of service: see Controls.DisableClient")
			}
			c := p.client(alsoServicing)
			t, code := c.lastingTokens(), c.authorize()
			if err := disable(p.ctx, c.ID); err != nil {
				p.failf("Controls.DisableClient: %v", err)
			}
			if ownTokens(p.run) == "" {
				c.token(asking()).wantError(0, "invalid_client", "unauthorized_client")
			}
			code.redeem().wantError(0, "invalid_client", "unauthorized_client", "invalid_grant")
			t.wantDead("its client was taken out of service")
		},
	},
}

// alsoServicing asks for tokens of the client's own beside the rest, where there are such.
func alsoServicing(p *probe, metadata map[string]any) {
	if ownTokens(p.run) == "" {
		metadata["grant_types"] = append(texts(metadata["grant_types"]), "client_credentials")
	}
}

// plainlyAs is plainly from where no certificate of the client's is presented.
func (c *client) plainlyAs(form url.Values, changes ...sending) *exchange {
	return c.p.post(c.p.endpoint("token_endpoint"), form, changes...)
}

// wantServerTrouble fails the case unless the answer is that of a server in trouble.
func (x *exchange) wantServerTrouble() *exchange {
	if x.status < 500 || x.status > 599 {
		x.p.failf("%s: status %d with error %q, want a server error", x.what(), x.status, x.text("error"))
	}
	if said := x.text("error"); said == "invalid_client" || said == "invalid_grant" || said == "invalid_token" {
		x.p.failf("%s: error %q, though nobody could know", x.what(), said)
	}
	return x
}
