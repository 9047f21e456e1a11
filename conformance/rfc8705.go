package conformance

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// byCertificate is a client that authenticates by TLS, whose tokens are bound to its certificate
// and to nothing else.
func (p *probe) byCertificate(how string, wanted ...wanting) *client {
	all := []wanting{method(how)}
	if ownTokens(p.run) == "" && len(wanted) == 0 {
		all = append(all, servicing())
	}
	c := p.client(append(all, wanted...)...)
	if c.http == p.run.client {
		p.notTested("it takes a certificate that an authority of the server's has issued: Controls.NewClient or Target.Clients can bring one")
	}
	c.dpop = nil
	return c
}

// bindingByCertificate is one whose tokens have to be bound to it, as clients say that want it (§3.4).
func (p *probe) bindingByCertificate(wanted ...wanting) *client {
	return p.byCertificate("self_signed_tls_client_auth", append([]wanting{with("tls_client_certificate_bound_access_tokens", true)}, wanted...)...)
}

// showing has the client present another certificate, or none, while it does something.
func (c *client) showing(certificate *tls.Certificate, do func() *exchange) *exchange {
	own := c.http
	defer func() { c.http = own }()
	if certificate == nil {
		// The endpoint is the one that asks for certificates, and gets none.
		config := c.p.run.target.TLS.Clone()
		c.http = &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: c.p.run.client.Timeout, CheckRedirect: c.p.run.client.CheckRedirect}
	} else {
		c.present(*certificate)
	}
	return do()
}

// presented is the certificate that the client presents.
func (c *client) presented() tls.Certificate {
	transport, _ := c.http.Transport.(*http.Transport)
	if transport == nil || len(transport.TLSClientConfig.Certificates) == 0 {
		c.p.notTested("the client presents no certificate")
	}
	return transport.TLSClientConfig.Certificates[0]
}

