package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/handlers/protect"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// issuedCertificate makes a certificate for a name, by a parent or by itself.
func issuedCertificate(t testing.TB, name string, parent *tls.Certificate, usage ...x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: usage,
		IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	issuer, signer := template, any(key)
	if parent != nil {
		issuer, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func poolOf(c tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return pool
}

// mtlsHost is a host whose clients authenticate by certificate, with an API.
type mtlsHost struct {
	*httptest.Server
	ca, client, selfSigned, stranger tls.Certificate
}

func newMTLSHost(t *testing.T, config *tls.Config, configure func(h *mtlsHost, o *handlers.Options)) *mtlsHost {
	t.Helper()
	ca := issuedCertificate(t, "ca.example", nil)
	h := &mtlsHost{
		ca: ca, client: issuedCertificate(t, "client.example", &ca, x509.ExtKeyUsageClientAuth),
		selfSigned: issuedCertificate(t, "client.example", nil), stranger: issuedCertificate(t, "client.example", nil),
	}
	mux := http.NewServeMux()
	h.Server = httptest.NewUnstartedServer(mux)
	var options handlers.Options
	configure(h, &options)
	if config.ClientAuth == tls.VerifyClientCertIfGiven {
		config.ClientCAs = poolOf(ca)
	}
	h.TLS = config
	h.StartTLS()
	t.Cleanup(h.Close)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.selfSigned.Leaf.PublicKey}}})
	if err != nil {
		t.Fatal(err)
	}
	as, err := authz.New(authz.Config{
		Issuer: h.URL, Storage: memory.New(), MutualTLS: true, Scopes: authz.Scopes{"read": "Read"},
		Login: func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") },
		Clients: []authz.Client{
			{ID: "pki", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
				TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSubjectDN: "CN=client.example"},
			{ID: "own", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
				TokenEndpointAuthMethod: "self_signed_tls_client_auth", JWKS: string(keys)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	handlers.Mount(mux, as, options)
	finder := protect.TLSCertificate
	if options.ClientCertHeader != "" {
		finder = protect.ForwardedCertificate(options.ClientCertHeader, options.TrustedProxies...)
	}
	mux.Handle("/api", handlers.ProtectWith(as, protect.Options{Certificate: finder}, "read")(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, protect.TokenFrom(r.Context()).ClientID) })))
	return h
}

// do sends a request over a connection with this certificate, or none.
func (h *mtlsHost) do(t testing.TB, r *http.Request, certificate *tls.Certificate) (int, map[string]any) {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(h.Certificate())
	if certificate != nil { // whatever authorities the server names
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	var body map[string]any
	json.NewDecoder(answer.Body).Decode(&body)
	return answer.StatusCode, body
}

func (h *mtlsHost) token(t testing.TB, client string, certificate *tls.Certificate, headers ...string) (int, string) {
	t.Helper()
	r, _ := http.NewRequest(http.MethodPost, h.URL+"/oauth2/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "client_id": {client}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	status, body := h.do(t, r, certificate)
	token, _ := body["access_token"].(string)
	return status, token
}

func (h *mtlsHost) api(t testing.TB, token string, certificate *tls.Certificate, headers ...string) int {
	t.Helper()
	r, _ := http.NewRequest(http.MethodGet, h.URL+"/api", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	status, _ := h.do(t, r, certificate)
	return status
}

// Over real TLS connections, with each of the ways in which a listener may ask.
func TestRFC8705_Section2_over_TLS(t *testing.T) {
	for name, test := range map[string]struct {
		ask                             tls.ClientAuthType
		ourCAs                          bool
		pki, own, stranger, none, pkiBy int // statuses; 0: no handshake
	}{
		"not asked":          {tls.NoClientCert, true, 401, 401, 401, 401, 401},
		"asked":              {tls.RequestClientCert, false, 401, 200, 401, 401, 401},
		"asked, our CAs":     {tls.RequestClientCert, true, 200, 200, 401, 401, 401},
		"verified":           {tls.VerifyClientCertIfGiven, false, 200, 0, 0, 401, 0},
		"verified, our CAs":  {tls.VerifyClientCertIfGiven, true, 200, 0, 0, 401, 0},
		"verified, other CA": {tls.RequireAndVerifyClientCert, false, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{ClientAuth: test.ask}
			h := newMTLSHost(t, config, func(h *mtlsHost, o *handlers.Options) {
				if test.ourCAs {
					o.ClientCAs = poolOf(h.ca)
				}
				if test.ask == tls.RequireAndVerifyClientCert {
					config.ClientCAs = x509.NewCertPool()
				}
			})
			forServers := issuedCertificate(t, "client.example", &h.ca, x509.ExtKeyUsageServerAuth)
			for what, c := range map[string]struct {
				client      string
				certificate *tls.Certificate
				want        int
			}{
				"pki": {"pki", &h.client, test.pki}, "own": {"own", &h.selfSigned, test.own},
				"pki with a self-signed one of the name": {"pki", &h.stranger, test.stranger},
				"own with another's":                     {"own", &h.stranger, test.stranger},
				"pki without":                            {"pki", nil, test.none},
				"pki with one for servers":               {"pki", &forServers, test.pkiBy},
			} {
				if got, _ := h.token(t, c.client, c.certificate); got != c.want {
					t.Errorf("%s: %d, want %d", what, got, c.want)
				}
			}
		})
	}
}

// RFC 8705 §3: what is bound opens the API with its certificate alone.
func TestRFC8705_Section3_over_TLS(t *testing.T) {
	h := newMTLSHost(t, &tls.Config{ClientAuth: tls.RequestClientCert}, func(h *mtlsHost, o *handlers.Options) { o.ClientCAs = poolOf(h.ca) })
	status, token := h.token(t, "pki", &h.client)
	if status != 200 || token == "" {
		t.Fatal(status)
	}
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		want        int
	}{"its own": {&h.client, 200}, "another": {&h.selfSigned, 401}, "none": {nil, 401}} {
		if got := h.api(t, token, c.certificate); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	// In another process it is the same, by the published keys.
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AddCert(h.Certificate())
	verifier, err := resource.JWKS(resource.JWKSConfig{Issuer: h.URL, Audience: h.URL, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trusted}}})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := protect.Require(verifier, protect.Options{Audience: h.URL})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for certificate, want := range map[*x509.Certificate]int{h.client.Leaf: 200, h.selfSigned.Leaf: 401} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
		w := httptest.NewRecorder()
		if elsewhere.ServeHTTP(w, r); w.Code != want {
			t.Errorf("elsewhere: %d, want %d", w.Code, want)
		}
	}
	sum := sha256.Sum256(h.client.Leaf.Raw)
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if want := `"cnf":{"x5t#S256":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`; !strings.Contains(string(claims), want) {
		t.Errorf("%s lacks %s", claims, want)
	}
}

