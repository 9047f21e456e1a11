package conformance

import (
	"net/http"
	"slices"
	"strings"
)

// RFC 9700 §4.13: what a request says of where the server is.
var hostCases = []Case{
	{
		ID: "host-spoofed", Spec: "RFC 9700", Section: "4.13", Level: Should,
		Request: "requests for the metadata and for authorization say by Host, X-Forwarded-Host, X-Forwarded-Proto, Forwarded and the like that the server is somewhere else",
		Want:    "nothing of that in the answers: the same issuer and endpoints, no link or redirect there",
		Attacks: []string{"U15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			o := c.authorize()
			if o.last == nil {
				p.notTested("it takes the suite's own browser")
			}
			for _, s := range spoofs {
				b := p.browser()
				for _, address := range []string{wellKnown(p.run.target.Issuer, "oauth-authorization-server", true), wellKnown(p.run.target.Issuer, "openid-configuration", false), c.request().url()} {
					x := b.open(address, s.by)
					for range mostSteps { // a server may ask who it is on another page
						to := x.location()
						if to == nil || strings.HasSuffix(to.Hostname(), ".example") {
							break
						}
						x = b.open(to.String(), s.by)
					}
					if strings.Contains(string(x.body), foreign) || mentions(x.header, foreign) {
						p.errorf("%s: %s names the host of the request", s.name, x.what())
					}
					if issuer := x.text("issuer"); issuer != "" && issuer != p.run.target.Issuer {
						p.errorf("%s: the issuer is %s", s.name, issuer)
					}
				}
			}
		},
	},
	{
		ID: "host-spoofed-iss", Spec: "RFC 9700", Section: "4.13", Level: Should,
		Request: "a user goes through a whole request whose headers say that the server is somewhere else",
		Want:    "the answer goes to the client, with the server's own iss",
		Attacks: []string{"U15"},
		needs:   []feature{codeFlow},
		run: func(p *probe) {
			c := p.client()
			for _, s := range spoofs {
				if s.name == "Host" {
					continue // many servers have no such site
				}
				b := p.pages(0)
				b.http.Transport = changing{b.http.Transport, s.by}
				o := c.request().in(b, Allow).wantCode()
				if iss := o.params.Get("iss"); iss != "" && iss != p.run.target.Issuer {
					p.errorf("%s: iss is %s", s.name, iss)
				}
			}
		},
	},
}

// spoofs are ways to tell a server that it is somewhere else.
var spoofs = []struct {
	name string
	by   sending
}{
	{"Host", func(r *http.Request) { r.Host = foreign }},
	{"X-Forwarded-Host", header("X-Forwarded-Host", foreign)},
	{"X-Forwarded-Proto", func(r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "http")
		r.Header.Set("X-Forwarded-Port", "80")
	}},
	{"Forwarded", header("Forwarded", "host="+foreign+";proto=http")},
	{"X-Forwarded-Server", func(r *http.Request) {
		r.Header.Set("X-Forwarded-Server", foreign)
		r.Header.Set("X-Original-Host", foreign)
		r.Header.Set("X-Forwarded-Prefix", "//"+foreign)
	}},
}

// changing changes each request that a browser sends.
type changing struct {
	inner http.RoundTripper
	by    sending
}

// RoundTrip is http.RoundTripper.
func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	c.by(r)
	return c.inner.RoundTrip(r)
}

func mentions(h http.Header, word string) bool {
	for _, values := range h {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, word) }) {
			return true
		}
	}
	return false
}
