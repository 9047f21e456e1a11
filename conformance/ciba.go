package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	backchannelGrant = "urn:openid:params:grant-type:ciba"
	cibaSpec         = "OpenID Connect CIBA"
)

// backchannels are requests that ask the user on another device (CIBA Core §4).
var backchannels feature = func(r *running) string {
	if missing := has("backchannel_authentication_endpoint")(r); missing != "" {
		return missing
	}
	return lists("backchannel_token_delivery_modes_supported", "poll")(r)
}

// backchannelClient is a client that polls.
func (p *probe) backchannelClient(wanted ...wanting) *client {
	types := []string{backchannelGrant}
	if refreshing(p.run) == "" {
		types = append(types, "refresh_token")
	}
	return p.client(append([]wanting{grants(types...), with("backchannel_token_delivery_mode", "poll")}, wanted...)...)
}

// prompt is a request of a client that waits for the user.
type prompt struct {
	*exchange
	c  *client
	id string
}

// promptRequest sends an authentication request about the first user (CIBA Core §7.1). The
// hint is their name.
func (c *client) promptRequest(edits ...edit) *exchange {
	return c.post("backchannel_authentication_endpoint", c.promptForm(edits...))
}

func (c *client) promptForm(edits ...edit) url.Values {
	form := url.Values{"scope": {"openid"}, "login_hint": {c.p.firstUser()}}
	if scope := c.p.scope(); scope != "openid" {
		form.Set("scope", joined("openid", scope))
	}
	for _, e := range edits {
		e(form)
	}
	return form
}

// prompt is the answer to one, which must be there (CIBA Core §7.3).
func (c *client) prompt(edits ...edit) *prompt {
	x := c.promptRequest(edits...)
	if x.status != http.StatusOK || x.member == nil {
		c.p.failBasic("ciba-flow", "%s: no auth_req_id: status %d, error %q: %s", x.what(), x.status, x.text("error"), x.text("error_description"))
	}
	if x.text("auth_req_id") == "" || x.member["expires_in"] == nil {
		c.p.failf("%s: auth_req_id or expires_in is missing", x.what())
	}
	return &prompt{x, c, x.text("auth_req_id")}
}

// poll asks whether the user has decided (CIBA Core §10.1).
func (q *prompt) poll() *exchange { return q.pollAs(q.c) }

func (q *prompt) pollAs(c *client) *exchange {
	return c.token(url.Values{"grant_type": {backchannelGrant}, "auth_req_id": {q.id}})
}

// answer has the first user answer all that waits, on their device.
func (p *probe) answer(decision Decision) {
	answer := p.controls().AnswerBackchannel
	if answer == nil {
		p.notTested("somebody has to answer on the user's device: see Controls.AnswerBackchannel")
	}
	if err := answer(p.ctx, p.run.target.Users[0], decision); err != nil {
		p.failf("Controls.AnswerBackchannel: %v", err)
	}
}

