package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client ID metadata documents: how the server fetches, keeps and shows them.
var documentFetchingCases = []Case{
	{
		ID: "cimd-size", Spec: cimdDraft, Section: "8.7", Level: Should,
		Request: "documents of 3 KB and of 1 MB, otherwise good",
		Want:    "the first is taken, and the second is not",
		Attacks: []string{"S3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(claims{"x_padding": strings.Repeat("x", 3<<10)})
			good.authorize()
			_, at := p.publishes(claims{"x_padding": strings.Repeat("x", 1<<20)})
			p.refusesWell("has 1 MB", at.url)
		},
	},
	{
		ID: "cimd-slow", Spec: cimdDraft, Section: "5.1", Level: Should,
		Request: "the place of the document accepts the request and does not answer",
		Want:    "an error page within 15 seconds",
		Attacks: []string{"S3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			over := make(chan struct{})
			p.after(func() { close(over) })
			at := p.publish(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-over:
				}
			}))
			begun := time.Now()
			p.refusesWell("does not come", at.url)
			if took := time.Since(begun); took > 15*time.Second {
				p.errorf("the user waited %v", took)
			}
			if at.times() == 0 {
				p.errorf("the document was not asked for")
			}
		},
	},
	{
		ID: "cimd-document-kept", Spec: cimdDraft, Section: "9.1", Level: Should,
		Request: "a document may be kept for an hour, and three users are sent",
		Want:    "it is fetched once",
		Attacks: []string{"S6"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, at := p.publishes(nil)
			at.change(kept("max-age=3600", served(c.Metadata)))
			for range 3 {
				c.tokens()
			}
			if n := at.times(); n != 1 {
				p.failf("the document was fetched %d times", n)
			}
		},
	},
	{
		ID: "cimd-change-honoured", Spec: cimdDraft, Section: "5.2", Level: Should,
		Request: "a redirect URI goes from a document that may be kept for a minute, and another comes; an hour later both are used",
		Want:    "the old one leads to an error page, and the new one to a code",
		Attacks: []string{"S6"},
		needs:   []feature{documented, codeFlow},
		alone:   true,
		run: func(p *probe) {
			c, at := p.publishes(nil)
			at.change(kept("max-age=60", served(c.Metadata)))
			c.authorize()
			at.change(kept("max-age=60", served(p.metadataDocument(at.url, claims{"redirect_uris": []string{"https://client.example/moved"}}))))
			p.advance(time.Hour)
			// Consent once given must not stand in for the redirect URI that it was given for.
			c.try().wantNoAnswer()
			c.authorize(set("redirect_uri", "https://client.example/moved"))
		},
	},
	{
		ID: "cimd-errors-not-kept", Spec: cimdDraft, Section: "5.2", Level: Must,
		Request: "a document is missing, broken, or another's at first, with leave to keep it, and then as it should be",
		Want:    "an error page, and then a code at once",
		Attacks: []string{"S6"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			for what, bad := range []http.Handler{
				http.NotFoundHandler(), document("application/json", "{"), served(p.metadataDocument("https://other.example/client.json", nil)),
			} {
				at := p.publish(kept("max-age=3600", bad))
				c := p.named(at.url, p.metadataDocument(at.url, nil))
				p.refusesWell(fmt.Sprintf("is bad in way %d", what+1), at.url)
				at.change(served(c.Metadata))
				c.authorize()
			}
		},
	},
	{
		ID: "cimd-private-key-jwt", Spec: cimdDraft, Section: "8.2", Level: Must,
		Request: "a document says private_key_jwt; the code is redeemed without an assertion, with one of another key, and with a good one",
		Want:    "invalid_client twice, and tokens",
		needs:   []feature{documented, codeFlow, lists("token_endpoint_auth_methods_supported", "private_key_jwt")},
		run: func(p *probe) {
			key := p.newKey("ES256")
			c, _ := p.publishes(claims{"token_endpoint_auth_method": "private_key_jwt", "jwks": map[string]any{"keys": []any{key.Public()}}})
			c.keys = keySet(key)
			code := c.authorize()
			form := code.redemption(set("client_id", c.ID))
			p.post(p.endpoint("token_endpoint"), form).wantError(0, "invalid_client")
			c.keys = keySet(p.newKey("ES256"))
			code.redeem().wantError(0, "invalid_client")
			c.keys = keySet(key)
			code.tokens()
		},
	},
	{
		ID: "cimd-page-shows-host", Spec: cimdDraft, Section: "8.5", Level: Should,
		Request: "a user is asked whether a client of a document may have access",
		Want:    "a page with the host of the client_id, which the client cannot choose",
		Attacks: []string{"U8"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, at := p.publishes(claims{"client_name": "Somebody Well Known"})
			page := c.asked(p.browser())
			if u, err := url.Parse(at.url); err != nil || !strings.Contains(string(page.body), u.Hostname()) {
				p.failf("%s: the page does not show the host of the client_id", page.what())
			}
		},
	},
	{
		ID: "cimd-names-are-text", Spec: "RFC 6749", Section: "10.14", Level: Must,
		Request: "client_name holds HTML and script, and links in the document are javascript: URLs; a user is asked",
		Want:    "a refusal, or a page on which all of it is text, and nothing leads there",
		Attacks: []string{"U7"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, _ := p.publishes(claims{"client_name": `<script>alert(1)</script><img src=x onerror=alert(2)>"'>`, "client_uri": "javascript:alert(3)", "policy_uri": "javascript:alert(4)", "logo_uri": "javascript:alert(5)"})
			o := c.request().in(p.browser(), Stay)
			if o.last == nil || o.last.status != http.StatusOK {
				o.wantRefused()
				return
			}
			body := strings.ToLower(string(o.last.body))
			for _, bad := range []string{"<script>alert", "<img src=x", "javascript:"} {
				if strings.Contains(body, bad) {
					p.errorf("%s: the page has %q as it is in the document", o.last.what(), bad)
				}
			}
		},
	},
	{
		ID: "cimd-loopback-any-port", Spec: "RFC 8252", Section: "7.3", Level: Must,
		Request: "a document lists loopback redirect URIs, and requests have them with other ports, and with other paths",
		Want:    "a code for any port, and an error page for another path or host",
		Attacks: []string{"A8", "A12", "A13"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, _ := p.publishes(claims{"redirect_uris": []string{"http://127.0.0.1/callback", "http://[::1]:3000/callback"}, "application_type": "native"})
			for _, uri := range []string{"http://127.0.0.1:49152/callback", "http://127.0.0.1/callback", "http://[::1]:49153/callback"} {
				c.authorize(set("redirect_uri", uri))
			}
			for _, uri := range []string{"http://127.0.0.1:49152/other", "http://127.0.0.1.evil.example:49152/callback", "http://127.0.0.2:49152/callback", "http://127.0.0.1:49152@evil.example/callback", "https://127.0.0.1:49152/callback", "http://localhost:49152/callback"} {
				c.try(set("redirect_uri", uri)).wantNoAnswer()
			}
		},
	},
	{
		ID: "mcp-localhost", Spec: "MCP Authorization 2026-07-28", Section: "Client ID Metadata Documents", Level: Should,
		Request: "a document that says nothing of its type lists http://localhost:3000/callback, as current clients do",
		Want:    "a code",
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, _ := p.publishes(claims{"redirect_uris": []string{"http://127.0.0.1:3000/callback", "http://localhost:3000/callback"}})
			c.tokens(set("redirect_uri", "http://localhost:3000/callback"))
			c.tokens(set("redirect_uri", "http://127.0.0.1:3000/callback"))
		},
	},
	{
		ID: "cimd-not-for-client-credentials", Spec: "RFC 6749", Section: "4.4", Level: Must,
		Request: "a client of a document that does not authenticate asks for a token of its own",
		Want:    "a refusal: anybody can publish a document",
		Attacks: []string{"D11"},
		needs:   []feature{documented, ownTokens},
		run: func(p *probe) {
			c, _ := p.publishes(claims{"grant_types": []string{"authorization_code", "client_credentials"}})
			c.token(url.Values{"grant_type": {"client_credentials"}}).wantError(0, "unauthorized_client", "invalid_client", "unsupported_grant_type", "invalid_grant")
		},
	},
}
