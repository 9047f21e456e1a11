package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What one stranger can cost a server, and what a server tells its log.
var limitCases = []Case{
	{
		ID: "limit-body", Spec: "RFC 9110", Section: "15.5.14", Level: Should,
		Request: "a good token request has eleven megabytes of a parameter that nobody knows in its body",
		Want:    "a refusal, or the connection is closed; the same request without it is answered",
		Attacks: []string{"L1", "D19"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			c := p.client()
			form := c.authorize().redemption()
			form.Set("padding", strings.Repeat("x", 11<<20))
			changes := c.authenticate(form)
			changes = append(changes, header("Content-Type", "application/x-www-form-urlencoded"))
			if c.dpop != nil {
				changes = append(changes, header("DPoP", c.dpop.proof(http.MethodPost, c.at("token_endpoint"), nil)))
			}
			x := p.sendWith(c.http, http.MethodPost, c.at("token_endpoint"), strings.NewReader(form.Encode()), changes...)
			if x.err == nil && (x.status < 400 || x.status > 499) {
				p.errorf("status %d", x.status)
			}
			c.tokens()
		},
	},
	{
		ID: "limit-parameters", Spec: "RFC 9110", Section: "15.5.14", Level: Should,
		Request: "requests to the endpoints have a hundred thousand parameters",
		Want:    "within moments, a refusal, or the connection is closed",
		Attacks: []string{"L1"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			c := p.client()
			var many strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&many, "p%d=x&", i)
			}
			for _, endpoint := range []string{"token_endpoint", "authorization_endpoint", "introspection_endpoint", "revocation_endpoint", "pushed_authorization_request_endpoint"} {
				address := p.run.md.text(endpoint)
				if address == "" {
					continue
				}
				x := p.send(http.MethodPost, address, strings.NewReader(many.String()), header("Content-Type", "application/x-www-form-urlencoded"))
				if x.err == nil && (x.status < 400 || x.status > 499) {
					p.errorf("%s: status %d", x.what(), x.status)
				}
				if x.took > 10*time.Second {
					p.errorf("%s: it takes %v", x.what(), x.took)
				}
			}
			c.tokens()
		},
	},
	{
		ID: "limit-header", Spec: "RFC 6585", Section: "5", Level: Should,
		Request: "requests have a header of two megabytes, and a query of one",
		Want:    "the header is refused, or the connection is closed; no failure of the server",
		Attacks: []string{"L1"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			c := p.client()
			long := strings.Repeat("x", 1<<20)
			if x := p.send(http.MethodGet, c.request(set("padding", long)).url(), nil); x.err == nil && x.status > 499 {
				p.errorf("%s: status %d", x.what(), x.status)
			}
			metadata := wellKnown(p.run.target.Issuer, "oauth-authorization-server", true)
			for _, x := range []*exchange{
				p.send(http.MethodGet, metadata, nil, header("X-Padding", long+long)),
				p.send(http.MethodPost, p.endpoint("token_endpoint"), strings.NewReader("grant_type=authorization_code"), header("Authorization", "Basic "+long+long), header("Content-Type", "application/x-www-form-urlencoded")),
			} {
				if x.err == nil && (x.status < 400 || x.status > 499) {
					p.errorf("%s: status %d", x.what(), x.status)
				}
			}
			c.tokens()
		},
	},
	{
		ID: "limit-slow-requests", Spec: "RFC 9110", Section: "15.5.9", Level: Should,
		Request: "fifty connections send the head of a request a byte a second, and no end to it",
		Want:    "other requests are answered meanwhile, and the server closes the connections within a hundred seconds: none may keep one for ever",
		Attacks: []string{"L3"},
		needs:   []feature{codeFlow},
		varies:  true,
		run: func(p *probe) {
			c := p.client()
			ctx, cancel := context.WithTimeout(p.ctx, 100*time.Second)
			defer cancel()
			closed := make(chan bool, 50)
			for range cap(closed) {
				connection := p.dial(ctx)
				go func() {
					defer connection.Close()
					closed <- trickle(ctx, connection, "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
				}()
			}
			c.tokens()
			stayed := 0
			for range cap(closed) {
				if !<-closed {
					stayed++
				}
			}
			if stayed > 0 {
				p.errorf("%d connections are still open after a hundred seconds", stayed)
			}
			c.tokens()
		},
	},
	{
		ID: "log-no-secrets", Spec: "RFC 6749", Section: "10.3", Level: Must,
		Request: "a whole flow: a user signs in and allows, a code is redeemed, tokens are used, refreshed, introspected and revoked",
		Want:    "nothing that opens anything is in the server's log, at its finest level: no code, token, verifier, secret, assertion, password or cookie",
		Attacks: []string{"L6", "B24"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			logged := p.logged()
			c, b := p.client(), p.pages(0)
			o := c.request().in(b, Allow).wantCode()
			t := o.tokens()
			p.wantNotLogged(logged, c, o, t)
		},
	},
	{
		ID: "log-no-secrets-refused", Spec: "RFC 6819", Section: "4.6.7", Level: Should,
		Request: "requests that are refused: a code with a wrong verifier, again, and to a wrong redirect URI, a wrong secret, credentials in the query, a redirect URI with a code in it",
		Want:    "nothing that opens anything is in the server's log",
		Attacks: []string{"L6", "B24", "D9"},
		needs:   []feature{codeFlow},
		alone:   true,
		run: func(p *probe) {
			logged := p.logged()
			c, b := p.client(), p.pages(0)
			o := c.request().in(b, Allow).wantCode()
			wrong := p.secret("code_verifier")
			o.redeem(set("code_verifier", wrong)).wantRefused()
			o.redeem(set("redirect_uri", "https://"+foreign+"/callback")).wantRefused()
			o2 := c.request().in(b, Allow).wantCode()
			t := o2.tokens()
			o2.redeem().wantRefused()
			inQuery, secret := p.secret("access_token"), p.secret("client_secret")
			p.send(http.MethodPost, p.endpoint("token_endpoint")+"?"+url.Values{"client_id": {c.ID}, "client_secret": {secret}, "code": {inQuery}}.Encode(), nil)
			p.send(http.MethodPost, p.endpoint("token_endpoint"), strings.NewReader("grant_type=authorization_code&code="+inQuery), c.basic(c.ID, secret), header("Content-Type", "application/x-www-form-urlencoded"))
			c.request(set("redirect_uri", "https://client.example/wrong?code="+inQuery)).anywhere().in(p.browser(), Allow)
			if at := p.run.target.Resource; at != "" {
				p.send(http.MethodGet, at+"?access_token="+inQuery, nil)
				p.send(http.MethodGet, at, nil, bearer(inQuery))
			}
			p.wantNotLogged(logged, c, o, t, wrong, inQuery, secret)
		},
	},
}

