package conformance

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

func inBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// advanceIfPossible moves the server's clock, where the suite can.
func (p *probe) advanceIfPossible(d time.Duration) {
	if p.controls().Advance != nil {
		p.advance(d)
	}
}

// canary is a port on this machine's loopback that no server on it has any business with.
type canary struct {
	port string
	rung atomic.Int64 // how many connections came
	told atomic.Int64 // on how many of them there was a request

	tls *tls.Config
}

// canary opens one. It shows something of servers on this machine alone: the loopback of others
// is not ours.
func (p *probe) canary() *canary {
	u, err := url.Parse(p.run.target.Issuer)
	if err != nil {
		p.failf("Target.Issuer: %v", err)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(p.ctx, "ip", u.Hostname())
	if err != nil {
		p.notTested("the server's address is unknown, which has to be on this machine: %v", err)
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			p.notTested("the server may be on another machine, whose loopback the suite cannot watch")
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.failf("listen: %v", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	c := &canary{port: port, tls: &tls.Config{Certificates: []tls.Certificate{p.certificate()}}}
	if d := p.run.target.Documents; d != nil && d.TLS != nil {
		c.tls = d.TLS
	}
	p.watchPort(listener, c)
	if six, err := net.Listen("tcp", "[::1]:"+port); err == nil { // where there is IPv6
		p.watchPort(six, c)
	}
	return c
}

func (p *probe) watchPort(listener net.Listener, c *canary) {
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			c.rung.Add(1)
			go c.listen(connection)
		}
	}()
	p.after(func() { _ = listener.Close() })
}

// listen hears what comes on a connection, over TLS or not. A server may look only after it has
// connected where it is, as long as it says nothing there.
func (c *canary) listen(connection net.Conn) {
	defer connection.Close()
	if connection.SetDeadline(time.Now().Add(5*time.Second)) != nil {
		return
	}
	heard := bufio.NewReader(connection)
	first, err := heard.Peek(1)
	if err != nil {
		return
	}
	const handshake = 22 // RFC 8446 §5.1
	if first[0] == handshake {
		one := make([]byte, 1)
		if n, _ := tls.Server(peeked{connection, heard}, c.tls).Read(one); n == 0 {
			return
		}
	}
	c.told.Add(1)
}

// peeked is a connection of which something was read.
type peeked struct {
	net.Conn
	from *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.from.Read(b) }

// urls are those by which a server reaches the canary if it does not look where it goes.
func (c *canary) urls() []string {
	var all []string
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "127.1", "2130706433", "0x7f.0.0.1", "localhost."} {
		all = append(all, "https://"+host+":"+c.port+"/keys")
	}
	return append(all, "http://127.0.0.1:"+c.port+"/keys", "https://user@127.0.0.1:"+c.port+"/keys")
}

// wantSilent fails the case if anybody came and asked for something.
func (c *canary) wantSilent(p *probe, after string) {
	time.Sleep(100 * time.Millisecond) // for what is still on its way
	trusted := p.run.target.Documents != nil && p.run.target.Documents.TLS != nil
	switch n := c.rung.Load(); {
	case c.told.Load() > 0:
		p.failf("after %s the server has sent a request to its own machine, on %d of %d connections", after, c.told.Load(), n)
	case n > 0 && !trusted:
		p.notTested("after %s the server has connected to its own machine, %d times: whether it would send a request shows with a certificate that it trusts: see Documents.TLS", after, n)
	}
}

// registrable is a client of this metadata, or nil if the server refuses to register one.
func (p *probe) registrable(asked map[string]any) *client {
	how, _ := asked["token_endpoint_auth_method"].(string)
	c := &client{p: p, http: p.run.client}
	p.arm(c, asked, how)
	switch {
	case p.controls().NewClient != nil:
		made, err := p.controls().NewClient(p.ctx, asked)
		if err != nil {
			return nil
		}
		c.Client = made
		c.Metadata = asked
	case p.run.md.text("registration_endpoint") != "":
		var changes []sending
		if token := p.run.target.InitialAccessToken; token != "" {
			changes = append(changes, bearer(token))
		}
		x := p.postJSON(http.MethodPost, p.run.md.text("registration_endpoint"), asked, changes...)
		if x.status != http.StatusCreated {
			return nil
		}
		c.ID, c.Secret, c.Metadata = x.text("client_id"), x.text("client_secret"), x.member
	default:
		p.notTested("it takes clients that the suite can neither register nor was given")
	}
	if p.bound() {
		c.dpop = p.proofKey()
	}
	return c
}

