package conformance

import (
	"net/http"
	"slices"
	"strings"

	nethtml "golang.org/x/net/html"
)

// RFC 9700 §4.2.4, §4.16, RFC 7591 §5: the server's pages, and what strangers can do to them.
var pageCases = []Case{
	{
		ID: "page-not-framed", Spec: "RFC 9700", Section: "4.16", Level: Must,
		Request: "the pages of a request: the one that signs in, the one that asks, the one that shows an error",
		Want:    "frame-ancestors in Content-Security-Policy, or X-Frame-Options, keep each out of other sites' frames",
		Attacks: []string{"U6", "U16"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c, b := p.client(), p.pages(0)
			c.asking(b)
			b.open(p.authorizeURL(nil))
			shown := 0
			for _, x := range p.seen() {
				if !x.shows() {
					continue
				}
				if shown++; !refusesFrames(x.header) {
					p.errorf("%s, status %d: any site can put it into a frame", x.what(), x.status)
				}
			}
			if shown == 0 {
				p.failf("there are no pages")
			}
		},
	},
	{
		ID: "page-keeps-referrer", Spec: "RFC 9700", Section: "4.2.4", Level: Should,
		Request: "every page that is shown in any case",
		Want:    "Referrer-Policy keeps its URL, which may have the request in it, from other sites",
		Attacks: []string{"B9", "B24", "U6"},
		watch: func(x *exchange) (bool, string) {
			if !x.shows() {
				return false, ""
			}
			for _, good := range []string{"no-referrer", "same-origin", "origin", "strict-origin", "strict-origin-when-cross-origin"} {
				if strings.Contains(strings.ToLower(x.header.Get("Referrer-Policy")), good) {
					return true, ""
				}
			}
			return true, "Referrer-Policy is " + quotedText(x.header.Get("Referrer-Policy"))
		},
	},
	{
		ID: "page-policy", Spec: "RFC 9700", Section: "4.16", Level: Should,
		Request: "every page that is shown in any case",
		Want:    "a Content-Security-Policy that says what may run, and nosniff",
		Attacks: []string{"U6"},
		watch: func(x *exchange) (bool, string) {
			if !x.shows() {
				return false, ""
			}
			policy := x.header.Get("Content-Security-Policy")
			switch {
			case directive(policy, "script-src", "default-src") == "":
				return true, "Content-Security-Policy lets any script run: " + quotedText(policy)
			case !strings.EqualFold(x.header.Get("X-Content-Type-Options"), "nosniff"):
				return true, "X-Content-Type-Options is not nosniff"
			}
			return true, ""
		},
	},
	{
		ID: "page-no-store", Spec: "RFC 6819", Section: "4.6.6", Level: Should,
		Request: "the page that asks about a request",
		Want:    "it is not to be stored by caches",
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			_, page := p.client().asking(p.pages(0))
			page.wantNoStore()
		},
	},
	{
		ID: "page-client-name-escaped", Spec: "RFC 7591", Section: "2.2", Level: Must,
		Request: "a client's name is HTML, with a script in it",
		Want:    "no such client, or pages that have it as text",
		Attacks: []string{"U7"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.wantHarmless("client_name", `Tea<script>alert(1)</script>"'><img src=x onerror=alert(1)>`)
		},
	},
	{
		ID: "page-client-links-safe", Spec: "RFC 7591", Section: "5", Level: Must,
		Request: "a client's home page, logo, policy or terms are a javascript: or data: URL, or break out of an attribute",
		Want:    "no such client, or pages without such a link",
		Attacks: []string{"U7", "A15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			for _, member := range []string{"client_uri", "logo_uri", "policy_uri", "tos_uri"} {
				p.wantHarmless(member, "javascript:alert(1)//https://client.example/", "data:text/html,<script>alert(1)</script>", `https://client.example/" onerror="alert(1)`)
			}
		},
	},
	{
		ID: "page-client-name-bidi", Spec: "RFC 7591", Section: "5", Level: Should,
		Request: "a client's name turns the direction of what follows it",
		Want:    "no such client, or pages on which nothing outside of the name is turned",
		Attacks: []string{"U7"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			const override = "\u202e"
			p.asksAbout(func(page *exchange) {
				root, err := nethtml.Parse(strings.NewReader(string(page.body)))
				if err != nil {
					p.failf("the page is no HTML: %v", err)
				}
				if leaks(root, override) {
					p.errorf("the name turns what stands around it")
				}
			}, with("client_name", "Tea"+override+"moc.elpmaxe"))
		},
	},
	{
		ID: "page-logo-not-linked", Spec: "RFC 7591", Section: "5", Level: Should,
		Request: "a client's logo is an image of a host that has nothing to do with its redirect URIs",
		Want:    "no such client, or a page that does not fetch it",
		Attacks: []string{"U7"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.asksAbout(func(page *exchange) {
				for _, e := range elements(page) {
					if src := e.attribute("src"); e.name == "img" && strings.Contains(src, foreign) {
						p.errorf("the page fetches %s", src)
					}
				}
			}, with("logo_uri", "https://"+foreign+"/logo.png"))
		},
	},
	{
		ID: "page-tells-who-asks", Spec: "RFC 6819", Section: "5.2.4.2", Level: Should,
		Request: "a client asks a user",
		Want:    "the page names the client and the host that the answer goes to",
		Attacks: []string{"U8"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			const host = "client.example"
			p.asksAbout(func(page *exchange) {
				text := wordsOf(page)
				for _, want := range []string{"Teapot Seven", host} {
					if !strings.Contains(text, want) {
						p.errorf("the page does not say %s", want)
					}
				}
			}, with("client_name", "Teapot Seven"), redirects("https://"+host+"/callback"))
		},
	},
	{
		ID: "page-host-in-ascii", Spec: "RFC 6819", Section: "5.2.4.2", Level: Should,
		Request: "a client asks whose answers go to a host with letters beyond ASCII, which may look like those of another",
		Want:    "the page has that host in its xn-- form, if at all",
		Attacks: []string{"A14"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			p.asksAbout(func(page *exchange) {
				if strings.Contains(wordsOf(page), "bücher.example") {
					p.errorf("the page shows the host in its own letters")
				}
			}, redirects("https://xn--bcher-kva.example/callback"), with("client_uri", "https://xn--bcher-kva.example/"))
		},
	},
	{
		ID: "page-error-not-reflected", Spec: "RFC 6749", Section: "10.14", Level: Must,
		Request: "requests that come to an error page, with HTML in client_id, redirect_uri, error and error_description",
		Want:    "none of it is in the page but as text",
		Attacks: []string{"U12"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			c.authorize()
			const script = `"'><script>alert('conformance')</script>`
			for _, edits := range [][]edit{
				{set("client_id", script)}, {set("redirect_uri", "https://"+foreign+"/"+script)}, {set("client_id", script), set("error", script), set("error_description", script)},
				{set("request_uri", script), set("redirect_uri", script)},
			} {
				a := c.request(edits...)
				x := p.browser().open(a.url())
				if strings.Contains(string(x.body), "<script>alert('conf") {
					p.errorf("%s, status %d: the page has the script of the request", x.what(), x.status)
				}
				for name, values := range x.header {
					if strings.Contains(strings.Join(values, " "), "<script>alert('conf") {
						p.errorf("%s: %s has the script of the request", x.what(), name)
					}
				}
			}
		},
	},
}