// twin is a self-signed certificate that says of itself what another one does.
func (p *probe) twin(of tls.Certificate) tls.Certificate {
	leaf, err := x509.ParseCertificate(of.Certificate[0])
	if err != nil {
		p.failf("the certificate: %v", err)
	}
	key := p.newKey("ES256").Key.(*ecdsa.PrivateKey)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: leaf.Subject, DNSNames: leaf.DNSNames, URIs: leaf.URIs, IPAddresses: leaf.IPAddresses,
		EmailAddresses: leaf.EmailAddresses, NotBefore: time.Now().Add(-time.Hour), NotAfter: leaf.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.failf("make a certificate: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var (
	selfSigned       = lists("token_endpoint_auth_methods_supported", "self_signed_tls_client_auth")
	ofAuthority      = lists("token_endpoint_auth_methods_supported", "tls_client_auth")
	certificateBound = is("tls_client_certificate_bound_access_tokens")
)

// RFC 8705 §2: clients that authenticate by TLS.
var mutualTLSCases = []Case{
	{
		ID: "mtls-self-signed", Spec: "RFC 8705", Section: "2.2", Level: Must,
		Request: "a client with self_signed_tls_client_auth presents the certificate that it has registered, another one, one that says the same, and none",
		Want:    "the first authenticates it, and no other",
		needs:   []feature{selfSigned},
		run: func(p *probe) {
			c := p.byCertificate("self_signed_tls_client_auth")
			c.identified().wantKnown("its certificate")
			other, twin := p.certificate(), p.twin(c.presented())
			c.showing(&other, func() *exchange { return c.identified() }).wantUnknown("another certificate")
			c.showing(&twin, func() *exchange { return c.identified() }).wantUnknown("a certificate that says the same")
			c.showing(nil, func() *exchange { return c.identified() }).wantUnknown("no certificate")
			if introspecting(p.run) == "" {
				// Where no token is made, nothing but authentication asks for the certificate.
				ask := func() *exchange { return c.introspect(p.secret("token")) }
				ask().wantStatus(http.StatusOK)
				c.showing(&other, ask).wantError(0, "invalid_client", "invalid_request")
				c.showing(nil, ask).wantError(0, "invalid_client", "invalid_request")
			}
			c.identified().wantKnown("its certificate afterwards")
		},
	},
	{
		ID: "mtls-authority", Spec: "RFC 8705", Section: "2.1", Level: Must,
		Request: "a client with tls_client_auth presents its certificate, that of another client by the same authority, a self-signed one with its own subject, and none",
		Want:    "the first authenticates it, and no other",
		needs:   []feature{ofAuthority},
		run: func(p *probe) {
			c, other := p.byCertificate("tls_client_auth"), p.byCertificate("tls_client_auth")
			c.identified().wantKnown("its certificate")
			other.identified().wantKnown("the other client's certificate")
			theirs, forged := other.presented(), p.twin(c.presented())
			c.showing(&theirs, func() *exchange { return c.identified() }).wantUnknown("another client's certificate")
			c.showing(&forged, func() *exchange { return c.identified() }).wantUnknown("a self-signed certificate with its subject")
			c.showing(nil, func() *exchange { return c.identified() }).wantUnknown("no certificate")
		},
	},
	{
		ID: "mtls-client-of-another", Spec: "RFC 8705", Section: "2", Level: Must,
		Request: "a client presents its certificate and names another client",
		Want:    "invalid_client",
		needs:   []feature{selfSigned},
		run: func(p *probe) {
			c, other := p.byCertificate("self_signed_tls_client_auth"), p.byCertificate("self_signed_tls_client_auth")
			c.identified().wantKnown("its certificate")
			c.identified(func(r *http.Request) { setInForm(r, "client_id", other.ID) }).wantUnknown("the client_id of another client")
			c.identified(func(r *http.Request) { setInForm(r, "client_id", "") }).wantUnknown("no client_id")
		},
	},
	{
		ID: "mtls-header-forged", Spec: "RFC 8705", Section: "2", Level: Must,
		Request: "a request without a certificate carries the client's in the headers in which proxies hand certificates on",
		Want:    "invalid_client: anybody can send a header",
		needs:   []feature{selfSigned},
		run: func(p *probe) {
			c := p.byCertificate("self_signed_tls_client_auth")
			c.identified().wantKnown("its certificate")
			der := c.presented().Certificate[0]
			text := url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
			for _, name := range []string{"Client-Cert", "X-SSL-Client-Cert", "SSL-Client-Cert", "X-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Forwarded-Client-Cert", "X-SSL-Cert"} {
				value := text
				if name == "Client-Cert" { // RFC 9440 §2.1
					value = ":" + stdEncoded(der) + ":"
				}
				p.hide("certificate", value)
				c.showing(nil, func() *exchange { return c.identified(header(name, value)) }).wantUnknown("the certificate in " + name)
			}
		},
	},
	{
		ID: "mtls-aliases", Spec: "RFC 8705", Section: "5", Level: Must,
		Request: "the endpoints of mtls_endpoint_aliases, with a certificate",
		Want:    "https URLs, at which the endpoints of these names answer as elsewhere",
		needs:   []feature{has("mtls_endpoint_aliases"), selfSigned},
		run: func(p *probe) {
			aliases, _ := p.run.md["mtls_endpoint_aliases"].(map[string]any)
			for name, value := range ordered(aliases) {
				if address, _ := value.(string); !strings.HasPrefix(address, "https://") {
					p.errorf("%s is %v", name, value)
				}
				if p.run.md.text(name) == "" {
					p.errorf("%s is no endpoint of the server's", name)
				}
			}
			c := p.byCertificate("self_signed_tls_client_auth")
			c.identified().wantKnown("its certificate")
			if revoking(p.run) == "" {
				c.revoke(p.secret("token")).wantStatus(http.StatusOK)
			}
			if introspecting(p.run) == "" {
				if c.introspect(p.secret("token")).wantJSON().member["active"] != false {
					p.errorf("a token that nobody has is active")
				}
			}
			if pushing(p.run) == "" && codeFlow(p.run) == "" && !p.run.md.is("require_signed_request_object") {
				c := p.byCertificate("self_signed_tls_client_auth", with("client_name", "Conformance, by certificate"))
				c.push(c.request().params).wantStatus(http.StatusCreated)
			}
		},
	},
}

// RFC 8705 §3: tokens that are bound to certificates.
var boundCertificateCases = []Case{
	{
		ID: "mtls-bound", Spec: "RFC 8705", Section: "3.1", Level: Should,
		Request: "tokens of a client that authenticates by certificate, and introspection of one",
		Want:    "cnf with x5t#S256, the hash of the certificate",
		needs:   []feature{selfSigned, certificateBound},
		run: func(p *probe) {
			var wanted []wanting
			if ownTokens(p.run) == "" {
				wanted = append(wanted, servicing())
			}
			c := p.bindingByCertificate(wanted...)
			t := c.got(c.token(c.form()))
			want := certificateThumbprint(c.presented())
			if got := t.confirmation()["x5t#S256"]; got != want {
				p.errorf("cnf x5t#S256 is %v in the token, want the hash of the certificate", got)
			}
			if introspecting(p.run) == "" {
				cnf, _ := c.introspect(t.access).wantJSON().member["cnf"].(map[string]any)
				if cnf["x5t#S256"] != want {
					p.errorf("introspection says cnf %v", cnf)
				}
			}
		},
	},
	{
		ID: "mtls-bound-wanted", Spec: "RFC 8705", Section: "3.4", Level: Should,
		Request: "a client with tls_client_certificate_bound_access_tokens that authenticates otherwise asks with a certificate, and without",
		Want:    "a token that is bound to the certificate, and none that is bound to nothing: the server may choose, and RFC 9700 §2.2.1 says how",
		needs:   []feature{certificateBound},
		run: func(p *probe) {
			wanted := []wanting{with("tls_client_certificate_bound_access_tokens", true)}
			if ownTokens(p.run) == "" {
				wanted = append(wanted, servicing())
			}
			c := p.client(wanted...)
			c.dpop = nil
			certificate := p.certificate()
			plain := c.http
			c.present(certificate)
			t := c.got(c.token(c.form()))
			if got := t.confirmation()["x5t#S256"]; got != certificateThumbprint(certificate) {
				p.errorf("cnf x5t#S256 is %v, want the hash of the certificate", got)
			}
			form := c.form()
			c.http = plain
			if x := c.token(form); x.status == http.StatusOK && c.got(x).confirmationIfShown()["x5t#S256"] == nil {
				p.errorf("without a certificate there is a token that is bound to none")
			}
		},
	},
	{
		ID: "mtls-bound-presented", Spec: "RFC 8705", Section: "3", Level: Must,
		Request: "a token that is bound to a certificate at UserInfo: with that certificate, with another one, with none; and at a resource without",
		Want:    "it opens with the first alone",
		needs:   []feature{codeFlow, selfSigned, certificateBound, openID, has("userinfo_endpoint")},
		run: func(p *probe) {
			c := p.bindingByCertificate()
			scope := joined(p.scope(), "openid")
			if p.scope() == "openid" {
				scope = "openid"
			}
			t := c.authorize(set("scope", scope)).tokens()
			at := c.at("userinfo_endpoint")
			ask := func() *exchange { return p.sendWith(c.http, http.MethodGet, at, nil, bearer(t.access)).answered() }
			ask().wantStatus(http.StatusOK)
			other, twin := p.certificate(), p.twin(c.presented())
			c.showing(&other, ask).wantShut("another certificate")
			c.showing(&twin, ask).wantShut("a certificate that says the same")
			c.showing(nil, ask).wantShut("no certificate")
			if r := p.run.target.Resource; r != "" {
				p.get(r, bearer(t.access)).wantShut("no certificate")
			}
		},
	},
	{
		ID: "mtls-bound-refresh", Spec: "RFC 8705", Section: "4", Level: Should,
		Request: "a public client's refresh token, bound to a certificate, comes with another one, with none, and with that",
		Want:    "tokens for the last alone",
		needs:   []feature{codeFlow, certificateBound, publicClients, refreshing},
		run: func(p *probe) {
			c := p.client(public(), with("tls_client_certificate_bound_access_tokens", true))
			c.dpop = nil
			certificate := p.certificate()
			c.present(certificate)
			t := c.lastingTokens()
			other := p.certificate()
			refused := func(with string, x *exchange) {
				if x.status == http.StatusOK {
					p.errorf("with %s there are tokens", with)
				} else {
					x.wantError(0, "invalid_grant", "invalid_request", "invalid_client")
				}
			}
			again := func() *exchange { return c.refreshed(t.refresh) }
			refused("another certificate", c.showing(&other, again))
			refused("no certificate", c.showing(nil, again))
			c.got(again())
		},
	},
	{
		ID: "mtls-bound-renewed", Spec: "RFC 8705", Section: "7.1", Level: Should,
		Request: "a confidential client registers a new certificate, and refreshes with that",
		Want:    "tokens that are bound to the new certificate",
		needs:   []feature{codeFlow, selfSigned, certificateBound, refreshing},
		run: func(p *probe) {
			if p.controls().ChangeClient == nil {
				p.notTested("a client's registration has to be changed: see Controls.ChangeClient")
			}
			c := p.bindingByCertificate()
			t := c.lastingTokens()
			renewed := p.certificate()
			key := certificateKey(renewed)
			metadata := claims(c.Metadata).changed(claims{"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}})
			if err := p.controls().ChangeClient(p.ctx, c.ID, metadata); err != nil {
				p.failf("Controls.ChangeClient: %v", err)
			}
			c.refreshed(t.refresh).wantError(0, "invalid_client")
			c.present(renewed)
			if got := c.got(c.refreshed(t.refresh)).confirmation()["x5t#S256"]; got != certificateThumbprint(renewed) {
				p.failf("cnf x5t#S256 is %v, want the hash of the new certificate", got)
			}
		},
	},
}
