package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// RFC 6749 §3.1.2, RFC 9700 §2.1, §2.6, §4.1, §4.11: redirect URIs.
var redirectCases = []Case{
	{
		ID: "redirect-unregistered", Spec: "RFC 6749", Section: "3.1.2.4", Level: Must,
		Request: "redirect_uri is at another host, or at another place of the client's host, in a browser whose user has allowed the client before",
		Want:    "an error page: nothing in it sends the browser anywhere",
		Attacks: []string{"A3"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			registered := parsed(p, c.redirectURI())
			c.wantNowhere(b, "https://"+foreign+"/callback", "https://"+registered.Host+"/elsewhere", "https://"+registered.Host, "http://"+registered.Host+registered.Path)
		},
	},
	{
		ID: "redirect-no-open-redirector", Spec: "RFC 9700", Section: "4.11.2", Level: Must,
		Request: "a request has an unregistered redirect_uri and something else wrong: the kind of response, the scope, no challenge, prompt=none, response_mode=form_post",
		Want:    "an error page: the error does not go to the redirect URI either",
		Attacks: []string{"A3"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			at := "https://" + foreign + "/callback"
			for _, wrong := range [][]edit{
				{set("response_type", "token")}, {del("response_type")}, {set("scope", p.name("unknown"))},
				{del("code_challenge", "code_challenge_method")}, {set("prompt", "none")}, {set("response_mode", "form_post")}, {set("response_mode", "fragment")},
			} {
				c.wantStaysWith(b, at, wrong...)
			}
		},
	},
	{
		ID: "redirect-exact-match", Spec: "RFC 9700", Section: "2.1", Level: Must,
		Request: "redirect_uri is the registered one but for a slash, letters in capitals, a query, dot segments, escapes, the default port, or more of the same",
		Want:    "an error page for each: the comparison is of strings",
		Attacks: []string{"A4"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			c.wantNowhere(b, nearly(p, c.redirectURI())...)
		},
	},
	{
		ID: "redirect-exact-match-pushed", Spec: "RFC 9126", Section: "2.4", Level: Should,
		Request: "the same in pushed requests of a client that has registered its redirect URIs",
		Want:    "each is refused when it is pushed",
		Attacks: []string{"A3", "A4", "A5", "A6"},
		needs:   []feature{codeFlow, pushing},
		run: func(p *probe) {
			c := p.client(with("require_pushed_authorization_requests", true))
			c.authorize()
			base := c.redirectURI()
			for _, uri := range append(nearly(p, base), "https://"+foreign+"/callback", base+"#", base+"#f", strings.Replace(base, "https://", "https://"+foreign+"@", 1)) {
				if o := c.tryAt(p.browser(), uri); o.pushed == nil {
					p.errorf("redirect_uri %q is taken", uri)
				} else {
					o.pushed.wantRefused()
				}
			}
		},
	},
	{
		ID: "redirect-authority", Spec: "RFC 9700", Section: "4.1.3", Level: Must,
		Request: "redirect_uri has a user name, a backslash, no slashes, too many of them, or no scheme: what parsers read in different ways",
		Want:    "an error page for each",
		Attacks: []string{"A5"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			u := parsed(p, c.redirectURI())
			host, rest := u.Host, u.RequestURI()
			c.wantNowhere(b, "https://user@"+host+rest, "https://user:word@"+host+rest, "https://"+host+"@"+foreign+rest, "https://"+host+`\@`+foreign+rest,
				"https://"+foreign+`\@`+host+rest, "https://"+foreign+"#@"+host+rest, "https://"+foreign+"?@"+host+rest, "https://"+foreign+"/@"+host+rest,
				"https:"+host+rest, "https:///"+host+rest, "//"+host+rest, "//"+foreign+rest, rest, `https:\\`+host+rest)
		},
	},
	{
		ID: "redirect-fragment", Spec: "RFC 6749", Section: "3.1.2", Level: Must,
		Request: "redirect_uri is the registered one with a fragment, or an empty one",
		Want:    "an error page",
		Attacks: []string{"A6"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			c.wantNowhere(b, c.redirectURI()+"#", c.redirectURI()+"#fragment", c.redirectURI()+"%23fragment")
		},
	},
	{
		ID: "redirect-fragment-registered", Spec: "RFC 6749", Section: "3.1.2", Level: Must,
		Request: "a client registers a redirect URI with a fragment, and then asks for it",
		Want:    "it is not registered, or at least not used",
		Attacks: []string{"A6"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.wantUnusable(nil, "https://client.example/callback#fragment", "https://client.example/callback#")
		},
	},
	{
		ID: "redirect-control-characters", Spec: "RFC 9700", Section: "4.1.3", Level: Must,
		Request: "redirect_uri has spaces, a tab, line breaks or NUL before, behind or in it",
		Want:    "an error page, and no header that the request has made up",
		Attacks: []string{"A7"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			base := c.redirectURI()
			c.wantNowhere(b, " "+base, base+" ", "\t"+base, base+"\t", base+"\n", base+"\r\nX-Injected: 1", base+"\x00", base+"%00", base+"%0d%0aX-Injected:%201",
				strings.Replace(base, "://", ":/\t/", 1), strings.Replace(base, "://", ":\n//", 1))
			for _, x := range p.seen() {
				if x.err == nil && x.header.Get("X-Injected") != "" {
					p.failf("a redirect_uri has put a header into the answer")
				}
			}
		},
	},
	{
		ID: "redirect-homograph", Spec: "RFC 9700", Section: "2.1", Level: Must,
		Request: "the host of redirect_uri looks like the registered one: letters of another alphabet, a dot of another width",
		Want:    "an error page",
		Attacks: []string{"A14"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			u := parsed(p, c.redirectURI())
			for _, alike := range []string{strings.Replace(u.Host, "e", "е", 1), strings.Replace(u.Host, ".", "。", 1), strings.Replace(u.Host, ".", "．", 1), strings.Replace(u.Host, "l", "ｌ", 1)} {
				if alike != u.Host {
					c.wantNowhere(b, u.Scheme+"://"+alike+u.RequestURI())
				}
			}
		},
	},
	{
		ID: "redirect-international-host", Spec: "RFC 9700", Section: "2.1", Level: Must,
		Request: "a client has registered a redirect URI with an xn-- host; a request has that, and then the same host in its own letters",
		Want:    "a code for the first, an error page for the second",
		Attacks: []string{"A14"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			const registered = "https://xn--bcher-kva.example/callback"
			c, b := p.client(redirects(registered)), p.browser()
			c.tryAt(b, registered).wantCode()
			c.wantNowhere(b, "https://bücher.example/callback", "https://b%C3%BCcher.example/callback", "https://XN--bcher-kva.example/callback")
		},
	},
	{
		ID: "redirect-dangerous-scheme", Spec: "RFC 7591", Section: "5", Level: Must,
		Request: "a client registers javascript:, data:, file: or another scheme that browsers run or read by themselves, and then asks for it",
		Want:    "it is not registered, or at least not used",
		Attacks: []string{"A15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.wantUnusable(nil, "javascript:alert(1)//client.example/callback", "JavaScript://client.example/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
				"vbscript:msgbox(1)", "file:///etc/passwd", "blob:https://client.example/0", "about:blank")
		},
	},
	{
		ID: "redirect-plain-http", Spec: "RFC 9700", Section: "2.6", Level: Must,
		Request: "a client registers an http redirect URI at a host that is not the user's device, or looks like it, and then asks for it",
		Want:    "it is not registered, or at least not used",
		Attacks: []string{"A17"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.wantUnusable(nil, "http://client.example/callback", "http://localhost."+foreign+"/callback", "http://127.0.0.1."+foreign+"/callback", "http://localhost@"+foreign+"/callback")
		},
	},
	{
		ID: "redirect-query-kept", Spec: "RFC 6749", Section: "3.1.2", Level: Must,
		Request: "the registered redirect URI has a query",
		Want:    "the answer is added to it, and it is still there",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client(redirects("https://client.example/callback?tenant=a%20b&empty="))
			if !strings.Contains(c.redirectURI(), "?") {
				p.notTested("it takes a client whose redirect URI has a query")
			}
			o := c.request().anywhere().in(p.browser(), Allow).wantCode()
			for name, values := range parsed(p, c.redirectURI()).Query() {
				if got := o.sentTo.Query()[name]; !slices.Equal(got, values) {
					p.errorf("%s was %q and is %q", name, values, got)
				}
			}
		},
	},
	{
		ID: "redirect-omitted", Spec: "RFC 6749", Section: "3.1.2.3", Level: Must,
		Request: "redirect_uri is left out by a client that has registered one",
		Want:    "the answer goes there, or there is an error page",
		Attacks: []string{"A18"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			scope := p.scope()
			if scope == "openid" {
				p.notTested("it takes a scope that is not openid: see Target.Scopes")
			}
			o := c.request(del("redirect_uri")).anywhere().in(p.browser(), Allow)
			if o.code() == "" {
				o.wantRefused()
				return
			}
			if !callback(c.redirectURI())(o.sentTo) {
				p.failf("the code goes to %s", withoutQuery(o.sentTo))
			}
			o.tokens()
		},
	},
	{
		ID: "redirect-omitted-of-two", Spec: "RFC 6749", Section: "3.1.2.3", Level: Must,
		Request: "redirect_uri is left out by a client that has registered two",
		Want:    "an error page: nobody knows which one is meant",
		Attacks: []string{"A18"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client(redirects("https://client.example/callback", "https://client.example/other"))
			for _, uri := range texts(c.Metadata["redirect_uris"]) {
				c.tryAt(p.browser(), uri).wantCode()
			}
			c.request(del("redirect_uri")).anywhere().in(p.browser(), Allow).wantNoAnswer()
		},
	},
	{
		ID: "redirect-omitted-with-openid", Spec: "OpenID Connect Core", Section: "3.1.2.1", Level: Must,
		Request: "redirect_uri is left out of a request with the scope openid",
		Want:    "the request is refused",
		Attacks: []string{"A19"},
		needs:   []feature{codeFlow, openID},
		run: func(p *probe) {
			c := p.client()
			scope := set("scope", "openid")
			c.authorize(scope)
			c.request(scope, del("redirect_uri")).anywhere().in(p.browser(), Allow).wantRefused("invalid_request")
		},
	},
	{
		ID: "redirect-repeated", Spec: "RFC 6749", Section: "3.1", Level: Must,
		Request: "redirect_uri stands twice in the request: the registered one, and another, in either order",
		Want:    "no code anywhere, and nothing goes to the other one",
		Attacks: []string{"A3"},
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(), p.browser()
			c.request().in(b, Allow).wantCode()
			other := "https://" + foreign + "/callback"
			for _, both := range [][]string{{c.redirectURI(), other}, {other, c.redirectURI()}} {
				o := c.request(set("redirect_uri", both...)).anywhere().in(b, Allow)
				if o.sentTo != nil && o.sentTo.Hostname() == foreign {
					p.errorf("the browser is sent to the other one")
				}
				o.wantRefused()
			}
		},
	},
	{
		ID: "redirect-of-another-client", Spec: "RFC 6749", Section: "3.1.2.4", Level: Must,
		Request: "redirect_uri is one that another client has registered",
		Want:    "an error page",
		needs:   []feature{codeFlow, frontRequests},
		run: func(p *probe) {
			c, b := p.client(redirects("https://client.example/one")), p.browser()
			other := p.client(redirects("https://client.example/two"))
			if c.redirectURI() == other.redirectURI() {
				p.notTested("it takes two clients whose redirect URIs differ")
			}
			c.request().in(b, Allow).wantCode()
			other.request().in(b, Allow).wantCode()
			c.wantNowhere(b, other.redirectURI())
		},
	},
}

