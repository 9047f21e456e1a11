package authz_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

func mutualTLS(c *authz.Config) { c.MutualTLS = true }

// certificate makes a self-signed one, valid for a year of the test clock.
func certificate(t testing.TB, key crypto.Signer, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client.example"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if edit != nil {
		edit(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return must(x509.ParseCertificate(der))(t)
}

func thumbprintOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func presenting(c *x509.Certificate, verified bool, edits ...edit) *authz.Request {
	return &authz.Request{
		Parameters:  form(edits, "grant_type", "client_credentials", "client_id", keyClient),
		Certificate: c, CertificateVerified: verified,
	}
}

func (s *server) presented(t testing.TB, req *authz.Request) string {
	t.Helper()
	_, err := s.Token(t.Context(), req)
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(refusedWith(t, err), "invalid_client ")
}

// tls_client_auth: the chain was verified, and the subject is the registered one.
func TestRFC8705_Section2_1(t *testing.T) {
	full := certificate(t, p256, func(c *x509.Certificate) {
		c.DNSNames = []string{"client.example", "b.example"}
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/client"}}
		c.IPAddresses = []net.IP{net.ParseIP("192.0.2.7"), net.ParseIP("2001:db8::7")}
		c.EmailAddresses = []string{"ops@client.example"}
	})
	type c = authz.Client
	const mismatch = "certificate_subject_mismatch"
	for name, test := range map[string]struct {
		edit func(*c)
		want string
	}{
		"dn":                {func(c *c) { c.TLSClientAuthSubjectDN = "CN=client.example" }, ""},
		"dn, another":       {func(c *c) { c.TLSClientAuthSubjectDN = "CN=other.example" }, mismatch},
		"dn, more":          {func(c *c) { c.TLSClientAuthSubjectDN = "CN=client.example,O=Example" }, mismatch},
		"dn, a SAN":         {func(c *c) { c.TLSClientAuthSubjectDN = "CN=b.example" }, mismatch},
		"dns":               {func(c *c) { c.TLSClientAuthSANDNS = "B.example" }, ""},
		"dns, part of it":   {func(c *c) { c.TLSClientAuthSANDNS = "example" }, mismatch},
		"dns, wildcard":     {func(c *c) { c.TLSClientAuthSANDNS = "*.example" }, mismatch},
		"uri":               {func(c *c) { c.TLSClientAuthSANURI = "spiffe://example/client" }, ""},
		"uri, longer":       {func(c *c) { c.TLSClientAuthSANURI = "spiffe://example/client/" }, mismatch},
		"ip":                {func(c *c) { c.TLSClientAuthSANIP = "192.0.2.7" }, ""},
		"ip, v6":            {func(c *c) { c.TLSClientAuthSANIP = "2001:DB8:0::7" }, ""},
		"ip, mapped":        {func(c *c) { c.TLSClientAuthSANIP = "::ffff:192.0.2.7" }, ""},
		"ip, another":       {func(c *c) { c.TLSClientAuthSANIP = "192.0.2.8" }, mismatch},
		"email":             {func(c *c) { c.TLSClientAuthSANEmail = "ops@client.example" }, ""},
		"email, another":    {func(c *c) { c.TLSClientAuthSANEmail = "ops@other.example" }, mismatch},
		"dns in the e-mail": {func(c *c) { c.TLSClientAuthSANEmail = "client.example" }, mismatch},
	} {
		s := newServer(t, mutualTLS)
		client := c{ID: keyClient, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "tls_client_auth"}
		test.edit(&client)
		s.register(t, client)
		if got := s.presented(t, presenting(full, true)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		// §7.3: a name in a certificate that nobody vouches for is nobody's.
		if got := s.presented(t, presenting(full, false)); got != "certificate_unverified" {
			t.Errorf("%s, unverified: %q", name, got)
		}
	}
}

func TestRFC8705_Section2(t *testing.T) {
	s := newServer(t, mutualTLS)
	client := authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
		TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSANDNS: "client.example"}
	s.register(t, client)
	good := certificate(t, p256, func(c *x509.Certificate) { c.DNSNames = []string{"client.example"} })
	const method = "auth_method_not_registered"
	for name, test := range map[string]struct {
		req  *authz.Request
		want string
	}{
		"good":             {presenting(good, true), ""},
		"no certificate":   {presenting(nil, false), "certificate_missing"},
		"verified nothing": {presenting(nil, true), "certificate_missing"},
		"no client_id":     {presenting(good, true, drop("client_id")), "client_missing"}, // §2: it must be sent
		"another client":   {presenting(good, true, set("client_id", web)), method},
		"a public client":  {presenting(good, true, set("client_id", spa)), "unauthorized_client grant_type_not_allowed"},
		"and a secret":     {presenting(good, true, set("client_secret", "x")), method},
		"and an assertion": {presenting(good, true, set("client_assertion", s.assert(t, assertion{})), set("client_assertion_type", jwtBearer)), method},
		"expired":          {presenting(certificate(t, p256, func(c *x509.Certificate) { c.NotAfter = s.clock.Now().Add(-time.Hour) }), true), "certificate_not_valid_now"},
		"of the future":    {presenting(certificate(t, p256, func(c *x509.Certificate) { c.NotBefore = s.clock.Now().Add(time.Hour) }), true), "certificate_not_valid_now"},
	} {
		if got := s.presented(t, test.req); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	// A certificate is not a second method: it is there for tokens to be bound to.
	req := request(service, form(nil, "grant_type", "client_credentials"))
	req.Certificate = good
	must(s.Token(t.Context(), req))(t)

	// A host's own storage may hold a client that the configuration has nothing for.
	plain := newServer(t)
	plain.register(t, testKeyClient())
	plain.change(t, keyClient, func(c *authz.Client) { *c = client })
	if got := plain.presented(t, presenting(good, true)); got != "auth_method_not_supported" {
		t.Errorf("without MutualTLS: %q", got)
	}
}

// self_signed_tls_client_auth: the key is a registered one, and nothing else counts.
func TestRFC8705_Section2_2(t *testing.T) {
	k := newKeyServer(t)
	for _, where := range []string{"jwks", "jwks_uri"} {
		s := newServer(t, mutualTLS, func(c *authz.Config) { c.HTTPClient = k.Client() })
		client := testKeyClient()
		client.TokenEndpointAuthMethod = "self_signed_tls_client_auth"
		if where == "jwks_uri" {
			client.JWKS, client.JWKSURI = "", k.URL
		}
		s.register(t, client)
		k.publish("")
		if where == "jwks_uri" {
			if got := s.presented(t, presenting(certificate(t, p256, nil), false)); got != "temporarily_unavailable client_keys_unavailable" {
				t.Errorf("%s, keys unavailable: %q", where, got)
			}
			s.clock.Advance(time.Minute)
		}
		k.publish(jwks(rsa2048, p256, ed25519Key))
		if where == "jwks" {
			s.change(t, keyClient, func(c *authz.Client) { c.JWKS = jwks(rsa2048, p256, ed25519Key) })
		}
		for name, test := range map[string]struct {
			cert *x509.Certificate
			want string
		}{
			"EC":      {certificate(t, p256, nil), ""},
			"renewed": {certificate(t, p256, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(2) }), ""},
			"RSA":     {certificate(t, rsa2048, nil), ""},
			"Ed25519": {certificate(t, ed25519Key, nil), ""},
			"another": {certificate(t, otherP256, nil), "certificate_key_unknown"},
			"expired": {certificate(t, p256, func(c *x509.Certificate) { c.NotAfter = s.clock.Now().Add(-time.Hour) }), "certificate_not_valid_now"},
		} {
			for _, verified := range []bool{false, true} {
				if got := s.presented(t, presenting(test.cert, verified)); got != test.want {
					t.Errorf("%s, %s: %q, want %q", where, name, got, test.want)
				}
			}
		}
	}
}

// Tokens of a client that authenticates by certificate, or wants them so, are bound to it.
func TestRFC8705_Section3(t *testing.T) {
	cert := certificate(t, p256, nil)
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, mutualTLS, func(c *authz.Config) { c.AccessTokenFormat = format })
		selfSigned := testKeyClient()
		selfSigned.TokenEndpointAuthMethod = "self_signed_tls_client_auth"
		s.register(t, selfSigned)
		cnf := func(token string) any {
			t.Helper()
			answer := must(s.Introspect(t.Context(), request(rs, form(nil, "token", token))))(t)
			if answer["active"] != true || answer["token_type"] != "Bearer" {
				t.Fatalf("%v", answer)
			}
			claim, _ := answer["cnf"].(map[string]any)
			return claim["x5t#S256"]
		}
		tokens := must(s.Token(t.Context(), presenting(cert, false)))(t)
		if got := cnf(tokens.AccessToken); got != thumbprintOf(cert) || tokens.TokenType != "Bearer" {
			t.Errorf("by certificate: %v, %s", got, tokens.TokenType)
		}
		// §3.4: with any method, for a client that is registered for it.
		req := request(service, form(nil, "grant_type", "client_credentials"))
		req.Certificate = cert
		if got := cnf(must(s.Token(t.Context(), req))(t).AccessToken); got != nil {
			t.Errorf("not registered: %v", got)
		}
		s.change(t, service, func(c *authz.Client) { c.TLSClientCertificateBoundAccessTokens = true })
		if got := cnf(must(s.Token(t.Context(), req))(t).AccessToken); got != thumbprintOf(cert) {
			t.Errorf("registered: %v", got)
		}
		_, err := s.own()
		wantRefusal(t, err, "invalid_request certificate_missing")
		// The code is not used up by a request without.
		s.change(t, web, func(c *authz.Client) { c.TLSClientCertificateBoundAccessTokens = true })
		code := s.code(t, web)
		_, err = s.redeem(web, code)
		wantRefusal(t, err, "invalid_request certificate_missing")
		req = redemption(web, code)
		req.Certificate = cert
		tokens = must(s.Token(t.Context(), req))(t)
		if got := cnf(tokens.AccessToken); got != thumbprintOf(cert) {
			t.Errorf("code: %v", got)
		}
		// A confidential client may get itself another certificate (§7.1).
		req = request(web, form(nil, "grant_type", "refresh_token", "refresh_token", tokens.RefreshToken))
		req.Certificate = certificate(t, otherP256, nil)
		if got := cnf(must(s.Token(t.Context(), req))(t).AccessToken); got != thumbprintOf(req.Certificate) {
			t.Errorf("refresh: %v", got)
		}
	}
}