// boundedFetches has the server fetch documents that redirect to a good one, that do not end and
// that do not begin. ask has it fetch one, and returns what came of it.
func (p *probe) boundedFetches(good *publication, ask func(address string) *exchange) {
	const patient, most = 15 * time.Second, 1 << 20
	var taken atomic.Int64
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		block := []byte(strings.Repeat(" ", 16<<10))
		for r.Context().Err() == nil && taken.Load() < 64<<20 {
			n, err := w.Write(block)
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	asleep := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(2 * patient):
		}
	})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // it shows in the next write
			time.Sleep(300 * time.Millisecond)
		}
	})
	before := good.times()
	for what, h := range ordered(map[string]http.Handler{
		"a redirect":             http.RedirectHandler(good.url, http.StatusFound),
		"a document without end": endless, "a document that comes byte by byte": slow, "a server that does not answer": asleep,
	}) {
		x := ask(p.publish(h).url)
		if x.status < 400 {
			p.errorf("%s: status %d", what, x.status)
		}
		if x.took > patient {
			p.errorf("%s: the answer took %v", what, x.took.Round(time.Second))
		}
	}
	if good.times() != before {
		p.errorf("the redirect was followed")
	}
	// What stands in buffers between the two has been written, but not taken.
	const buffers = 8 << 20
	if n := taken.Load(); n > most+buffers {
		p.errorf("%d bytes of a document without end were taken", n)
	}
}

// Where a server goes when clients tell it to (RFC 8725 §3.10, RFC 9101 §10.4.1).
var guardCases = []Case{
	{
		ID: "guard-client-keys", Spec: "RFC 8725", Section: "3.10", Level: Should,
		Request: "clients whose jwks_uri leads to the server's own machine, by each way to write its address, authenticate",
		Want:    "the registration or the request is refused, and no request comes there",
		Attacks: []string{"E8", "E9", "S10"},
		needs:   []feature{byKey},
		varies:  true, // the port does
		run: func(p *probe) {
			bird := p.canary()
			p.keyed().identified().wantKnown("keys that are registered") // so that a refusal is about the URL
			for _, address := range bird.urls() {
				c := p.registrable(map[string]any{
					"client_name": "Conformance", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address,
					"grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "redirect_uris": []string{"https://client.example/callback"},
				})
				if c == nil {
					continue
				}
				if x := c.identified(); x.known() || x.status < 400 {
					p.errorf("jwks_uri %s: status %d", strings.ReplaceAll(address, bird.port, "[port]"), x.status)
				}
			}
			bird.wantSilent(p, "a jwks_uri of its own machine")
		},
	},
	{
		ID: "guard-request-uri", Spec: "RFC 9101", Section: "10.4.1", Level: Should,
		Request: "request_uris that lead to the server's own machine, of a client that has registered none and of one that has registered them",
		Want:    "they are refused, and no request comes there",
		Attacks: []string{"E18", "S10"},
		needs:   []feature{codeFlow, frontRequests},
		varies:  true, // the port does
		run: func(p *probe) {
			bird := p.canary()
			c := p.client()
			c.authorize()
			judge := func(c *client, address string) {
				x := p.browser().open(p.authorizeURL(url.Values{"client_id": {c.ID}, "request_uri": {address}}))
				if to := x.location(); to != nil && (to.Query().Has("code") || !to.Query().Has("error")) && !callback(p.run.target.Issuer)(to) && to.Host != x.request.URL.Host {
					p.errorf("request_uri %s leads on to %s", strings.ReplaceAll(address, bird.port, "[port]"), to.Host)
				}
			}
			for _, address := range bird.urls() {
				judge(c, address)
				other := p.registrable(map[string]any{
					"client_name": "Conformance", "token_endpoint_auth_method": p.authentication(), "request_uris": []string{address},
					"request_object_signing_alg": "ES256",
					"grant_types":                []string{"authorization_code"}, "response_types": []string{"code"}, "redirect_uris": []string{"https://client.example/callback"},
				})
				if other != nil {
					judge(other, address)
				}
			}
			bird.wantSilent(p, "a request_uri of its own machine")
		},
	},
	{
		ID: "guard-other-documents", Spec: "RFC 7591", Section: "5", Level: Should,
		Request: "registrations whose logo, sector, back channel, policy and other URLs lead to the server's own machine",
		Want:    "no request comes there",
		Attacks: []string{"S10"},
		needs:   []feature{registering},
		varies:  true, // the port does
		run: func(p *probe) {
			bird := p.canary()
			for _, name := range []string{"logo_uri", "client_uri", "policy_uri", "tos_uri", "sector_identifier_uri", "initiate_login_uri", "backchannel_logout_uri", "software_statement"} {
				address := "https://127.0.0.1:" + bird.port + "/x"
				asked := map[string]any{"client_name": "Conformance", "redirect_uris": []string{"https://client.example/callback"}, name: address}
				if name == "sector_identifier_uri" {
					asked["subject_type"] = "pairwise"
				}
				var changes []sending
				if token := p.run.target.InitialAccessToken; token != "" {
					changes = append(changes, bearer(token))
				}
				x := p.postJSON(http.MethodPost, p.run.md.text("registration_endpoint"), asked, changes...)
				if !slices.Contains([]int{201, 400, 401, 403}, x.status) {
					p.errorf("%s: status %d", name, x.status)
				}
				if id := x.text("client_id"); x.status == 201 && id != "" && codeFlow(p.run) == "" && frontRequests(p.run) == "" {
					c := &client{p: p, http: p.run.client, Client: Client{ID: id, Metadata: x.member}}
					p.browser().walk(p.browser().open(c.request().url()), func(*url.URL) bool { return false }, Stay)
				}
			}
			bird.wantSilent(p, "registrations with URLs of its own machine")
		},
	},
}
