package conformance

import (
	"net/http"
	"strings"
	"time"
)

// RFC 9470: a resource asks for another sign-in. Target.StepUp is one that does.
var stepUpCases = []Case{
	{
		ID: "stepup-own-token-refused", Spec: "RFC 9470", Section: "3", Level: Must,
		Request: "a client presents a token of its own, behind which nobody has signed in",
		Want:    "a refusal; the token of somebody who has just signed in is good",
		needs:   []feature{codeFlow, ownTokens},
		run: func(p *probe) {
			at := p.stepUp()
			p.client().tokens().present(http.MethodGet, at).wantStatus(http.StatusOK)
			p.client(servicing()).own().present(http.MethodGet, at).wantStatus(http.StatusUnauthorized, http.StatusForbidden)
		},
	},
	{
		ID: "stepup-challenge-and-answer", Spec: "RFC 9470", Section: "3", Level: Must,
		Request: "a token of a sign-in long ago is presented; then the client sends the user to sign in as the challenge has it",
		Want:    "401 insufficient_user_authentication with acr_values or max_age; then a token that is good (§5)",
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			at := p.stepUp()
			c, b := p.client(), p.browser()
			if b.real != nil {
				p.notTested("it takes the suite's own browser")
			}
			c.request().in(b, Allow).wantCode().tokens().present(http.MethodGet, at).wantStatus(http.StatusOK)
			p.advance(time.Hour)
			t := c.request().in(b, Allow).wantCode().tokens()
			x := t.present(http.MethodGet, at)
			if x.status == http.StatusOK {
				p.notTested("after an hour the user has to sign in again anyway, or the resource does not mind")
			}
			x.wantStatus(http.StatusUnauthorized)
			said := x.challenge(t.kind)
			if said["error"] != "insufficient_user_authentication" {
				p.failf("%s: error %q, want insufficient_user_authentication", x.what(), said["error"])
			}
			if said["max_age"] == "" && said["acr_values"] == "" {
				p.failf("%s: neither max_age nor acr_values in %q", x.what(), x.header.Values("WWW-Authenticate"))
			}
			var ask []edit
			for _, name := range []string{"max_age", "acr_values"} {
				if said[name] != "" {
					ask = append(ask, set(name, said[name]))
				}
			}
			c.request(ask...).in(b, Allow).wantCode().tokens().present(http.MethodGet, at).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "stepup-token-says-how", Spec: "RFC 9470", Section: "6", Level: Should,
		Request: "an authorization request has an acr_values that the metadata lists",
		Want:    "acr and auth_time in the access token, or in what introspection says of it",
		needs:   []feature{codeFlow, has("acr_values_supported")},
		run: func(p *probe) {
			p.stepUp()
			wanted := p.run.md.list("acr_values_supported")
			before := p.now().Add(-5 * time.Minute)
			said := p.client().tokens(set("acr_values", strings.Join(wanted, " "))).contents()
			if acr, _ := said["acr"].(string); acr == "" {
				p.errorf("there is no acr")
			}
			if at, _ := said["auth_time"].(float64); time.Unix(int64(at), 0).Before(before) {
				p.errorf("auth_time is %v, not that of the sign-in just now", said["auth_time"])
			}
		},
	},
}

// stepUp is a URL that asks for a more recent sign-in.
func (p *probe) stepUp() string {
	if p.run.target.StepUp == "" {
		p.notTested("it takes a URL that asks for another sign-in: see Target.StepUp")
	}
	return p.run.target.StepUp
}
