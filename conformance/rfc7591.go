package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// registration is what a client registers that the case does not care about, changed by some
// members; a nil value takes one out.
func (p *probe) registration(changes claims) map[string]any {
	return claims{
		"client_name": "Conformance " + p.c.ID, "redirect_uris": []string{"https://client.example/callback"},
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "token_endpoint_auth_method": p.authentication(),
	}.changed(changes)
}

// initial presents the initial access token, if there is one.
func (p *probe) initial() []sending {
	if token := p.run.target.InitialAccessToken; token != "" {
		return []sending{bearer(token)}
	}
	return nil
}

// registers sends a registration (RFC 7591 §3.1).
func (p *probe) registers(metadata map[string]any, changes ...sending) *exchange {
	x := p.postJSON(http.MethodPost, p.endpoint("registration_endpoint"), metadata, append(p.initial(), changes...)...)
	if x.status == http.StatusCreated {
		p.forgotten(x)
	}
	return x
}

// forgotten deletes what was registered when the case is over, where that can be done.
func (p *probe) forgotten(x *exchange) {
	p.after(func() {
		if r := configuration(x).request(http.MethodDelete); r != nil {
			if answer, err := p.run.client.Do(r); err == nil {
				answer.Body.Close()
			}
		}
	})
}

// registered is a client that has registered itself, which must succeed.
func (p *probe) registered(changes claims) *client {
	asked := p.registration(changes)
	how, _ := asked["token_endpoint_auth_method"].(string)
	c := &client{p: p, http: p.run.client}
	p.arm(c, asked, how)
	return p.registeredAs(c, p.registers(asked))
}

func (p *probe) registeredAs(c *client, x *exchange) *client {
	x.wantStatus(http.StatusCreated)
	c.ID, c.Secret, c.Metadata = x.text("client_id"), x.text("client_secret"), x.member
	if c.ID == "" {
		p.failf("%s: no client_id", x.what())
	}
	p.hide("client_id", c.ID)
	if p.run.md.is("require_bound_access_tokens") || p.bound() {
		c.dpop = p.proofKey()
	}
	return c
}

// refusesRegistration fails the case unless a registration is refused with one of these errors,
// or without any where there are none.
func (p *probe) refusesRegistration(what string, metadata map[string]any, codes ...string) {
	x := p.registers(metadata)
	switch {
	case x.status < 400 || x.status > 499:
		p.errorf("%s is registered: status %d", what, x.status)
	case len(codes) > 0 && !slices.Contains(codes, x.text("error")):
		p.errorf("%s: error %q, want %s", what, x.text("error"), words(codes))
	}
}

