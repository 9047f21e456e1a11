package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RFC 6749: what the token endpoint takes, and what it answers.
var tokenCases = []Case{
	{
		ID: "token-get-refused", Spec: "RFC 6749", Section: "3.2", Level: Must,
		Request: "a good token request by GET, HEAD and PUT, with its parameters in the URL",
		Want:    "a refusal; where it is 405, Allow names POST",
		Attacks: []string{"D1"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			c.own()
			for _, verb := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
				form := url.Values{"grant_type": {"client_credentials"}}
				changes := c.authenticate(form)
				x := p.sendWith(c.http, verb, withQuery(c.at("token_endpoint"), form), nil, changes...).answered().wantRefused()
				if x.status == http.StatusMethodNotAllowed && !strings.Contains(x.header.Get("Allow"), http.MethodPost) {
					p.errorf("%s: 405 without POST in Allow: %q", x.what(), x.header.Get("Allow"))
				}
			}
		},
	},
	{
		ID: "token-query-parameters-refused", Spec: "RFC 6749", Section: "4.4.2", Level: Should,
		Request: "a token request by POST whose parameters stand in the URL, beside an empty form",
		Want:    "no tokens",
		Attacks: []string{"D1"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			c.own()
			form := url.Values{"grant_type": {"client_credentials"}}
			changes := c.authenticate(form)
			p.postWith(c.http, withQuery(c.at("token_endpoint"), form), nil, changes...).wantRefused()
		},
	},
	{
		ID: "token-unknown-grant-type", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "grant_type is one that there is none of, and a known one in capitals",
		Want:    "unsupported_grant_type",
		Attacks: []string{"D2"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, name := range []string{"urn:example:no-such-grant", "AUTHORIZATION_CODE"} {
				c.token(url.Values{"grant_type": {name}, "code": {"x"}}).wantError(400, "unsupported_grant_type")
			}
		},
	},
	{
		ID: "token-missing-parameter", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "token requests without grant_type, code or refresh_token, and with empty ones",
		Want:    "invalid_request",
		Attacks: []string{"D3"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			forms := []url.Values{{"code": {"x"}}, {"grant_type": {""}, "code": {"x"}}, {"grant_type": {"authorization_code"}}, {"grant_type": {"authorization_code"}, "code": {""}}}
			if refreshing(p.run) == "" {
				forms = append(forms, url.Values{"grant_type": {"refresh_token"}}, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {""}})
			}
			for _, form := range forms {
				c.token(form).wantError(400, "invalid_request")
			}
		},
	},
	{
		ID: "token-grant-not-allowed", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "a client that is registered for authorization codes alone asks for tokens of its own",
		Want:    "unauthorized_client",
		Attacks: []string{"D4"},
		needs:   []feature{codeFlow, ownTokens},
		run: func(p *probe) {
			c := p.client(grants("authorization_code"))
			if slices.Contains(texts(c.Metadata["grant_types"]), "client_credentials") {
				p.notTested("the client may use client_credentials")
			}
			c.token(url.Values{"grant_type": {"client_credentials"}}).wantError(400, "unauthorized_client")
			c.tokens()
		},
	},
	{
		ID: "token-password-grant-refused", Spec: "RFC 9700", Section: "2.4", Level: Must,
		Request: "a client sends a user's name and password (grant_type=password)",
		Want:    "unsupported_grant_type, or unauthorized_client",
		Attacks: []string{"D5"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			user := User{Name: "somebody", Password: "some password"}
			if len(p.run.target.Users) > 0 {
				user = p.run.target.Users[0]
			}
			p.hide("password", user.Password)
			p.client().token(url.Values{"grant_type": {"password"}, "username": {user.Name}, "password": {user.Password}}).wantError(400, "unsupported_grant_type", "unauthorized_client")
		},
	},
	{
		ID: "token-response-form", Spec: "RFC 6749", Section: "5.1", Level: Must,
		Request: "a token request that succeeds",
		Want:    "a JSON object with strings for access_token and token_type, a positive whole number for expires_in, a scope of the right form, and no-store",
		Attacks: []string{"D15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			t := p.client().tokens()
			t.wantNoStore()
			if !slices.Contains([]string{"bearer", "dpop"}, strings.ToLower(t.kind)) {
				p.errorf("token_type %q", t.kind)
			}
			if life, there := t.member["expires_in"]; there {
				if n, ok := life.(float64); !ok || n <= 0 || n != float64(int64(n)) {
					p.errorf("expires_in is %v", life)
				}
			}
			for _, name := range []string{"scope", "refresh_token"} {
				if value, there := t.member[name]; there {
					if s, ok := value.(string); !ok || s == "" && name == "refresh_token" {
						p.errorf("%s is %v", name, value)
					}
				}
			}
			if !scopeForm(t.scope) {
				p.errorf("scope %q is not of the form of RFC 6749 §3.3", t.scope)
			}
		},
	},
	{
		ID: "token-lifetime-told", Spec: "RFC 6749", Section: "5.1", Level: Should,
		Request: "a token request that succeeds",
		Want:    "expires_in, so that the client need not guess",
		Attacks: []string{"D15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			if t := p.client().tokens(); t.member["expires_in"] == nil {
				p.failf("the answer has no expires_in")
			}
		},
	},
	{
		ID: "token-scope-change-told", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "a client asks for a scope that it may not have, beside one that it may",
		Want:    "invalid_scope, or tokens whose scope says what is left",
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			one, other := p.twoScopes()
			c := p.client(servicing(), with("scope", one))
			c.own(set("scope", one))
			if may, _ := c.Metadata["scope"].(string); slices.Contains(strings.Fields(may), other) {
				p.notTested("the client may have both scopes")
			}
			x := c.token(url.Values{"grant_type": {"client_credentials"}, "scope": {one + " " + other}})
			if x.status != http.StatusOK {
				x.wantError(400, "invalid_scope")
				return
			}
			if got := strings.Fields(x.text("scope")); len(got) == 0 || slices.Contains(got, other) {
				p.failf("the tokens have scope %q", x.text("scope"))
			}
		},
	},
	{
		ID: "token-scope-malformed", Spec: "RFC 6749", Section: "3.3", Level: Must,
		Request: "scope has a tab, a quotation mark, a backslash, a NUL, letters beyond ASCII, ten thousand words",
		Want:    "invalid_scope or invalid_request, or tokens that say for which scope they are instead; soon",
		Attacks: []string{"B13"},
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			c.own()
			for _, scope := range []string{"a\tb", `a"b`, `a\b`, "a\x00b", "ä", strings.Repeat("a ", 10_000) + "a"} {
				x := c.token(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
				x.wantSoon()
				switch {
				case x.status == http.StatusOK && scopeForm(scope): // a server may know any word
				case x.status == http.StatusOK:
					// What is asked for may be ignored, and without scope it is what was asked for (§5.1).
					if _, said := x.member["scope"].(string); !said || !scopeForm(x.text("scope")) {
						p.errorf("there are tokens for the scope %q: the answer says %q", scope, x.text("scope"))
					}
				case x.status != http.StatusRequestEntityTooLarge:
					x.wantError(400, "invalid_scope", "invalid_request")
				}
			}
		},
	},
	{
		ID: "token-repeated-parameter", Spec: "RFC 6749", Section: "3.2", Level: Must,
		Request: "grant_type, code, or redirect_uri stands twice in a token request",
		Want:    "invalid_request",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			c.tokens()
			for _, one := range [][2]string{{"grant_type", "authorization_code"}, {"code", "another"}, {"redirect_uri", "https://evil.example/"}} {
				// A code each time: a server that looks at it first may have spent it.
				form := c.authorize().redemption()
				form[one[0]] = []string{form.Get(one[0]), one[1]}
				c.token(form).wantError(400, "invalid_request")
			}
		},
	},
	{
		ID: "token-unknown-parameter-ignored", Spec: "RFC 6749", Section: "3.2", Level: Must,
		Request: "a token request with a parameter that nobody knows, and an unknown one without a value",
		Want:    "tokens",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.client().authorize().tokens(set("x_conformance", "1"), set("x_empty", ""))
		},
	},
	{
		ID: "token-empty-parameter-omitted", Spec: "RFC 6749", Section: "3.2", Level: Must,
		Request: "a token request with an empty scope",
		Want:    "what there is without any: tokens, or invalid_scope",
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			c := p.client(servicing())
			without := c.token(url.Values{"grant_type": {"client_credentials"}})
			empty := c.token(url.Values{"grant_type": {"client_credentials"}, "scope": {""}})
			if without.status != empty.status || without.text("scope") != empty.text("scope") || without.text("error") != empty.text("error") {
				p.failf("status %d, scope %q, error %q with an empty scope, and %d, %q, %q without any", empty.status, empty.text("scope"), empty.text("error"), without.status, without.text("scope"), without.text("error"))
			}
		},
	},
	{
		ID: "token-hostile-values", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "codes with NUL, line breaks, broken UTF-8 and broken escapes, and of a megabyte",
		Want:    "an error of 400 to 499, soon",
		Attacks: []string{"A24", "D19"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, code := range []string{"a%00b", "a%0d%0aSet-Cookie:+x=1", "%ff%fe", "%c0%af", "%ed%a0%80", "%ef%bb%bfa", "%zz", "%", strings.Repeat("A", 1<<20)} {
				form := url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {c.redirectURI()}, "code_verifier": {p.secret("code_verifier")}}
				changes := c.authenticate(form)
				if c.dpop != nil {
					changes = append(changes, header("DPoP", c.dpop.proof(http.MethodPost, c.at("token_endpoint"), nil)))
				}
				x := p.sendWith(c.http, http.MethodPost, c.at("token_endpoint"), strings.NewReader(form.Encode()+"&code="+code), append(changes, header("Content-Type", "application/x-www-form-urlencoded"))...)
				if x.err != nil && len(code) > 1<<16 {
					continue // hanging up on such a body is an answer
				}
				x.answered().wantRefused().wantSoon()
				if x.header.Get("Set-Cookie") != "" {
					p.errorf("the code ends in a header")
				}
			}
			c.tokens()
		},
	},
	{
		ID: "token-client-credentials", Spec: "RFC 6749", Section: "4.4.3", Level: Should,
		Request: "a client asks for tokens of its own",
		Want:    "an access token that works, and no refresh token",
		needs:   []feature{ownTokens},
		run: func(p *probe) {
			t := p.client(servicing()).own()
			t.wantAlive("it was issued")
			if t.refresh != "" {
				p.errorf("there is a refresh token")
			}
		},
	},
	{
		ID: "token-client-credentials-public-refused", Spec: "RFC 6749", Section: "4.4", Level: Must,
		Request: "a client that does not authenticate asks for tokens of its own",
		Want:    "a refusal",
		Attacks: []string{"D11"},
		needs:   []feature{ownTokens, publicClients},
		run: func(p *probe) {
			c := p.client(public())
			c.token(url.Values{"grant_type": {"client_credentials"}}).wantRefused()
		},
	},
}

// withQuery puts parameters in a URL.
func withQuery(address string, params url.Values) string {
	if strings.Contains(address, "?") {
		return address + "&" + params.Encode()
	}
	return address + "?" + params.Encode()
}

// scopeForm tells whether a scope is of the form of RFC 6749 §3.3.
func scopeForm(scope string) bool {
	return !strings.ContainsFunc(scope, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// wantSoon notes an error if the answer took long enough to be worth an attack.
func (x *exchange) wantSoon() *exchange {
	if x.took > 5*time.Second {
		x.p.errorf("%s: the answer took %v", x.what(), x.took)
	}
	return x
}