// shows tells whether an answer is a page that somebody sees.
func (x *exchange) shows() bool { return x.isHTML() && x.header.Get("Location") == "" }

func quotedText(s string) string { return `"` + s + `"` }

// refusesFrames tells whether a page's header keeps it out of frames (RFC 9700 §4.16).
func refusesFrames(h http.Header) bool {
	if ancestors := directive(h.Get("Content-Security-Policy"), "frame-ancestors"); ancestors != "" {
		return !strings.Contains(ancestors, "*")
	}
	options := strings.ToUpper(h.Get("X-Frame-Options"))
	return options == "DENY" || options == "SAMEORIGIN"
}

// directive is the value of the first directive that there is in a content security policy.
func directive(policy string, names ...string) string {
	for _, name := range names {
		for _, one := range strings.Split(policy, ";") {
			words := strings.Fields(one)
			if len(words) > 1 && strings.EqualFold(words[0], name) {
				return strings.Join(words[1:], " ")
			}
		}
	}
	return ""
}

// asksAbout shows a judge the page that asks about a client, if there can be such a client.
func (p *probe) asksAbout(judge func(page *exchange), wanted ...wanting) {
	c, refused := p.mayRegister(wanted...)
	if refused != "" {
		return
	}
	_, page := c.asking(p.pages(0))
	judge(page)
}

// wantHarmless notes a problem if the page that asks about a client whose metadata has one of
// these values lets the client run a script.
func (p *probe) wantHarmless(member string, values ...string) {
	for _, value := range values {
		p.asksAbout(func(page *exchange) {
			for _, e := range elements(page) {
				if e.name == "script" && strings.Contains(e.text, "alert(1)") {
					p.errorf("%s %q: the page has the client's script", member, value)
				}
				for _, name := range slices.Sorted(keys(e.attributes)) {
					v := strings.ToLower(strings.TrimSpace(e.attributes[name]))
					if strings.HasPrefix(name, "on") && strings.Contains(v, "alert(1)") || strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "data:text/html") {
						p.errorf("%s %q: the page has %s=%q", member, value, name, v)
					}
				}
			}
		}, with(member, value))
	}
}

// element is one of a page.
type element struct {
	name, text string
	attributes map[string]string
}

func (e element) attribute(name string) string { return e.attributes[name] }

// elements are all of a page.
func elements(page *exchange) (all []element) {
	root, err := nethtml.Parse(strings.NewReader(string(page.body)))
	if err != nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Type != nethtml.ElementNode {
			continue
		}
		e := element{name: n.Data, text: textOf(n), attributes: map[string]string{}}
		for _, a := range n.Attr {
			e.attributes[a.Key] = a.Val
		}
		all = append(all, e)
	}
	return all
}

// wordsOf is the text of a page.
func wordsOf(page *exchange) string {
	root, err := nethtml.Parse(strings.NewReader(string(page.body)))
	if err != nil {
		return ""
	}
	return textOf(root)
}

// leaks tells whether a direction mark stands in text that is not set apart by an element.
func leaks(n *nethtml.Node, mark string) bool {
	if n.Type == nethtml.ElementNode && (n.Data == "bdi" || n.Data == "bdo" || n.Data == "title" || slices.ContainsFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == "dir" })) {
		return false
	}
	if n.Type == nethtml.TextNode {
		return strings.Contains(n.Data, mark)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if leaks(c, mark) {
			return true
		}
	}
	return false
}
