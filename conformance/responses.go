package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RFC 6749 §4.1.2, RFC 9700 §4.2, §4.12, OAuth 2.0 Multiple Response Types: how the answer gets to
// the client.
var responseCases = []Case{
	{
		ID: "response-state", Spec: "RFC 6749", Section: "4.1.2", Level: Must,
		Request: "state has what means something in URLs and HTML, and is a thousand characters long; requests that succeed and that do not",
		Want:    "each comes back to the byte",
		Attacks: []string{"B7"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, state := range []string{`&code=x#<>"'%00%20 +;=/?\~|`, strings.Repeat("0123456789", 100)} {
				o := c.authorize(set("state", state))
				if got := o.params["state"]; len(got) != 1 || got[0] != state {
					p.errorf("state %.40q comes back as %.80q", state, got)
				}
				o = c.try(set("state", state), set("response_type", "kode")).wantRefused()
				if got := o.params["state"]; o.sentTo != nil && (len(got) != 1 || got[0] != state) {
					p.errorf("state %.40q comes back beside an error as %.80q", state, got)
				}
			}
		},
	},
	{
		ID: "response-state-huge", Spec: "RFC 6749", Section: "4.1.2", Level: Should,
		Request: "state is 64 KB long",
		Want:    "a refusal, or the whole of it back: no failure of the server, and not a part",
		Attacks: []string{"B7"},
		needs:   []feature{codeFlow, frontRequests},
		varies:  true,
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			state := strings.Repeat("s", 64<<10)
			a, b := c.request(set("state", state)).anywhere(), p.pages(0)
			x := p.sendWith(b.http, http.MethodGet, a.url(), nil)
			if x.err != nil {
				c.authorize() // it has hung up, but is there
				return
			}
			o := a.from(b, x, Allow)
			switch {
			case o.sentTo == nil && o.last != nil && (o.last.status < 400 || o.last.status > 499):
				p.failf("status %d", o.last.status)
			case o.sentTo != nil && o.params.Has("state") && o.params.Get("state") != state:
				p.failf("%d bytes of it come back", len(o.params.Get("state")))
			}
			c.authorize()
		},
	},
	{
		ID: "response-redirect-status", Spec: "RFC 9700", Section: "4.12", Level: Must,
		Request: "a user signs in and allows a request: forms that are sent by POST, and lead on",
		Want:    "303, or 302, but never 307 or 308, by which the browser sends the client what the user typed",
		Attacks: []string{"B8"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.client().request().in(p.pages(0), Allow).wantCode()
			if posted := p.wantNoRepeat(); posted == 0 {
				p.notTested("no form was sent by POST")
			}
		},
	},
	{
		ID: "response-redirect-status-denied", Spec: "RFC 9700", Section: "4.12", Level: Must,
		Request: "a user signs in and denies a request",
		Want:    "no 307 or 308 on the way",
		Attacks: []string{"B8"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.client().request().in(p.pages(0), Deny)
			if posted := p.wantNoRepeat(); posted == 0 {
				p.notTested("no form was sent by POST")
			}
		},
	},
	{
		ID: "response-never-repeats-posts", Spec: "RFC 9700", Section: "4.12", Level: Must,
		Request: "every form that is sent in any case, and leads on",
		Want:    "never 307 or 308",
		Attacks: []string{"B8"},
		watch: func(x *exchange) (bool, string) {
			about := x.request.Method == http.MethodPost && x.status >= 300 && x.status < 400
			if x.status == http.StatusTemporaryRedirect || x.status == http.StatusPermanentRedirect {
				return about, "status " + numbers([]int{x.status})
			}
			return about, ""
		},
	},
	{
		ID: "response-no-store", Spec: "RFC 6749", Section: "5.1", Level: Should,
		Request: "an authorization request that succeeds, and one that is refused",
		Want:    "the redirect with the code, and the one with the error, are not to be stored by caches",
		Attacks: []string{"B9"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, o := range []*outcome{c.request().in(p.pages(0), Allow).wantCode(), c.try(set("response_type", "kode"))} {
				if o.last != nil {
					o.last.wantNoStore()
				}
			}
		},
	},
	{
		ID: "response-error-description", Spec: "RFC 6749", Section: "4.1.2.1", Level: Must,
		Request: "requests that are refused for a parameter with control characters, quotes, backslashes and letters beyond ASCII in it",
		Want:    "error and error_description have none of them",
		Attacks: []string{"B11"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, told := p.client(), 0
			for _, name := range []string{"response_type", "scope", "prompt", "response_mode", "code_challenge_method", "max_age"} {
				o := c.request(set(name, "x\x01\r\né\"\\<b>")).anywhere().in(p.browser(), Allow)
				if o.sentTo == nil || !o.params.Has("error") {
					continue
				}
				told++
				for _, member := range []string{"error", "error_description"} {
					if said := o.params.Get(member); !plainErrorText(said) {
						p.errorf("%s has %s %q", name, member, said)
					}
				}
			}
			if told == 0 {
				p.notTested("the client is told of none of them")
			}
		},
	},
	{
		ID: "response-type-not-offered", Spec: "RFC 6749", Section: "3.1.1", Level: Must,
		Request: "response_type is one with tokens that the server does not list: token, id_token token, code token",
		Want:    "an error, and no token anywhere",
		Attacks: []string{"B2"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c, tried := p.client(), 0
			for _, t := range []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token"} {
				if p.offersResponse(t) {
					continue
				}
				tried++
				c.try(set("response_type", t), set("nonce", p.secret("nonce"))).wantRefused()
			}
			if tried == 0 {
				p.notOffered("the server offers all of them")
			}
		},
	},
	{
		ID: "response-type-not-registered", Spec: "RFC 7591", Section: "2", Level: Must,
		Request: "a client that has registered the response type code asks for one with an ID token, which the server offers",
		Want:    "unauthorized_client, or unsupported_response_type, and no token",
		needs:   []feature{codeFlow, openID, anyOf(lists("response_types_supported", "id_token"), lists("response_types_supported", "code id_token"))},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, t := range []string{"id_token", "code id_token"} {
				if p.offersResponse(t) {
					c.try(set("response_type", t), set("scope", "openid"), set("nonce", p.secret("nonce"))).wantError("unauthorized_client", "unsupported_response_type", "invalid_request")
				}
			}
		},
	},
	{
		ID: "response-no-access-tokens", Spec: "RFC 9700", Section: "2.1.2", Level: Should,
		Request: "the list of response types in the metadata",
		Want:    "none that puts access tokens into URLs",
		Attacks: []string{"B2"},
		needs:   []feature{has("response_types_supported")},
		run: func(p *probe) {
			for _, t := range p.run.md.list("response_types_supported") {
				if slices.Contains(strings.Fields(t), "token") {
					p.errorf("%s is offered", t)
				}
			}
		},
	},
	{
		ID: "response-tokens-in-fragment", Spec: "OAuth 2.0 Multiple Response Types", Section: "5", Level: Must,
		Request: "a request for a response type with tokens, which names no response mode",
		Want:    "the answer is in the fragment, and nothing of it in the query",
		Attacks: []string{"B4"},
		needs:   []feature{openID},
		run: func(p *probe) {
			p.eachTokenResponse(func(c *client, ask []edit) {
				o := c.try(ask...)
				if o.sentTo == nil || !o.params.Has("id_token") && !o.params.Has("access_token") {
					o.wantCode()
					p.failf("there are no tokens in the answer, but %s", words(slices.Sorted(keys(o.params))))
				}
				if q := o.sentTo.Query(); q.Has("id_token") || q.Has("access_token") || q.Has("code") {
					p.errorf("the query has %s", words(slices.Sorted(keys(q))))
				}
			})
		},
	},
	{
		ID: "response-tokens-not-in-query", Spec: "OAuth 2.0 Multiple Response Types", Section: "5", Level: Must,
		Request: "a request for a response type with tokens names the response mode query",
		Want:    "no tokens in the query",
		Attacks: []string{"B4"},
		needs:   []feature{openID},
		run: func(p *probe) {
			p.eachTokenResponse(func(c *client, ask []edit) {
				o := c.try(ask...)
				if !o.params.Has("id_token") && !o.params.Has("access_token") {
					p.failf("there are no tokens in the answer, even with the response mode left out")
				}
				o = c.try(append(ask, set("response_mode", "query"))...)
				if o.sentTo == nil {
					o.wantRefused()
					return
				}
				if q := o.sentTo.Query(); q.Has("id_token") || q.Has("access_token") {
					p.errorf("the query has %s", words(slices.Sorted(keys(q))))
				}
			})
		},
	},
	{
		ID: "response-mode-unknown", Spec: "OAuth 2.0 Multiple Response Types", Section: "2.1", Level: Should,
		Request: "response_mode is one that nobody has defined",
		Want:    "an error or a code, in the query, which is where answers to code go",
		Attacks: []string{"B3"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			for _, mode := range []string{"carrier_pigeon", "FORM_POST", "form_post fragment"} {
				a := c.request(set("response_mode", mode)).anywhere()
				o := a.in(p.browser(), Allow)
				switch {
				case o.sentTo == nil:
					o.wantRefused()
				case o.sentTo.Fragment != "" || o.last != nil && o.last.status == http.StatusOK:
					p.errorf("%q: the answer comes in another way than the default", mode)
				case o.code() == "":
					o.wantError("invalid_request", "unsupported_response_mode")
				}
			}
		},
	},
	{
		ID: "response-mode-not-offered", Spec: "OAuth 2.0 Multiple Response Types", Section: "2.1", Level: Should,
		Request: "response_mode is form_post or fragment, which the server does not list",
		Want:    "the answer does not come that way",
		Attacks: []string{"B3"},
		needs:   []feature{codeFlow, frontRequests, has("response_modes_supported")},
		run: func(p *probe) {
			c, tried := p.client(), 0
			c.authorize()
			for _, mode := range []string{"fragment", "form_post"} {
				if p.run.md.lists("response_modes_supported", mode) {
					continue
				}
				tried++
				o := c.request(set("response_mode", mode)).anywhere().in(p.browser(), Allow)
				if o.sentTo != nil && (o.sentTo.Fragment != "" || o.last != nil && o.last.status == http.StatusOK) {
					p.errorf("%s: the answer comes in a way that is not offered", mode)
				} else if o.code() == "" {
					o.wantRefused()
				}
			}
			if tried == 0 {
				p.notOffered("the server offers both")
			}
		},
	},
	{
		ID: "response-code-lifetime", Spec: "RFC 6749", Section: "4.1.2", Level: Should,
		Request: "a code is redeemed ten minutes after it was issued",
		Want:    "invalid_grant",
		Attacks: []string{"B23"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			c := p.client()
			o := c.authorize()
			c.authorize().tokens()
			p.advance(10*time.Minute + time.Second)
			o.redeem().wantError(400, "invalid_grant")
		},
	},
}