// §4, §7.1: the refresh token of a public client is bound to its certificate.
func TestRFC8705_Section7_1(t *testing.T) {
	s := newServer(t, mutualTLS)
	s.change(t, spa, func(c *authz.Client) { c.TLSClientCertificateBoundAccessTokens = true })
	cert, other := certificate(t, p256, nil), certificate(t, otherP256, nil)
	req := redemption(spa, s.code(t, spa, set("scope", "read offline_access")))
	req.Certificate = cert
	tokens := must(s.Token(t.Context(), req))(t)
	refresh := func(token string, c *x509.Certificate) (*authz.TokenResponse, error) {
		req := request(spa, form(nil, "grant_type", "refresh_token", "refresh_token", token))
		req.Certificate = c
		return s.Token(context.Background(), req)
	}
	const another = "invalid_grant refresh_token_bound_to_another_key"
	_, err := refresh(tokens.RefreshToken, other)
	wantRefusal(t, err, another)
	_, err = refresh(tokens.RefreshToken, nil)
	wantRefusal(t, err, "invalid_request certificate_missing")
	next := must(refresh(tokens.RefreshToken, cert))(t)
	// Whoever does not hold the key gets no answer again, and ends nothing with a replay.
	_, err = refresh(tokens.RefreshToken, other)
	wantRefusal(t, err, another)
	s.clock.Advance(time.Minute)
	_, err = refresh(tokens.RefreshToken, other)
	wantRefusal(t, err, another)
	// Nor is the token set free by taking the client's flag away.
	s.change(t, spa, func(c *authz.Client) { c.TLSClientCertificateBoundAccessTokens = false })
	_, err = refresh(next.RefreshToken, nil)
	wantRefusal(t, err, another)
	next = must(refresh(next.RefreshToken, cert))(t)
	if !s.live(next.AccessToken) {
		t.Error("the grant has ended")
	}
}

