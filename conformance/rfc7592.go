package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

// managed is where a client finds what is registered of it (RFC 7592 §3).
type managed struct{ at, token string }

func configuration(x *exchange) managed {
	return managed{x.text("registration_client_uri"), x.text("registration_access_token")}
}

// request is one without a body; nil where there is no such place.
func (m managed) request(how string) *http.Request {
	r, err := http.NewRequest(how, m.at, nil)
	if m.at == "" || m.token == "" || err != nil {
		return nil
	}
	bearer(m.token)(r)
	return r
}

// managing is a client that has registered itself, and where it manages that.
func (p *probe) managing(changes claims) (*client, managed) {
	c := p.registered(changes)
	at, _ := c.Metadata["registration_client_uri"].(string)
	token, _ := c.Metadata["registration_access_token"].(string)
	if at == "" || token == "" {
		p.notOffered("the answer to a registration has no registration_client_uri and registration_access_token")
	}
	return c, managed{at, token}
}

// read asks what is registered.
func (p *probe) read(m managed) *exchange { return p.get(m.at, bearer(m.token)) }

// update replaces what is registered of a client, by what was sent before and some changes.
func (p *probe) update(c *client, m managed, changes claims) *exchange {
	metadata := claims{"client_id": c.ID}
	for _, name := range []string{"client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "jwks", "scope"} {
		if value, there := c.Metadata[name]; there {
			metadata[name] = value
		}
	}
	return p.postJSON(http.MethodPut, m.at, metadata.changed(changes), bearer(m.token))
}

// renewed is the same place with the token of an answer, if there is a new one.
func (m managed) renewed(x *exchange) managed {
	if token := x.text("registration_access_token"); token != "" {
		m.token = token
	}
	if at := x.text("registration_client_uri"); at != "" {
		m.at = at
	}
	return m
}

