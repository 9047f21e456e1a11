package conformance

import (
	"net/url"
	"strings"
)

const loopbackRedirect = "http://127.0.0.1/callback"

// RFC 8252: applications on the user's device.
var nativeCases = []Case{
	{
		ID: "native-loopback-port", Spec: "RFC 8252", Section: "7.3", Level: Must,
		Request: "a native client that has registered http://127.0.0.1/callback, and one with [::1], ask for the same with a port that was free when they started",
		Want:    "a code at that port, and tokens for it",
		Attacks: []string{"A8"},
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			for _, host := range []string{"127.0.0.1", "[::1]"} {
				c := p.client(native("http://" + host + "/callback"))
				for _, port := range []string{":51004", ":8080"} {
					c.authorize(set("redirect_uri", "http://"+host+port+"/callback")).tokens()
				}
			}
		},
	},
	{
		ID: "native-loopback-port-only", Spec: "RFC 8252", Section: "8.4", Level: Must,
		Request: "a native client that has registered http://127.0.0.1/callback asks for another path, a query, a fragment, a user name, another scheme or host, with or without a port",
		Want:    "an error page for each: nothing but the port may differ",
		Attacks: []string{"A5", "A6", "A13"},
		needs:   []feature{codeFlow, publicClients, frontRequests},
		run: func(p *probe) {
			c, b := p.client(native(loopbackRedirect)), p.browser()
			c.tryAt(b, "http://127.0.0.1:51004/callback").wantCode()
			c.wantNowhere(b, "http://127.0.0.1:51004/other", "http://127.0.0.1:51004/", "http://127.0.0.1:51004", "http://127.0.0.1:51004/callback/", "http://127.0.0.1:51004/callback?x=1",
				"http://127.0.0.1:51004/callback#", "http://127.0.0.1/callback#fragment", "http://127.0.0.1:51004/%63allback", "http://127.0.0.1:51004//callback",
				"http://user@127.0.0.1:51004/callback", "http://127.0.0.1@"+foreign+"/callback", "http://127.0.0.1:51004@"+foreign+"/callback", `http://127.0.0.1:51004\@`+foreign+"/callback",
				"http://127.0.0.1.:51004/callback", "https://127.0.0.1:51004/callback", "HTTP://127.0.0.1:51004/callback", "http://127.0.0.1:5x004/callback", "http://127.0.0.1:-1/callback")
		},
	},
	{
		ID: "native-loopback-spellings", Spec: "RFC 8252", Section: "8.4", Level: Must,
		Request: "a native client that has registered http://127.0.0.1/callback asks for another address of the device, for one in another spelling, or for names that look like one",
		Want:    "an error page for each",
		Attacks: []string{"A13"},
		needs:   []feature{codeFlow, publicClients, frontRequests},
		run: func(p *probe) {
			c, b := p.client(native(loopbackRedirect)), p.browser()
			c.tryAt(b, "http://127.0.0.1:51004/callback").wantCode()
			for _, host := range []string{"127.0.0.2", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.000.000.001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "localhost",
				"127.0.0.1." + foreign, "localhost." + foreign, "127.0.0.1.nip.io." + foreign, "１２７.0.0.1"} {
				c.wantNowhere(b, "http://"+host+":51004/callback", "http://"+host+"/callback")
			}
		},
	},
	{
		ID: "native-localhost", Spec: "RFC 8252", Section: "8.3", Level: Should,
		Request: "a native client registers http://localhost/callback; requests have that, the same with a port, and hosts that begin with localhost",
		Want:    "what is registered works; with a port the answer goes to that port or nowhere, and the others lead to an error page",
		Attacks: []string{"A12"},
		needs:   []feature{codeFlow, publicClients, frontRequests},
		run: func(p *probe) {
			const registered = "http://localhost/callback"
			good, refused := p.mayRegister(native(loopbackRedirect))
			if refused != "" {
				p.notTested("the server registers no native clients: %s", refused)
			}
			good.authorize()
			c, refused := p.mayRegister(native(registered))
			if refused != "" {
				return // as §8.3 would rather have it
			}
			b := p.browser()
			c.tryAt(b, registered).wantCode()
			if o := c.tryAt(b, "http://localhost:51004/callback"); o.code() == "" {
				o.wantNoAnswer()
			} else if o.sentTo.Host != "localhost:51004" {
				p.errorf("the code goes to %s", withoutQuery(o.sentTo))
			}
			c.wantNowhere(b, "http://localhost."+foreign+"/callback", "http://localhost:51004@"+foreign+"/callback", "http://localhost."+foreign+":51004/callback",
				"http://127.0.0.1:51004/callback", "http://localhost.:51004/callback", "http://localhost:51004/other")
		},
	},
	{
		ID: "native-private-scheme", Spec: "RFC 8252", Section: "7.1", Level: Must,
		Request: "a native client has a redirect URI of a private-use scheme, a domain name in reverse",
		Want:    "a code there, and tokens for it; another scheme leads to an error page",
		Attacks: []string{"A16"},
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			const registered = "com.example.conformance:/callback"
			c := p.client(native(registered))
			c.authorize().tokens()
			for _, uri := range []string{"com.example.conformance.evil:/callback", "com.example.conformance:/other", "com.example.conformance://" + foreign + "/callback"} {
				a := c.request(set("redirect_uri", uri))
				a.arrived = func(u *url.URL) bool { return strings.HasPrefix(u.Scheme, "com.example") }
				if o := a.in(p.browser(), Allow); o.sentTo != nil {
					p.errorf("redirect_uri %q: the browser is sent to %s", uri, withoutQuery(o.sentTo))
				} else {
					o.wantNoAnswer()
				}
			}
		},
	},
	{
		ID: "native-claimed-https", Spec: "RFC 8252", Section: "7.2", Level: Must,
		Request: "a native client has an https redirect URI, which the system hands to it",
		Want:    "a code there, and tokens for it; a port, which only loopback leaves open, leads to an error page",
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			c := p.client(native("https://client.example/callback"))
			c.authorize().tokens()
			c.wantNowhere(p.browser(), "https://client.example:51004/callback", "http://client.example:51004/callback")
		},
	},
	{
		ID: "native-scheme-without-dot", Spec: "RFC 8252", Section: "8.4", Level: Should,
		Request: "a native client registers a redirect URI whose scheme is a word that anybody's application may have, such as myapp:/callback",
		Want:    "it is not registered, or at least not used",
		Attacks: []string{"A16"},
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			p.wantUnusable([]wanting{native(loopbackRedirect)}, "myapp:/callback", "myapp://callback", "oauth:/callback")
		},
	},
	{
		ID: "native-asks-each-time", Spec: "RFC 8252", Section: "8.6", Level: Should,
		Request: "a native client, which cannot prove who it is, asks again for what the user has allowed, at a loopback address and by a private-use scheme",
		Want:    "the user is asked again",
		Attacks: []string{"U8"},
		needs:   []feature{codeFlow, publicClients},
		run: func(p *probe) {
			for _, uri := range []string{loopbackRedirect, "com.example.conformance:/callback"} {
				c, b := p.client(native(uri)), p.browser()
				c.request().in(b, Allow).wantCode()
				if o := c.request().in(b, Stay); o.code() != "" {
					p.errorf("%s: there is a second code, and nobody was asked", uri)
				} else if o.sentTo != nil {
					o.wantCode()
				}
			}
		},
	},
}
