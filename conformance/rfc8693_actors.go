package conformance

import (
	"net/http"
	"net/url"
	"time"
)

// RFC 8693 §4, and tokens of other issuers.
var exchangeActorCases = []Case{
	{
		ID: "exchange-delegation", Spec: "RFC 8693", Section: "4.1", Level: Should,
		Request: "a token is exchanged with an actor's token beside it, and without one",
		Want:    "an act claim that names the actor, and none",
		needs:   []feature{codeFlow, exchanges, ownTokens},
		run: func(p *probe) {
			subject, actor := p.client().tokens(), p.client(servicing()).own()
			c := p.exchanger()
			alone := c.exchanged(subject.access).contents()
			if alone["act"] != nil {
				p.errorf("there was no actor, and act is %v", alone["act"])
			}
			x := c.exchange(subject.access, acting(actor.access))
			if x.text("error") == "invalid_request" {
				p.notOffered("the server takes no actor's token: %s", x.text("error_description"))
			}
			both := c.got(x).contents()
			act, _ := both["act"].(map[string]any)
			if want := actor.contents()["sub"]; act["sub"] != want || want == nil {
				p.errorf("act is %v, want one whose sub is %v", both["act"], want)
			}
			if both["sub"] != subject.contents()["sub"] {
				p.errorf("sub is %v, want that of the subject, %v", both["sub"], subject.contents()["sub"])
			}
		},
	},
	{
		ID: "exchange-delegation-chain", Spec: "RFC 8693", Section: "4.1", Level: Should,
		Request: "a token with an actor is exchanged with another actor, and then without one",
		Want:    "the new actor in act, with the one before inside it; without one, the actors stay",
		needs:   []feature{codeFlow, exchanges, ownTokens},
		run: func(p *probe) {
			subject := p.client().tokens()
			first, second := p.client(servicing()).own(), p.client(servicing()).own()
			c := p.exchanger()
			x := c.exchange(subject.access, acting(first.access))
			if x.text("error") == "invalid_request" {
				p.notOffered("the server takes no actor's token: %s", x.text("error_description"))
			}
			once := c.got(x)
			act, _ := c.exchanged(once.access, acting(second.access)).contents()["act"].(map[string]any)
			before, _ := act["act"].(map[string]any)
			if act["sub"] != second.contents()["sub"] || before["sub"] != first.contents()["sub"] {
				p.errorf("act is %v, want %v inside %v", act, first.contents()["sub"], second.contents()["sub"])
			}
			if kept, _ := c.exchanged(once.access).contents()["act"].(map[string]any); kept["sub"] != first.contents()["sub"] {
				p.errorf("an exchange without an actor leaves act %v: who has acted is forgotten", kept)
			}
		},
	},
	{
		ID: "exchange-trusted-issuer", Spec: "RFC 8693", Section: "2.1", Level: Must,
		Request: "the JWT of an issuer whom the server trusts is exchanged",
		Want:    "an access token about its user",
		needs:   []feature{exchanges},
		run: func(p *probe) {
			t := p.exchanger().exchanged(p.stranger(p.firstUser(), nil), set("subject_token_type", jwtTokenType))
			t.wantAlive("an exchange")
			if t.contents()["sub"] == nil {
				p.errorf("the token has no sub")
			}
		},
	},
	{
		ID: "exchange-stranger-refused", Spec: "RFC 8693", Section: "2.2.2", Level: Must,
		Request: "a JWT is exchanged that is unsigned, signed by somebody else, of an unknown issuer, expired, not for this server, or not valid yet",
		Want:    "invalid_request",
		needs:   []feature{exchanges},
		run: func(p *probe) {
			c, user := p.exchanger(), p.firstUser()
			as := set("subject_token_type", jwtTokenType)
			c.exchanged(p.stranger(user, nil), as)
			good := p.strangerClaims(user)
			past, later := p.now().Add(-time.Hour).Unix(), p.now().Add(time.Hour).Unix()
			for _, bad := range []struct{ what, jwt string }{
				{"unsigned", p.unsigned(map[string]any{"alg": "none"}, good, nil)},
				{"signed with another key", p.sign(p.newKey("ES256"), good, nil)},
				{"of another issuer", p.sign(p.newKey("ES256"), good.changed(claims{"iss": "https://nobody.example"}), nil)},
				{"of another issuer by name", p.stranger(user, claims{"iss": "https://nobody.example"})},
				{"made up in the server's name", p.sign(p.newKey("ES256"), good.changed(claims{"iss": p.run.target.Issuer}), nil)},
				{"expired", p.stranger(user, claims{"exp": past})},
				{"not valid yet", p.stranger(user, claims{"nbf": later})},
				{"for somebody else", p.stranger(user, claims{"aud": "https://nobody.example"})},
			} {
				x := c.exchange(bad.jwt, as)
				if x.status != http.StatusBadRequest || x.text("error") != "invalid_request" {
					p.errorf("a JWT that is %s: status %d, error %q", bad.what, x.status, x.text("error"))
				}
			}
		},
	},
	{
		ID: "exchange-may-act", Spec: "RFC 8693", Section: "4.4", Level: Should,
		Request: "the subject's JWT says in may_act that somebody else alone may act, and another client exchanges it",
		Want:    "a refusal",
		needs:   []feature{exchanges},
		run: func(p *probe) {
			c, user := p.exchanger(), p.firstUser()
			as := set("subject_token_type", jwtTokenType)
			c.exchanged(p.stranger(user, nil), as)
			other := map[string]any{"iss": p.run.target.Issuer, "sub": "somebody-else"}
			c.exchange(p.stranger(user, claims{"may_act": other}), as).wantError(400, "invalid_request", "invalid_grant", "unauthorized_client")
		},
	},
}

// acting adds an actor's access token.
func acting(access string) edit {
	return func(v url.Values) {
		v.Set("actor_token", access)
		v.Set("actor_token_type", accessTokenType)
	}
}
