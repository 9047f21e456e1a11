package conformance

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What cases share that are about the user's side of a request: pages that wait for an answer,
// browsers with somebody else's cookies, and redirects that lead astray.

// foreign is the host of somebody who has nothing to do with the client.
const foreign = "attacker.example"

// anywhere has the request end wherever the browser leaves the server for a client, be it the
// wrong one: none of the suite's names is on the web.
func (a *authorization) anywhere() *authorization {
	named, registered := callback(a.params.Get("redirect_uri")), callback(a.c.redirectURI())
	server, _ := url.Parse(a.c.p.endpoint("authorization_endpoint"))
	a.arrived = func(u *url.URL) bool {
		if named(u) || registered(u) {
			return true
		}
		return strings.HasSuffix(u.Hostname(), ".example") && (server == nil || u.Host != server.Host)
	}
	return a
}

// tryAt is a request with this redirect URI, in a browser whose user goes along with all.
func (c *client) tryAt(b *browser, redirectURI string, edits ...edit) *outcome {
	return c.request(append(slices.Clone(edits), set("redirect_uri", redirectURI))...).anywhere().in(b, Allow)
}

// wantNowhere notes a problem unless each of these redirect URIs leads to an error page.
func (c *client) wantNowhere(b *browser, redirectURIs ...string) {
	for _, uri := range redirectURIs {
		c.wantStaysWith(b, uri)
	}
}

// wantStaysWith notes a problem, with the redirect URI, unless a request with it ends at an error
// page: one that is wrong must not hide the next.
func (c *client) wantStaysWith(b *browser, uri string, edits ...edit) {
	p := c.p
	o := c.tryAt(b, uri, edits...)
	switch {
	case o.pushed != nil && o.pushed.status >= 400 && o.pushed.status < 500:
	case o.pushed != nil:
		p.errorf("redirect_uri %q: the pushed request is answered with status %d", uri, o.pushed.status)
	case o.sentTo != nil:
		p.errorf("redirect_uri %q: the browser is sent to %s", uri, withoutQuery(o.sentTo))
	case o.last != nil && (o.last.header.Get("Location") != "" || o.last.header.Get("Refresh") != "" || movesByItself.Match(o.last.body) || formPost(o.last) != nil):
		p.errorf("redirect_uri %q: the answer sends the browser elsewhere", uri)
	case o.last != nil && (o.last.status < 400 || o.last.status > 499):
		p.errorf("redirect_uri %q: status %d, want an error page", uri, o.last.status)
	}
}

func withoutQuery(u *url.URL) string {
	short := *u
	short.RawQuery, short.Fragment, short.RawFragment = "", "", ""
	return short.Redacted()
}

// mayRegister registers a client that a server may well refuse: by registration, where there is
// that, or else as the host does. refused says why there is none. What a server takes out of the
// redirect URIs is not in the client's metadata.
func (p *probe) mayRegister(wanted ...wanting) (c *client, refused string) {
	asked := map[string]any{
		"client_name": "Conformance " + p.c.ID, "redirect_uris": []string{"https://client.example/callback"},
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": p.authentication(),
	}
	if scope := strings.Join(p.allScopes(), " "); scope != "" {
		asked["scope"] = scope
	}
	for _, want := range wanted {
		want(p, asked)
	}
	endpoint, make := p.run.md.text("registration_endpoint"), p.controls().NewClient
	c = &client{p: p, http: p.run.client}
	way, _ := asked["token_endpoint_auth_method"].(string)
	p.arm(c, asked, way)
	switch {
	case endpoint != "":
		var changes []sending
		if token := p.run.target.InitialAccessToken; token != "" {
			changes = append(changes, bearer(token))
		}
		x := p.postJSON(http.MethodPost, endpoint, asked, changes...)
		if x.status >= 400 && x.status < 500 && x.status != http.StatusUnauthorized && x.status != http.StatusForbidden {
			return nil, x.text("error")
		}
		if x.status != http.StatusCreated || x.text("client_id") == "" {
			p.notTested("clients cannot be registered: status %d", x.status)
		}
		c.ID, c.Secret, c.Metadata = x.text("client_id"), x.text("client_secret"), x.member
	case make != nil:
		made, err := make(p.ctx, asked)
		if errors.Is(err, ErrNoSuchClient) {
			p.notTested("it takes a client with %s: %v", described(asked), err)
		}
		if err != nil {
			return nil, err.Error()
		}
		c.ID, c.Secret, c.Metadata = made.ID, made.Secret, asked
	default:
		p.notTested("the suite can register no clients here")
	}
	p.hide("client_secret", c.Secret)
	p.hide("client_id", c.ID)
	if p.run.md.is("require_bound_access_tokens") || p.bound() {
		c.dpop = p.proofKey()
	}
	return c, ""
}

