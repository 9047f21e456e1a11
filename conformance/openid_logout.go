package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const rpLogout = "OpenID Connect RP-Initiated Logout"

// leaving is the end session endpoint.
var leaving = has("end_session_endpoint")

const byeURI = "https://client.example/bye"

// leaver asks for a client to which the browser may come back after a logout.
func leaver() wanting { return with("post_logout_redirect_uris", []string{byeURI}) }

// OpenID Connect RP-Initiated Logout 1.0.
var logoutCases = []Case{
	{
		ID: "logout-with-hint", Spec: rpLogout, Section: "2", Level: Must,
		Request: "the end session endpoint is opened with the user's own ID token, a registered post_logout_redirect_uri and a state",
		Want:    "the user is signed out, asked or not, and the browser comes back with the state to the letter",
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, t := c.enters(identifying())
			state := `a b+&#"é` + p.secret("state")
			last := b.leaves(b.leave(t.hinted(url.Values{"post_logout_redirect_uri": {byeURI}, "state": {state}})))
			to := last.location()
			if to == nil || !callback(byeURI)(to) {
				p.failf("the browser does not come back: %s, status %d", last.what(), last.status)
			}
			if got := to.Query().Get("state"); got != state {
				p.errorf("state %q comes back as %q", state, got)
			}
			c.wantSignedOut(b)
		},
	},
	{
		ID: "logout-by-post", Spec: rpLogout, Section: "2", Level: Must,
		Request: "the same by POST, the parameters in a form",
		Want:    "the user is signed out, asked or not, and the browser comes back",
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, t := c.enters(identifying())
			form := t.hinted(url.Values{"post_logout_redirect_uri": {byeURI}})
			last := b.leaves(b.posts(p.endpoint("end_session_endpoint"), form))
			if to := last.location(); to == nil || !callback(byeURI)(to) {
				p.failf("the browser does not come back: %s, status %d", last.what(), last.status)
			}
			c.wantSignedOut(b)
		},
	},
	{
		ID: "logout-without-hint", Spec: rpLogout, Section: "2", Level: Must,
		Request: "the end session endpoint is opened without id_token_hint, as any site could have an image load it; then the user agrees",
		Want:    "nobody is signed out before the user agrees, and then the user is",
		Attacks: []string{"U14"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, _ := c.stays(identifying())
			b.leave(nil, header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Dest", "image"), header("Accept", "image/*"))
			c.wantSignedIn(b, "a page of any site has opened the end session endpoint")
			b.leaves(b.leave(url.Values{"client_id": {c.ID}}))
			c.wantSignedOut(b)
		},
	},
	{
		ID: "logout-declined", Spec: rpLogout, Section: "2", Level: Must,
		Request: "the end session endpoint is opened without id_token_hint, and the user does nothing about the page",
		Want:    "the user stays signed in",
		Attacks: []string{"U14"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, _ := c.stays(identifying())
			x := b.leave(url.Values{"client_id": {c.ID}, "post_logout_redirect_uri": {byeURI}})
			if to := x.location(); to != nil && callback(byeURI)(to) {
				p.errorf("the browser goes back, and the user was not asked")
			}
			c.wantSignedIn(b, "nobody has agreed to a logout")
		},
	},
	{
		ID: "logout-other-user", Spec: rpLogout, Section: "2", Level: Must,
		Request: "id_token_hint is of another user than the one who is signed in, is forged, or is not signed",
		Want:    "nobody is signed out without being asked",
		Attacks: []string{"U14", "E19"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, t := c.stays(identifying())
			_, other := c.entersAs(1, identifying())
			id := t.identity()
			unsigned := p.unsigned(map[string]any{"alg": "none", "typ": "JWT"}, id.said, nil)
			for name, hint := range map[string]string{"of another user": other.id, "forged": id.forged(nil), "not signed": unsigned} {
				b.leave(url.Values{"id_token_hint": {hint}})
				c.wantSignedIn(b, "an id_token_hint came that is "+name)
			}
		},
	},
	{
		ID: "logout-redirect-unregistered", Spec: rpLogout, Section: "3", Level: Must,
		Request: "post_logout_redirect_uri is not one that the client has registered, by as little as a letter, and the user signs out",
		Want:    "the browser is not sent there",
		Attacks: []string{"U14"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			for _, uri := range []string{
				"https://evil.example/bye", byeURI + "/", byeURI + "?x=1", byeURI + "#f", "https://client.example/BYE", "https://client.example/bye/../x",
				"https://client.example@evil.example/bye", "http://client.example/bye", "javascript:alert(1)", c.redirectURI(),
			} {
				b, t := c.enters(identifying())
				last := b.leaves(b.leave(t.hinted(url.Values{"post_logout_redirect_uri": {uri}})))
				if to := last.header.Get("Location"); to != "" {
					p.errorf("with %q the browser is sent to %s", uri, to)
				}
				if refreshes(last, uri) {
					p.errorf("with %q the page sends the browser there", uri)
				}
			}
			b, t := c.enters(identifying())
			last := b.leaves(b.leave(t.hinted(url.Values{"post_logout_redirect_uri": {byeURI}})))
			if to := last.location(); to == nil || !callback(byeURI)(to) {
				p.errorf("the registered one is refused too: status %d", last.status)
			}
		},
	},
	{
		ID: "logout-redirect-nobodys", Spec: rpLogout, Section: "3", Level: Must,
		Request: "post_logout_redirect_uri without id_token_hint and without client_id; and with the client_id of another client",
		Want:    "the browser is not sent there",
		Attacks: []string{"U14"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c, other := p.client(leaver()), p.client(with("post_logout_redirect_uris", []string{"https://other.example/bye"}))
			for _, params := range []url.Values{
				{"post_logout_redirect_uri": {byeURI}},
				{"post_logout_redirect_uri": {byeURI}, "client_id": {other.ID}},
				{"post_logout_redirect_uri": {byeURI}, "client_id": {p.name("client")}},
			} {
				b, _ := c.enters(identifying())
				last := b.leaves(b.leave(params))
				if to := last.location(); to != nil && callback(byeURI)(to) || refreshes(last, byeURI) {
					p.errorf("the browser is sent to a URI of a client that was not named, with client_id %q", params.Get("client_id"))
				}
			}
		},
	},
	{
		ID: "logout-two-clients", Spec: rpLogout, Section: "2", Level: Must,
		Request: "client_id is another one than the audience of id_token_hint",
		Want:    "an error, or at most a question: nobody is signed out unasked, and the browser does not go back, whatever the user says",
		Attacks: []string{"U14"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c, other := p.client(leaver()), p.client(leaver())
			b, t := c.stays(identifying())
			x := b.leave(t.hinted(url.Values{"client_id": {other.ID}, "post_logout_redirect_uri": {byeURI}}))
			if to := x.location(); to != nil && callback(byeURI)(to) {
				p.errorf("the browser goes back to the other client")
			}
			c.wantSignedIn(b, "client_id and id_token_hint contradict each other")
			if to := b.leaves(x).location(); to != nil && callback(byeURI)(to) {
				p.errorf("the browser goes back to the other client when the user has agreed")
			}
		},
	},
	{
		ID: "logout-hint-expired", Spec: rpLogout, Section: "2", Level: Should,
		Request: "id_token_hint is the user's own ID token, and has expired",
		Want:    "it still counts: the browser comes back, and the user is signed out, asked or not",
		needs:   []feature{codeFlow, openID, leaving},
		alone:   true,
		run: func(p *probe) {
			c := p.client(leaver())
			b, t := c.enters(identifying())
			left := t.identity().seconds("exp") - p.now().Unix()
			if left > 24*60*60 {
				p.notTested("the ID token is good for %d seconds", left)
			}
			p.advance(time.Duration(left+60) * time.Second)
			last := b.leaves(b.leave(t.hinted(url.Values{"post_logout_redirect_uri": {byeURI}})))
			if to := last.location(); to == nil || !callback(byeURI)(to) {
				p.errorf("the browser does not come back: %s, status %d", last.what(), last.status)
			}
			c.wantSignedOut(b)
		},
	},
	{
		ID: "logout-agreed-elsewhere", Spec: rpLogout, Section: "2", Level: Must,
		Request: "another site has the form by which one user would agree to a logout, and has another user's browser send it",
		Want:    "that user stays signed in; the form signs out the one who was asked",
		Attacks: []string{"U14", "U1"},
		needs:   []feature{codeFlow, openID, leaving},
		run: func(p *probe) {
			c := p.client(leaver())
			b, _ := c.enters(identifying())
			victim, _ := c.entersAs(1, identifying())
			page := b.leave(url.Values{"client_id": {c.ID}})
			agree := agreement(page)
			if agree == nil {
				p.notOffered("no form asks whether to sign out")
			}
			for _, from := range fromElsewhere {
				victim.submit(agreement(page), from...)
				c.wantSignedIn(victim, "another site has sent the form of another browser")
			}
			b.leaves(b.submit(agree))
			c.wantSignedOut(b)
		},
	},
}

// fromElsewhere is how a form comes from another site: as browsers say it today, as older ones did,
// and from a page that hides whose it is. What is hidden in the server's own form of that very browser
// no other site can know.
var fromElsewhere = [][]sending{
	{header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")},
	{header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "")},
	{header("Origin", "null"), header("Sec-Fetch-Site", "cross-site")},
}

// hinted are parameters of the end session endpoint with the ID token.
func (t *tokens) hinted(params url.Values) url.Values {
	params.Set("id_token_hint", t.id)
	return params
}

// leave opens the end session endpoint.
func (b *browser) leave(params url.Values, changes ...sending) *exchange {
	address := b.ownBrowser().p.endpoint("end_session_endpoint")
	if len(params) > 0 {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + params.Encode()
	}
	return b.open(address, changes...)
}

// posts sends a form as a page of the server's own would.
func (b *browser) posts(address string, form url.Values) *exchange {
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.p.failf("the server names a URL that is none: %v", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "https://"+r.URL.Host)
	return b.ownBrowser().submit(r)
}

// leaves goes on as a user does who means to sign out, until there is nothing more to agree to or
// the browser is sent to another host. It returns the last answer.
func (b *browser) leaves(x *exchange) *exchange {
	for range mostSteps {
		if to := x.location(); to != nil {
			if to.Host != x.request.URL.Host {
				return x
			}
			x = b.open(to.String())
			continue
		}
		next := agreement(x)
		if next == nil || x.status != http.StatusOK {
			return x
		}
		x = b.submit(next)
	}
	b.p.failf("after %d pages and redirects there is no end to the logout", mostSteps)
	return nil
}

var saysLeave = regexp.MustCompile(`(?i)\b(log ?out|sign ?out|yes|confirm|continue|allow|end session)\b`)

// agreement is the request by which the user agrees to sign out; nil if no form asks.
func agreement(x *exchange) *http.Request {
	for _, f := range formsIn(string(x.body)) {
		for _, b := range f.buttons {
			if !saysLeave.MatchString(b.label) && !saysLeave.MatchString(b.value) {
				continue
			}
			values := url.Values{}
			for name, all := range f.hidden {
				values[name] = all
			}
			if b.name != "" {
				values.Set(b.name, b.value)
			}
			if r, err := f.submission(x.request.URL, values); err == nil {
				return r
			}
		}
	}
	return nil
}

// refreshes tells whether a page goes on to a URI by itself, or has a link there.
func refreshes(x *exchange, uri string) bool {
	page := strings.ReplaceAll(string(x.body), "&amp;", "&")
	return strings.Contains(page, "url="+uri) || strings.Contains(page, `href="`+uri+`"`) || strings.HasPrefix(x.header.Get("Refresh"), uri)
}

// wantSignedOut fails the case if the user of a browser is still signed in.
func (c *client) wantSignedOut(b *browser) {
	if o := c.again(b, identifying(), set("prompt", "none")); o.code() != "" {
		c.p.failf("the user is still signed in after the logout")
	}
}

// wantSignedIn fails the case unless the user of a browser is still signed in.
func (c *client) wantSignedIn(b *browser, after string) {
	o := c.again(b, identifying(), set("prompt", "none"))
	if said := o.said(); said == "consent_required" || said == "interaction_required" {
		return // somebody is there, and would be asked
	}
	if o.code() == "" {
		c.p.failf("the user is not signed in any more, and %s", after)
	}
}