// nearly are URIs that differ from a registered one by what some servers think does not matter.
func nearly(p *probe, registered string) []string {
	u := parsed(p, registered)
	path := u.EscapedPath()
	at := func(host, path string) string { return u.Scheme + "://" + host + path }
	all := []string{
		registered + "/", registered + "?", registered + "?x=1", registered + "&x=1", registered + "/../x", registered + "/..", registered + "%2f", registered + "/x", registered + ";x", registered + "x",
		registered[:len(registered)-1], at(u.Host, strings.ToUpper(path)), at(u.Host, "/"+path), at(u.Host, "/."+path), at(u.Host, "/x/.."+path),
		strings.ToUpper(u.Scheme) + registered[len(u.Scheme):], at(strings.ToUpper(u.Host), path), at("www."+u.Host, path), at(u.Host+"."+foreign, path), at(u.Host+".", path),
	}
	if u.Port() == "" {
		all = append(all, at(u.Host+":443", path), at(u.Host+":8443", path), at(u.Host+":", path))
	}
	if len(path) > 1 {
		all = append(all, at(u.Host, "/%"+hexByte(path[1])+path[2:]))
	}
	return all
}

func hexByte(b byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[b>>4], digits[b&15]})
}

func parsed(p *probe, address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		p.failf("%q is no URL", address)
	}
	return u
}