func (p *probe) logged() func() string {
	logged := p.controls().Logged
	if logged == nil {
		p.notTested("it takes Controls.Logged")
	}
	return logged
}

// wantNotLogged notes a problem for each secret of a flow that is in the server's log. It ends
// with the tokens' being used in all ways.
func (p *probe) wantNotLogged(logged func() string, c *client, o *outcome, t *tokens, more ...string) {
	if p.run.target.Resource != "" {
		t.present(http.MethodGet, p.run.target.Resource)
	}
	secrets := map[string]string{"code": o.code(), "verifier": o.a.verifier, "access token": t.access, "refresh token": t.refresh, "ID token": t.id, "secret": c.Secret}
	if t.refresh != "" {
		x := c.refreshed(t.refresh)
		secrets["second access token"], secrets["second refresh token"] = x.text("access_token"), x.text("refresh_token")
	}
	if p.run.md.text("introspection_endpoint") != "" && c.way() != "none" {
		c.introspect(t.access)
	}
	if p.run.md.text("revocation_endpoint") != "" {
		c.revoke(t.access)
	}
	for i, one := range more {
		secrets[fmt.Sprintf("wrong value %d", i+1)] = one
	}
	for _, x := range p.seen() {
		for _, cookie := range x.request.Cookies() {
			secrets["cookie "+cookie.Name] = cookie.Value
		}
		sent, _ := url.ParseQuery(string(x.sent)) // what it is of other requests is no form
		for _, name := range []string{"password", "client_assertion"} {
			if sent.Has(name) {
				secrets[name] = sent.Get(name)
			}
		}
		if proof := x.request.Header.Get("DPoP"); proof != "" {
			secrets["DPoP proof"] = proof
		}
		if _, credentials, ok := strings.Cut(x.request.Header.Get("Authorization"), "Basic "); ok {
			secrets["Basic credentials"] = credentials
		}
	}
	text := logged()
	if text == "" {
		p.notTested("the server logs nothing")
	}
	for _, name := range slices.Sorted(keys(secrets)) {
		secret := secrets[name]
		const short = 6 // words that stand in logs for other reasons
		if len(secret) >= short && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret))) {
			p.errorf("the log has the %s", name)
		}
	}
}

// dial opens a connection to the server.
func (p *probe) dial(ctx context.Context) net.Conn {
	if p.run.target.Transport != nil {
		p.notTested("it takes connections of its own: Target.TLS, not Target.Transport")
	}
	u := parsed(p, p.endpoint("token_endpoint"))
	address := u.Host
	if u.Port() == "" {
		address += map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	}
	var connection net.Conn
	var err error
	if u.Scheme == "https" {
		connection, err = (&tls.Dialer{Config: p.run.target.TLS.Clone()}).DialContext(ctx, "tcp", address)
	} else {
		connection, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		p.failf("connect to the server: %v", err)
	}
	return connection
}

// trickle sends the beginning of a request, and then a byte a second, until the server has
// enough of it.
func trickle(ctx context.Context, connection net.Conn, begin string) (closed bool) {
	if _, err := connection.Write([]byte(begin)); err != nil {
		return true
	}
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		buffer := make([]byte, 1<<10)
		for {
			if _, err := connection.Read(buffer); err != nil {
				return
			}
		}
	}()
	for {
		select {
		case <-hungUp:
			return true
		case <-ctx.Done():
			return false
		case <-time.After(time.Second):
			if _, err := connection.Write([]byte("x")); err != nil {
				return true
			}
		}
	}
}