// RFC 7591: dynamic client registration.
var registrationCases = []Case{
	{
		ID: "dcr-response", Spec: "RFC 7591", Section: "3.2.1", Level: Must,
		Request: "a client registers itself",
		Want:    "201 and JSON that no cache keeps, with client_id, client_secret_expires_at if there is a secret, and all that is registered",
		needs:   []feature{registering},
		run: func(p *probe) {
			asked := p.registration(nil)
			x := p.registers(asked).wantStatus(http.StatusCreated).wantNoStore()
			if x.text("client_id") == "" {
				p.errorf("there is no client_id")
			}
			if _, there := x.member["client_secret_expires_at"]; x.text("client_secret") != "" && !there {
				p.errorf("there is a client_secret, and no client_secret_expires_at")
			}
			for _, name := range slices.Sorted(maps.Keys(asked)) {
				if _, there := x.member[name]; !there {
					p.errorf("%s is registered, and not in the answer", name)
				}
			}
		},
	},
	{
		ID: "dcr-client-works", Spec: "RFC 7591", Section: "3", Level: Must,
		Request: "a client registers itself and sends a user",
		Want:    "it gets a code and tokens",
		needs:   []feature{registering, codeFlow},
		run:     func(p *probe) { p.registered(nil).tokens() },
	},
	{
		ID: "dcr-defaults", Spec: "RFC 7591", Section: "2", Level: Should,
		Request: "a client registers redirect_uris and nothing else",
		Want:    "client_secret_basic, authorization_code and code",
		needs:   []feature{registering, lists("token_endpoint_auth_methods_supported", "client_secret_basic")},
		run: func(p *probe) {
			x := p.registers(map[string]any{"redirect_uris": []string{"https://client.example/callback"}}).wantStatus(http.StatusCreated)
			if how := x.text("token_endpoint_auth_method"); how != "client_secret_basic" {
				p.errorf("token_endpoint_auth_method is %q", how)
			}
			if all := texts(x.member["grant_types"]); !slices.Contains(all, "authorization_code") {
				p.errorf("grant_types is %q", all)
			}
			if all := texts(x.member["response_types"]); !slices.Contains(all, "code") {
				p.errorf("response_types is %q", all)
			}
		},
	},
	{
		ID: "dcr-public-client-without-secret", Spec: "RFC 7591", Section: "2", Level: Should,
		Request: "a client registers that does not authenticate",
		Want:    "no client_secret",
		needs:   []feature{registering, publicClients},
		run: func(p *probe) {
			if c := p.registered(claims{"token_endpoint_auth_method": "none"}); c.Secret != "" {
				p.failf("a client with the method none gets a secret")
			}
		},
	},
	{
		ID: "dcr-malformed-refused", Spec: "RFC 7591", Section: "3.2.2", Level: Must,
		Request: "a registration is no JSON, no object, a form, or has members of the wrong type",
		Want:    "400, or 415 for what is no JSON; with an error of this RFC",
		Attacks: []string{"D16"},
		needs:   []feature{registering},
		run: func(p *probe) {
			p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
			for _, asked := range []claims{
				{"redirect_uris": "https://client.example/callback"}, {"redirect_uris": []int{1}}, {"redirect_uris": map[string]string{"a": "b"}},
				{"grant_types": 7}, {"token_endpoint_auth_method": []string{"none"}}, {"client_name": map[string]string{"a": "b"}}, {"jwks": "text"},
			} {
				p.refusesRegistration(fmt.Sprint("metadata with ", asked), p.registration(asked), "invalid_client_metadata", "invalid_redirect_uri", "invalid_request")
			}
			at := p.endpoint("registration_endpoint")
			initial := p.initial()
			for _, body := range []string{"", "no JSON", "[]", "null", `"text"`, `{"redirect_uris":`} {
				p.send(http.MethodPost, at, strings.NewReader(body), append(initial, header("Content-Type", "application/json"))...).answered().wantRefused()
			}
			p.post(at, url.Values{"redirect_uris": {"https://client.example/callback"}}, initial...).wantRefused()
		},
	},
	{
		ID: "dcr-redirect-uri-refused", Spec: "RFC 7591", Section: "5", Level: Must,
		Request: "redirect URIs that are relative, have a fragment, have a scheme that browsers act upon themselves, or are http to another host",
		Want:    "invalid_redirect_uri",
		Attacks: []string{"A6", "A15", "A17"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			p.registers(p.registration(nil)).wantStatus(http.StatusCreated)
			for _, uri := range []string{
				"https://client.example/callback#part", "/callback", "client.example/callback", "//client.example/callback",
				"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox", "file:///etc/passwd",
				"about:blank", "blob:https://client.example/1", "http://client.example/callback", "http://localhost.evil.example/callback", "",
			} {
				for _, kind := range []string{"web", "native"} {
					asked := p.registration(claims{"redirect_uris": []string{uri}, "application_type": kind})
					p.refusesRegistration(fmt.Sprintf("the redirect URI %q", uri), asked, "invalid_redirect_uri", "invalid_client_metadata")
				}
			}
		},
	},
	{
		ID: "dcr-redirect-uri-not-let-in-beside", Spec: "RFC 7591", Section: "5", Level: Must,
		Request: "a good redirect URI comes with a bad one beside it",
		Want:    "invalid_redirect_uri, or an answer without the bad one, which cannot be used",
		Attacks: []string{"A15", "A17"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			for _, bad := range []string{"javascript:alert(1)", "http://client.example/callback", "https://client.example/other#part"} {
				good := "https://client.example/callback"
				x := p.registers(p.registration(claims{"redirect_uris": []string{good, bad}, "token_endpoint_auth_method": p.authentication()}))
				if x.status != http.StatusCreated {
					x.wantError(400, "invalid_redirect_uri", "invalid_client_metadata")
					continue
				}
				if slices.Contains(texts(x.member["redirect_uris"]), bad) {
					p.errorf("%q is registered", bad)
				}
			}
		},
	},
	{
		ID: "dcr-private-use-scheme", Spec: "RFC 8252", Section: "8.4", Level: Should,
		Request: "a native client registers a private-use scheme that is a domain name in reverse, and one that is a single word",
		Want:    "the first is registered, and the second is refused",
		Attacks: []string{"A16"},
		needs:   []feature{registering, codeFlow, publicClients},
		run: func(p *probe) {
			native := func(uri string) map[string]any {
				return p.registration(claims{"redirect_uris": []string{uri}, "application_type": "native", "token_endpoint_auth_method": "none"})
			}
			p.registers(native("com.example.app:/callback")).wantStatus(http.StatusCreated)
			p.refusesRegistration("the redirect URI myapp:/callback", native("myapp:/callback"), "invalid_redirect_uri", "invalid_client_metadata")
		},
	},
	{
		ID: "dcr-jwks-and-jwks-uri-refused", Spec: "RFC 7591", Section: "2", Level: Must,
		Request: "a registration has jwks and jwks_uri",
		Want:    "invalid_client_metadata",
		Attacks: []string{"S8"},
		needs:   []feature{registering},
		run: func(p *probe) {
			key := p.newKey("ES256")
			keys := map[string]any{"keys": []any{key.Public()}}
			p.registers(p.registration(claims{"jwks": keys})).wantStatus(http.StatusCreated)
			asked := p.registration(claims{"jwks": keys, "jwks_uri": "https://client.example/jwks"})
			p.refusesRegistration("jwks beside jwks_uri", asked, "invalid_client_metadata")
		},
	},
	{
		ID: "dcr-private-key-refused", Spec: "RFC 7591", Section: "2", Level: Should,
		Request: "a client registers a key set with a private key in it, or a symmetric one",
		Want:    "a refusal, or at least an answer without the secret parts",
		Attacks: []string{"S8"},
		needs:   []feature{registering},
		run: func(p *probe) {
			private := p.newKey("ES256")
			for _, keys := range []map[string]any{
				{"keys": []any{private}}, {"keys": []any{map[string]any{"kty": "oct", "k": p.secret("key"), "kid": "1"}}},
			} {
				x := p.registers(p.registration(claims{"jwks": keys}))
				if x.status == http.StatusCreated && (strings.Contains(string(x.body), `"d":`) || strings.Contains(string(x.body), `"k":`)) {
					p.errorf("a secret key is registered, and handed out again")
				}
			}
		},
	},
	{
		ID: "dcr-method-unknown", Spec: "RFC 7591", Section: "3.2.1", Level: Must,
		Request: "a client registers a token_endpoint_auth_method and grant types that there are not",
		Want:    "a refusal, or an answer with what is registered instead, which is offered",
		needs:   []feature{registering},
		run: func(p *probe) {
			x := p.registers(p.registration(claims{"token_endpoint_auth_method": "telepathy"}))
			if how := x.text("token_endpoint_auth_method"); x.status == http.StatusCreated && !p.run.md.lists("token_endpoint_auth_methods_supported", how) {
				p.errorf("the method %q is registered", how)
			}
			x = p.registers(p.registration(claims{"grant_types": []string{"authorization_code", "urn:example:no-such-grant"}}))
			if slices.Contains(texts(x.member["grant_types"]), "urn:example:no-such-grant") {
				p.errorf("a grant type is registered that there is not")
			}
		},
	},
	{
		ID: "dcr-password-grant-refused", Spec: "RFC 9700", Section: "2.4", Level: Must,
		Request: "a client registers the password grant",
		Want:    "a refusal, or an answer without it",
		Attacks: []string{"D5"},
		needs:   []feature{registering, lacks(lists("grant_types_supported", "password"), "the password grant is offered")},
		run: func(p *probe) {
			for _, types := range [][]string{{"password"}, {"authorization_code", "password"}} {
				x := p.registers(p.registration(claims{"grant_types": types}))
				if x.status == http.StatusCreated && slices.Contains(texts(x.member["grant_types"]), "password") {
					p.errorf("the password grant is registered")
				}
			}
		},
	},
	{
		ID: "dcr-grants-fit-response-types", Spec: "RFC 7591", Section: "2.1", Level: Should,
		Request: "a client registers the response type code without the authorization_code grant, and a grant without a response type that it needs",
		Want:    "a refusal, or an answer in which the two fit together",
		needs:   []feature{registering},
		run: func(p *probe) {
			for _, asked := range []claims{
				{"grant_types": []string{"client_credentials"}, "response_types": []string{"code"}},
				{"grant_types": []string{"authorization_code"}, "response_types": []string{"token"}},
			} {
				x := p.registers(p.registration(asked))
				if x.status != http.StatusCreated {
					x.wantRefused()
					continue
				}
				types, responses := texts(x.member["grant_types"]), texts(x.member["response_types"])
				if slices.Contains(responses, "code") != slices.Contains(types, "authorization_code") || slices.Contains(responses, "token") != slices.Contains(types, "implicit") {
					p.errorf("grant_types %q are registered with response_types %q", types, responses)
				}
			}
		},
	},
}