// seen are the exchanges of the case so far.
func (p *probe) seen() []*exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*exchange(nil), p.exchanges...)
}

// wantUnusable notes a problem if a client that registers one of these redirect URIs is given
// answers there. A client with a good one is registered before: or else nothing is shown.
func (p *probe) wantUnusable(wanted []wanting, uris ...string) {
	good, refused := p.mayRegister(wanted...)
	if refused != "" {
		p.notTested("the server registers no such client with a good redirect URI either: %s", refused)
	}
	good.authorize()
	for _, uri := range uris {
		c, refused := p.mayRegister(append(wanted[:len(wanted):len(wanted)], redirects(uri))...)
		if refused != "" {
			continue
		}
		a := c.request(set("redirect_uri", uri)).anywhere()
		leaves := a.arrived
		a.arrived = func(u *url.URL) bool { return leaves(u) || u.Scheme != "https" && u.Scheme != "http" }
		o := a.in(p.browser(), Allow)
		switch {
		case o.pushed != nil && o.pushed.status >= 400 && o.pushed.status < 500:
		case o.sentTo != nil:
			p.errorf("%q can be registered, and the browser is sent there", uri)
		case o.last != nil && (o.last.header.Get("Location") != "" || o.last.status == http.StatusOK):
			p.errorf("%q can be registered, and the request comes to status %d", uri, o.last.status)
		}
	}
}