// RFC 4514: the order, the types and the escapes of a name.
func TestRFC4514(t *testing.T) {
	uid := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	cert := certificate(t, p256, func(c *x509.Certificate) {
		c.RawSubject = must(asn1.Marshal(pkix.RDNSequence{
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: `Ex, "am" + ple\ #1; <ü>`}},
			{{Type: uid, Value: "7"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: " client "}},
		}))(t)
	})
	const o = `O=Ex\, \"am\" \+ ple\\ #1\; \<ü\>`
	for dn, want := range map[string]string{
		`CN=\ client\ +UID=7,` + o + `,C=DE`:                                        "",
		`UID=7+CN=\ client\ ,` + o + `,C=DE`:                                        "",
		`cn=\20client\20+uid=7, ` + o + `, c=DE`:                                    "",
		`2.5.4.3=\ client\ +0.9.2342.19200300.100.1.1=7,` + o + `,2.5.4.6=DE`:       "",
		`CN=\ client\ +UID=7,O=Ex\2C \22am\22 \2B ple\5C \231\3B \3C\C3\BC\3E,C=DE`: "",
		`CN=#0c0820636c69656e7420+UID=7,` + o + `,C=#13024445`:                      "",
		`C=DE,` + o + `,CN=\ client\ +UID=7`:                                        "certificate_subject_mismatch", // the other way round
		`CN=\ client\ ,UID=7,` + o + `,C=DE`:                                        "certificate_subject_mismatch",
		`CN=\ client\ +UID=7,` + o + `,C=de`:                                        "certificate_subject_mismatch",
		`CN=\ client\ ,` + o + `,C=DE`:                                              "certificate_subject_mismatch",
		`CN=\ client\ +UID=7,` + o + `,C=DE,C=DE`:                                   "certificate_subject_mismatch",
		`C=DE`: "certificate_subject_mismatch",
	} {
		s := newServer(t, mutualTLS)
		s.register(t, authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSubjectDN: dn})
		if got := s.presented(t, presenting(cert, true)); got != want {
			t.Errorf("%s: %q, want %q", dn, got, want)
		}
	}
	s := newServer(t, mutualTLS)
	for _, dn := range []string{
		"CN", "=x", "CN=x,", "CN=x,,O=y", "CN=x+", ",CN=x", "XX=x", "2.=x", "2.05=x", "2=x", "CN= x", "CN=x ", "CN=x ,O=y", `CN=x\`, `CN=\x`,
		`CN=\0`, `CN=a"b`, "CN=a;b", "CN=<a>", "CN=a\x00", "CN=#", "CN=#0", "CN=#zz", "CN=#0201ff", "CN=#0c0141ff", "CN=#0c05",
	} {
		err := s.RegisterClient(t.Context(), authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSubjectDN: dn})
		if err == nil || !strings.Contains(err.Error(), "TLSClientAuthSubjectDN") {
			t.Errorf("%q: %v", dn, err)
		}
	}
}

