package self

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// authority vouches for the site's own certificate.
type authority struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("self: %w", err)
	}
	host := func() []string { return []string{"localhost", documentsOrigin[len("https://"):]} }
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conformance"}, DNSNames: host(),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("self: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("self: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots}, nil
}

// vouch makes a certificate for a client with tls_client_auth.
func (a *authority) vouch(subject pkix.Name) (certificatePEM, keyPEM string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("self: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(20 * 365 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate.Leaf, key.Public(), a.certificate.PrivateKey)
	if err != nil {
		return "", "", fmt.Errorf("self: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("self: %w", err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", private), nil
}

func (a *authority) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.certificate}, MinVersion: tls.VersionTLS12}
}

func (a *authority) client() *tls.Config {
	return &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12}
}

// outbound is how the server fetches: it finds the suite's documents by their name, and
// nothing else.
type outbound struct {
	inner *http.Transport

	mu   sync.Mutex
	urls []string
}

func newOutbound(a *authority, address string) *outbound {
	name := net.JoinHostPort(documentsOrigin[len("https://"):], "443")
	return &outbound{inner: &http.Transport{TLSClientConfig: a.client(), DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		if to != name {
			return nil, fmt.Errorf("self: %s is nowhere", to)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
}

// RoundTrip is http.RoundTripper.
func (o *outbound) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.urls = append(o.urls, r.URL.String())
	o.mu.Unlock()
	return o.inner.RoundTrip(r)
}

func (o *outbound) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.urls)
}

// trustedIssuer is somebody else whose JWTs the server takes.
type trustedIssuer struct{ name, public, private string }

func newTrustedIssuer() (*trustedIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("self: %w", err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "partner", Algorithm: "ES256", Use: "sig"}
	t := &trustedIssuer{name: "https://partner.example"}
	for _, one := range []struct {
		into *string
		key  jose.JSONWebKey
	}{{&t.private, jwk}, {&t.public, jwk.Public()}} {
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{one.key}})
		if err != nil {
			return nil, fmt.Errorf("self: %w", err)
		}
		*one.into = string(text)
	}
	return t, nil
}