func byteSequence(c tls.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Leaf.Raw) + ":"
}

func escapedPEM(c tls.Certificate) string {
	return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw})))
}

// RFC 9440 §2.2, §4: a header counts if a proxy of ours says so, and nothing else does then.
func TestRFC9440(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	strangers := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	var cas bool
	host := func(trusted []netip.Prefix) *mtlsHost {
		return newMTLSHost(t, &tls.Config{ClientAuth: tls.RequestClientCert}, func(h *mtlsHost, o *handlers.Options) {
			o.ClientCertHeader, o.TrustedProxies = "Client-Cert", trusted
			if cas {
				o.ClientCAs = poolOf(h.ca)
			}
		})
	}
	cas = true
	h := host(proxies)
	const header = "Client-Cert"
	for name, c := range map[string]struct {
		client     string
		connection *tls.Certificate
		headers    []string
		want       int
	}{
		"pki":                         {"pki", nil, []string{header, byteSequence(h.client)}, 200},
		"pki, PEM":                    {"pki", nil, []string{header, escapedPEM(h.client)}, 200},
		"own":                         {"own", nil, []string{header, byteSequence(h.selfSigned)}, 200},
		"pki, self-signed":            {"pki", nil, []string{header, byteSequence(h.stranger)}, 401},
		"own, another's":              {"own", nil, []string{header, escapedPEM(h.stranger)}, 401},
		"the proxy's own certificate": {"pki", &h.client, nil, 401},
		"empty":                       {"pki", &h.client, []string{header, ""}, 401},
		"another header":              {"pki", nil, []string{"X-Client-Cert", byteSequence(h.client)}, 401},
		"twice":                       {"pki", nil, []string{header, byteSequence(h.client), header, byteSequence(h.client)}, 400},
		"rubbish":                     {"pki", nil, []string{header, "rubbish"}, 400},
		"sequence without an end":     {"pki", nil, []string{header, strings.TrimSuffix(byteSequence(h.client), ":")}, 400},
		"not a certificate":           {"pki", nil, []string{header, ":AAAA:"}, 400},
		"two in PEM":                  {"pki", nil, []string{header, escapedPEM(h.client) + escapedPEM(h.client)}, 400},
		"a key in PEM":                {"pki", nil, []string{header, strings.ReplaceAll(escapedPEM(h.client), "CERTIFICATE", "PRIVATE%20KEY")}, 400},
		"64 KB":                       {"pki", nil, []string{header, ":" + strings.Repeat("A", 64<<10) + ":"}, 400},
	} {
		if got, _ := h.token(t, c.client, c.connection, c.headers...); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	_, token := h.token(t, "own", nil, header, byteSequence(h.selfSigned))
	for name, c := range map[string]struct {
		header string
		want   int
	}{"its own": {byteSequence(h.selfSigned), 200}, "another": {byteSequence(h.client), 401}, "none": {"", 401}, "rubbish": {"x", 401}} {
		if got := h.api(t, token, &h.selfSigned, header, c.header); got != c.want {
			t.Errorf("the API, %s: %d, want %d", name, got, c.want)
		}
	}

	// Nobody else is believed, and judged by its connection.
	h = host(strangers)
	if got, _ := h.token(t, "own", nil, header, byteSequence(h.selfSigned)); got != 401 {
		t.Errorf("a header of a stranger: %d", got)
	}
	if got, _ := h.token(t, "own", &h.selfSigned, header, byteSequence(h.stranger)); got != 200 {
		t.Errorf("a direct connection beside proxies: %d", got)
	}

	// A header says nothing of whether anybody has verified it.
	cas = false
	h = host(proxies)
	if got, _ := h.token(t, "pki", nil, header, byteSequence(h.client)); got != 401 {
		t.Errorf("without ClientCAs: %d", got)
	}
}

func TestClientCertHeaderNeedsProxies(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "TrustedProxies") {
			t.Errorf("%v", p)
		}
	}()
	h := newHost(t, handlers.Options{})
	handlers.Token(h.Server.Server, handlers.Options{ClientCertHeader: "Client-Cert"})
}