// FuzzDistinguishedName: a name that is taken matches a certificate with the value in it, and
// no other.
func FuzzDistinguishedName(f *testing.F) {
	s := newServer(f, mutualTLS, quiet)
	plain := certificate(f, p256, nil)
	for _, seed := range []string{"CN=client.example", "cn=client.example,", `CN=client\2Eexample`, "CN=#0c0e636c69656e742e6578616d706c65", "2.5.4.3=client.example", "O=x+CN=client.example", `CN=\`, "CN=#", " CN=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		if dn == "" {
			return
		}
		err := s.RegisterClient(t.Context(), authz.Client{ID: keyClient, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSubjectDN: dn})
		if err != nil {
			return
		}
		if got := s.presented(t, presenting(plain, true)); got == "" && !strings.Contains(dn, "=") {
			t.Errorf("%q matches", dn)
		} else if got != "" && got != "certificate_subject_mismatch" {
			t.Errorf("%q: %s", dn, got)
		}
	})
}

// FuzzClientAssertion: nothing but what the client's key has signed authenticates it.
func FuzzClientAssertion(f *testing.F) {
	s := newServer(f, quiet)
	s.register(f, testKeyClient())
	jwt := s.assert(f, assertion{})
	parts := strings.Split(jwt, ".")
	for _, seed := range []string{"", "..", jwt, jwt + ".", parts[0] + "." + parts[1] + ".", encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		encode(`{"alg":"ES256","crit":["b64"],"b64":false}`) + "." + parts[1] + "." + parts[2], parts[0] + "." + encode(`{"iss":1}`) + "." + parts[2],
		`{"payload":"","signatures":[]}`, encode(`{"alg":"ES256","jwk":{"kty":"EC"}}`) + "." + parts[1] + "." + parts[2]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		_, err := s.Token(t.Context(), asserting(sent))
		if err == nil {
			if sent != jwt {
				t.Errorf("%q authenticates", sent)
			}
			return
		}
		if got := refusedWith(t, err); !strings.HasPrefix(got, "invalid_client ") && !strings.HasPrefix(got, "invalid_request parameter_") {
			t.Errorf("%q: %s", sent, got)
		}
	})
}

// FuzzJWKS: whatever a client registers, its keys are either refused or of use, and those of
// others never are.
func FuzzJWKS(f *testing.F) {
	s := newServer(f, quiet)
	for _, seed := range []string{jwks(p256), jwks(rsa2048, ed25519Key), `{"keys":[` + privateJWK + `]}`, `{"keys":null}`, `{"keys":[null]}`, `[]`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","x5c":["AA"]}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, set string) {
		c := testKeyClient()
		c.JWKS = set
		if s.RegisterClient(t.Context(), c) != nil {
			return
		}
		if got := s.asserted(t, s.assert(t, assertion{alg: "ES256", key: otherP256})); got != "assertion_signature_invalid" {
			t.Errorf("%q: %q", set, got)
		}
	})
}
