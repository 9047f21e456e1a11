package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What strangers try with what they register (RFC 7591 §5).
var registrationAttackCases = []Case{
	{
		ID: "dcr-initial-access-token", Spec: "RFC 7591", Section: "3.2.2", Level: Must,
		Request: "a client registers without the initial access token that the server wants, and with a wrong one",
		Want:    "401",
		Attacks: []string{"S7"},
		needs:   []feature{registering},
		run: func(p *probe) {
			if p.run.target.InitialAccessToken == "" {
				if p.registers(p.registration(nil)).status == http.StatusCreated {
					p.notOffered("anybody may register")
				}
				p.notTested("the suite was not given the initial access token that it takes: see Target.InitialAccessToken")
			}
			p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
			p.registers(p.registration(nil), header("Authorization", "")).wantStatus(http.StatusUnauthorized)
			p.registers(p.registration(nil), bearer(p.secret("access_token"))).wantStatus(http.StatusUnauthorized)
		},
	},
	{
		ID: "dcr-client-id-not-chosen", Spec: "RFC 7591", Section: "3.1", Level: Must,
		Request: "a registration says what its client_id, secret and registration access token are to be: another client's",
		Want:    "values of the server's own, or a refusal; the other client is as it was",
		Attacks: []string{"S9"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			victim := p.registered(nil)
			chosen := p.secret("client_secret")
			x := p.registers(p.registration(claims{"client_id": victim.ID, "client_secret": chosen, "registration_access_token": chosen, "redirect_uris": []string{"https://evil.example/callback"}}))
			if x.text("client_id") == victim.ID || x.text("client_secret") == chosen || x.text("registration_access_token") == chosen {
				p.errorf("the client gets what it has chosen")
			}
			victim.tokens()
		},
	},
	{
		ID: "dcr-names-are-text", Spec: "RFC 7591", Section: "2.2", Level: Must,
		Request: "client_name holds HTML and script; client_uri, policy_uri, tos_uri and logo_uri are javascript: and data: URLs; a user is asked",
		Want:    "a refusal, or a page on which all of it is text, and nothing leads there (§5)",
		Attacks: []string{"U7"},
		needs:   []feature{registering, codeFlow, frontRequests},
		run: func(p *probe) {
			name := `<script>alert(1)</script><img src=x onerror=alert(2)>"'>`
			asked := claims{"client_name": name}
			for member, uri := range map[string]string{"client_uri": "javascript:alert(3)", "policy_uri": "data:text/html,<script>alert(4)</script>", "tos_uri": "JAVASCRIPT:alert(5)", "logo_uri": "javascript:alert(6)"} {
				asked[member] = uri
			}
			x := p.registers(p.registration(asked))
			if x.status != http.StatusCreated {
				x.wantRefused()
				x = p.registers(p.registration(claims{"client_name": name}))
				if x.status != http.StatusCreated {
					x.wantRefused()
					return
				}
			}
			c := p.registeredAs(&client{p: p, http: p.run.client}, x)
			page := c.asked(p.browser())
			body := strings.ToLower(string(page.body))
			for _, bad := range []string{"<script>alert", "<img src=x", "javascript:", "data:text/html,<script"} {
				if strings.Contains(body, bad) {
					p.errorf("%s: the page has %q as it was registered", page.what(), bad)
				}
			}
		},
	},
	{
		ID: "dcr-logo-not-hot-linked", Spec: "RFC 9700", Section: "4.2.4", Level: Should,
		Request: "a client registers a logo_uri, and a user is asked",
		Want:    "a page that does not load the logo from there: it would tell the client who looks at it, and may be another tomorrow",
		Attacks: []string{"U7"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			c := p.registered(claims{"logo_uri": "https://client.example/logo-of-a-stranger.png"})
			page := c.asked(p.browser())
			if strings.Contains(string(page.body), "client.example/logo-of-a-stranger.png") {
				p.failf("%s: the page loads the logo from the client", page.what())
			}
		},
	},
	{
		ID: "dcr-name-cannot-turn-text-around", Spec: "RFC 7591", Section: "5", Level: Should,
		Request: "client_name has characters that turn the direction of text around, or control characters",
		Want:    "a refusal, or a page without them",
		Attacks: []string{"U7"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			for _, sign := range []string{"\u202e", "\u2066", "\u200f", "\x07", "\x00"} {
				x := p.registers(p.registration(claims{"client_name": "Bank" + sign + "knaB", "token_endpoint_auth_method": p.authentication()}))
				if x.status != http.StatusCreated {
					x.wantRefused()
					continue
				}
				c := p.registeredAs(&client{p: p, http: p.run.client}, x)
				if c.way() == "private_key_jwt" {
					p.notTested("clients need keys")
				}
				if page := c.asked(p.browser()); strings.Contains(string(page.body), sign) {
					p.errorf("%s: the page has the character %+q of client_name", page.what(), sign)
				}
			}
		},
	},
	{
		ID: "dcr-huge-refused", Spec: "RFC 7591", Section: "3", Level: Should,
		Request: "registrations with a name of 1 MB, 10 000 redirect URIs, and 100 000 nested arrays",
		Want:    "a refusal within seconds",
		Attacks: []string{"S8", "L1"},
		needs:   []feature{registering},
		run: func(p *probe) {
			p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
			many := make([]string, 10_000)
			for i := range many {
				many[i] = "https://client.example/" + random(6)
			}
			nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
			long, _ := json.Marshal(p.registration(claims{"client_name": strings.Repeat("n", 1<<20)}))
			wide, _ := json.Marshal(p.registration(claims{"redirect_uris": many}))
			deep := []byte(`{"redirect_uris":["https://client.example/callback"],"contacts":` + nested + `}`)
			for _, body := range [][]byte{long, wide, deep} {
				x := p.send(http.MethodPost, p.endpoint("registration_endpoint"), bytes.NewReader(body), append(p.initial(), header("Content-Type", "application/json"))...)
				if x.err != nil {
					continue // the connection was closed while the request was sent: a refusal, too
				}
				if x.wantRefused(); x.took > 5*time.Second {
					p.errorf("%s: the refusal took %v", x.what(), x.took)
				}
			}
		},
	},
	{
		ID: "dcr-statement-unsigned", Spec: "RFC 7591", Section: "2.3", Level: Must,
		Request: "a software_statement that nobody has signed, and one that a stranger has, name the client",
		Want:    "invalid_software_statement or unapproved_software_statement, or the statement counts for nothing",
		Attacks: []string{"S7", "E13"},
		needs:   []feature{registering},
		run: func(p *probe) {
			said := claims{"iss": "https://nobody.example", "client_name": "Vouched for", "software_id": "made-up"}
			for _, statement := range []string{p.unsigned(map[string]any{"alg": "none"}, said, nil), p.sign(p.newKey("ES256"), said, nil), "no.JWT"} {
				x := p.registers(p.registration(claims{"software_statement": statement}))
				if x.status != http.StatusCreated {
					x.wantError(400, "invalid_software_statement", "unapproved_software_statement", "invalid_client_metadata")
					continue
				}
				if x.text("client_name") == "Vouched for" {
					p.errorf("the statement of nobody names the client")
				}
			}
		},
	},
	{
		ID: "dcr-secrets-unguessable", Spec: "RFC 6749", Section: "10.10", Level: Must,
		Request: "ten clients register",
		Want:    "no client_id, secret or registration access token twice, and none that is short",
		needs:   []feature{registering},
		run: func(p *probe) {
			seen := map[string]bool{}
			for range 10 {
				x := p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
				for _, name := range []string{"client_id", "client_secret", "registration_access_token"} {
					value := x.text(name)
					if value != "" && (seen[value] || name != "client_id" && len(value) < 22) {
						p.failf("%s comes a second time, or is short", name)
					}
					seen[value] = true
				}
			}
		},
	},
	{
		ID: "dcr-get-refused", Spec: "RFC 7591", Section: "3.1", Level: Must,
		Request: "the registration endpoint is asked by GET, PUT and DELETE",
		Want:    "a refusal, and no list of clients",
		needs:   []feature{registering},
		run: func(p *probe) {
			p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
			for _, how := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				p.send(how, p.endpoint("registration_endpoint"), nil).answered().wantRefused()
			}
		},
	},
	{
		ID: "dcr-loopback-any-port", Spec: "RFC 8252", Section: "7.3", Level: Must,
		Request: "a native client registers a loopback redirect URI, and asks with other ports, another path and other hosts",
		Want:    "a code for any port, and an error page for the rest",
		Attacks: []string{"A8", "A12", "A13"},
		needs:   []feature{registering, codeFlow, publicClients},
		run: func(p *probe) {
			c := p.registered(claims{"redirect_uris": []string{"http://127.0.0.1/callback"}, "application_type": "native", "token_endpoint_auth_method": "none"})
			c.tokens(set("redirect_uri", "http://127.0.0.1:49152/callback"))
			c.tokens(set("redirect_uri", "http://127.0.0.1:1024/callback"))
			for _, uri := range []string{"http://127.0.0.1:49152/other", "http://127.0.0.1:49152/callback?x=1", "http://127.0.0.1:49152.evil.example/callback", "http://127.0.0.1:99999999/callback",
				"http://127.1:49152/callback", "http://localhost:49152/callback", "http://127.0.0.1:49152@evil.example/callback", "http://127.0.0.1:@evil.example/callback"} {
				c.try(set("redirect_uri", uri)).wantNoAnswer()
			}
		},
	},
	{
		ID: "dcr-scope-beyond-refused", Spec: "RFC 7591", Section: "2", Level: Should,
		Request: "a client registers a scope that there is not, and asks a user for it",
		Want:    "a refusal, sooner or later, and never a token with it",
		Attacks: []string{"S9", "B12"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			x := p.registers(p.registration(claims{"scope": joined(p.scope(), "no-such-scope")}))
			if x.status != http.StatusCreated {
				x.wantRefused()
				return
			}
			if slices.Contains(strings.Fields(x.text("scope")), "no-such-scope") {
				p.errorf("scope is registered as %q", x.text("scope"))
			}
			c := p.registeredAs(&client{p: p, http: p.run.client}, x)
			c.try(set("scope", joined(p.scope(), "no-such-scope"))).wantRefused("invalid_scope")
		},
	},
}

// asked has a user come as far as the page that asks for consent.
func (c *client) asked(b *browser) *exchange {
	o := c.request().in(b, Stay)
	switch {
	case o.pushed != nil:
		c.p.failf("the pushed request is refused: status %d, %q", o.pushed.status, o.pushed.text("error"))
	case o.last == nil:
		c.p.notTested("it takes the suite's own browser")
	case o.sentTo != nil:
		c.p.failf("a user who has decided nothing is sent back to a client that nobody knows: error %q", o.params.Get("error"))
	}
	return o.last.wantStatus(http.StatusOK)
}