// wantNoRepeat notes a problem for each POST of the case that is answered by a redirect which
// repeats it, and says how many were answered by any.
func (p *probe) wantNoRepeat() (posted int) {
	for _, x := range p.seen() {
		if x.request.Method != http.MethodPost || x.status < 300 || x.status > 399 {
			continue
		}
		posted++
		if x.status == http.StatusTemporaryRedirect || x.status == http.StatusPermanentRedirect {
			p.errorf("%s: status %d", x.what(), x.status)
		}
	}
	return posted
}

// plainErrorText tells whether a text may stand in error_description (RFC 6749 §4.1.2.1).
func plainErrorText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

// offersResponse tells whether the server lists a response type, its words in any order.
func (p *probe) offersResponse(t string) bool {
	sorted := func(s string) string {
		words := strings.Fields(s)
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	return slices.ContainsFunc(p.run.md.list("response_types_supported"), func(s string) bool { return sorted(s) == sorted(t) })
}

// eachTokenResponse does something for each response type with tokens that the server lists, with
// a client of its own, and the edits that ask for it.
func (p *probe) eachTokenResponse(do func(c *client, ask []edit)) {
	tried := 0
	for _, t := range p.run.md.list("response_types_supported") {
		all := strings.Fields(t)
		if !slices.Contains(all, "id_token") && !slices.Contains(all, "token") {
			continue
		}
		tried++
		grantTypes := []string{"implicit"}
		if slices.Contains(all, "code") {
			grantTypes = append(grantTypes, "authorization_code")
		}
		c := p.client(with("response_types", []string{t}), with("grant_types", grantTypes))
		ask := []edit{set("response_type", t), set("nonce", p.secret("nonce")), func(v url.Values) {
			if !slices.Contains(strings.Fields(v.Get("scope")), "openid") {
				v.Set("scope", joined(v.Get("scope"), "openid"))
			}
			if !slices.Contains(all, "code") {
				del("code_challenge", "code_challenge_method")(v)
			}
		}}
		do(c, ask)
	}
	if tried == 0 {
		p.notOffered("response_types_supported lists none with tokens")
	}
}
