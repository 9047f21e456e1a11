package conformance

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// browser is a browser with cookies of its own, at which a user sits.
type browser struct {
	p    *probe
	user User
	http *http.Client
	real Browser // nil for the suite's own

	tires, tired bool // whether the user may leave when there is no end to the pages, and has
}

// browser opens a new one, for the first user who can sign in.
func (p *probe) browser() *browser { return p.browserOf(0) }

// browserOf opens one for the n-th user.
func (p *probe) browserOf(n int) *browser {
	b := &browser{p: p}
	if n > 0 && n >= len(p.run.target.Users) {
		p.notTested("it takes %d users who can sign in", n+1)
	}
	if n < len(p.run.target.Users) {
		b.user = p.run.target.Users[n]
		p.hide("password", b.user.Password)
	}
	jar, _ := cookiejar.New(nil) // it never fails
	client := *p.run.client
	client.Jar = jar
	b.http = &client
	if open := p.run.target.Browser; open != nil {
		real, err := open(b.user)
		if err != nil {
			p.failf("Target.Browser: %v", err)
		}
		b.real = real
		p.after(func() { _ = real.Close() })
	}
	return b
}

// open opens a URL as a browser does, without following a redirect.
func (b *browser) open(address string, changes ...sending) *exchange {
	return b.p.sendWith(b.http, http.MethodGet, b.rewritten(address), nil, append([]sending{header("Accept", "text/html,*/*;q=0.8")}, changes...)...).answered()
}

// submit sends a request that a form makes.
func (b *browser) submit(r *http.Request, changes ...sending) *exchange {
	all := []sending{header("Accept", "text/html,*/*;q=0.8"), func(to *http.Request) {
		for name, values := range r.Header {
			to.Header[name] = values
		}
	}}
	if r.Body == nil || r.Body == http.NoBody {
		return b.p.sendWith(b.http, r.Method, r.URL.String(), nil, append(all, changes...)...).answered()
	}
	return b.p.sendWith(b.http, r.Method, r.URL.String(), r.Body, append(all, changes...)...).answered()
}

func (b *browser) rewritten(address string) string {
	rewrite := b.p.run.target.Rewrite
	u, err := url.Parse(address)
	if rewrite == nil || err != nil {
		return address
	}
	rewrite(u)
	return u.String()
}

// page is what the browser shows after an exchange.
func (x *exchange) page() *Page {
	return &Page{URL: x.request.URL, Status: x.status, Header: x.header, Body: string(x.body)}
}

const mostSteps = 25

// walk goes on from an answer as a browser and its user do, until the server sends the browser
// to where arrived says, or to a page on which there is nothing to do. The URL is where it was
// sent, without going there, and nil for the page, which is the last exchange.
func (b *browser) walk(x *exchange, arrived func(*url.URL) bool, decision Decision) (*url.URL, *exchange) {
	person := b.p.run.target.Person
	if person == nil {
		person = FillForms
	}
	for range mostSteps {
		if to := x.location(); to != nil && x.status >= 300 && x.status < 400 {
			if arrived(to) {
				return to, x
			}
			if to.Scheme != "http" && to.Scheme != "https" {
				return nil, x
			}
			x = b.open(to.String())
			continue
		}
		if to := formPost(x); to != nil && arrived(to) {
			return to, x
		}
		if x.status != http.StatusOK {
			return nil, x
		}
		next, err := person(x.page(), b.user, decision)
		if errors.Is(err, ErrNoChoice) {
			b.p.notTested("%s: %v", x.what(), err)
		}
		if err != nil {
			b.p.failf("%s: the page cannot be answered: %v", x.what(), err)
		}
		if next == nil {
			return nil, x
		}
		x = b.submit(next)
	}
	if b.tires {
		b.tired = true
		return nil, x
	}
	b.p.failBasic(basicFlow, "after %d pages and redirects there is no end to it: see Target.Users and Target.Person", mostSteps)
	return nil, nil
}

// formPost is where a page sends an authorization response by itself (OAuth 2.0 Form Post
// Response Mode), as a URL with the response in its query; nil for a page that does not.
func formPost(x *exchange) *url.URL {
	for _, f := range formsIn(string(x.body)) {
		if f.method != http.MethodPost || !f.hidden.Has("code") && !f.hidden.Has("error") && !f.hidden.Has("response") && !f.hidden.Has("id_token") {
			continue
		}
		to, err := x.request.URL.Parse(f.action)
		if err != nil || to.Host == x.request.URL.Host {
			continue
		}
		to.RawQuery = f.hidden.Encode()
		return to
	}
	return nil
}

// movesByItself are ways for a page to send a browser elsewhere.
var movesByItself = regexp.MustCompile(`(?i)http-equiv=["']?refresh|location\s*(\.href|\.replace|\.assign)?\s*[=(]|window\.open`)

// wantStays fails the case unless the answer is a page, or another refusal, that sends the
// browser nowhere (RFC 6749 §4.1.2.1).
func (x *exchange) wantStays() *exchange {
	switch {
	case x.header.Get("Location") != "":
		x.p.failf("%s: the browser is sent to %s", x.what(), x.header.Get("Location"))
	case x.header.Get("Refresh") != "" || movesByItself.Match(x.body):
		x.p.failf("%s: the page sends the browser elsewhere", x.what())
	case formPost(x) != nil:
		x.p.failf("%s: the page posts a form to %s", x.what(), formPost(x).Host)
	case x.status < 400 || x.status > 499:
		x.p.failf("%s: status %d, want an error page", x.what(), x.status)
	}
	return x
}

// callback tells whether a URL is a client's redirect URI, with the answer in it.
func callback(redirectURI string) func(*url.URL) bool {
	want, err := url.Parse(redirectURI)
	return func(u *url.URL) bool {
		if err != nil || u.Scheme != want.Scheme || u.Host != want.Host || u.Path != want.Path || u.Opaque != want.Opaque {
			return false
		}
		for name, values := range want.Query() {
			if strings.Join(u.Query()[name], "\x00") != strings.Join(values, "\x00") {
				return false
			}
		}
		return true
	}
}