// pages is a browser for the n-th user whose pages the case can look into: not a real one.
func (p *probe) pages(n int) *browser {
	b := p.browserOf(n)
	if b.real != nil {
		p.notTested("the case looks into pages, which Target.Browser does not show")
	}
	return b
}

// asking takes a user through a request to the page that asks, and leaves that open. A server
// that does not ask ends the case.
func (c *client) asking(b *browser, edits ...edit) (*authorization, *exchange) {
	a := c.request(edits...)
	o := a.in(b, Stay)
	switch {
	case o.pushed != nil:
		o.wantCode()
	case o.sentTo != nil && o.code() != "":
		c.p.notOffered("the user is not asked about this client")
	case o.sentTo != nil || o.last.status != http.StatusOK:
		o.wantCode()
	}
	return a, o.last
}

// answer is the request by which a user answers a page.
func (b *browser) answer(page *exchange, decision Decision) *http.Request {
	person := b.p.run.target.Person
	if person == nil {
		person = FillForms
	}
	r, err := person(page.page(), b.user, decision)
	if errors.Is(err, ErrNoChoice) {
		b.p.notTested("%s: %v", page.what(), err)
	}
	if err != nil {
		b.p.failf("%s: the page cannot be answered: %v", page.what(), err)
	}
	return r
}

// wantAnswer is answer where there has to be one.
func (b *browser) wantAnswer(page *exchange, decision Decision) *http.Request {
	r := b.answer(page, decision)
	if r == nil {
		b.p.notTested("the page at %s has no form that the suite can answer: see Target.Person", page.request.URL.Path)
	}
	return r
}

// again is a copy of a request that a form makes, with its fields changed.
func again(p *probe, r *http.Request, change func(url.Values)) *http.Request {
	fields := url.Values{}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			p.failf("read a form: %v", err)
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		if err != nil {
			p.failf("read a form: %v", err)
		}
		if fields, err = url.ParseQuery(string(text)); err != nil {
			p.failf("read a form: %v", err)
		}
	}
	if change != nil {
		change(fields)
	}
	copied, err := http.NewRequest(r.Method, r.URL.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		p.failf("copy a form: %v", err)
	}
	copied.Header = r.Header.Clone()
	return copied
}

// plant puts all cookies into the browser that the server has set in exchanges from the n-th on.
func (b *browser) plant(n int) {
	b.p.mu.Lock()
	seen := slices.Clone(b.p.exchanges[n:])
	b.p.mu.Unlock()
	for _, x := range seen {
		if x.err == nil {
			b.http.Jar.SetCookies(x.request.URL, (&http.Response{Header: x.header}).Cookies())
		}
	}
}

// signedIn tells whether the server knows this browser's user without asking who it is: a user
// without a name gets a code for the client.
func (c *client) signedIn(b *browser) bool {
	was := b.user
	b.user = User{}
	defer func() { b.user = was }()
	return c.request().in(b, Allow).code() != ""
}

// signInPage opens a request in a browser that nobody is signed in at, and returns the page that
// asks who it is.
func (c *client) signInPage(b *browser) (*authorization, *exchange) {
	a := c.request()
	x, refused := a.begin(b)
	if refused != nil {
		(&outcome{a: a, pushed: refused}).wantCode()
	}
	for range mostSteps {
		to := x.location()
		if to == nil || x.status < 300 || x.status > 399 {
			break
		}
		x = b.open(to.String())
	}
	asksPassword := slices.ContainsFunc(formsIn(string(x.body)), func(f webForm) bool {
		return slices.ContainsFunc(f.fields, func(one field) bool { return one.kind == "password" })
	})
	if x.status != http.StatusOK || !asksPassword {
		c.p.notTested("the server does not ask for a password on the first page")
	}
	return a, x
}

// moment lets a little more than a second go by, which is how exactly many servers know times.
func (p *probe) moment() {
	select {
	case <-time.After(1100 * time.Millisecond):
	case <-p.ctx.Done():
		p.failf("%v", p.ctx.Err())
	}
}
