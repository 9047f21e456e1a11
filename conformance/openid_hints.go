package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OpenID Connect Core §3.1.2.1 and §5.5: whom and what a request asks for.
var hintCases = []Case{
	{
		ID: "hint-own-user", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "id_token_hint is the client's own ID token of the user who is signed in, with prompt=none",
		Want:    "a code without any page",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.staysSilently(identifying())
			c.silently(b, t.id).wantCode().asksNothing()
		},
	},
	{
		ID: "hint-other-user", Spec: openIDCore, Section: "3.1.2.2", Level: Must,
		Request: "id_token_hint is the client's own ID token of another user than the one who is signed in, with prompt=none",
		Want:    "login_required, or another error",
		Attacks: []string{"B18"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.staysSilently(identifying())
			_, other := c.entersAs(1, identifying())
			c.silently(b, t.id).wantCode()
			c.silently(b, other.id).wantRefused("login_required", "interaction_required", "account_selection_required", "access_denied", "invalid_request")
		},
	},
	{
		ID: "hint-other-user-asked", Spec: openIDCore, Section: "3.1.2.2", Level: Must,
		Request: "id_token_hint is of another user than the one who is signed in, who allows whatever is asked",
		Want:    "no ID token of the user who is signed in: an error, or a sign-in as the other",
		Attacks: []string{"B18"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, _ := c.enters(identifying())
			_, other := c.entersAs(1, identifying())
			o := c.again(b, identifying(), set("id_token_hint", other.id))
			if o.code() != "" && o.tokens().identity().text("sub") != other.identity().text("sub") {
				p.failf("the ID token is of another user than the hint")
			}
		},
	},
	{
		ID: "hint-forged", Spec: openIDCore, Section: "3.1.2.2", Level: Must,
		Request: "id_token_hint is signed with a key that is not the server's, or not at all, or by HMAC with the server's public key",
		Want:    "an error: it is not taken for what it says",
		Attacks: []string{"B18", "E19"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.staysSilently(identifying())
			id := t.identity()
			c.silently(b, t.id).wantCode()
			unsigned := p.unsigned(map[string]any{"alg": "none", "typ": "JWT"}, id.said, nil)
			confused := p.unsigned(map[string]any{"alg": "HS256", "kid": id.head["kid"]}, id.said, []byte("signature"))
			for _, hint := range []string{id.forged(nil), unsigned, confused, "not-a-jwt", t.id[:len(t.id)-8]} {
				c.silently(b, hint).wantRefused()
			}
		},
	},
	{
		ID: "hint-other-client", Spec: openIDCore, Section: "3.1.2.1", Level: Should,
		Request: "id_token_hint is an ID token that was issued to another client, of the user who is signed in",
		Want:    "an error: a client that came by it learns nothing with it",
		Attacks: []string{"B18"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c, other := p.client(), p.client()
			b, t := c.staysSilently(identifying())
			theirs := other.again(b, identifying()).wantCode().tokens()
			c.silently(b, t.id).wantCode()
			c.silently(b, theirs.id).wantRefused()
		},
	},
	{
		ID: "hint-expired", Spec: openIDCore, Section: "3.1.2.2", Level: Should,
		Request: "id_token_hint is the client's own ID token of the user who is signed in, and has expired",
		Want:    "it still counts: a code",
		needs:   []feature{codeFlow, openID},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			b, t := c.enters(identifying())
			left := t.identity().seconds("exp") - p.now().Unix()
			if left > 24*60*60 {
				p.notTested("the ID token is good for %d seconds", left)
			}
			p.advance(time.Duration(left+60) * time.Second)
			o := c.again(b, identifying(), set("id_token_hint", t.id))
			if o.wantCode().tokens().identity().text("sub") != t.identity().text("sub") {
				p.failf("the ID token is of another user than the hint")
			}
		},
	},
	{
		ID: "hints-tolerated", Spec: openIDCore, Section: "15.1", Level: Must,
		Request: "a request has display, ui_locales, claims_locales, login_hint, acr_values and a parameter of no specification",
		Want:    "a code: what is not known or cannot be met is no error",
		Attacks: []string{"B21"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			p.client().authorize(identifying(), set("display", "page"), set("ui_locales", "xx-none de en"), set("claims_locales", "xx"),
				set("login_hint", "somebody"), set("acr_values", "urn:example:no-such-level"), set("surprise", "ignored"))
		},
	},
	{
		ID: "login-hint-decides-nothing", Spec: openIDCore, Section: "3.1.2.1", Level: Must,
		Request: "login_hint names another user than the one who is signed in, with prompt=none",
		Want:    "an error, or a code of the user who is signed in: never of the other",
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			b, t := c.enters(identifying())
			o := c.again(b, identifying(), set("prompt", "none"), set("login_hint", p.browserOf(1).user.Name))
			if o.code() != "" && o.tokens().identity().text("sub") != t.identity().text("sub") {
				p.failf("the ID token is of another user than the one who is signed in")
			}
		},
	},
	{
		ID: "acr-as-asked", Spec: openIDCore, Section: "5.5.1.1", Level: Must,
		Request: "the claims parameter asks for an acr that the server supports, as essential",
		Want:    "an ID token with that acr, or an error",
		Attacks: []string{"B19"},
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported"), has("acr_values_supported")},
		run: func(p *probe) {
			for _, acr := range p.run.md.list("acr_values_supported") {
				o := p.client().try(identifying(), claiming("id_token", "acr", map[string]any{"essential": true, "values": []string{acr}}))
				if o.code() == "" {
					o.wantRefused()
				} else if got := o.tokens().identity().said["acr"]; got != acr {
					p.errorf("acr %v, want %q or an error", got, acr)
				}
			}
		},
	},
	{
		ID: "acr-essential-unmet", Spec: openIDCore, Section: "5.5.1.1", Level: Must,
		Request: "the claims parameter asks for an acr that nobody has, as essential",
		Want:    "an error, unmet_authentication_requirements or another one, or a sign-in that does not end: no code",
		Attacks: []string{"B19"},
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			c.authorize(identifying(), claiming("id_token", "acr", map[string]any{"values": []string{"urn:example:no-such-level"}}))
			b := p.browser()
			b.tires = true // a server may ask for another way to sign in for ever (§5.5.1.1)
			o := c.request(identifying(), claiming("id_token", "acr", map[string]any{"essential": true, "values": []string{"urn:example:no-such-level"}})).in(b, Allow)
			if !b.tired {
				o.wantRefused()
			}
		},
	},
	{
		ID: "claims-id-token", Spec: openIDCore, Section: "5.5", Level: Should,
		Request: "the claims parameter asks for a claim in the ID token, with and without more to say about it",
		Want:    "the claim in the ID token",
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			_, claim := p.claimed()
			for _, wish := range []any{nil, map[string]any{"essential": true}} {
				id := p.client().tokens(identifying(), claiming("id_token", claim, wish)).identity()
				if _, there := id.said[claim]; !there {
					p.errorf("the ID token has no %s", claim)
				}
			}
		},
	},
	{
		ID: "claims-userinfo", Spec: openIDCore, Section: "5.5", Level: Should,
		Request: "the claims parameter asks for a claim at the UserInfo endpoint, and no scope does",
		Want:    "the claim there, and not in the ID token",
		needs:   []feature{codeFlow, openID, userInfoing, is("claims_parameter_supported")},
		run: func(p *probe) {
			_, claim := p.claimed()
			t := p.client().tokens(identifying(), claiming("userinfo", claim, nil))
			if _, there := t.userInfo().wantJSON().member[claim]; !there {
				p.errorf("the UserInfo endpoint tells no %s", claim)
			}
			if _, there := t.identity().said[claim]; there {
				p.errorf("the ID token has %s, which was asked for at the UserInfo endpoint", claim)
			}
		},
	},
	{
		ID: "claims-cannot-set", Spec: openIDCore, Section: "5.5.1", Level: Must,
		Request: "the claims parameter gives values for claims that the server sets itself: iss, aud, exp, nonce, at_hash, sid",
		Want:    "an error, or an ID token with the server's own values",
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			wishes := map[string]any{}
			for _, name := range []string{"iss", "aud", "exp", "nonce", "at_hash", "sid", "azp"} {
				wishes[name] = map[string]any{"essential": true, "value": "chosen"}
			}
			o := c.try(identifying(), set("claims", encoded(map[string]any{"id_token": wishes})))
			if o.code() == "" {
				o.wantRefused()
				return
			}
			id := o.tokens().identity()
			for name := range wishes {
				if id.said[name] == "chosen" {
					p.errorf("%s is what the client has chosen", name)
				}
			}
			if !slices.Contains(id.said.audience(), c.ID) {
				p.errorf("aud is %v", id.said["aud"])
			}
		},
	},
	{
		ID: "claims-other-user", Spec: openIDCore, Section: "5.5.1", Level: Must,
		Request: "the claims parameter asks for the sub of another user than the one who is signed in, with prompt=none",
		Want:    "an error",
		Attacks: []string{"B18"},
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			b, t := c.staysSilently(identifying())
			_, other := c.entersAs(1, identifying())
			named := func(t *tokens) edit {
				return claiming("id_token", "sub", map[string]any{"value": t.identity().text("sub")})
			}
			c.again(b, identifying(), set("prompt", "none"), named(t)).wantCode()
			c.again(b, identifying(), set("prompt", "none"), named(other)).wantRefused()
		},
	},
	{
		ID: "claims-malformed", Spec: openIDCore, Section: "5.5", Level: Should,
		Request: "the claims parameter is no JSON, JSON but no object, or has members of the wrong type",
		Want:    "invalid_request",
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			for _, text := range []string{`{"id_token":`, `[]`, `"openid"`, `null`, `{"id_token":"email"}`, `{"userinfo":{"email":7}}`} {
				c.try(identifying(), set("claims", text)).wantRefused("invalid_request", "invalid_request_object")
			}
		},
	},
	{
		ID: "claims-huge", Spec: openIDCore, Section: "5.5", Level: Should,
		Request: "the claims parameter has 1 MB, 10 000 levels of nesting, or 10 000 claims",
		Want:    "a quick answer, which is no failure of the server; and the next request succeeds",
		Attacks: []string{"B20"},
		needs:   []feature{codeFlow, openID, is("claims_parameter_supported")},
		run: func(p *probe) {
			c := p.client()
			var many []string
			for range 10_000 {
				many = append(many, `"`+random(6)+`":null`)
			}
			for _, text := range []string{
				`{"id_token":{"email":{"value":"` + strings.Repeat("v", 1<<20) + `"}}}`,
				`{"id_token":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001),
				`{"userinfo":{"email":{"values":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}}}",
				`{"userinfo":{` + strings.Join(many, ",") + "}}",
			} {
				x := c.sendBig(c.request(identifying(), set("claims", text)))
				if x.err == nil && x.status >= 500 {
					p.errorf("%s: status %d for %d bytes", x.what(), x.status, len(text))
				}
				const quick = 5 * time.Second // far above what it takes on a busy machine
				if x.took > quick {
					p.errorf("%s: %d bytes take more than %v", x.what(), len(text), quick)
				}
			}
			c.authorize(identifying())
		},
	},
}