// OpenID Connect CIBA Core 1.0, by polling. Cases in which the user answers run alone, because
// an answer is for all that waits.
var backchannelCases = []Case{
	{
		ID: "ciba-flow", Spec: cibaSpec, Section: "10.1", Level: Must,
		Request: "a client asks for a user by name, polls, the user allows it, and the client polls again",
		Want:    "authorization_pending, and then tokens with an ID token about the user",
		needs:   []feature{backchannels},
		alone:   true,
		run: func(p *probe) {
			q := p.backchannelClient().prompt()
			q.wantNoStore()
			q.poll().wantError(400, "authorization_pending")
			p.answer(Allow)
			x := q.poll()
			if x.text("error") == "slow_down" { // the second time within the interval (§11)
				p.advance(30 * time.Second)
				x = q.poll()
			}
			t := q.c.got(x)
			if t.id == "" {
				p.failf("%s: there is no id_token", t.what())
			}
			_, said := p.verified(t.id)
			if said["iss"] != p.run.target.Issuer || said["sub"] == nil {
				p.errorf("the ID token has iss %v and sub %v", said["iss"], said["sub"])
			}
			t.wantAlive("the user's answer")
		},
	},
	{
		ID: "ciba-denied", Spec: cibaSpec, Section: "11", Level: Must,
		Request: "the user denies what a client asks for, and the client polls",
		Want:    "access_denied",
		needs:   []feature{backchannels},
		alone:   true,
		run: func(p *probe) {
			q := p.backchannelClient().prompt()
			p.answer(Deny)
			q.poll().wantError(400, "access_denied")
		},
	},
	{
		ID: "ciba-single-use", Spec: cibaSpec, Section: "10.1", Level: Must,
		Request: "another client polls with an auth_req_id that the user has allowed, the client itself, and the client once more",
		Want:    "invalid_grant, tokens, and invalid_grant",
		needs:   []feature{backchannels},
		alone:   true,
		run: func(p *probe) {
			q, stranger := p.backchannelClient().prompt(), p.backchannelClient()
			if stranger.ID == q.c.ID {
				p.notTested("it takes two clients that poll")
			}
			q.pollAs(stranger).wantError(400, "invalid_grant")
			p.answer(Allow)
			q.pollAs(stranger).wantError(400, "invalid_grant")
			q.c.got(q.poll())
			q.poll().wantError(400, "invalid_grant", "expired_token")
		},
	},
	{
		ID: "ciba-expired", Spec: cibaSpec, Section: "11", Level: Must,
		Request: "a client polls after its auth_req_id has expired; another was allowed before that",
		Want:    "expired_token both times",
		needs:   []feature{backchannels},
		alone:   true,
		run: func(p *probe) {
			c := p.backchannelClient()
			allowed := c.prompt()
			p.answer(Allow)
			open := c.prompt()
			seconds, _ := open.member["expires_in"].(float64)
			p.advance(time.Duration(seconds+2) * time.Second)
			open.poll().wantError(400, "expired_token", "invalid_grant")
			allowed.poll().wantError(400, "expired_token", "invalid_grant")
		},
	},
	{
		ID: "ciba-revoked-before-poll", Spec: "RFC 6749", Section: "5.2", Level: Should,
		Request: "the user allows a request, and ends all authorizations before the client polls",
		Want:    "no tokens",
		Attacks: []string{"C16", "F11"},
		needs:   []feature{backchannels},
		alone:   true,
		run: func(p *probe) {
			q := p.backchannelClient().prompt()
			p.answer(Allow)
			p.revokesUser()
			q.poll().wantError(400, "invalid_grant", "access_denied", "expired_token")
			again := q.c.prompt()
			p.answer(Allow)
			q.c.got(again.poll())
		},
	},
	{
		ID: "ciba-slow-down", Spec: cibaSpec, Section: "11", Level: Should,
		Request: "a client polls again and again without a pause",
		Want:    "slow_down",
		needs:   []feature{backchannels},
		run: func(p *probe) {
			q := p.backchannelClient().prompt()
			q.poll().wantError(400, "authorization_pending")
			for range 4 {
				if q.poll().wantError(400, "authorization_pending", "slow_down").text("error") == "slow_down" {
					return
				}
			}
			p.failf("five polls at once are never told to slow_down")
		},
	},
	{
		ID: "ciba-one-hint", Spec: cibaSpec, Section: "7.1", Level: Must,
		Request: "a request has no hint, or two",
		Want:    "invalid_request",
		needs:   []feature{backchannels},
		run: func(p *probe) {
			c := p.backchannelClient()
			c.prompt()
			c.promptRequest(del("login_hint")).wantError(400, "invalid_request")
			c.promptRequest(set("login_hint_token", "a.b.c")).wantError(400, "invalid_request")
			c.promptRequest(set("id_token_hint", "a.b.c")).wantError(400, "invalid_request")
		},
	},
	{
		ID: "ciba-openid-scope", Spec: cibaSpec, Section: "7.1", Level: Should,
		Request: "a request has no scope, or one without openid",
		Want:    "invalid_request or invalid_scope",
		needs:   []feature{backchannels},
		run: func(p *probe) {
			c := p.backchannelClient()
			c.prompt()
			c.promptRequest(del("scope")).wantError(400, "invalid_request", "invalid_scope")
			if all := p.plainScopes(); len(all) > 0 {
				c.promptRequest(set("scope", all[0])).wantError(400, "invalid_request", "invalid_scope")
			}
		},
	},
	{
		ID: "ciba-unknown-user", Spec: cibaSpec, Section: "13", Level: Should,
		Request: "the hint names nobody",
		Want:    "unknown_user_id, or an auth_req_id that never leads to tokens, if the server would rather not tell",
		needs:   []feature{backchannels},
		run: func(p *probe) {
			c := p.backchannelClient()
			c.prompt()
			x := c.promptRequest(set("login_hint", p.name("nobody")))
			if x.status == http.StatusOK {
				(&prompt{x, c, x.text("auth_req_id")}).poll().wantError(400, "authorization_pending", "slow_down", "access_denied")
				return
			}
			x.wantError(400, "unknown_user_id")
		},
	},
	{
		ID: "ciba-client-authentication", Spec: cibaSpec, Section: "7.1", Level: Must,
		Request: "a request with a wrong secret, by a client without credentials, and by one without the grant",
		Want:    "invalid_client, twice, and unauthorized_client",
		needs:   []feature{backchannels, lists("token_endpoint_auth_methods_supported", "client_secret_basic")},
		run: func(p *probe) {
			c := p.backchannelClient(method("client_secret_basic"))
			c.prompt()
			at := p.endpoint("backchannel_authentication_endpoint")
			p.post(at, c.promptForm(), c.basic(c.ID, p.secret("client_secret"))).wantError(401, "invalid_client")
			p.post(at, c.promptForm(set("client_id", c.ID))).wantError(0, "invalid_client")
			p.client().promptRequest().wantError(0, "unauthorized_client")
		},
	},
	{
		ID: "ciba-foreign-id-token-hint", Spec: cibaSpec, Section: "14", Level: Should,
		Request: "id_token_hint is one that nobody has signed, and one that somebody else has",
		Want:    "invalid_request, or another refusal: nobody is asked",
		Attacks: []string{"E19"},
		needs:   []feature{backchannels},
		run: func(p *probe) {
			c := p.backchannelClient()
			c.prompt()
			now := p.now()
			said := claims{"iss": p.run.target.Issuer, "sub": p.firstUser(), "aud": c.ID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
			for _, hint := range []string{p.unsigned(map[string]any{"alg": "none"}, said, nil), p.sign(p.newKey("ES256"), said, nil)} {
				c.promptRequest(del("login_hint"), set("id_token_hint", hint)).wantError(400, "invalid_request", "unknown_user_id")
			}
		},
	},
	{
		ID: "ciba-binding-message", Spec: cibaSpec, Section: "13", Level: Should,
		Request: "binding_message is short plain text, and then 10 KB, and text with control characters",
		Want:    "the first is taken, and the others are invalid_binding_message",
		Attacks: []string{"U7"},
		needs:   []feature{backchannels},
		run: func(p *probe) {
			c := p.backchannelClient()
			c.prompt(set("binding_message", "W4SCT"))
			for _, message := range []string{strings.Repeat("long ", 2048), "W4\x07SCT", "W4\u202eSCT"} {
				c.promptRequest(set("binding_message", message)).wantError(400, "invalid_binding_message", "invalid_request")
			}
		},
	},
}