// RFC 7592: what a client does with its registration.
var managementCases = []Case{
	{
		ID: "dcm-read", Spec: "RFC 7592", Section: "2.1", Level: Must,
		Request: "a client reads what is registered of it",
		Want:    "200, with its client_id and metadata, and nothing that a cache keeps",
		needs:   []feature{registering},
		run: func(p *probe) {
			c, m := p.managing(nil)
			x := p.read(m).wantJSON().wantNoStore()
			if x.text("client_id") != c.ID || x.text("client_name") != "Conformance "+p.c.ID {
				p.errorf("client_id is %q, client_name %q", x.text("client_id"), x.text("client_name"))
			}
			if !slices.Equal(texts(x.member["redirect_uris"]), texts(c.Metadata["redirect_uris"])) {
				p.errorf("redirect_uris is %v", x.member["redirect_uris"])
			}
		},
	},
	{
		ID: "dcm-token-required", Spec: "RFC 7592", Section: "2.1", Level: Must,
		Request: "what is registered is read, replaced and deleted without a token, with a made-up one, and with that of another client",
		Want:    "401, or 403; nothing has changed",
		Attacks: []string{"S8"},
		needs:   []feature{registering},
		run: func(p *probe) {
			_, m := p.managing(nil)
			_, stranger := p.managing(nil)
			body, _ := json.Marshal(p.registration(claims{"client_name": "Taken over"}))
			for _, how := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				for _, who := range []sending{header("Authorization", ""), bearer(p.secret("access_token")), bearer(stranger.token)} {
					x := p.send(how, m.at, bytes.NewReader(body), header("Content-Type", "application/json"), who).answered()
					if x.status != http.StatusUnauthorized && x.status != http.StatusForbidden {
						p.errorf("%s: status %d", x.what(), x.status)
					}
				}
			}
			if got := p.read(m).wantJSON().text("client_name"); got == "Taken over" {
				p.errorf("client_name is %q", got)
			}
		},
	},
	{
		ID: "dcm-unknown-client", Spec: "RFC 7592", Section: "2.1", Level: Must,
		Request: "the place of a client that there is not is asked with the token of another",
		Want:    "401, as for a client that there is: nobody learns which there are",
		Attacks: []string{"S8"},
		needs:   []feature{registering},
		run: func(p *probe) {
			gone, at := p.managing(nil)
			_, other := p.managing(nil)
			there := p.get(at.at, bearer(other.token))
			p.send(http.MethodDelete, at.at, nil, bearer(at.token)).answered().wantStatus(http.StatusNoContent)
			x := p.get(at.at, bearer(other.token))
			x.wantStatus(http.StatusUnauthorized)
			if x.status != there.status || x.text("error") != there.text("error") {
				p.errorf("client %s: status %d, %q, and %d, %q when there was one", gone.ID, x.status, x.text("error"), there.status, there.text("error"))
			}
			p.get(at.at, bearer(at.token)).wantStatus(http.StatusUnauthorized)
		},
	},
	{
		ID: "dcm-update", Spec: "RFC 7592", Section: "2.2", Level: Must,
		Request: "a client replaces its redirect URI and its name",
		Want:    "200 with what is registered now; the old redirect URI does not work any more, and the new one does",
		Attacks: []string{"C16"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			c, m := p.managing(nil)
			c.tokens()
			x := p.update(c, m, claims{"client_name": "Another name", "redirect_uris": []string{"https://client.example/moved"}}).wantJSON()
			if x.text("client_id") != c.ID || x.text("client_name") != "Another name" {
				p.errorf("client_id is %q, client_name %q", x.text("client_id"), x.text("client_name"))
			}
			c.try().wantNoAnswer()
			c.tokens(set("redirect_uri", "https://client.example/moved"))
			if got := p.read(m.renewed(x)).wantJSON().text("client_name"); got != "Another name" {
				p.errorf("client_name is read as %q", got)
			}
		},
	},
	{
		ID: "dcm-update-of-another", Spec: "RFC 7592", Section: "2.2", Level: Must,
		Request: "an update has the client_id of another client",
		Want:    "a refusal; neither client has changed",
		Attacks: []string{"S9"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			victim, at := p.managing(nil)
			c, m := p.managing(nil)
			x := p.update(c, m, claims{"client_id": victim.ID, "redirect_uris": []string{"https://evil.example/callback"}})
			x.wantError(400, "invalid_client_metadata", "invalid_request", "invalid_client_id")
			for _, one := range []managed{m, at} {
				if got := texts(p.read(one).wantJSON().member["redirect_uris"]); slices.Contains(got, "https://evil.example/callback") {
					p.errorf("redirect_uris is %q", got)
				}
			}
		},
	},
	{
		ID: "dcm-update-secret-not-chosen", Spec: "RFC 7592", Section: "2.2", Level: Must,
		Request: "an update has a client_secret other than the current one, and a registration_access_token",
		Want:    "a refusal, or neither counts: a client must not overwrite them with values of its own",
		Attacks: []string{"S9"},
		needs:   []feature{registering, lists("token_endpoint_auth_methods_supported", "client_secret_basic"), codeFlow},
		run: func(p *probe) {
			c, m := p.managing(claims{"token_endpoint_auth_method": "client_secret_basic"})
			chosen := p.secret("client_secret")
			p.update(c, m, claims{"client_secret": chosen}).wantError(400, "invalid_client_metadata", "invalid_request")
			p.update(c, m, claims{"registration_access_token": chosen, "registration_client_uri": "https://evil.example/", "client_id_issued_at": 0})
			p.get(m.at, bearer(chosen)).wantStatus(http.StatusUnauthorized)
			mine := c.Secret
			code := c.authorize()
			c.Secret = chosen
			code.redeem().wantError(401, "invalid_client")
			c.Secret = mine
			c.tokens()
		},
	},
	{
		ID: "dcm-update-refused-changes-nothing", Spec: "RFC 7592", Section: "2.2", Level: Must,
		Request: "updates to a redirect URI with a fragment, a javascript: URI and to the password grant",
		Want:    "a refusal, or an answer without them; what was registered works",
		Attacks: []string{"S9", "A15"},
		needs:   []feature{registering, codeFlow, lacks(lists("grant_types_supported", "password"), "the password grant is offered")},
		run: func(p *probe) {
			c, m := p.managing(nil)
			refused := 0
			for _, bad := range []string{"https://client.example/callback#part", "javascript:alert(1)", "http://client.example/callback"} {
				x := p.update(c, m, claims{"redirect_uris": []string{bad}})
				if x.status != http.StatusOK {
					x.wantError(400, "invalid_redirect_uri", "invalid_client_metadata")
					refused++
					continue
				}
				// Whether it may have been registered is what dcr-redirect-uri-refused is about.
				m = m.renewed(x)
				m = m.renewed(p.update(c, m, claims{"redirect_uris": []string{c.redirectURI()}}).wantJSON())
			}
			if refused == 0 {
				p.errorf("none of the updates is refused")
			}
			x := p.update(c, m, claims{"grant_types": []string{"authorization_code", "password"}})
			if x.status == http.StatusOK && slices.Contains(texts(x.member["grant_types"]), "password") {
				p.errorf("the password grant is registered")
			}
			c.tokens()
		},
	},
	{
		ID: "dcm-update-not-beyond-policy", Spec: "RFC 7592", Section: "2.2", Level: Must,
		Request: "updates ask for each grant type and method that a registration does not get",
		Want:    "they do not get them either",
		Attacks: []string{"S9"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			c, m := p.managing(nil)
			had := texts(c.Metadata["grant_types"])
			for _, grant := range []string{"client_credentials", "password", "implicit", deviceGrant, exchangeGrant, "urn:ietf:params:oauth:grant-type:jwt-bearer", backchannelGrant} {
				types := append(slices.Clone(had), grant)
				gets := func(x *exchange) bool {
					return x.status < 300 && slices.Contains(texts(x.member["grant_types"]), grant)
				}
				first := gets(p.registers(p.registration(claims{"grant_types": types})))
				x := p.update(c, m, claims{"grant_types": types})
				if x.status == http.StatusOK {
					m = m.renewed(x)
				}
				if gets(x) && !first {
					p.errorf("an update gets the grant %s, and a registration does not", grant)
				}
			}
			p.update(c, m, claims{"grant_types": had}).wantJSON()
			c.tokens()
		},
	},
	{
		ID: "dcm-token-rotated", Spec: "RFC 7592", Section: "5", Level: Should,
		Request: "after an update that has brought a new registration access token, and after that was used, the old one is used",
		Want:    "401 for the old one",
		Attacks: []string{"S8"},
		needs:   []feature{registering},
		run: func(p *probe) {
			c, m := p.managing(nil)
			next := m.renewed(p.update(c, m, nil).wantJSON())
			if next.token == m.token {
				p.notOffered("the server does not rotate registration access tokens")
			}
			p.read(next).wantJSON()
			p.read(m).wantStatus(http.StatusUnauthorized)
			p.read(next).wantJSON()
		},
	},
	{
		ID: "dcm-delete", Spec: "RFC 7592", Section: "2.3", Level: Must,
		Request: "a client deletes itself, and then sends a user and redeems a code that it had",
		Want:    "204; after that there is no such client",
		Attacks: []string{"C16"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			c, m := p.managing(nil)
			code := c.authorize()
			c.tokens()
			p.send(http.MethodDelete, m.at, nil, bearer(m.token)).answered().wantStatus(http.StatusNoContent)
			code.redeem().wantError(0, "invalid_client", "invalid_grant")
			c.try().wantNoAnswer()
			p.read(m).wantStatus(http.StatusUnauthorized)
		},
	},
	{
		ID: "dcm-delete-ends-tokens", Spec: "RFC 7592", Section: "2.3", Level: Should,
		Request: "a client deletes itself, and then uses tokens that it had",
		Want:    "they are dead",
		Attacks: []string{"D21"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			types := []string{"authorization_code"}
			if refreshing(p.run) == "" {
				types = append(types, "refresh_token")
			}
			c, m := p.managing(claims{"grant_types": types})
			obtain := c.tokens
			if refreshing(p.run) == "" {
				obtain = c.lastingTokens
			}
			var wished []edit
			if p.run.target.Resource == "" && openID(p.run) == "" {
				wished = append(wished, identifying()) // for the UserInfo endpoint
			}
			t := obtain(wished...)
			opens := t.opensWithout()
			if opens == nil {
				p.notTested("nothing shows whether the access token of a client that is gone is good: see Target.Resource")
			}
			if !opens() {
				p.failf("the access token is dead before the client is deleted")
			}
			p.send(http.MethodDelete, m.at, nil, bearer(m.token)).answered().wantStatus(http.StatusNoContent)
			if opens() {
				p.errorf("the access token works after the client was deleted")
			}
			if t.refresh != "" && c.refreshed(t.refresh).status == http.StatusOK {
				p.errorf("the refresh token works after the client was deleted")
			}
		},
	},
	{
		ID: "dcm-access-token-refused", Spec: "RFC 7592", Section: "2", Level: Must,
		Request: "what is registered is read with an access token of the client, and with the right token in the URL",
		Want:    "401 for the one, and a refusal of the other",
		Attacks: []string{"S8"},
		needs:   []feature{registering, codeFlow},
		run: func(p *probe) {
			c, m := p.managing(nil)
			t := c.tokens()
			p.get(m.at, bearer(t.access)).wantStatus(http.StatusUnauthorized)
			p.get(m.at + "?access_token=" + m.token).wantRefused()
			p.read(m).wantJSON()
		},
	},
}

// opensWithout tells whether the access token is good, by what does not take its client: a resource,
// or the UserInfo endpoint. It is nil if there is neither.
func (t *tokens) opensWithout() func() bool {
	p := t.c.p
	userInfo := p.run.md.text("userinfo_endpoint")
	switch {
	case p.run.target.Resource != "":
		return func() bool { return t.present(http.MethodGet, p.run.target.Resource).status == http.StatusOK }
	case userInfo != "" && t.id != "":
		return func() bool { return t.present(http.MethodGet, userInfo).status == http.StatusOK }
	}
	return nil
}