// silently asks for a user without a page, by an ID token unless it is empty.
func (c *client) silently(b *browser, hint string) *outcome {
	edits := []edit{identifying(), set("prompt", "none")}
	if hint != "" {
		edits = append(edits, set("id_token_hint", hint))
	}
	return c.request(edits...).in(b, Stay)
}

// claiming asks for one claim by the claims parameter, in the ID token or at the UserInfo endpoint.
func claiming(where, claim string, wish any) edit {
	return set("claims", encoded(map[string]any{where: map[string]any{claim: wish}}))
}

func encoded(value any) string {
	text, _ := json.Marshal(value) // of maps and texts, which cannot fail
	return string(text)
}

// sendBig sends a request that no URL holds: pushed, or by POST. A server may hang up on it.
func (c *client) sendBig(a *authorization) *exchange {
	p, form := c.p, url.Values{}
	for name, values := range a.params {
		form[name] = values
	}
	if pushing(p.run) == "" {
		changes := c.authenticate(form)
		if c.dpop != nil {
			changes = append(changes, header("DPoP", c.dpop.proof(http.MethodPost, c.at("pushed_authorization_request_endpoint"), nil)))
		}
		return p.sendForm(c.http, c.at("pushed_authorization_request_endpoint"), form, changes...)
	}
	return p.sendForm(p.browser().http, p.endpoint("authorization_endpoint"), form)
}

func (p *probe) sendForm(client *http.Client, address string, form url.Values, changes ...sending) *exchange {
	all := append([]sending{header("Content-Type", "application/x-www-form-urlencoded")}, changes...)
	return p.sendWith(client, http.MethodPost, address, bytes.NewReader([]byte(form.Encode())), all...)
}
